"""Cuts of tables into partitions: recorded with the table, compared before each write."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from declaration.partitioning import Cut, partitioning
from resources.lake.errors import LakeError, way_out

RECORD = "cut"
"""Key in the table's description, which every commit and checkpoint carries on."""

N_SHOWN = 3


def described(cut: Cut) -> str:
    """Write a cut into a table's description."""
    return json.dumps({RECORD: cut.facts}, sort_keys=True)


def recorded(description: str | None) -> Mapping[str, str] | None:
    """Read a cut from a table's description; None where none was recorded."""
    if not description:
        return None
    try:
        record = json.loads(description).get(RECORD)
    except (ValueError, AttributeError):
        return None
    return dict(record) if isinstance(record, dict) else None


def check_cut(table: str, cut: Cut, description: str | None, keys: Iterable[str]) -> None:
    """Refuse to write a table that was cut in another way.

    Raises
    ------
    LakeError
        If it was, or, where nothing was recorded, if its keys are not all of this cut.
    """
    was = recorded(description)
    if was is None:
        strange = sorted(key for key in keys if not partitioning(cut.partitions).is_key(key))
        if strange:
            raise LakeError(
                f"table '{table}': its partitions {', '.join(strange[:N_SHOWN])}{' …' if len(strange) > N_SHOWN else ''} "
                f"are none of {_words(cut.facts)}. {way_out(table, RESTORE)}"
            )
    elif was != cut.facts:
        raise LakeError(
            f"table '{table}' is cut {_words(was)}, and would now be cut {_words(cut.facts)}: its rows would stand "
            f"in partitions of both kinds. {way_out(table, RESTORE)}"
        )


RESTORE = "Restore what was declared, give the pipeline another name"


def _words(facts: Mapping[str, str]) -> str:
    parts = [f"every {facts['every']}"]
    parts += [f"{name} {facts[name]}" for name in ("size", "start", "timezone", "by") if facts.get(name)]
    return " (".join([parts[0], ", ".join(parts[1:])]) + ")" if parts[1:] else parts[0]
