"""Naive forecasts beside a training: the judged rows, forecast from labels that were known by then."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from declaration.choices import METRICS_BY_PROBLEM
from declaration.model import Metric
from learning.baseline_rule import judged_by
from learning.baselines import JudgedBaselines, LabelledRows, forecast_training
from learning.blocks import metric_interval, time_blocks
from learning.candidate_comparison import Interval, metric_intervals
from learning.error_scale import MASE, ErrorScale, error_scale
from learning.metrics import RANKINGS, Floats, MetricError, Scored, metric_value
from learning.naive_forecast import NaiveForecast
from learning.skill import (
    CONSTANT_BASELINES,
    Skill,
    skill_loss,
    skill_text,
    skills_against,
    worse_than_baseline_text,
)
from learning.train import Training
from learning.training_rows import TrainingSet


@dataclass(frozen=True)
class NaiveResults:
    """Results of naive forecasts on a training's judged rows.

    Attributes
    ----------
    figures
        Metrics by the baseline's name.
    skills
        The challenger, out of fold, against each of them on the same rows; the best baseline first.
    intervals
        95 % intervals of the metrics.
    positions, scored
        Places among the judged rows that were forecast, and each baseline's scores of them.
    scale
        Unit of scaled errors, of a regression with a known past; see `error_scale`.
    mase
        The challenger's mean absolute error in this unit.
    """

    figures: Mapping[str, Mapping[Metric, float]]
    skills: tuple[Skill, ...]
    intervals: Mapping[str, Mapping[Metric, Interval]]
    positions: NDArray[np.int64]
    scored: Mapping[str, Scored]
    scale: ErrorScale | None = None
    mase: float | None = None

    def scaled(self, metrics: Mapping[Metric, float]) -> Mapping[str, float]:
        """Add to metrics the mean absolute scaled error, by its name; without a scale there is none."""
        figures: dict[str, float] = {str(name): value for name, value in metrics.items()}
        if self.scale is not None and "mae" in figures:
            figures[MASE] = figures["mae"] / self.scale.value
        return figures

    @property
    def warning(self) -> str:
        """Say that the challenger is surely worse than a baseline; empty where it is not."""
        return worse_than_baseline_text(self.skills)

    def explained(self, explanation: str) -> str:
        """Add to a gate's explanation how the challenger does against the best baseline; first of all, where it is worse."""
        if self.warning:
            # A feature could have been served instead: see `naive_forecast`.
            worse = next(skill for skill in self.skills if skill.is_surely_worse)
            advice = "" if worse.baseline in CONSTANT_BASELINES else " Given as a feature, it could serve."
            return f"{self.warning}{advice} {explanation}"
        return f"{explanation}; {skill_text(self.skills[0])}" if self.skills else explanation


def naive_text(training: Training) -> str:
    """Describe the naive forecast that a version serves; empty for a candidate's model."""
    forecast = training.model.estimator
    if not isinstance(forecast, NaiveForecast):
        return ""
    description = forecast.text(training.model.encoding.names)
    return f"No candidate is better than {description}, so that is what this version says. "


def judge_naively(
    data: TrainingSet, training: Training, known_values: Mapping[str, Floats], *, seed: int
) -> NaiveResults:
    """Forecast the rows that a training was judged on naively, as it could have been done at the time.

    Parameters
    ----------
    data, training
        What was learned from, and what came out.
    known_values
        What was known of each row's entity when it was predicted, by name; see `known_values`.
    seed
        Seed of the intervals' bootstrap.
    """
    n_classes = 0 if data.problem == "regression" else max(2, len(data.classes))
    rows = LabelledRows(data.labels, data.event_time_us, data.label_time_us, known_values)
    naive = forecast_training(data.problem, rows, training.judged, training.folds, n_classes=n_classes)
    figures = {name: _metrics(data, name, scored) for name, scored in naive.scored.items()}
    at = data.event_time_us[training.judged[naive.positions]]
    intervals = {name: _intervals(data, name, scored, at, seed) for name, scored in naive.scored.items()}
    scale = error_scale(data.labels, known_values) if data.problem == "regression" else None
    return NaiveResults(
        figures,
        _skills(data, training, naive, seed),
        intervals,
        naive.positions,
        naive.scored,
        scale,
        metric_value("mae", training.holdout) / scale.value if scale is not None else None,
    )


def _metrics(data: TrainingSet, name: str, scored: Scored) -> Mapping[Metric, float]:
    values: dict[Metric, float] = {}
    for metric in METRICS_BY_PROBLEM[data.problem]:
        with suppress(MetricError):
            values[metric] = metric_value(metric, judged_by(metric, name, scored))
    return values


def _intervals(
    data: TrainingSet, name: str, scored: Scored, at: NDArray[np.int64], seed: int
) -> Mapping[Metric, Interval]:
    intervals = metric_intervals(data.problem, scored, at, seed=seed)
    return {
        metric: metric_interval(metric, judged_by(metric, name, scored), at, seed=seed)
        if metric in RANKINGS
        else interval
        for metric, interval in intervals.items()
    }


def _skills(data: TrainingSet, training: Training, naive: JudgedBaselines, seed: int) -> tuple[Skill, ...]:
    if not naive.scored:
        return ()
    held = training.holdout
    return skills_against(
        Scored(held.labels[naive.positions], held.scores[naive.positions]),
        naive.scored,
        time_blocks(data.event_time_us[training.judged[naive.positions]]),
        loss=skill_loss(data.problem, training.metric),
        seed=seed,
    )
