"""Postprocessing of an estimator's raw scores: probabilities without class weights, calibrated; decisions, intervals, quantiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from learning.calibration import Calibration
from learning.class_weights import unweighted_probabilities
from learning.intervals import Intervals
from learning.metrics import Floats
from learning.quantiles import Quantiles
from learning.threshold import Costs


@dataclass(frozen=True)
class Postprocessing:
    """Steps between an estimator's scores and a model's answer; plain numbers, stored in the manifest of a model file.

    Attributes
    ----------
    class_weights
        Weights that the estimator has learned with, by class index; empty for none.
    calibration
        Correction of probabilities.
    threshold
        Binary: least probability that is called positive; None where no decision is asked for.
    costs
        Many classes: cost of each decision; empty for none.
    intervals, quantiles
        Around predicted values.
    """

    class_weights: tuple[float, ...] = ()
    calibration: Calibration | None = None
    threshold: float | None = None
    costs: Costs = ()
    intervals: Intervals | None = None
    quantiles: Quantiles | None = None

    def scores(self, raw: Floats) -> Floats:
        """Return the scores that the model gives."""
        scores = unweighted_probabilities(raw, self.class_weights) if self.class_weights else raw
        return self.calibration.applied(scores) if self.calibration is not None else scores

    def to_plain(self) -> dict[str, Any]:
        """Return what differs from nothing as JSON values."""
        plain: dict[str, Any] = {}
        if self.class_weights:
            plain["class_weights"] = list(self.class_weights)
        if self.calibration is not None:
            plain["calibration"] = self.calibration.to_plain()
        if self.threshold is not None:
            plain["threshold"] = self.threshold
        if self.costs:
            plain["costs"] = [list(row) for row in self.costs]
        if self.intervals is not None:
            plain["intervals"] = self.intervals.to_plain()
        if self.quantiles is not None:
            plain["quantiles"] = self.quantiles.to_plain()
        return plain

    @staticmethod
    def from_plain(plain: Mapping[str, Any]) -> Postprocessing:
        """Read what `to_plain` gives."""
        calibration, intervals, quantiles = (
            plain.get(name) for name in ("calibration", "intervals", "quantiles")
        )
        return Postprocessing(
            tuple(plain.get("class_weights", ())),
            Calibration.from_plain(calibration) if calibration is not None else None,
            plain.get("threshold"),
            tuple(tuple(row) for row in plain.get("costs", ())),
            Intervals.from_plain(intervals) if intervals is not None else None,
            Quantiles.from_plain(quantiles) if quantiles is not None else None,
        )


NONE = Postprocessing()
