"""Rows of machines by the hour, for tests of what the offline store reads and writes."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa

START = datetime(2024, 1, 1, tzinfo=UTC)
UTC_US = pa.timestamp("us", tz="UTC")


def hour(number: int) -> datetime:
    return START + timedelta(hours=number)


def rows_of(*rows: tuple[int, int, float]) -> pa.Table:
    """Write rows of machine, hour and value."""
    at = pa.array([hour(row[1]) for row in rows], UTC_US)
    return pa.table(
        {
            "machine": pa.array([row[0] for row in rows], pa.int64()),
            "event_timestamp": at,
            "created_timestamp": at,
            "value": pa.array([row[2] for row in rows], pa.float64()),
        }
    )
