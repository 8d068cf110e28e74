"""Rejects of a reading: refused where they are too many, counted by reason, and kept once beside the rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from assets.raw.figures import rows_as_table
from assets.raw.reading import Reading
from declaration.datasets import DatasetSpec
from declaration.partitioning import LoadPartitions
from declaration.sql import first_row
from declaration.text import one_line
from resources.lake.lake import Snapshot
from sources.engine_errors import repair_of
from sources.read import Counts
from sources.rejects import REJECTS_TABLE, ReadError

if TYPE_CHECKING:
    import duckdb

MAX_KEPT_CHARACTERS = 100_000
"""Characters of one reject that are kept: enough to know it again, too little to fill a lake."""

MAX_REASONS = 20
"""Kinds of reasons that a materialization shows."""

MAX_SHOWN_CHARACTERS = 100
"""Characters of a reject that it shows."""


def check_rejects(
    connection: duckdb.DuckDBPyConnection, spec: DatasetSpec, dataset: str, counts: Counts
) -> None:
    """Refuse a reading of which too many rows are rejects.

    Raises
    ------
    ReadError
        With their share, and the commonest reason with its first line.
    """
    if counts.rejected_share <= spec.source.max_rejected_share:
        return
    # The commonest kind of reason, by its column, with its first line: the rest often only follows.
    file, line, reason = first_row(
        connection,
        f"SELECT source, line, reason FROM (SELECT *, count(*) OVER (PARTITION BY split_part(reason, ':', 1)) AS n "
        f"FROM {REJECTS_TABLE}) ORDER BY n DESC, source, line NULLS LAST, raw_text LIMIT 1",
    )
    at = file if line is None else f"{file}, line {line}"
    raise ReadError(
        f"dataset '{dataset}': {counts.n_rejected:,} of {counts.n_read + counts.n_rejected:,} rows of "
        f"{spec.source.place} cannot be read ({counts.rejected_share:.2%}, max_rejected_share is "
        f"{spec.source.max_rejected_share:.2%}). For example {at}: {one_line(reason).rstrip('.')}. {repair_of(reason)}"
    )


def rejects_by_reason(connection: duckdb.DuckDBPyConnection) -> list[Mapping[str, object]]:
    """Count rejects by column and kind of reason, the most frequent first, each with its first line and text."""
    kind = "regexp_extract(reason, '^[^:]*(: [^:;]*)?')"
    counts = connection.sql(
        f"SELECT {kind} AS reason, count(*) AS n, arg_min(source, coalesce(line, 0)) AS source, min(line) AS line, "
        f"arg_min({_cut('raw_text', MAX_SHOWN_CHARACTERS)}, coalesce(line, 0)) AS raw_text FROM {REJECTS_TABLE} "
        f"GROUP BY ALL ORDER BY n DESC, 1 LIMIT {MAX_REASONS}"
    )
    return rows_as_table(counts.to_arrow_table())


def write_rejects(connection: duckdb.DuckDBPyConnection, reading: Reading) -> Snapshot:
    """Keep the rejects once: with their partition's file, or, where all partitions read one source, under the first.

    A row that could not be read belongs to no partition. Every partition of such a source sees all of its
    rejects, so whichever runs first on a new content writes them and the others leave them. Where the first
    partition is another one than before, they move.
    """
    table, partition = reading.rejects_table, reading.run.scope.partition
    is_load = isinstance(reading.partitioning, LoadPartitions)
    is_alone = reading.window is not None and reading.is_whole_source and not is_load
    if reading.window is not None and is_alone:
        partition = reading.partitioning.windows(until=reading.window.end)[0].key
        if reading.is_current(table):
            snapshot = reading.lake.snapshot(table)
            if set(snapshot.partitions) <= {partition}:
                return snapshot
    rows = connection.sql(
        f"SELECT source, line, {_cut('raw_text')} AS raw_text, {_cut('reason')} AS reason "
        f"FROM {REJECTS_TABLE} ORDER BY source, line, raw_text"
    ).to_arrow_table()
    return reading.lake.write(
        table, rows, partition=partition, commit=reading.commit, cut=reading.cut, is_alone=is_alone
    )


def _cut(text: str, most: int = MAX_KEPT_CHARACTERS) -> str:
    """Return the SQL of a text without the characters beyond the most: its line says where to find it."""
    return (
        f"CASE WHEN length({text}) > {most} THEN concat(left({text}, {most}), "
        f"'… (', length({text}), ' characters)') ELSE {text} END"
    )
