"""Series in a table: values at regular steps, whose seasons are found and whose past becomes lags."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations
from typing import TYPE_CHECKING

from declaration.forecast import span_sql
from declaration.sql import first_row, quote_identifier
from learning.known_values import REGULAR
from pipelines.scaffolding.clock import Clock
from pipelines.scaffolding.columns import TYPED, FileColumns
from pipelines.scaffolding.roles import is_code

if TYPE_CHECKING:
    import duckdb

LONGEST_STEP = timedelta(days=7)
"""Months and years have no one length: a lag of so many hours is not always the same month."""

MIN_STEPS = 60
"""Steps of a series, in the mean, below which neither a season nor a change of it can be told."""

MAX_SERIES_KEYS = 2
"""Columns that name a series, as store and product."""

MAX_NAMING = 8
"""Columns that are tried for these: each pair is a look at all rows."""

MIN_CORRELATION = 0.3
"""Correlation with the season before, after the level is taken away, from which there is a season."""

MORE_THAN_NEAR = 0.03
"""By how much it must be above that at the lags beside it: a week is no season only because it is seven days."""

SEASONS_SEEN = 3
"""Seasons that the data must span."""

DAY, WEEK, YEAR = timedelta(days=1), timedelta(days=7), timedelta(days=364)
"""A year is 52 weeks: the same weekday comes again, and in weekly rows the same row."""

SEASONS: Sequence[tuple[timedelta, tuple[timedelta, ...], timedelta, timedelta]] = (
    (DAY, (DAY / 2,), timedelta(0), timedelta(hours=8)),
    (WEEK, (WEEK - DAY, WEEK + DAY), timedelta(0), timedelta(days=2)),
    (YEAR, (YEAR / 2,), timedelta(hours=12), timedelta(days=8)),
)
"""Seasons that are tried: each with the lags that it must be above, and the steps (from, below) for which it is tried."""


@dataclass(frozen=True)
class Season:
    """A season that the data has, and how like its values are to those of the season before."""

    length: timedelta
    correlation: float


@dataclass(frozen=True)
class Series:
    """Series of a table.

    Attributes
    ----------
    keys
        Columns that name a series; none where the table is one.
    time, value
        Columns of the instant and of what is forecast.
    step
        Distance of two rows.
    seasons
        Found, the shortest first.
    horizon
        Time ahead that is proposed: a day of hours, a week of days, else one step.
    difference
        Season, or None for the last value, against which values differ least.
    errors
        Mean distance of a value from each that was known, by season; None is the last value.
    others
        Other numbers of the rows.
    period
        First and last instant.
    """

    keys: tuple[str, ...]
    time: str
    value: str
    step: timedelta
    seasons: tuple[Season, ...]
    horizon: timedelta
    difference: timedelta | None
    errors: dict[timedelta | None, float]
    others: tuple[str, ...]
    period: tuple[datetime, datetime]

    def steps_back(self, season: timedelta) -> int:
        """Return how many seasons before an event its place was surely over when the prediction was made."""
        return -(-(self.horizon + self.step) // season)

    def lag_of(self, season: timedelta, further: int = 0) -> timedelta:
        """Return how long before the newest known row the same place lies, of the newest season or of one `further` back."""
        return (self.steps_back(season) + further) * season - self.horizon - self.step


def find_series(
    connection: duckdb.DuckDBPyConnection,
    columns: FileColumns,
    clock: Clock,
    target: str,
    asked: Sequence[str],
) -> Series | None:
    """Find that a table holds series of a numeric target at regular steps; None where it does not.

    Parameters
    ----------
    connection
        Holds the typed rows.
    columns, clock
        The file's.
    target
        What is predicted.
    asked
        Columns that the user says rows are about; none to look for them.
    """
    if clock.event_time is None or columns[target].type not in ("int", "float", "decimal"):
        return None
    for keys in _possible_keys(columns, clock, target, asked):
        step = _step(connection, keys, clock.event_time, columns.columns[0].n_rows)
        if step is not None:
            return _series(connection, columns, clock.event_time, target, keys, step)
    return None


def _possible_keys(
    columns: FileColumns, clock: Clock, target: str, asked: Sequence[str]
) -> Iterator[tuple[str, ...]]:
    if asked:
        yield tuple(asked)
        return
    naming = [
        column.name
        for column in columns.columns
        if column.type in ("string", "int")
        and column.name not in (target, clock.event_time)
        and column.n_null == 0
        and 1 < column.n_distinct <= column.n_rows / MIN_STEPS
    ]
    for n_keys in range(MAX_SERIES_KEYS + 1):
        yield from combinations(naming[:MAX_NAMING], n_keys)


def _step(
    connection: duckdb.DuckDBPyConnection, keys: Sequence[str], time: str, n_rows: int
) -> timedelta | None:
    """Return the distance of a series' rows, where each instant comes once and most distances are one."""
    listed, instant = [quote_identifier(key) for key in keys], quote_identifier(time)
    each = f"PARTITION BY {', '.join(listed)} " if listed else ""
    n_distinct, n_series = first_row(
        connection,
        f"SELECT count(DISTINCT ({', '.join([*listed, instant])},)), count(DISTINCT ({', '.join([*listed, '1'])},)) FROM {TYPED}",
    )
    if n_distinct < n_rows or n_rows < MIN_STEPS * n_series:
        return None
    low, gap, high = first_row(
        connection,
        f"SELECT {', '.join(f'quantile_cont(gap, {share})' for share in (0.1, 0.5, 0.9))} FROM (SELECT "
        f"epoch({instant}) - epoch(lag({instant}) OVER ({each}ORDER BY {instant})) AS gap FROM {TYPED})",
    )
    if not gap or max(gap - low, high - gap) > REGULAR * gap:
        return None
    step = timedelta(minutes=round(gap / 60))
    return step if timedelta(minutes=1) <= step <= LONGEST_STEP else None


