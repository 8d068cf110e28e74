"""Forecast of a series, written: lags and rolling statistics by time, the calendar, and a change that is learned."""

from __future__ import annotations

from datetime import date, timedelta

from declaration.extras import require_extra
from declaration.forecast import span_sql
from declaration.sql import quote_identifier, quote_literal
from pipelines.scaffolding.files import ScaffoldError
from pipelines.scaffolding.series import DAY, YEAR, Series
from pipelines.scaffolding.text import sql_name
from pipelines.scaffolding.views import MAX_MEASURES, View, identifier

STEPS_WITHOUT_SEASON = 10
"""Steps of the rolling statistics where no season was found."""

LAGS_OF_SEASON = 2
"""Seasons whose same place is a feature each."""

HOLIDAY_YEARS_AHEAD = 5
"""Years after the data that a list of holidays reaches."""


def duration_text(span: timedelta) -> str:
    """Write a span as the declaration does.

    Examples
    --------
    >>> (
    ...     duration_text(timedelta(days=7)),
    ...     duration_text(timedelta(hours=6)),
    ...     duration_text(timedelta(minutes=90)),
    ... )
    ('7d', '6h', '90m')
    """
    for unit, length in (("d", DAY), ("h", timedelta(hours=1))):
        if span % length == timedelta(0):
            return f"{span // length}{unit}"
    return f"{span // timedelta(minutes=1)}m"


def rolling_span(series: Series) -> timedelta:
    """Return the span of the rolling statistics: the shortest season below a year, or some steps."""
    short = [season.length for season in series.seasons if season.length < YEAR]
    return short[0] if short else STEPS_WITHOUT_SEASON * series.step


def lookback_of(series: Series) -> timedelta:
    """Return how far back the view reads: its longest lag or window, the step, and a day for what is late."""
    lags = [series.lag_of(season.length, LAGS_OF_SEASON - 1) for season in series.seasons]
    days = -(-max([*lags, rolling_span(series), *_long_windows(series)]) // DAY)
    return (days + 1) * DAY + -(-series.step // DAY) * DAY


def ttl_of(series: Series) -> timedelta:
    """Return how old the newest row may be: some steps are missing now and then."""
    return max(DAY, STEPS_WITHOUT_SEASON * series.step)


def _long_windows(series: Series) -> list[timedelta]:
    return [s.length for s in series.seasons if rolling_span(series) < s.length < YEAR]


def history_view(series: Series, dataset: str) -> View:
    """Write the view of a series' past, as it is known when a step is over."""
    time, value = quote_identifier(series.time), quote_identifier(series.value)
    listed = [quote_identifier(key) for key in series.keys]
    each = f"PARTITION BY {', '.join(listed)} " if listed else ""
    names: list[str] = []

    def named(text: str) -> str:
        names.append(identifier(text, names))
        return names[-1]

    def window(start: timedelta, end: timedelta | None = None) -> str:
        last = "CURRENT ROW" if end is None else f"{span_sql(end)} PRECEDING"
        return f"({each}ORDER BY {time} RANGE BETWEEN {span_sql(start)} PRECEDING AND {last})"

    features = [f"{value} AS {named(f'{series.value}_last')}"]
    for season in series.seasons:
        for further in range(LAGS_OF_SEASON):
            lag = series.lag_of(season.length, further)
            before = (series.steps_back(season.length) + further) * season.length
            name = named(f"{series.value}_{duration_text(before)}_before")
            if name not in [feature.rpartition(" AS ")[2] for feature in features]:
                features.append(f"any_value({value}) OVER {window(lag, lag)} AS {name}")
    for span in (rolling_span(series), *_long_windows(series)):
        text, over = duration_text(span), window(span - series.step)
        features.append(f"avg({value}) OVER {over} AS {named(f'{series.value}_mean_{text}')}")
        features.append(f"stddev_samp({value}) OVER {over} AS {named(f'{series.value}_std_{text}')}")
        features.append(f"{value} - avg({value}) OVER {over} AS {named(f'{series.value}_above_mean_{text}')}")
    over = window(rolling_span(series) - series.step)
    for other in series.others[:MAX_MEASURES]:
        name = named(f"{other}_mean_{duration_text(rolling_span(series))}")
        features.append(f"avg({quote_identifier(other)}) OVER {over} AS {name}")
    known = f"{time} + {span_sql(series.step)} AS event_timestamp"
    body = ",\n  ".join([*listed, known, *features])
    condition = " AND ".join(f"{key} IS NOT NULL" for key in (*listed, value))
    sql = (
        f"-- A row for each step, stamped with when it is over: a forecast made then is for {duration_text(series.horizon)} later.\n"
        "-- Lags are ranges of time, not rows: where a step is missing a range finds nothing, and the feature is null. They are\n"
        f"-- counted back from the newest step that is over, and named by how long before the forecast's own step they lie.\n"
        f"SELECT\n  {body}\nFROM {quote_identifier(dataset)}\nWHERE {condition}\n"
    )
    return View("history", "series" if series.keys else None, series.keys, sql)


def calendar(series: Series) -> list[tuple[str, str]]:
    """Return request features of the calendar: texts, and a circle of the year, which no later year leaves."""
    time = sql_name(series.time)
    features = []
    if series.step < DAY:
        features.append(("hour_of_day", f"strftime({time}, '%H')"))
    if series.step <= DAY:
        features.append(("day_of_week", f"dayname({time})"))
    first, last = series.period
    if last - first >= 2 * YEAR:
        angle = f"2 * pi() * dayofyear({time}) / 365.25"
        features += [("year_sin", f"sin({angle})"), ("year_cos", f"cos({angle})")]
    return features


def holiday_feature(region: str, series: Series) -> tuple[str, str]:
    """Return the request feature of a region's public holidays, as a list of days: what is declared is all there is.

    Parameters
    ----------
    region
        Country, or country and part: `DE`, `DE-BY`.
    series
        Whose event times.

    Raises
    ------
    MissingExtraError
        If the package of holidays is not installed.
    ScaffoldError
        If it knows no such region.
    """
    require_extra("holidays", f"--holidays {region}")
    import holidays

    country, _, part = region.partition("-")
    first, last = (moment.year for moment in series.period)
    try:
        found = holidays.country_holidays(
            country, subdiv=part or None, years=range(first, last + HOLIDAY_YEARS_AHEAD + 1)
        )
    except NotImplementedError as error:
        raise ScaffoldError(
            f"--holidays {region}: {' '.join(str(error).split())} Give a country's code and, after a hyphen, its part's: DE, DE-BY, US."
        ) from error
    days: list[date] = sorted(found)
    listed = ", ".join(f"DATE {quote_literal(day.isoformat())}" for day in days)
    return "is_holiday", f"CAST({sql_name(series.time)} AS DATE) IN ({listed})"


def errors_text(series: Series) -> str:
    """Say what values were compared with, and how near each was."""
    shown = sorted(series.errors.items(), key=lambda item: item[1])
    return "; ".join(
        f"{'the last known value' if season is None else f'{duration_text(season)} before'}: {error:.4g}"
        for season, error in shown
    )
