"""Decisions that take effect: a row of the ledger, and the model registry's aliases and notes after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from resources.lake.lake import Lake, Snapshot
from resources.locks import database_lock
from resources.model_registry.ledger import (
    Decision,
    Ledger,
    LedgerError,
    aliases_after,
    open_ledger,
    write_decision,
)
from resources.model_registry.ledger_notes import lost_rows, note_head, note_row, noted_head
from resources.model_registry.mlflow_store import store_url
from resources.model_registry.registry import ModelRegistry


@dataclass(frozen=True)
class Enacted:
    """Result of enacting a decision.

    Attributes
    ----------
    ledger
        As it is now.
    decision, written
        The new row, and the ledger's table with it; None where nothing was to be written down.
    """

    ledger: Ledger
    decision: Decision | None = None
    written: Snapshot | None = None


def enact(
    lake: Lake,
    registry: ModelRegistry,
    pipeline: str,
    decide: Callable[[Sequence[Decision]], Decision | None],
    *,
    commit: Mapping[str, str],
) -> Enacted:
    """Decide, write the decision down and let the aliases follow it.

    In this order: aliases that lag behind are pointed again by the next stage that reads the ledger,
    an alias without a row would be nobody's decision.

    Parameters
    ----------
    lake, registry
        Where the ledger is, and the aliases.
    pipeline
        Name of the pipeline.
    decide
        As for `write_decision`: asked anew where another process decided meanwhile.
    commit
        What the lake notes of the commit.
    """
    follow(lake, registry, pipeline)
    ledger, written = write_decision(lake, pipeline, decide, commit=commit)
    if written is None:
        return Enacted(ledger)
    row = ledger.head.count - 1
    return Enacted(follow(lake, registry, pipeline, noting=[row]), ledger.decisions[row], written)


def follow(lake: Lake, registry: ModelRegistry, pipeline: str, *, noting: Sequence[int] = ()) -> Ledger:
    """Make aliases and notes say what the ledger says; return the ledger.

    One process at a time writes them, and reads the ledger when its turn comes: whoever is last has the newest row.

    Parameters
    ----------
    lake, registry, pipeline
        Where the ledger is, the aliases, and whose.
    noting
        Rows that are to be noted beside the newest: where several were added at once, each by who added it.

    Raises
    ------
    LedgerError
        If the ledger lacks rows that were noted.
    """
    ledger, is_behind = _compared(lake, registry, pipeline)
    if not is_behind and not noting:
        return ledger
    # MLflow looks for a tag or an alias and then inserts it: of two at once one fails.
    with database_lock(store_url(registry.tracking_uri), f"ledger/{pipeline}"):
        ledger, is_behind = _compared(lake, registry, pipeline)
        registry.point_aliases(pipeline, aliases_after(ledger.decisions))
        for row in noting:
            note_row(registry, ledger, row)
        if is_behind:
            note_head(registry, ledger)
    return ledger


def _compared(lake: Lake, registry: ModelRegistry, pipeline: str) -> tuple[Ledger, bool]:
    """Read the ledger, and return whether the registry lags behind it."""
    noted = noted_head(registry, pipeline)
    # After the note, which is written after the row: a ledger that is shorter has lost rows.
    ledger = open_ledger(lake, pipeline)
    shortfall = lost_rows(ledger, noted)
    if shortfall:
        raise LedgerError(
            f"ledger of '{pipeline}' in {lake.root} {shortfall}. Nothing is served or decided from it. "
            f"`driftline verify {pipeline} --repair` writes the rows that were noted again; else restore "
            "lake and registry from one backup."
        )
    if not ledger.decisions:
        return ledger, False
    present = registry.aliases(pipeline)
    expected = aliases_after(ledger.decisions)
    return ledger, noted != ledger.head or any(present.get(name) != expected[name] for name in expected)
