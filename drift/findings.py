"""Findings of one window about the model that scored it, and the relations that are compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from declaration.model import Metric
from drift.columns.verdict import (
    DriftVerdict,
)
from drift.extrapolation.outside import Extrapolation
from drift.multivariate.domain_classifier import DomainClassification
from drift.performance.base_rate import BaseRateComparison
from drift.performance.decision_cost import DecisionCost
from drift.performance.outcomes import Outcomes
from drift.performance.realised import (
    Measurement,
    PerformanceDrop,
)
from drift.performance.realised_coverage import RealisedCoverage
from drift.performance.sequential_test import LossBlocks, SequentialTest
from drift.performance.slices import SlicePerformance
from drift.performance.track_record import EstimateOutcome
from drift.season.verdict import (
    WindowRelations,
)
from drift.sketch.counts import ReferenceSketch, WindowSketch
from learning.skill import Skill


@dataclass(frozen=True)
class ScoringModel:
    """Model version that scored the window, as far as a report needs it."""

    version: int
    algorithm: str
    trained_as_of: str
    metric: Metric
    holdout_metric: float
    features: tuple[str, ...]
    importances: Mapping[str, float]
    classes: tuple[str, ...] = ()
    """Multiclass: the labels that it tells apart, in the order of its probabilities; () where they are not kept."""
    run_id: str = ""
    """Run of the registry that registered it."""
    error_scale: float | None = None
    """Unit of scaled errors; None where it is not known."""

    @property
    def description(self) -> str:
        """Name the version in words."""
        return f"version {self.version}, {self.algorithm}, trained as of {self.trained_as_of}"


@dataclass(frozen=True)
class Relations:
    """SQL table expressions of everything that is compared.

    Attributes
    ----------
    predictions
        The window's rows: features and `score`.
    labels
        The window's rows whose label is known.
    realised
        Labels that are known now, with the champion's scores and the slices; also of earlier windows.
    training, holdout
        What the champion learned from, with `_source_partition`, and its scores on the held-out part. None where
        the training set was set aside: the kept sketch alone is compared with.
    recent
        Like `realised`, of labels that became known in this window and in the 1, 2, … windows before it.
    known
        What was known of the rows' entities when they were predicted, for naive forecasts; empty where nobody asks.
    """

    predictions: str
    labels: str
    realised: str
    training: str | None
    holdout: str
    recent: tuple[str, ...] = ()
    known: str = ""


@dataclass(frozen=True)
class Findings:
    """Findings of a window; without a champion there is nothing to compare with.

    `rise` and `losses` are about errors over all windows of the champion, and in this one;
    `multivariate` is about all features together, None where nobody asked; `outcomes` counts what became of
    the predictions whose labels have come. `recent` is the metric over the newest windows together, where this
    one alone has too few labels: `drop` is then judged on it. `base_rate` compares with a constant forecast;
    `worse_than_baseline` says in words that the champion is surely worse than another naive one.
    `skills` compares with naive forecasts, the best one first; `extrapolation` counts rows outside what the model
    learned from, None where that is not known; `raw_estimate` is the estimate before its track record was looked at,
    `estimate_outcome` what came of earlier ones; `season` is how the features stand to each other; `cost` is what decisions have cost,
    None where mistakes have no declared cost; `coverage` is that of the intervals and quantiles that were served.
    """

    champion: ScoringModel | None
    reference: ReferenceSketch
    current: WindowSketch
    verdict: DriftVerdict | None
    n_current: int
    n_labelled: int
    realised: Measurement
    estimated: Measurement
    drop: PerformanceDrop | None
    slices: tuple[SlicePerformance, ...] = ()
    rise: SequentialTest | None = None
    losses: LossBlocks | None = None
    multivariate: DomainClassification | None = None
    outcomes: Outcomes | None = None
    recent: Measurement | None = None
    base_rate: BaseRateComparison | None = None
    worse_than_baseline: str = ""
    skills: tuple[Skill, ...] = ()
    raw_estimate: Measurement | None = None
    estimate_outcome: EstimateOutcome | None = None
    extrapolation: Extrapolation | None = None
    season: WindowRelations | None = None
    cost: DecisionCost | None = None
    coverage: tuple[RealisedCoverage, ...] = ()

    @property
    def measured(self) -> Measurement:
        """Realised metric by which a loss is judged: of this window, or of the newest ones together."""
        return self.recent if self.recent is not None and not self.realised.is_known else self.realised


def unscored(metric: Metric) -> Findings:
    """Return the findings of a window that no model has scored."""
    unknown = Measurement(metric, 0, reason="no model has scored this partition")
    return Findings(None, {}, {}, None, 0, 0, unknown, unknown, None)


def incomparable(champion: ScoringModel, n_current: int) -> Findings:
    """Return the findings of a window whose model can be compared with nothing: its training set is gone."""
    unknown = Measurement(champion.metric, 0, reason=gone_text(champion))
    return Findings(champion, {}, {}, None, n_current, 0, unknown, unknown, None)


def gone_text(champion: ScoringModel) -> str:
    """Say that a version's training set is gone."""
    return f"what version {champion.version} learned from is no longer in the lake"
