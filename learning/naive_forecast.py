"""Naive forecast that can serve: a feature as it stands, such as the last known value of a series.

Baselines from the table of labels (`baselines`) have no values online; a feature has. So what can serve is the feature
that says the label best by itself, or the labels' mean where none is better. It competes with every candidate of a
regression: a forecaster that loses to the last value is no forecaster.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from declaration.model import CandidateSpec
from learning.algorithms.rows import FitRows
from learning.metrics import Floats

NAIVE = CandidateSpec(use="naive")
"""The candidate that competes in every regression; a declaration does not name it."""


@dataclass(frozen=True)
class NaiveForecast:
    """Forecast that is a feature as it stands.

    Attributes
    ----------
    column
        Its position among the encoded features; None says the mean of every row.
    otherwise
        Forecast of a row without a value: the mean of the labels.
    """

    column: int | None
    otherwise: float

    def predict(self, matrix: Floats) -> Floats:
        """Forecast encoded rows.

        Examples
        --------
        >>> NaiveForecast(1, 5.0).predict(np.array([[0.0, 3.0], [0.0, np.nan]])).tolist()
        [3.0, 5.0]
        """
        if self.column is None:
            return np.full(matrix.shape[0], self.otherwise)
        values = matrix[:, self.column]
        return np.where(np.isnan(values), self.otherwise, values)

    def to_plain(self) -> Mapping[str, float | int | None]:
        """Return the forecast as JSON values."""
        return {"column": self.column, "otherwise": self.otherwise}

    def text(self, names: tuple[str, ...]) -> str:
        """Describe the forecast, given the encoded features' names.

        Examples
        --------
        >>> NaiveForecast(0, 5.0).text(("last_week",)), NaiveForecast(None, 5.0).text(())
        ('last_week as it stands', "the labels' mean")
        """
        return "the labels' mean" if self.column is None else f"{names[self.column]} as it stands"


def learn_naive_forecast(rows: FitRows) -> NaiveForecast:
    """Choose the numeric feature of least squared error as it stands, if any is better than the mean.

    Parameters
    ----------
    rows
        Of a regression, at least one.
    """
    mean = float(rows.labels.mean())
    best, least = NaiveForecast(None, mean), float(np.var(rows.labels))
    for column, encoded in enumerate(rows.encoding.columns):
        if encoded.kind != "number":
            continue
        forecast = NaiveForecast(column, mean)
        loss = float(np.mean((forecast.predict(rows.matrix) - rows.labels) ** 2))
        if loss < least:
            best, least = forecast, loss
    return best
