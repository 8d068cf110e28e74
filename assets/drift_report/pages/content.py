"""Content of a drift report: the values that its page, its downloads and its Markdown are made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from assets.drift_report.pages.origin import Origin
from declaration.choices import METRICS_BY_PROBLEM
from drift.columns.verdict import ColumnVerdict, DriftVerdict
from drift.extrapolation.outside import Extrapolation
from drift.multivariate.domain_classifier import DomainClassification
from drift.performance.base_rate import BaseRateComparison
from drift.performance.decision_cost import DecisionCost
from drift.performance.outcomes import Outcomes
from drift.performance.realised import Measurement
from drift.performance.realised_coverage import RealisedCoverage
from drift.performance.sequential_test import SequentialTest
from drift.performance.slices import SlicePerformance
from drift.retraining.policy import RetrainDecision
from drift.sketch.counts import ReferenceSketch, WindowSketch
from learning.skill import Skill


@dataclass(frozen=True)
class PerformancePoint:
    """Performance in one partition, for the course over time."""

    partition: str
    realised: Measurement
    estimated: Measurement
    reference_metric: float | None = None
    """The metric on the holdout of the version that scored the partition."""


@dataclass(frozen=True)
class ReportContent:
    """Everything a drift report shows.

    Attributes
    ----------
    pipeline, partition, start, end, decided_at
        What the report is about, and when it was made (UTC).
    model
        The champion in words; empty before the first.
    verdict
        Drift; None when there is nothing to compare with.
    reference, current
        The sketches behind it.
    decision
        Whether to train, and why.
    metric, reference_metric
        How performance is judged, and the champion's value on its holdout.
    realised, estimated
        Performance on the window.
    n_labelled, min_rows, quality_score
        Labelled rows; the declaration's least rows; quality in [0, 1], None when unknown.
    history
        Earlier windows of the same pipeline, oldest first.
    compared_with
        Without a target: the reference's partitions.
    slices
        Realised performance by the values of the declared columns.
    multivariate
        Drift of all features together.
    rise
        Whether errors have risen over all windows of the model.
    outcomes
        What became of served predictions whose labels have come.
    skills
        The model against naive baselines on the rows whose labels have come, the best baseline first.
    extrapolation
        Rows outside what the model learned from; None where that is not known.
    base_rate
        The champion beside a constant forecast.
    error_scale
        Unit of the champion's scaled errors; None where it is not known.
    cost
        What its decisions have cost; None where mistakes have no declared cost.
    coverage
        Realised coverage of the intervals and quantiles that were served.
    origin
        The runs behind the report, and what was quarantined.
    """

    pipeline: str
    partition: str
    start: datetime
    end: datetime
    decided_at: datetime
    model: str
    verdict: DriftVerdict | None
    reference: ReferenceSketch
    current: WindowSketch
    decision: RetrainDecision
    metric: str
    reference_metric: float | None
    realised: Measurement
    estimated: Measurement
    n_labelled: int
    min_rows: int
    quality_score: float | None
    history: Sequence[PerformancePoint] = ()
    compared_with: str = ""
    slices: Sequence[SlicePerformance] = ()
    rise: SequentialTest | None = None
    multivariate: DomainClassification | None = None
    outcomes: Outcomes | None = None
    skills: Sequence[Skill] = ()
    extrapolation: Extrapolation | None = None
    origin: Origin | None = None
    base_rate: BaseRateComparison | None = None
    error_scale: float | None = None
    cost: DecisionCost | None = None
    coverage: Sequence[RealisedCoverage] = ()

    @property
    def drifted(self) -> list[ColumnVerdict]:
        """The columns that drifted, the most important first."""
        return [c for c in self.verdict.columns if c.status == "drifted"] if self.verdict else []

    @property
    def moved(self) -> list[ColumnVerdict]:
        """The columns that drifted, then those that likely did; each the most important first."""
        likely = [c for c in self.verdict.columns if c.status == "likely"] if self.verdict else []
        return [*self.drifted, *likely]

    @property
    def has_target(self) -> bool:
        """True where the pipeline predicts something."""
        return bool(self.metric)

    @property
    def is_regression(self) -> bool:
        """True where a number is predicted."""
        return self.metric in METRICS_BY_PROBLEM["regression"]
