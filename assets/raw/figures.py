"""Figures that a reading shows: rows a second, rows of no partition, rows of each day, columns that files lack, a sample."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from assets.raw.reading import Reading
from charts import as_markdown_image, bars
from declaration.partition_sql import between, event_instant
from declaration.partitioning import CalendarPartitions
from declaration.sql import quote_literal, scalar
from sources.read import READ_TABLE, Counts

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


N_SAMPLE = 5
"""Rows that a materialization shows."""


def rows_per_second(n_rows: int, started: float) -> float:
    """Return rows per second of the whole materialization until now."""
    return round(n_rows / max(time.monotonic() - started, 1e-3), 1)


def n_out_of_range(connection: duckdb.DuckDBPyConnection, reading: Reading) -> int:
    """Count rows that no declared partition takes."""
    if reading.window is None:
        return 0
    partitions = reading.partitioning.spec
    zone = ZoneInfo(partitions.timezone)
    first = reading.partitioning.windows(until=reading.window.end)[0].start
    end = partitions.end
    last = end.replace(tzinfo=zone) if end is not None and end.tzinfo is None else end
    inside = between(event_instant(reading.spec, reading.timezone), first, last)
    return int(scalar(connection, f"SELECT count(*) FROM {READ_TABLE} WHERE NOT ({inside})"))


def rows_per_day(connection: duckdb.DuckDBPyConnection, reading: Reading, where: str) -> str:
    """Draw the rows of each day as Markdown; nothing where partitions are no spans of time, or there are no rows."""
    if not reading.spec.is_partitioned or not isinstance(reading.partitioning, CalendarPartitions):
        return ""
    zone = quote_literal(reading.timezone)
    day = f"CAST({event_instant(reading.spec, reading.timezone)} AT TIME ZONE {zone} AS DATE)"
    counts = connection.sql(
        f"SELECT strftime({day}, '%m-%d'), count(*) FROM {READ_TABLE} WHERE {where} GROUP BY {day} ORDER BY {day}"
    ).fetchall()
    if not counts:
        return ""
    chart = bars(
        [(day, float(n)) for day, n in counts], title=f"Rows per day ({reading.timezone})", unit="rows"
    )
    return as_markdown_image(chart, "rows per day")


def absent_columns(counts: Counts, n_files: int) -> Mapping[str, str]:
    """List the optional columns that files lack: their rows have NULL there."""
    lacking = [f"{column} in {n:,} of {n_files:,} files" for column, n in counts.absent.items()]
    return {"absent_columns": ", ".join(lacking)} if lacking else {}


def rows_as_table(rows: pa.Table) -> list[Mapping[str, object]]:
    """Return rows as a materialization shows them: values that JSON has as they are, others as texts."""
    return [
        {
            name: value if isinstance(value, int | float | bool | None) else str(value)
            for name, value in row.items()
        }
        for row in rows.to_pylist()
    ]
