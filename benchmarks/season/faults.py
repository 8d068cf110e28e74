"""Faults of one column: what a wrong unit, a broken sensor or a wrong join makes of a window."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

SMOOTHED_ROWS = 25
"""Rows of the moving average beside which a column's noise lies: about a day of hours."""

FAULTS = (
    "×1.8+32", "×2.54", "×1000", "m → ft", "stuck", "halved", "doubled", "+1 sd", "+2 sd", "sign", "noise ×2", "swap",
)  # fmt: skip


def planted(
    fault: str, values: Vector, spread: float, neighbour: Vector, draw: np.random.Generator
) -> Vector:
    """Return a window's values with a fault.

    Parameters
    ----------
    fault
        Of `FAULTS`.
    values
        The column in the window; NaN where missing.
    spread
        Its standard deviation over the reference.
    neighbour
        The column that it is swapped with.
    draw
        For what is drawn.
    """
    plain: Mapping[str, tuple[float, float]] = {
        "×1.8+32": (1.8, 32.0),
        "×2.54": (2.54, 0.0),
        "×1000": (1000.0, 0.0),
        "m → ft": (3.28084, 0.0),
        "halved": (0.5, 0.0),
        "doubled": (2.0, 0.0),
        "+1 sd": (1.0, spread),
        "+2 sd": (1.0, 2 * spread),
        "sign": (-1.0, 0.0),
    }
    if fault in plain:
        factor, shift = plain[fault]
        return values * factor + shift
    if fault == "swap":
        return neighbour
    finite = values[np.isfinite(values)]
    if fault == "stuck":
        return np.where(np.isfinite(values), finite[len(finite) // 2] if len(finite) else np.nan, np.nan)
    return values + draw.normal(0, np.sqrt(3) * _noise(values), len(values))


def _noise(values: Vector) -> float:
    """Return the deviation of values beside their moving average."""
    finite = values[np.isfinite(values)]
    if len(finite) <= SMOOTHED_ROWS:
        return float(finite.std()) if len(finite) else 0.0
    kernel = np.ones(SMOOTHED_ROWS) / SMOOTHED_ROWS
    smooth = np.convolve(finite, kernel, mode="valid")
    margin = SMOOTHED_ROWS // 2
    return float((finite[margin : margin + len(smooth)] - smooth).std())
