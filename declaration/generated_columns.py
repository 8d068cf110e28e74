"""Columns that Driftline makes for tables that lack a clock or a key: a row's place, and a clock made of it.

Everything downstream (point-in-time joins, holdouts by time, blocks of time) needs an instant for
each row. A source with only an order gets one minute a row; a snapshot gets one day a load, over
which its rows are spread by a hash of their key: a split by time is then a random split, and the same
row falls on the same side in every load.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Literal

ROW_NUMBER = "row_number"
"""A row's place in its source, from 0."""

ROW_TIME = "row_time"
"""Instant made of a row's place: row n comes n minutes after the partitions' start."""

LOAD_TIME = "load_time"
"""Instant made of the load that a row came with, and of a hash of its key."""

ROW_STEP = timedelta(minutes=1)
"""Time between two rows: an hour's block then holds 60 rows, a day's 1,440."""

LOAD_STEP = timedelta(days=1)
"""Time between two loads."""

PLACE = "_driftline_row"
"""Column of the relation that is read: the row's place."""

LOAD = "_driftline_load"
"""Column of the relation that is read: the number of the load, from 0."""

MADE: Mapping[str, Literal["int", "timestamp_tz"]] = {
    ROW_NUMBER: "int",
    ROW_TIME: "timestamp_tz",
    LOAD_TIME: "timestamp_tz",
}
"""Made columns and their types."""

ORIGIN = "TIMESTAMPTZ '2000-01-01 00:00:00+00'"
"""The partitions' start with `every: rows` and `every: load`."""


def made_sql(name: str, key: Sequence[str]) -> str:
    """Return the expression of a made column, over the relation that is read."""
    if name == ROW_NUMBER:
        return PLACE
    if name == ROW_TIME:
        return f"{ORIGIN} + to_minutes({PLACE})"
    parts = [f"coalesce(CAST({_quoted(column)} AS VARCHAR), '')" for column in key if column != LOAD_TIME]
    digest = f"md5(concat_ws(chr(31), {', '.join(parts) or f'CAST({PLACE} AS VARCHAR)'}))"
    # 32 bits of the digest as a share of a day, in milliseconds: whole numbers, the same on every engine.
    share = f"CAST(concat('0x', substr({digest}, 1, 8)) AS BIGINT) * 86400000 // 4294967296"
    return f"{ORIGIN} + to_days(CAST({LOAD} AS INTEGER)) + to_microseconds(1000 * ({share}))"


def _quoted(name: str) -> str:
    # As `declaration.sql.quote_identifier`, which stands above the spec.
    return '"' + name.replace('"', '""') + '"'
