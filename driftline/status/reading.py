"""Status of one pipeline: newest windows, champion, incidents and what it waits for, read from the lake."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from assets.drift_report.pages.wording import lead_of
from assets.drift_report.skill_table import BASELINE_SKILL, best_from_rows
from declaration.errors import DriftlineError
from declaration.pipeline import Pipeline
from driftline.status.next_run import NextRun, next_run
from driftline.status.runs import Run
from driftline.status.waiting import Waiting, waiting
from learning.skill import Skill
from resources.alerts.incident_log import Incident, read_incidents
from resources.lake.lake import Lake
from resources.model_registry.ledger import aliases_after, read_ledger

N_READ = 60
"""Newest windows that are read: labels that come later than so many windows are not looked for."""

State = Literal["ok", "never ran", "faulty declaration", "damaged"]


@dataclass(frozen=True)
class WindowStatus:
    """Findings of one drift report.

    Attributes
    ----------
    n_rows, n_labelled
        Rows of the window, and those whose label is known.
    drift_status, drift_score
        The verdict, and its score in [0, 1]; None where nothing was compared.
    metric, realised, realised_low, realised_high
        The metric's name, and its value on the labelled rows with its interval.
    holdout
        The metric of the model that served on its holdout.
    model_version
        The version that served the window.
    headline, explanation
        The sentence that the report leads with, and why.
    page
        Path of its page below the reports.
    skill, baseline
        Share of the best naive baseline's loss that the model avoids, and that baseline's name.
    proper_score, base_rate_score
        Mean log loss or squared error of the model, and of always saying the base rate.
    """

    partition: str
    n_rows: int
    n_labelled: int
    quality_score: float | None
    drift_status: str | None
    drift_score: float | None
    drifted_features: tuple[str, ...]
    likely_features: tuple[str, ...]
    unjudged_features: tuple[str, ...]
    metric: str | None
    realised: float | None
    realised_low: float | None
    realised_high: float | None
    estimated: float | None
    holdout: float | None
    model_version: int | None
    is_retrain_requested: bool
    headline: str
    explanation: str
    page: str
    skill: float | None = None
    baseline: str | None = None
    proper_score: float | None = None
    base_rate_score: float | None = None


@dataclass(frozen=True)
class PipelineStatus:
    """Status of a pipeline.

    Attributes
    ----------
    state, fault
        Whether it can be told, and what is in the way.
    windows
        The newest windows that have a report, oldest first.
    champion
        The version that serves.
    incidents
        Those that are open.
    waits_for
        What must happen before it goes on; empty where nothing must.
    """

    pipeline: str
    description: str = ""
    state: State = "ok"
    fault: str = ""
    windows: tuple[WindowStatus, ...] = ()
    champion: int | None = None
    next_run: NextRun | None = None
    incidents: tuple[Incident, ...] = ()
    waits_for: tuple[Waiting, ...] = ()

    @property
    def newest(self) -> WindowStatus | None:
        """The newest window."""
        return self.windows[-1] if self.windows else None

    @property
    def labelled(self) -> WindowStatus | None:
        """The newest window whose metric is known."""
        return next((window for window in reversed(self.windows) if window.realised is not None), None)


def faulty(name: str, fault: str) -> PipelineStatus:
    """Return the status of a declaration that cannot be read."""
    return PipelineStatus(name, state="faulty declaration", fault=fault)


def read_status(
    pipeline: Pipeline, lake: Lake, now: datetime, runs: Callable[[], Sequence[Run]]
) -> PipelineStatus:
    """Read how a pipeline stands; what is damaged becomes its state.

    Parameters
    ----------
    pipeline, lake
        Whose status, and where its tables are.
    now
        The instant that runs are due by.
    runs
        Gives the pipeline's newest runs; asked only where a run is open.
    """
    try:
        return _read(pipeline, lake, now, runs)
    except DriftlineError as error:
        return PipelineStatus(pipeline.name, pipeline.spec.description, state="damaged", fault=str(error))


def _read(pipeline: Pipeline, lake: Lake, now: datetime, runs: Callable[[], Sequence[Run]]) -> PipelineStatus:
    windows = read_windows(pipeline, lake)
    decisions = read_ledger(lake, pipeline.name)
    newest = windows[-1] if windows else None
    waits_for = waiting(
        pipeline, lake, newest.partition if newest else None, decisions, now, runs,
        is_retrain_requested=newest is not None and newest.is_retrain_requested,
        labelled=next((window.partition for window in reversed(windows) if window.realised is not None), None),
    )  # fmt: skip
    return PipelineStatus(
        pipeline=pipeline.name,
        description=pipeline.spec.description,
        state="ok" if windows else "never ran",
        windows=windows,
        champion=aliases_after(decisions)["champion"],
        next_run=next_run(pipeline.spec, now, newest=newest.partition if newest else None),
        incidents=read_incidents(lake, pipeline.name).incidents.firing,
        waits_for=waits_for,
    )


def read_windows(pipeline: Pipeline, lake: Lake, n_read: int = N_READ) -> tuple[WindowStatus, ...]:
    """Read the newest windows that have a report, oldest first."""
    table = pipeline.table("drift_decisions")
    if not lake.has(table):
        return ()
    keys = lake.snapshot(table).partitions[-n_read:]
    rows = lake.read(table, partitions=keys).to_pylist()
    windows = tuple(window_of(row) for row in sorted(rows, key=lambda row: str(row["partition"])))
    best = _best_baselines(pipeline, lake, keys)
    return tuple(
        replace(window, skill=best[window.partition].skill, baseline=best[window.partition].baseline)
        if window.partition in best
        else window
        for window in windows
    )


def _best_baselines(pipeline: Pipeline, lake: Lake, keys: Sequence[str]) -> Mapping[str, Skill]:
    """Read the model's skill against the best naive baseline, by window; an earlier release measured none."""
    table = BASELINE_SKILL.of(pipeline.name)
    if not lake.has(table):
        return {}
    partitions = set(lake.snapshot(table).partitions).intersection(keys)
    return best_from_rows(lake.read(table, partitions=sorted(partitions)).to_pylist()) if partitions else {}


def window_of(row: Mapping[str, Any]) -> WindowStatus:
    """Read a decision, also of an earlier release."""
    return WindowStatus(
        partition=row["partition"],
        n_rows=row["n_current"] or 0,
        n_labelled=row["n_labelled"] or 0,
        quality_score=row["quality_score"],
        drift_status=row["drift_status"],
        drift_score=row["drift_score"],
        drifted_features=tuple(row["drifted_features"] or ()),
        # A lake of an earlier release does not tell them apart.
        likely_features=tuple(row.get("likely_features") or ()),
        unjudged_features=tuple(row.get("unjudged_features") or ()),
        metric=row["metric"] or None,
        realised=row["realised"],
        realised_low=row["realised_low"],
        realised_high=row["realised_high"],
        estimated=row["estimated"],
        holdout=row["reference_metric"],
        model_version=row["model_version"],
        is_retrain_requested=bool(row["is_retrain_requested"]),
        headline=lead_of(row.get("headline") or "", row["reason"] or ""),
        explanation=row["explanation"] or "",
        page=row["report_path"] or "",
        proper_score=row.get("proper_score"),
        base_rate_score=row.get("base_rate_score"),
    )
