"""Dependence of rows within blocks of time, which tests of independent rows must not have."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from learning.blocks import Blocks
from learning.metrics import Floats

LEVEL = 0.05
"""Level of the test of dependence."""

LEAST_DESIGN_EFFECT = 1.1
"""Variance by blocks over variance by rows, up to which nothing is lost: standard errors are off by a twentieth."""


@dataclass(frozen=True)
class RowDependence:
    """Dependence of rows within blocks of time.

    Attributes
    ----------
    design_effect
        Variance of the mean by blocks over that of independent rows; None where there are too few rows for blocks.
    p_value
        Of rows that are independent, by the F test of one-way analysis of variance over blocks.
    fault
        Why rows are not to be taken as independent; empty where nothing speaks against it.
    """

    design_effect: float | None
    p_value: float | None
    fault: str


def row_dependence(
    influences: Floats, blocks: Blocks | None, row_numbers: NDArray[np.int64] | None = None
) -> RowDependence:
    """Test whether what rows say of a difference is independent of what their neighbours say.

    Parameters
    ----------
    influences
        Each row's part in the difference between two models. Shape (n,).
    blocks
        Blocks of time of the rows; None where they are too few.
    row_numbers
        A number for each row, the same where a row comes again; None where none does. Shape (n,).

    References
    ----------
    Kish (1965), Survey Sampling, section 5.4: the design effect.

    Examples
    --------
    >>> days = Blocks(np.repeat(np.arange(10), 20), 10, "day")
    >>> row_dependence(np.repeat(np.arange(10.0), 20), days).fault
    'rows of one day are alike: the variance is 22.2 times that of independent rows'
    """
    n_again = 0 if row_numbers is None else row_numbers.size - np.unique(row_numbers).size
    if n_again:
        return RowDependence(None, None, f"{n_again:,} of {influences.size:,} rows are rows that come again")
    if blocks is None:
        return RowDependence(None, None, "there are too few rows to tell whether they are independent")
    centred = influences - influences.mean()
    within_rows = float(np.sum(centred**2))
    n, n_blocks = centred.size, blocks.n_blocks
    if within_rows == 0 or n <= n_blocks:
        return RowDependence(1.0, 1.0, "")
    sums: Floats = np.bincount(blocks.numbers, weights=centred, minlength=n_blocks).astype(np.float64)
    effect = float(n_blocks / (n_blocks - 1) * np.sum(sums**2) / within_rows)
    p_value = _independence_p_value(sums, blocks, within_rows)
    if p_value >= LEVEL or effect <= LEAST_DESIGN_EFFECT:
        return RowDependence(effect, p_value, "")
    fault = (
        f"rows of one {blocks.unit} are alike: the variance is {effect:.3g} times that of independent rows"
    )
    return RowDependence(effect, p_value, fault)


def _independence_p_value(sums: Floats, blocks: Blocks, total: float) -> float:
    from scipy.special import fdtrc

    counts = np.bincount(blocks.numbers, minlength=blocks.n_blocks)
    between = float(np.sum(sums**2 / counts))
    degrees = blocks.n_blocks - 1, int(counts.sum()) - blocks.n_blocks
    # What is left may be a rounding error below nothing.
    within = max(total - between, 1e-12 * total)
    return float(fdtrc(*degrees, (between / degrees[0]) / (within / degrees[1])))