def _series(
    connection: duckdb.DuckDBPyConnection,
    columns: FileColumns,
    time: str,
    value: str,
    keys: tuple[str, ...],
    step: timedelta,
) -> Series:
    values = _Values(connection, keys, time, value)
    first, last = values.period
    seasons = tuple(
        Season(length, correlation)
        for length, near, shortest, longest in SEASONS
        if shortest <= step < longest
        and last - first >= SEASONS_SEEN * length
        and (correlation := values.correlation(length, length)) >= MIN_CORRELATION
        and all(correlation > values.correlation(length, other) + MORE_THAN_NEAR for other in near)
    )
    horizon = DAY if step < DAY and DAY % step == timedelta(0) else WEEK if step == DAY else step
    lags: dict[timedelta | None, timedelta] = {None: horizon + step}
    lags |= {season.length: -(-(horizon + step) // season.length) * season.length for season in seasons}
    errors: dict[timedelta | None, float] = {season: values.mean_change(lag) for season, lag in lags.items()}
    difference = min(errors, key=lambda season: errors[season])
    others = tuple(
        c.name
        for c in columns.columns
        if c.is_number and not c.is_constant and not is_code(c) and c.name not in (time, value, *keys)
    )
    return Series(keys, time, value, step, seasons, horizon, difference, errors, others, (first, last))


@dataclass(frozen=True)
class _Values:
    """The series' values, and what is counted of them."""

    connection: duckdb.DuckDBPyConnection
    keys: tuple[str, ...]
    time: str
    value: str

    @property
    def period(self) -> tuple[datetime, datetime]:
        """First and last instant, as wall clocks."""
        first, last = first_row(self.connection, f"SELECT min(moment), max(moment) FROM {self._rows()}")
        return first, last

    def mean_change(self, lag: timedelta) -> float:
        """Return the mean distance of a value from that of a span before; infinite where there is none."""
        before = self._before("v", lag)
        (mean,) = first_row(
            self.connection,
            f"SELECT avg(abs(v - before)) FROM (SELECT v, {before} AS before FROM {self._rows()})",
        )
        return float("inf") if mean is None else float(mean)

    def correlation(self, season: timedelta, lag: timedelta) -> float:
        """Return the correlation of values with those of a span before, less the mean of a season around each."""
        half = span_sql(season / 2)
        level = (
            f"avg(v) OVER ({self._each()}ORDER BY moment RANGE BETWEEN {half} PRECEDING AND {half} FOLLOWING)"
        )
        changes = f"(SELECT *, v - {level} AS d FROM {self._rows()})"
        (found,) = first_row(
            self.connection,
            f"SELECT corr(d, before) FROM (SELECT d, {self._before('d', lag)} AS before FROM {changes})",
        )
        return 0.0 if found is None or found != found else float(found)

    def _before(self, name: str, lag: timedelta) -> str:
        span = span_sql(lag)
        return f"any_value({name}) OVER ({self._each()}ORDER BY moment RANGE BETWEEN {span} PRECEDING AND {span} PRECEDING)"

    def _each(self) -> str:
        names = ", ".join(f"key_{place}" for place in range(len(self.keys)))
        return f"PARTITION BY {names} " if names else ""

    def _rows(self) -> str:
        keys = "".join(f"{quote_identifier(key)} AS key_{place}, " for place, key in enumerate(self.keys))
        return (
            f"(SELECT {keys}CAST({quote_identifier(self.time)} AS TIMESTAMP) AS moment, "
            f"CAST({quote_identifier(self.value)} AS DOUBLE) AS v FROM {TYPED})"
        )
