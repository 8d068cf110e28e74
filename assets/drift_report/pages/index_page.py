"""Page over all pipelines: state, newest verdict, courses of performance, drift and quality, champion, links."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from markupsafe import Markup

from assets.drift_report.pages.files import HISTORY_PAGE
from assets.drift_report.pages.summary import PipelineSummary, WindowPoint
from assets.drift_report.pages.templates import page_template
from assets.drift_report.pages.wording import TAGS, counted
from charts import page_style, sparkline
from charts.colours import HIGHLIGHT_COLOUR
from drift.wording import number_text

MAX_DRAWN = 60
"""Pipelines with sparklines, the gravest first: the page stays below half a megabyte."""

MAX_CARDS = 3
"""Model cards that are linked, of the newest versions."""

MAX_LISTED = 300
"""Pipelines with a row."""

NOT_READABLE = "not readable"

ORDER = ("critical", NOT_READABLE, "warning", "info")
"""States, the gravest first."""

STATES = {
    "critical": "needs attention",
    "warning": "warning",
    NOT_READABLE: "summary not readable",
    "info": "calm",
}


@dataclass(frozen=True)
class IndexEntry:
    """One pipeline's folder: its summary, or why there is none; `cards` are the versions that have a model card, newest first."""

    name: str
    summary: PipelineSummary | None
    fault: str
    has_history: bool
    cards: tuple[int, ...] = ()

    @property
    def state(self) -> str:
        """Severity of the newest verdict."""
        return self.summary.severity if self.summary else NOT_READABLE


@dataclass(frozen=True)
class _Course:
    """A quantity over the windows: its name, newest known value, and picture."""

    name: str
    value: str
    picture: Markup


@dataclass(frozen=True)
class _Row:
    """One line of the table."""

    name: str
    link: str
    state: str
    tag: str
    verdict: str
    partition: str
    page: str
    courses: tuple[_Course, ...]
    champion: str
    n_windows: str
    written: str
    cards: tuple[tuple[int, str], ...] = ()


def render_index(entries: Sequence[IndexEntry], written_at: datetime) -> str:
    """Return the page; names and verdicts come from outside, and are escaped."""
    ordered = sorted(entries, key=lambda entry: (ORDER.index(entry.state), entry.name))
    counts = [(STATES[state], n) for state in ORDER if (n := sum(entry.state == state for entry in entries))]
    rows = [_row(entry, is_drawn=place < MAX_DRAWN) for place, entry in enumerate(ordered[:MAX_LISTED])]
    return page_template("index.html.j2").render(
        style=page_style(),
        headline=f"{counted(len(entries), 'pipeline')} with drift reports",
        severity=ordered[0].state if ordered else "info",
        counts=counts,
        rows=rows,
        n_left_out=len(entries) - len(rows),
        written_at=written_at,
    )


def _row(entry: IndexEntry, *, is_drawn: bool) -> _Row:
    link = f"./{quote(entry.name)}/{HISTORY_PAGE}" if entry.has_history else ""
    summary = entry.summary
    if summary is None:
        return _Row(
            entry.name, link, STATES[entry.state], TAGS[NOT_READABLE], entry.fault, "", "", (), "", "", ""
        )
    page = f"./{quote(entry.name)}/{quote(summary.page)}" if summary.page else ""
    return _Row(
        name=entry.name,
        link=link,
        state=STATES[entry.state],
        tag=TAGS.get(entry.state, "calm"),
        verdict=summary.verdict,
        partition=summary.partition,
        page=page,
        courses=_courses(summary, is_drawn=is_drawn),
        champion=summary.champion or ("no model serves yet" if summary.metric else "nothing is predicted"),
        n_windows=counted(summary.n_windows, "window"),
        written=f"{summary.written_at:%Y-%m-%d %H:%M} UTC",
        cards=tuple(
            (version, f"./{quote(entry.name)}/model-{version}.html") for version in entry.cards[:MAX_CARDS]
        ),
    )


def _courses(summary: PipelineSummary, *, is_drawn: bool) -> tuple[_Course, ...]:
    windows = summary.windows
    performance = [window.performance for window in windows]
    drift = [window.drift_score for window in windows]
    quality = [window.quality_score for window in windows]
    named = [
        (f"realised {summary.metric}" if summary.metric else "performance", performance, None, None),
        ("drift score", drift, (0.0, 1.0), HIGHLIGHT_COLOUR),
        ("data quality", quality, (0.0, 1.0), None),
    ]
    return tuple(
        _Course(
            name,
            _newest(windows, values),
            Markup(_picture(name, values, bounds, colour) if is_drawn else ""),
        )
        for name, values, bounds, colour in named
    )


def _picture(
    name: str, values: Sequence[float | None], bounds: tuple[float, float] | None, colour: str | None
) -> str:
    points = [math.nan if value is None else value for value in values]
    return sparkline(points, title=name, bounds=bounds, **({"colour": colour} if colour else {}))


def _newest(windows: Sequence[WindowPoint], values: Sequence[float | None]) -> str:
    """Return the newest known value; with its window where that is an older one."""
    known_values = [
        (window.partition, value) for window, value in zip(windows, values, strict=True) if value is not None
    ]
    if not known_values:
        return "–"
    partition, value = known_values[-1]
    text = number_text(round(value, 4))
    return text if partition == windows[-1].partition else f"{text} in {partition}"
