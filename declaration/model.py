"""The `model:` block: candidates, metric, what is learned from, and gate."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from declaration.decisions import (
    CalibrationMethod,
    ClassWeight,
    IntervalSpec,
    QuantileShares,
    ThresholdSpec,
    ValidationSpec,
)
from declaration.limits import (
    BaselineRule,
    FairnessLimitSpec,
    LatencyLimitSpec,
    LimitRule,
    SliceLimitSpec,
)
from declaration.preprocess import PreprocessSpec
from declaration.sampling import SampleSpec
from declaration.search import ParamName as ParamName
from declaration.search import ParamValue as ParamValue
from declaration.search import SearchSpec
from declaration.types import Block, Duration, GrownBlock, Identifier

Metric = Literal[
    "roc_auc", "average_precision", "log_loss", "brier", "accuracy", "f1_macro", "rmse", "mae", "r2"
]


def _read_search(value: object) -> object:
    """Read `true` as a search as Driftline would have it, and `false` as none."""
    if isinstance(value, bool):
        return SearchSpec() if value else None
    return value


EstimatorPath = Annotated[
    str,
    StringConstraints(
        pattern=r"^([A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*|[A-Za-z0-9_./-]+\.py):[A-Za-z_][A-Za-z0-9_]*$",
        max_length=255,
    ),
]
"""Class of an estimator: `package.module:Class`, or `file.py:Class` of a file in the pipeline's folder."""


class CandidateSpec(GrownBlock):
    """An algorithm with settings of its own, so that two of one algorithm can compete."""

    ADDED = frozenset({"search", "early_stopping", "class_weight", "preprocess", "trusted"})

    use: Identifier | EstimatorPath
    """Algorithm, or the class of an estimator of yours: `package.module:Class`, or `file.py:Class` beside the declaration."""
    name: Identifier | None = None
    """Name in results, unlike any other candidate's; by default the algorithm's."""
    params: Mapping[ParamName, ParamValue] = Field(default_factory=dict)
    """The algorithm's parameters, by the names that its library gives them; the others keep Driftline's defaults."""
    search: Annotated[
        SearchSpec | None, BeforeValidator(_read_search, json_schema_input_type=bool | SearchSpec | None)
    ] = None
    """Settings are sought in each training; `true` for 30 trials in the algorithm's own ranges."""
    early_stopping: bool | Annotated[int, Field(ge=1, le=1_000)] = False
    """Boosting: choose the number of rounds on the newest fifth of the rows, then fit all with that many; a number is the rounds
    without gain after which it stops, `true` is 20."""
    class_weight: ClassWeight | None = None
    """Weight of each label's rows in learning: `balanced`, or by label. Probabilities are corrected back."""
    preprocess: PreprocessSpec | None = None
    """Steps of the feature columns before it learns; by default `model.preprocess`."""
    trusted: bool = False
    """Store an estimator that no safe format holds as a pickle, which is code: it is loaded only with the ledger's hash."""

    @property
    def label(self) -> str:
        """Name in results: without one, that of the algorithm, or of the class in lower case.

        Examples
        --------
        >>> CandidateSpec(use="sklearn.linear_model:SGDClassifier").label
        'sgd_classifier'
        """
        return self.name or _lower(self.use.rpartition(":")[2])

    @property
    def is_own(self) -> bool:
        """Whether it names a class, and no algorithm of the table."""
        return ":" in self.use


