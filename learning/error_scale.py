"""Scale of a forecast's errors: how far the season before lies from the values that were learned from.

The mean absolute scaled error is the mean absolute error in these units: below 1 a model errs less than the season before did in its
training rows. Series of any unit and height can so be compared.

References
----------
Hyndman and Koehler (2006), Another look at measures of forecast accuracy, International Journal of Forecasting 22.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from learning.known_values import LAST_VALUE
from learning.metrics import Floats

MASE = "mase"
"""Name of the scaled error among metrics."""

LEAST_SHARE = 0.5
"""Part of the rows that must have a value a season before, for the season to be the scale."""


@dataclass(frozen=True)
class ErrorScale:
    """Mean distance of the labels from a naive forecast.

    Attributes
    ----------
    baseline
        The forecast.
    value
        The distance, in the label's unit, above 0.
    """

    baseline: str
    value: float


def error_scale(labels: Floats, known: Mapping[str, Floats]) -> ErrorScale | None:
    """Return the scale of the season that is nearest to the labels; without a season that of the last known value.

    Parameters
    ----------
    labels
        Values that were learned from. Shape (n,).
    known
        What was known of each when it was predicted, by name; NaN where nothing was. Shape (n,) each.

    Returns
    -------
    ErrorScale or None
        None where nothing was known, or the forecast errs nowhere.

    Examples
    --------
    >>> labels = np.array([1.0, 2.0, 4.0])
    >>> error_scale(labels, {"day_season": np.array([np.nan, 1.0, 2.0]), "last_value": labels})
    ErrorScale(baseline='day_season', value=1.5)
    """
    scales = {
        name: ErrorScale(name, float(np.nanmean(np.abs(labels - values))))
        for name, values in known.items()
        if np.count_nonzero(~np.isnan(values)) >= max(1.0, LEAST_SHARE * labels.size)
    }
    seasons = [scale for name, scale in scales.items() if name != LAST_VALUE]
    chosen = min(seasons, key=lambda scale: scale.value) if seasons else scales.get(LAST_VALUE)
    return chosen if chosen is not None and chosen.value > 0 else None
