"""Lines of a declaration that forecasts a series: its view, horizon, difference and calendar."""

from __future__ import annotations

from pipelines.scaffolding.findings import Findings, ask
from pipelines.scaffolding.forecast import calendar, duration_text, errors_text, lookback_of, ttl_of
from pipelines.scaffolding.roles import Target
from pipelines.scaffolding.series import Series
from pipelines.scaffolding.text import comment, scalar


def series_view(series: Series) -> list[str]:
    """Return the lines of the view of a series' past."""
    found = ", ".join(
        f"{duration_text(season.length)} (correlation {season.correlation:.2f})" for season in series.seasons
    )
    entity = ["      entity: series"] if series.keys else []
    return [
        *comment(f"Steps of {duration_text(series.step)}; seasons found: {found or 'none'}.", 4),
        *ask(
            f"a row for each step: so {series.value} is forecast, of its own past and the calendar. Is it rather told by the other columns of its row? "
            "Then take out `horizon` and `difference`, and name these columns in `request_features`.",
            4,
        ),
        "    history:",
        *entity,
        "      sql: features/history.sql",
        f"      lookback: {duration_text(lookback_of(series))}",
        f"      ttl: {duration_text(ttl_of(series))}",
    ]


def forecast_target(findings: Findings, series: Series, target: Target) -> list[str]:
    """Return the lines of a forecast's target."""
    difference = "last" if series.difference is None else duration_text(series.difference)
    features = calendar(series)
    if findings.holidays is not None:
        features.append(findings.holidays)
    lines = [
        "  target:",
        f"    dataset: {findings.dataset}",
        *ask(
            "how long before a step begins is it forecast? Of several (horizon: [6h, 24h]) each row is predicted once for each.", 4
        ),
        f"    horizon: {duration_text(series.horizon)}",
        *comment(
            f"The change is learned against the nearest of what was known (mean distance from {errors_text(series)}). "
            "`by: ratio` where a series varies more the higher it stands.",
            4,
        ),
        f"    difference: {difference}",
        *comment(f"The truth ({target.n_labelled:,} of {findings.n_rows:,} rows have one); known at its `known_at`.", 4),
        f"    label: {scalar(target.label)}",
        f"    problem: {target.problem}",
    ]  # fmt: skip
    if findings.holidays is not None:
        lines += comment(
            "The holidays are listed for five years after the data: what is declared is all there is.", 4
        )
    if series.others:
        lines += ask(
            f"is one of {', '.join(series.others)} known before the step, as a plan or a price is? Then it may be a request feature too, "
            "with the `known_at` that it has.",
            4,
        )
    if features:
        lines += ["    request_features:", *(f"      {name}: {scalar(sql)}" for name, sql in features)]
    return lines