def _lower(name: str) -> str:
    """Spell the name of a class as an identifier."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower().lstrip("_")[:63]


def candidate_text(name: str, algorithm: str) -> str:
    """Name a candidate, and its algorithm where the name is another.

    Examples
    --------
    >>> candidate_text("shallow", "lightgbm"), candidate_text("", "ridge")
    ('shallow (lightgbm)', 'ridge')
    """
    return algorithm if name in ("", algorithm) else f"{name} ({algorithm})"


class GateSpec(Block):
    """Conditions on which a challenger replaces the champion."""

    min_metric: float | None = None
    """Least value of `metric` on the judged rows, out of fold (greatest, for errors); absent means no floor."""
    min_gain: float = 0.0
    """Least improvement of `metric` over the champion on the same rows, by the estimate; 0 asks nothing of the metric."""
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    """One-sided significance level: a challenger that is surely worse on the newest window does not serve."""
    inconclusive: Literal["keep", "promote"] = "keep"
    """Outcome when there is nothing to compare the two on: the champion stays until a person decides, or the challenger serves."""
    beat_baseline: BaselineRule = "if_champion_does"
    """When a challenger must surely beat the naive baselines: to replace a champion that does, always (the first model too), or never."""
    slices: tuple[SliceLimitSpec, ...] = ()
    """Limits on parts of the judged rows."""
    latency: LatencyLimitSpec | None = None
    """Limits on the time that scoring takes."""
    max_size_mb: float | None = Field(default=None, gt=0)
    """Greatest size of the model file in megabytes (10⁶ bytes)."""
    max_calibration_error: float | None = Field(default=None, gt=0, lt=1)
    """Greatest expected calibration error: mean distance of probability and share of hits in 10 bins of equal count; for classes."""
    fairness: FairnessLimitSpec | None = None
    """Limits on differences between groups."""
    limits: LimitRule = "surely"
    """When limits on judged rows stop a challenger: where they are surely exceeded, at `alpha` over all of one kind, or by the estimate."""
    approval: Literal["automatic", "manual"] = "automatic"
    """Whether a challenger that passes serves at once, or waits until a person promotes it; until then the champion serves."""
    approve_within: Duration | None = None
    """Time after which a challenger that nobody promoted is archived; by default 7 days."""


class ModelSpec(GrownBlock):
    """Settings by which models are trained and compared."""

    ADDED = frozenset(
        {
            "validation",
            "class_weight",
            "calibrate",
            "threshold",
            "intervals",
            "quantiles",
            "preprocess",
            "sample",
        }
    )

    candidates: tuple[Identifier | EstimatorPath | CandidateSpec, ...] = Field(
        default=("hist_gradient_boosting",), min_length=1
    )
    """Algorithms, or blocks with their settings, trained on the same rows; the best out of fold becomes the challenger."""
    preprocess: PreprocessSpec | None = None
    """Steps of the feature columns for every candidate without its own; absent means the algorithms' own ways."""
    metric: Metric | None = None
    """Metric by which candidates are compared; by default roc_auc, log_loss or rmse after the problem."""
    train_window: int | None = Field(default=None, ge=1)
    """Partitions to learn from; absent means all so far (expanding window)."""
    sample: SampleSpec | None = None
    """Learn from a sample of the rows; absent means from all. Every row counts the same."""
    adapt_window: bool = True
    """Learn from a newer part of these rows alone (third, ninth, 8 windows, unseen by the champion, since its loss) where that is better."""
    holdout: float | None = Field(default=None, gt=0, lt=0.9)
    """Newest share of the rows that judge a first model; absent means all. Later ones are judged on what the champion has not seen."""
    seed: int = 0
    """Seed of everything random in training."""
    validation: ValidationSpec | None = None
    """How models are judged; by default on the newest rows, in folds that take turns."""
    class_weight: ClassWeight | None = None
    """Class weights of every candidate that has none of its own."""
    calibrate: CalibrationMethod | None = None
    """Correction of probabilities, fitted out of fold; `auto` corrects where that is surely better. By default none."""
    threshold: Annotated[float, Field(ge=0, le=1)] | ThresholdSpec | None = None
    """Probability from which a row is called positive, or what that is chosen by, out of fold; of many classes their costs."""
    intervals: IntervalSpec | None = None
    """Regression: interval around each predicted value."""
    quantiles: QuantileShares | None = None
    """Regression: quantiles of each predicted value, as `[0.1, 0.5, 0.9]`: columns `quantile_10`, `quantile_50`, `quantile_90`."""
    gate: GateSpec = Field(default_factory=GateSpec)
    """Gate that a challenger passes to be promoted."""

    @property
    def competitors(self) -> tuple[CandidateSpec, ...]:
        """The candidates as blocks, each with its class weights and preprocessing."""
        blocks = (
            CandidateSpec(use=candidate) if isinstance(candidate, str) else candidate
            for candidate in self.candidates
        )
        return tuple(
            block.model_copy(
                update={
                    "class_weight": block.class_weight or self.class_weight,
                    "preprocess": self.preprocess if block.preprocess is None else block.preprocess,
                }
            )
            for block in blocks
        )
