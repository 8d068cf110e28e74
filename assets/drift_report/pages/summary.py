"""Summary of a pipeline's reports: a small JSON file beside its pages, from which the index is made without a lake."""

from __future__ import annotations

import math
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from assets.drift_report.pages.history import HistoryWindow, ModelHistory
from assets.drift_report.pages.wording import verdict_text
from charts.scales import shorten
from declaration.errors import DriftlineError

SUMMARY_FILE = "summary.json"

MAX_POINTS = 30
"""Newest windows that a sparkline shows."""

MAX_LETTERS = 400
"""Length of a verdict; the window's page has the whole."""

MAX_BYTES = 200_000
"""A file that is larger was not written by us: a summary has about 5,000 bytes."""

PageName = Annotated[str, Field(max_length=300, pattern=r"^$|^[^/\\]+\.html$")]


class SummaryError(DriftlineError):
    """A summary is missing, damaged, or was not written by a drift report."""


class WindowPoint(BaseModel):
    """Values of one window in the sparklines; None where they are not known."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    partition: str
    performance: float | None
    drift_score: float | None
    quality_score: float | None


class PipelineSummary(BaseModel):
    """State of a pipeline after its newest report.

    Attributes
    ----------
    format
        Version of this form.
    pipeline, written_at
        Whose, and when the report was made (UTC).
    partition, page
        The newest window, and the file name of its page; '' without one.
    severity, verdict
        What was decided about it.
    metric
        What performance is measured by; '' where nothing is predicted.
    champion
        The model that serves, in words; '' without one.
    n_windows
        Windows with a report.
    windows
        The newest ones, oldest first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    pipeline: str
    written_at: datetime
    partition: str
    page: PageName
    severity: Literal["info", "warning", "critical"]
    verdict: str
    metric: str
    champion: str
    n_windows: int = Field(ge=1)
    windows: tuple[WindowPoint, ...] = Field(min_length=1, max_length=MAX_POINTS)


def summary_of(history: ModelHistory) -> PipelineSummary:
    """Summarise a pipeline's history for the index."""
    newest, serving = history.newest, history.serving
    champion = ""
    if serving is not None:
        learned = f"trained as of {serving.trained_as_of}" if serving.trained_as_of else ""
        champion = ", ".join(filter(None, (f"version {serving.version}", serving.algorithm, learned)))
    return PipelineSummary(
        pipeline=history.pipeline,
        written_at=history.written_at,
        partition=newest.partition,
        page=newest.page,
        severity=next(
            (severity for severity in ("critical", "warning") if severity == newest.severity), "info"
        ),
        verdict=shorten(verdict_text(newest.headline, newest.reason, newest.explanation), MAX_LETTERS),
        metric=history.metric,
        champion=champion,
        n_windows=len(history.windows) + history.n_earlier,
        windows=tuple(_point(window, history.metric) for window in history.windows[-MAX_POINTS:]),
    )


def _point(window: HistoryWindow, metric: str) -> WindowPoint:
    realised = window.realised.value if metric and window.metric == metric else None
    return WindowPoint(
        partition=window.partition,
        performance=_finite(realised),
        drift_score=_finite(window.drift_score),
        quality_score=_finite(window.quality_score),
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def read_summary(folder: Path) -> PipelineSummary:
    """Read the summary in a pipeline's folder of pages.

    Raises
    ------
    SummaryError
        If there is none, or it is not one of ours.
    """
    path = folder / SUMMARY_FILE
    repair = "The pipeline's next drift report writes it anew."
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise SummaryError(f"{folder.name}/{SUMMARY_FILE} is missing. {repair}") from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SummaryError(f"{folder.name}/{SUMMARY_FILE} cannot be read: {reason}. {repair}") from error
    if len(content) > MAX_BYTES:
        raise SummaryError(f"{folder.name}/{SUMMARY_FILE} has more than {MAX_BYTES:,} bytes. {repair}")
    try:
        summary = PipelineSummary.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        what = f"{where}: {first['msg']}" if where else first["msg"]
        raise SummaryError(f"{folder.name}/{SUMMARY_FILE} is damaged: {what}. {repair}") from error
    if summary.pipeline != folder.name:
        raise SummaryError(
            f"{folder.name}/{SUMMARY_FILE} is about another pipeline, '{summary.pipeline[:60]}'. {repair}"
        )
    return summary
