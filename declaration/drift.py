"""The `drift:` and `retrain:` blocks: how drift is judged, and when a challenger is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import (
    Field,
)

from declaration.types import Block, ColumnName, Identifier, Sensitivity

RetrainTrigger = Literal["performance", "drift", "schedule"]


DriftMethod = Literal["effect", "documented"]


MultivariateStage = Literal["never", "stable", "always"]


LikelyDrift = Literal["show", "warn", "retrain"]


class FeatureDriftSpec(Block):
    """Drift settings of one feature, where they differ from those of the others."""

    sensitivity: Sensitivity | None = None
    """Least effect that counts for this feature; by default `drift.sensitivity`."""
    method: DriftMethod | None = None
    """Rule for this feature; by default `drift.method`."""
    ignore: bool = False
    """Show the feature's distances and judge nothing by them: it is no drift, and no part of the drift score."""


class MultivariateSpec(Block):
    """Drift of all features together: a classifier that tells the window from the reference."""

    when: MultivariateStage = "never"
    """`stable`: where no single feature drifted; `always`; `never`. It costs about 5 CPU seconds a report."""
    max_rows: int = Field(default=20_000, ge=1_000, le=200_000)
    """Rows of each window that are compared at most, chosen by a hash of their keys."""


class DriftSpec(Block):
    """Settings by which drift is judged."""

    method: DriftMethod = "effect"
    """`effect`: the sure effect reaches a threshold. `documented`: a significant p-value (Benjamini-Hochberg) and Cohen's d or Cramér's V; blind to shape."""
    sensitivity: Sensitivity = "medium"
    """Least effect size that counts as drift: low 0.20, medium 0.10, high 0.05 (KS distance, Cramér's V); by `documented` Cohen's large, medium, small."""
    features: Mapping[ColumnName, FeatureDriftSpec] = Field(default_factory=dict)
    """Features that are judged differently, by the report's name: `<view>__<feature>`, `request__<feature>`; without a target, the column."""
    multivariate: MultivariateSpec = Field(default_factory=MultivariateSpec)
    """Judgement of all features together, beside each by itself; never asks for a retrain."""
    min_rows: int = Field(default=500, ge=2)
    """Fewer rows, in the newest eight windows of a model together, are 'insufficient data'."""
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    """Family-wise level of the lower confidence bounds."""
    likely: LikelyDrift = "show"
    """Effect of drift that is likely and not yet certain: `show`s on the page; `warn`s too, by severity and alerts; also counts for `retrain.on: [drift]`."""
    year_to_year: float = Field(default=0.1, ge=0, le=1)
    """Shift from one year to the next that is usual of any column, in its standard deviations: an allowance that no single year can tell."""
    max_performance_drop: float = Field(default=0.05, ge=0)
    """Loss of the metric against the champion's holdout that asks for a retrain when it is certain at `alpha`."""
    slices: tuple[ColumnName, ...] = ()
    """Columns by whose values the realised metric is also computed: keys, entity columns or request features of the target's rows."""
    min_slice_rows: int = Field(default=100, ge=2)
    """Values of a slice with fewer labelled rows are listed and not judged."""
    dataset: Identifier | None = None
    """Without a target: the dataset that is watched; by default the only one with partitions."""
    reference: Literal["first", "previous"] = "first"
    """Without a target: whether a partition is compared with the first ones, or with those just before it."""
    reference_partitions: int = Field(default=3, ge=1)
    """Without a target: how many partitions the reference has, at most."""

    def judged(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the features that are not ignored."""
        return tuple(name for name in names if not (name in self.features and self.features[name].ignore))


class RetrainSpec(Block):
    """Conditions on which a challenger is trained."""

    on: tuple[RetrainTrigger, ...] = ("performance", "schedule")
    """Causes for which a challenger is trained. `drift` lets feature and prediction drift ask without a confirmed loss."""
    cooldown: int = Field(default=1, ge=0)
    """Partitions to wait after a training before another may be asked for."""
    min_new_labels: int = Field(default=500, ge=0)
    """Labels that must have arrived since the champion's training. One that is surely worse than chance, or than a naive forecast, does not wait for them."""
    min_first_labels: int | None = Field(default=None, ge=0)
    """Labels that must be known before the first training; by default as many as `min_new_labels`."""
    max_age: int = Field(default=3, ge=1)
    """Partitions without a training after which `schedule` asks for a challenger."""
    probation: int = Field(default=2, ge=0)
    """First partitions of a new champion on which its predecessor scores the same rows, and serves again where it is surely better.
    With 0 neither it nor a model that a loss replaced is watched."""

    @property
    def floor(self) -> tuple[str, int]:
        """Name of the key, and labels, that a training waits for."""
        return "min_new_labels", self.min_new_labels

    @property
    def first_floor(self) -> tuple[str, int]:
        """The same for the first training."""
        return self.floor if self.min_first_labels is None else ("min_first_labels", self.min_first_labels)
