"""Turns of a partition's rows: as many as fit into part of the memory, joined with features and scored one after another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

import pyarrow as pa

MEMORY_SHARE = 0.25
"""Part of the memory limit that the rows of one turn may take with their features. The join holds them twice for a moment,
beside the engine, which has the whole limit for itself."""

MIN_TURN_ROWS = 10_000
"""Rows of a turn at least: each reads the feature views anew."""


def rows_of_turn(limit_bytes: int, row_bytes: int) -> int:
    """Return how many rows are joined and scored at once.

    Examples
    --------
    >>> rows_of_turn(2_000_000_000, 250)
    2000000
    """
    return max(MIN_TURN_ROWS, int(limit_bytes * MEMORY_SHARE) // max(1, row_bytes))


def in_turns(batches: Iterable[pa.RecordBatch], schema: pa.Schema, n_rows: int) -> Iterator[pa.Table]:
    """Put a stream of rows into tables of so many rows, the last of fewer; one without rows where there are none.

    Examples
    --------
    >>> batches = [pa.record_batch({"x": [1, 2, 3]}), pa.record_batch({"x": [4, 5]})]
    >>> [turn["x"].to_pylist() for turn in in_turns(batches, batches[0].schema, 2)]
    [[1, 2], [3, 4], [5]]
    """
    held: list[pa.RecordBatch] = []
    n_held, is_first = 0, True
    for batch in batches:
        rest = batch
        while n_held + rest.num_rows >= n_rows:
            taken = n_rows - n_held
            yield pa.Table.from_batches([*held, rest.slice(0, taken)], schema)
            held, n_held, is_first, rest = [], 0, False, rest.slice(taken)
        if rest.num_rows:
            held.append(rest)
            n_held += rest.num_rows
    if n_held or is_first:
        yield pa.Table.from_batches(held, schema)


def as_reader(batches: Iterator[pa.Table]) -> pa.RecordBatchReader:
    """Read tables of one schema, of which there is at least one, as a stream; the first is made at once."""
    first = next(batches)
    parts = (part for batch in chain([first], batches) for part in batch.to_batches())
    return pa.RecordBatchReader.from_batches(first.schema, parts)
