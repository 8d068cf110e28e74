"""Rows of a forecast that is asked for: how far ahead each lies, and its place within the season."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from declaration.forecast import HORIZON, added_columns, event_instant_of, hours
from declaration.spec import PipelineSpec
from declaration.sql import quote_identifier, quote_literal
from declaration.target_sql import target_event_time
from serving.request_rows import RequestRowsError

if TYPE_CHECKING:
    import duckdb

ASKED = "driftline_asked"
AHEAD = "_driftline_ahead"


def with_forecast_columns(
    connection: duckdb.DuckDBPyConnection, rows: pa.Table, spec: PipelineSpec, now: datetime
) -> pa.Table:
    """Add what a forecast adds to the rows that are predicted; other targets' rows come back as they are.

    Of several horizons a row has the shortest that is as long as the time to its event.

    Parameters
    ----------
    connection
        Engine in UTC.
    rows
        The columns that are read, in their declared types.
    spec
        The declaration.
    now
        The instant of the question.

    Raises
    ------
    RequestRowsError
        If an event lies farther ahead than the longest horizon: nothing was learned of that.
    """
    target = spec.learned
    event_time = target_event_time(spec)
    added = added_columns(spec, event_time)
    if not target.horizon and not added:
        return rows
    instant = event_instant_of(spec, event_time)
    moment = f"{quote_literal(now.isoformat())}::TIMESTAMPTZ"
    ahead = f"(epoch_us(CAST({instant} AS TIMESTAMPTZ)) - epoch_us({moment})) / 3.6e9"
    columns = {name: sql for name, (_, sql) in added.items()}
    if HORIZON in columns:
        cases = " ".join(f"WHEN {ahead} <= {hours(one)} THEN {hours(one)}" for one in sorted(target.horizon))
        columns[HORIZON] = f"CAST(CASE {cases} END AS DOUBLE)"
    listed = ", ".join(f"{sql} AS {quote_identifier(name)}" for name, sql in columns.items())
    connection.register(ASKED, rows)
    try:
        found = connection.sql(
            f"SELECT {listed}{', ' if listed else ''}{ahead} AS {AHEAD} FROM {ASKED}"
        ).to_arrow_table()
    finally:
        connection.unregister(ASKED)
    _refuse_too_far(found[AHEAD], spec)
    for name in columns:
        rows = rows.append_column(name, found[name])
    return rows


def _refuse_too_far(ahead: pa.ChunkedArray, spec: PipelineSpec) -> None:
    horizons = spec.learned.horizon
    if not horizons:
        return
    longest = hours(max(horizons))
    for number, value in enumerate(ahead.to_pylist(), start=1):
        if value is not None and value > longest:
            raise RequestRowsError(
                f"row {number} lies {value:g} hours ahead, and the longest horizon of target.horizon is {longest:g}. "
                "Ask later, or declare a longer one and train."
            )
