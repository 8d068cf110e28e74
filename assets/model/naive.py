"""Naive forecasts beside a training: the judged rows, forecast from labels that were known by then."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from declaration.choices import METRICS_BY_PROBLEM
from declaration.model import Metric
from learning.baselines import JudgedBaselines, LabelledRows, forecast_judged
from learning.blocks import time_blocks
from learning.metrics import Floats, MetricError, Scored, metric_value
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
    """

    figures: Mapping[str, Mapping[Metric, float]]
    skills: tuple[Skill, ...]

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
    naive = forecast_judged(data.problem, rows, training.judged, n_classes=n_classes)
    figures = {name: _metrics(data, scored) for name, scored in naive.scored.items()}
    return NaiveResults(figures, _skills(data, training, naive, seed))


def _metrics(data: TrainingSet, scored: Scored) -> Mapping[Metric, float]:
    values: dict[Metric, float] = {}
    for name in METRICS_BY_PROBLEM[data.problem]:
        with suppress(MetricError):
            values[name] = metric_value(name, scored)
    return values


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
