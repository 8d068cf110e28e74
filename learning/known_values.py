"""Known values: the labels of the same entity that were known when a row was predicted, by set-based SQL.

They are what a naive forecast says: the entity's last known value, and its value a season before.
Nothing reads a label whose `label_time` lies after the row's `event_timestamp`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import duckdb
import numpy as np
import pyarrow as pa

from declaration.sql import first_row, quote_identifier, quote_literal
from declaration.target import ProblemType
from learning.metrics import Floats
from learning.training_rows import label_indices

LAST_VALUE = "last_value"
"""The entity's newest event whose label was known."""


@dataclass(frozen=True)
class Season:
    """Season: a span after which values come again.

    Attributes
    ----------
    name
        Of the naive forecast.
    length
        In calendar days of the pipeline's time zone.
    cadences
        Distances of an entity's events, from and below, for which it is tried.
    steps
        Seasons to go back: as many as it takes until labels are known.
    """

    name: str
    length: timedelta
    cadences: tuple[timedelta, timedelta]
    steps: int = 1

    @property
    def reach(self) -> timedelta:
        """Span that the forecast looks back."""
        return self.length * self.steps

    @property
    def tolerance(self) -> timedelta:
        """Tolerance: how much earlier than a season ago the event may lie, 1 hour of a day, 7 hours of a week."""
        return self.length / 24


SEASONS = (
    Season("day_season", timedelta(days=1), (timedelta(0), timedelta(hours=12))),
    Season("week_season", timedelta(days=7), (timedelta(0), timedelta(days=4))),
    Season("year_season", timedelta(days=365), (timedelta(hours=12), timedelta(days=180))),
)
"""Seasons that are tried, where the events of an entity come often enough."""

REGULAR = 0.15
"""Part of the median distance of an entity's events by which the middle half may differ: months differ by a tenth. Events
that come as they like have no season: what happened a day before is another case."""

KNOWN_NAMES = (LAST_VALUE, *(season.name for season in SEASONS))
"""Columns of known values."""

KNOWN_SHARE = 0.75
"""Share of the labels that are known when a season is looked back at: a forecast a day ahead looks back two days."""

LEAST_SEASONS = 2
"""How many times as long as a season is looked back the labels must span: half of the rows have a forecast then."""


def fitting_seasons(
    connection: duckdb.DuckDBPyConnection, labels: str, entity: Sequence[str]
) -> tuple[Season, ...]:
    """Choose the seasons that fit how often an entity's events come, if regularly, and how long there have been any.

    Parameters
    ----------
    connection
        Where the labels can be read.
    labels
        SQL table expression with the entity's columns, `event_timestamp`, `label_time` and `label`.
    entity
        Key columns; without any all rows are one entity's.
    """
    known_labels = (
        "SELECT event_timestamp AS moment, epoch(label_time) - epoch(event_timestamp) AS delay, "
        f"{_keys(entity)} FROM {labels} WHERE {_IS_KNOWN}"
    )
    keys = ", ".join(_aliases(entity))
    low, gap, high, span, delay = first_row(
        connection,
        f"SELECT {', '.join(f'quantile_cont(gap, {share}) FILTER (gap > 0)' for share in (0.25, 0.5, 0.75))}, "
        f"epoch(max(moment)) - epoch(min(moment)), quantile_cont(delay, {KNOWN_SHARE}) FROM (SELECT moment, delay, "
        f"epoch(moment) - epoch(lag(moment) OVER (PARTITION BY {keys} ORDER BY moment)) AS gap FROM ({known_labels}))",
    )
    if gap is None or max(gap - low, high - gap) > REGULAR * gap:
        return ()
    cadence, reach = timedelta(seconds=gap), timedelta(seconds=span)
    stepped = (
        replace(season, steps=max(1, math.ceil(delay / season.length.total_seconds()))) for season in SEASONS
    )
    return tuple(
        season
        for season in stepped
        if season.cadences[0] <= cadence < season.cadences[1] and reach >= LEAST_SEASONS * season.reach
    )


