"""A ledger whose rows are damaged or lost, written again from what is left of it and what the registry noted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from declaration.errors import DriftlineError
from feature_repo.table_damage import fault_of
from resources.lake.commits import NOT_THERE, Overtaken, Write, write_once
from resources.lake.files import read_batches
from resources.lake.lake import Lake
from resources.model_registry.ledger import LEDGER, as_rows
from resources.model_registry.ledger_chain import (
    BEGINNING,
    OWN,
    PREVIOUS,
    Head,
    chained,
    contents,
    row_sha256,
)
from resources.model_registry.ledger_notes import noted_head, noted_rows
from resources.model_registry.registry import ModelRegistry

Row = Mapping[str, Any]


class LedgerRepairError(DriftlineError):
    """A ledger cannot be written again as it was."""


def recovered(lake: Lake, registry: ModelRegistry, pipeline: str, claimed: Head | None) -> list[Row] | None:
    """Return a ledger's rows as they were, each proven by the chain; None where some cannot be had.

    Parameters
    ----------
    lake, registry, pipeline
        Whose table, and where the notes are.
    claimed
        A head that somebody else knows; the rows must reach it.
    """
    left = list(_rows_left(lake, pipeline))
    rows = sorted(
        (row for row in left if row[OWN] is None), key=lambda row: (row["sequence"], row["instant"])
    )
    candidates: dict[int, list[Row]] = {}
    for number, row in noted_rows(registry, pipeline).items():
        candidates.setdefault(number, []).append(row)
    for row in left:
        if row[OWN] is not None:
            candidates.setdefault(row["sequence"], []).append(row)
    hashes = list(chained(rows))
    while (following := _following(candidates.get(len(rows), ()), hashes)) is not None:
        rows.append(following)
        hashes.append(following[OWN])
    for head in (noted_head(registry, pipeline), claimed):
        if (
            head is not None
            and head.count
            and (len(rows) < head.count or hashes[head.count - 1] != head.sha256)
        ):
            return None
    return rows if rows and len(rows) > max(candidates, default=-1) else None


def _rows_left(lake: Lake, pipeline: str) -> Iterator[Row]:
    """Give the rows of the table's files that are as they were written."""
    table = LEDGER.of(pipeline)
    if not lake.has(table):
        return
    for path in lake.snapshot(table).paths():
        if fault_of(path) is None:
            yield from as_rows(pa.Table.from_batches(read_batches(path)))


def _following(candidates: Sequence[Row], hashes: Sequence[str]) -> Row | None:
    previous = hashes[-1] if hashes else BEGINNING
    for row in candidates:
        (content,) = contents([row])
        if row[PREVIOUS] == previous and row[OWN] == row_sha256(previous, content):
            return row
    return None


def rewrite(lake: Lake, pipeline: str, rows: Sequence[Row]) -> str:
    """Make rows the whole of a ledger, in one commit; earlier versions of the table stay.

    Raises
    ------
    LedgerRepairError
        If another process wrote a decision meanwhile.
    """
    table = LEDGER.of(pipeline)
    at = lake.snapshot(table).version if lake.has(table) else NOT_THERE
    commit = {"pipeline": pipeline, "actor": "driftline.verify"}
    whole = LEDGER.rows(rows)
    try:
        write_once(Write(table, lake.table_path(table), None, True, commit, only_at=at), whole)
    except Overtaken as error:
        raise LedgerRepairError(
            f"ledger of '{pipeline}': another process wrote a decision while the rows were recovered. Try again."
        ) from error
    return f"table '{table}' holds {len(rows)} rows again"
