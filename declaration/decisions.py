"""Blocks of `model:` on how it is validated and what is made of its scores: threshold, costs, intervals, quantiles."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from declaration.types import Block, ColumnName, Duration

ValidationMethod = Literal["judged", "rolling_origin", "stratified_kfold", "grouped_kfold"]
CalibrationMethod = Literal["none", "sigmoid", "isotonic", "auto"]
ThresholdMetric = Literal["f1", "accuracy", "balanced_accuracy"]

WITHOUT_TIME: tuple[ValidationMethod, ...] = ("stratified_kfold", "grouped_kfold")
"""Methods whose folds are drawn: for rows that have no order in time."""


def _label_keys(value: object) -> object:
    """Read keys that are no texts, as 0 and 1, as labels."""
    if not isinstance(value, Mapping):
        return value
    return {str(key): _label_keys(part) for key, part in value.items()}


PositiveNumber = Annotated[float, Field(gt=0)]
Cost = Annotated[float, Field(ge=0)]
ClassWeight = Annotated[Literal["balanced"] | Mapping[str, PositiveNumber], BeforeValidator(_label_keys)]
CostTable = Annotated[Mapping[str, Mapping[str, Cost]], BeforeValidator(_label_keys)]


class ValidationSpec(Block):
    """How models are judged: which rows are held out in turn, and what their models may know."""

    method: ValidationMethod = "judged"
    """`judged`: the newest rows in folds, in turn; `rolling_origin`: each by models that know nothing later; drawn folds where rows have no time."""
    folds: int | None = Field(default=None, ge=2, le=20)
    """Folds of `rolling_origin` and of drawn folds; 5 by default."""
    embargo: Duration = timedelta(0)
    """Span before held-out rows whose labels are not learned from either, in a search and in `rolling_origin`."""
    group: tuple[ColumnName, ...] = ()
    """Entity columns whose rows stay together in `grouped_kfold`; by default all keys of the entities that the target has."""

    @model_validator(mode="after")
    def _fits_method(self) -> Self:
        if self.folds is not None and self.method == "judged":
            raise ValueError("folds are the training's own where the method is judged; name another method")
        if self.group and self.method != "grouped_kfold":
            raise ValueError(f"group needs the method grouped_kfold, not {self.method}")
        if self.embargo and self.method in WITHOUT_TIME:
            raise ValueError(f"embargo is a span of time, which {self.method} does not know")
        return self

    @property
    def n_folds(self) -> int:
        """Folds that are wanted."""
        return self.folds or 5


class CostSpec(Block):
    """What the two mistakes of a binary decision cost, in any unit."""

    false_positive: float = Field(ge=0)
    """Of a row that is called positive and is not."""
    false_negative: float = Field(ge=0)
    """Of a row that is positive and not called so."""

    @model_validator(mode="after")
    def _costs_something(self) -> Self:
        if not self.false_positive + self.false_negative:
            raise ValueError("one of the two mistakes must cost something")
        return self


class ThresholdSpec(Block):
    """What a decision is chosen by, out of fold: a metric, or what mistakes cost."""

    metric: ThresholdMetric | None = None
    """Metric of the decisions that is greatest at the threshold."""
    cost: CostSpec | CostTable | None = None
    """Costs of the two mistakes; of many classes a table {actual: {predicted: cost}}, in which what is not named costs nothing."""

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.metric is None) == (self.cost is None):
            raise ValueError("a threshold is a number, or has one of metric and cost")
        return self


class IntervalSpec(Block):
    """Interval around each predicted value that holds the truth as often as declared."""

    level: float = Field(default=0.9, ge=0.5, le=0.99)
    """Share of the truths that lie inside."""
    method: Literal["conformal"] = "conformal"
    """From the errors out of fold, by groups of rows with like scores, each tail by itself."""


OUTERMOST = 0.005
"""Share beyond the outermost quantile: of the fewest rows of a group of like scores (150) it is nearly the outermost error."""

MOST_QUANTILES = 19
"""Quantiles at most: every twentieth."""


def check_quantiles(shares: tuple[float, ...]) -> tuple[float, ...]:
    """Refuse shares that are none, do not ascend, or lie further out than errors can tell."""
    for share in shares:
        if not 0 < share < 1:
            meant = f"; write {share / 100:g} for {share:g} %" if 1 <= share < 100 else ""
            raise ValueError(f"must be shares above 0 and below 1, and {share:g} is none{meant}")
        if not OUTERMOST <= share <= 1 - OUTERMOST:
            raise ValueError(
                f"must lie between {OUTERMOST:g} and {1 - OUTERMOST:g}, and {share:g} does not: "
                "groups of a few hundred errors do not tell what happens once in thousands"
            )
    rising = sorted(set(shares))
    if list(shares) != rising:
        raise ValueError(f"must ascend, each named once; write [{', '.join(map(str, rising))}]")
    return shares


QuantileShares = Annotated[
    tuple[float, ...], Field(min_length=1, max_length=MOST_QUANTILES), AfterValidator(check_quantiles)
]


def quantile_column(share: float) -> str:
    """Return the name of a quantile's column: its percent.

    Examples
    --------
    >>> quantile_column(0.9), quantile_column(0.07), quantile_column(0.975)
    ('quantile_90', 'quantile_7', 'quantile_97_5')
    """
    percent = format((Decimal(str(share)) * 100).normalize(), "f")
    return f"quantile_{percent.replace('.', '_')}"
