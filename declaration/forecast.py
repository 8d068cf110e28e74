"""Forecasts: the horizon, the difference that is learned, and what they add to the rows that are predicted.

A difference is taken to a value of the same series that was known when the prediction was made: the last one, or that of the same
place in a season. A place is the local clock's position within the season, so that a value of seven days before, or where that
one is not known yet of fourteen, is found by an ordinary point-in-time join: offline, and online for any instant to come.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field

from declaration.partition_sql import event_instant
from declaration.sql import quote_identifier, quote_literal
from declaration.types import Block, Duration

if TYPE_CHECKING:
    from declaration.spec import PipelineSpec

GENERATED = "target.difference"
"""Name, among a pipeline's texts, of the SQL of the view that differences are taken to."""

HORIZON = "horizon"
"""Column of the horizon, in hours, where there are several: a feature, and part of the row's key."""

HORIZON_COLUMN = f"request__{HORIZON}"
"""The same as a training set has it."""

SEASON_PLACE = "season_place"
"""Column of the place within the season."""

BEFORE = "before"
"""Feature view of the values that differences are taken to."""

BEFORE_ENTITY = "season"
"""Its entity: a series, and a place within the season."""

BEFORE_VALUE = "value"
"""Its one feature."""

BEFORE_COLUMN = f"{BEFORE}__{BEFORE_VALUE}"
"""The same as a training set has it."""

DifferenceKind = Literal["subtraction", "ratio"]

SEASONS_BACK = 4
"""Seasons after which a value is no longer compared with: a gap of three weeks is bridged, where the season is a week."""

YEARS_BACK = timedelta(days=5 * 366)
"""The same of years: the 29th of February comes every fourth."""


class DifferenceSpec(Block):
    """What is learned instead of the label: its change against a value of the same series that was known by then."""

    to: Literal["last", "year"] | Duration
    """Season before, as `7d` or `year`: the value at the same local clock, of the newest season in which it was known. `last`: the newest known value."""
    by: DifferenceKind = "subtraction"
    """Change as label minus that value, or as label divided by it."""

    @property
    def reach(self) -> timedelta | None:
        """Age from which a value is no longer compared with; None for ever."""
        if isinstance(self.to, timedelta):
            return SEASONS_BACK * self.to
        return YEARS_BACK if self.to == "year" else None

    def place_sql(self, instant: str, timezone: str) -> str | None:
        """Return the SQL of an instant's place within the season; None where there is no season."""
        local = f"timezone({quote_literal(timezone)}, {instant})"
        if self.to == "last":
            return None
        if self.to == "year":
            parts = (f"{part}({local}) * {weight}" for part, weight in _YEAR_PARTS.items())
            return f"CAST({' + '.join(parts)} AS BIGINT)"
        return f"CAST(floor(epoch({local})) AS BIGINT) % {int(self.to.total_seconds())}"


_YEAR_PARTS: Mapping[str, int] = {"month": 1_000_000, "day": 10_000, "hour": 100, "minute": 1}


def _as_horizons(value: object) -> object:
    """Read one horizon as a list of one."""
    if isinstance(value, str | timedelta):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


def _as_difference(value: object) -> object:
    """Read a span, or a word, as the season before."""
    return {"to": value} if isinstance(value, str | timedelta) else value


Horizons = Annotated[
    tuple[Annotated[Duration, Field(gt=timedelta(0))], ...],
    BeforeValidator(_as_horizons, json_schema_input_type=str | list[str]),
]
Difference = Annotated[
    DifferenceSpec, BeforeValidator(_as_difference, json_schema_input_type=str | DifferenceSpec)
]


def hours(span: timedelta) -> float:
    """Return a span in hours."""
    return span / timedelta(hours=1)


def span_sql(span: timedelta) -> str:
    """Return a span as the SQL of an interval, in the largest unit that divides it.

    Examples
    --------
    >>> span_sql(timedelta(days=2)), span_sql(timedelta(minutes=90))
    ('INTERVAL 48 HOUR', 'INTERVAL 90 MINUTE')
    """
    minutes = int(span / timedelta(minutes=1))
    return f"INTERVAL {minutes} MINUTE" if minutes % 60 else f"INTERVAL {minutes // 60} HOUR"


def event_instant_of(spec: PipelineSpec, event_time: str) -> str:
    """Return the SQL of a target row's event time as an instant; a query gives instants itself."""
    dataset = spec.datasets.get(spec.learned.dataset)
    if dataset is None or event_time != dataset.event_time:
        return quote_identifier(event_time)
    return event_instant(dataset, spec.partitions.timezone)


def prediction_time_sql(instant: str, horizons: tuple[timedelta, ...]) -> str:
    """Return the SQL of the instant that lies the horizon before another."""
    if len(horizons) == 1:
        return f"{instant} - {span_sql(horizons[0])}"
    return f"{instant} - to_minutes(CAST(round(60 * {HORIZON}) AS BIGINT))"


def added_columns(spec: PipelineSpec, event_time: str) -> Mapping[str, tuple[str, str]]:
    """Return what a forecast adds to the rows of the target's dataset: each column's type and SQL."""
    target = spec.learned
    added: dict[str, tuple[str, str]] = {}
    if len(target.horizon) > 1:
        added[HORIZON] = (
            "DOUBLE",
            f"unnest([{', '.join(str(hours(one)) for one in target.horizon)}]::DOUBLE[])",
        )
    if target.difference is not None:
        place = target.difference.place_sql(event_instant_of(spec, event_time), spec.partitions.timezone)
        if place is not None:
            added[SEASON_PLACE] = ("BIGINT", place)
    return added


def target_rows(spec: PipelineSpec, event_time: str) -> str:
    """Return the SQL table expression of the rows that are predicted: once for each of several horizons."""
    rows = quote_identifier(spec.learned.dataset)
    added = added_columns(spec, event_time)
    if not added:
        return rows
    columns = ", ".join(f"{sql} AS {quote_identifier(name)}" for name, (_, sql) in added.items())
    return f"(SELECT *, {columns} FROM {rows}) AS {rows}"