def known_values(
    rows: str, labels: str, *, entity: Sequence[str], seasons: Sequence[Season], timezone: str
) -> str:
    """Return the SQL of the values known of each row's entity when the row was predicted.

    Parameters
    ----------
    rows
        SQL table expression of the rows asked about: `row_id`, `event_timestamp` and the entity's columns.
    labels
        SQL table expression of all labels: the same columns, `label` and `label_time`.
    entity
        Key columns; without any all rows are one entity's. A row with a NULL key has no history.
    seasons
        Seasons to look back.
    timezone
        Calendar by which a day or a week before is meant: over a change of the clock as well.

    Returns
    -------
    str
        A query for `row_id`, `event_timestamp`, `last_value` and a column by the name of each season, each NULL
        where nothing was known. Of events of one instant the one with the greatest row_id counts.
    """
    keys = _aliases(entity)
    same = " AND ".join(f"a.{key} = b.{key}" for key in keys)
    listed = ", ".join(keys)
    # Names that no relation asked about has: one called `known` would be read instead of itself.
    parts = [
        f"_known AS MATERIALIZED (SELECT row_id, event_timestamp AS moment, label_time, label, {_keys(entity)} "
        f"FROM {labels} WHERE {_IS_KNOWN})",
        # After each instant at which a label became known: the newest event of all that were known by then.
        "_steps AS (SELECT DISTINCT label_time, newest.label AS label, " + listed + " FROM ("
        "SELECT label_time, max({'moment': moment, 'row_id': row_id, 'label': label}) "
        f"OVER (PARTITION BY {listed} ORDER BY label_time) AS newest, {listed} FROM _known))",
        "_events AS (SELECT moment, arg_max({'label': label, 'label_time': label_time}, row_id) AS found, "
        f"{listed} FROM _known GROUP BY moment, {listed})",
        f"_asked_0 AS (SELECT row_id, event_timestamp, {_keys(entity)} FROM {rows})",
        f"_asked_1 AS (SELECT a.*, b.label AS {LAST_VALUE} FROM _asked_0 AS a ASOF LEFT JOIN _steps AS b "
        f"ON {same} AND a.event_timestamp >= b.label_time)",
    ]
    for number, season in enumerate(seasons, start=1):
        before = _before("event_timestamp", season, timezone)
        earliest = f"{before} - INTERVAL {int(season.tolerance.total_seconds())} SECOND"
        parts.append(
            f"_asked_{number + 1} AS (SELECT a.* EXCLUDE (before, earliest), "
            "CASE WHEN b.moment > a.earliest AND b.found.label_time <= a.event_timestamp THEN b.found.label END "
            f"AS {season.name} FROM (SELECT *, {before} AS before, {earliest} AS earliest FROM _asked_{number}) AS a "
            f"ASOF LEFT JOIN _events AS b ON {same} AND a.before >= b.moment)"
        )
    columns = ", ".join([LAST_VALUE, *(season.name for season in seasons)])
    return f"WITH {', '.join(parts)} SELECT row_id, event_timestamp, {columns} FROM _asked_{len(seasons) + 1}"


_IS_KNOWN = "label IS NOT NULL AND label_time IS NOT NULL AND event_timestamp IS NOT NULL"


def _aliases(entity: Sequence[str]) -> list[str]:
    return [f"key_{place}" for place in range(max(1, len(entity)))]


def _keys(entity: Sequence[str]) -> str:
    """Select the entity's columns under names that no column of the data has; one constant where there are none."""
    columns = [quote_identifier(name) for name in entity] or ["1"]
    return ", ".join(f"{column} AS {alias}" for column, alias in zip(columns, _aliases(entity), strict=True))


def _before(column: str, season: Season, timezone: str) -> str:
    zone = quote_literal(timezone)
    return f"timezone({zone}, timezone({zone}, {column}) - INTERVAL {season.reach.days} DAY)"


def known_by_row(
    connection: duckdb.DuckDBPyConnection,
    labels: str,
    rows: pa.Table,
    *,
    entity: Sequence[str],
    timezone: str,
    problem: ProblemType,
    classes: Sequence[str],
) -> Mapping[str, Floats]:
    """Return the known values of some rows by name, each in the order of the rows; see `known_values` and `known_indices`.

    Parameters
    ----------
    connection, labels
        Where all labels are read: `row_id`, `event_timestamp`, `label`, `label_time` and the entity's columns.
    rows
        Those asked about, by `row_id` and `event_timestamp`; their labels are among `labels`.
    entity, timezone
        As `known_values` wants them.
    problem, classes
        What is predicted; labels in index order of many classes.
    """
    seasons = fitting_seasons(connection, labels, entity)
    query = known_values(labels, labels, entity=entity, seasons=seasons, timezone=timezone)
    known = in_order(connection, query, rows)
    return {
        name: known_indices(known[name], problem, classes)
        for name in KNOWN_NAMES
        if name in known.column_names
    }


def in_order(connection: duckdb.DuckDBPyConnection, query: str, rows: pa.Table) -> pa.Table:
    """Return what a query says of some rows, by `row_id` and `event_timestamp`, in their order; nulls of rows that it does not know."""
    asked = pa.table(
        {
            "place": np.arange(rows.num_rows),
            "row_id": rows["row_id"],
            "event_timestamp": rows["event_timestamp"],
        }
    )
    connection.register("asked_rows", asked)
    try:
        return connection.sql(
            "SELECT * EXCLUDE (row_id, event_timestamp) FROM asked_rows LEFT JOIN "
            # A key may come again at the same instant in another partition; either says the same.
            f"(SELECT DISTINCT ON (row_id, event_timestamp) * FROM ({query})) USING (row_id, event_timestamp) "
            "ORDER BY place"
        ).to_arrow_table()
    finally:
        connection.unregister("asked_rows")


def known_indices(values: pa.ChunkedArray, problem: ProblemType, classes: Sequence[str]) -> Floats:
    """Return known values as class indices or values, NaN where none was known; see `label_indices`."""
    indices = np.full(len(values), np.nan)
    is_known = values.is_valid().to_numpy()
    if is_known.any():
        indices[is_known] = label_indices(values.drop_null(), problem, classes)
    return indices
