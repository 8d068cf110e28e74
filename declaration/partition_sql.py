"""SQL conditions of a partition's rows, and of the rows that no declared partition takes."""

from __future__ import annotations

from datetime import datetime

from declaration.datasets import DatasetSpec
from declaration.sql import quote_identifier, quote_literal


def event_instant(dataset: DatasetSpec, timezone: str) -> str:
    """Return the SQL of a row's event time as an instant; wall clocks and dates are read in the partitions' zone.

    Examples
    --------
    >>> from declaration.spec import DatasetSpec
    >>> source = {"type": "csv", "path": "a.csv"}
    >>> days = DatasetSpec.model_validate({"source": source, "columns": {"day": "date"}, "event_time": "day"})
    >>> print(event_instant(days, "America/New_York"))
    (CAST("day" AS TIMESTAMP) AT TIME ZONE 'America/New_York')
    """
    if dataset.event_time is None:
        raise ValueError("a reference table has no event time")
    column = quote_identifier(dataset.event_time)
    if dataset.column(dataset.event_time).type == "timestamp_tz":
        return column
    return f"(CAST({column} AS TIMESTAMP) AT TIME ZONE {quote_literal(timezone)})"


def between(instant: str, start: datetime, end: datetime | None) -> str:
    """Return the SQL condition that an instant lies in [start, end), or not before start where there is no end."""
    condition = f"{instant} >= {quote_literal(start.isoformat())}::TIMESTAMPTZ"
    return (
        condition
        if end is None
        else f"{condition} AND {instant} < {quote_literal(end.isoformat())}::TIMESTAMPTZ"
    )
