"""A picture small enough to stand in a table: how surely each feature moved."""

from __future__ import annotations

from collections.abc import Mapping

from charts import as_markdown_image
from drift.columns.verdict import DriftVerdict

N_BARS = 20
"""Features with a bar, the surest first."""

WIDTH, HEIGHT, BAR = 320, 48, 12
"""Pixels of the picture, and of a bar."""

MOST = 2.0
"""Thresholds at which a bar has its full height."""

LOUD, LIKELY, QUIET = "#b45309", "#d9a441", "#8aa4c4"

COLOURS: Mapping[str, str] = {"drifted": LOUD, "likely": LIKELY}
"""Colour of a bar by the column's status; any other is quiet."""


def drift_thumbnail(verdict: DriftVerdict | None) -> str:
    """Draw the sure effect of the features that moved most, in thresholds; '' where nothing was compared.

    It stays below a thousand characters: longer Markdown is hidden behind a click in Dagster's web UI.
    """
    if verdict is None:
        return ""
    features = sorted(
        (column for column in verdict.columns if column.role == "feature"),
        key=lambda column: -column.strength,
    )[:N_BARS]
    if not features:
        return ""
    step = WIDTH // N_BARS
    paths = {QUIET: "", LIKELY: "", LOUD: ""}
    for number, column in enumerate(features):
        height = max(1, round(min(column.strength, MOST) / MOST * HEIGHT))
        paths[COLOURS.get(column.status, QUIET)] += f"M{number * step} {HEIGHT}v-{height}h{BAR}v{height}"
    bars = "".join(f'<path fill="{colour}" d="{path}"/>' for colour, path in paths.items() if path)
    line = f'<path stroke="#888" stroke-dasharray="3" d="M0 {HEIGHT // 2}H{WIDTH}"/>'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}">{bars}{line}</svg>'
    n_likely = len(verdict.having("likely"))
    likely = f", {n_likely} likely" if n_likely else ""
    return as_markdown_image(svg, f"{len(verdict.drifted())} drifted{likely}; the line is the threshold")
