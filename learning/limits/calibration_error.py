"""Expected calibration error: how far probabilities lie from the shares of hits, in bins of equal count."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from declaration.limits import LimitRule
from learning.limits.finding import (
    LimitFinding,
    blocks_or_rows,
    judged_together,
    p_value_of,
    quantile_of_t,
)
from learning.metrics import Floats, Scored, hits

N_BINS = 10
"""Bins, as in the reliability diagram."""

KEY = "model.gate.max_calibration_error"


def calibration_error(scored: Scored) -> float:
    """Return the mean distance between probability and share of hits over bins of equal count, weighted by rows.

    Parameters
    ----------
    scored
        Binary: the probability of 1 against the share of 1. Multiclass: that of the likeliest class against the share of
        rows where it is right.

    References
    ----------
    Naeini, Cooper and Hauskrecht (2015), Obtaining well calibrated probabilities using Bayesian binning, AAAI: the error.
    Nguyen and O'Connor (2015), Posterior calibration and exploratory analysis for natural language processing models, EMNLP:
    bins of equal count. Guo, Pleiss, Sun and Weinberger (2017), On calibration of modern neural networks, ICML: of many classes
    the likeliest.

    Examples
    --------
    >>> calibration_error(Scored(np.array([0.0, 1, 1, 1]), np.array([0.5, 0.5, 0.9, 0.9])))
    0.05
    """
    distances = _distances(scored, np.zeros(scored.labels.size, dtype=np.int64))
    return round(float(np.abs(distances).sum()) / scored.labels.size, 15)


def _distances(scored: Scored, blocks: NDArray[np.int64]) -> Floats:
    """Return the sums of probability less hits by block and bin, shape (n_blocks, N_BINS)."""
    probabilities, is_hit = _claims(scored)
    n = probabilities.size
    bins = np.empty(n, dtype=np.int64)
    bins[np.argsort(probabilities, kind="stable")] = np.arange(n) * min(N_BINS, n) // n
    # Equal probabilities are one claim: they stay in one bin.
    values, places = np.unique(probabilities, return_inverse=True)
    first = np.full(values.size, N_BINS, dtype=np.int64)
    np.minimum.at(first, places, bins)
    n_blocks = int(blocks.max()) + 1
    cells = blocks * N_BINS + first[places]
    sums: Floats = np.bincount(cells, probabilities - is_hit, n_blocks * N_BINS).astype(np.float64)
    return sums.reshape(n_blocks, N_BINS)


def _claims(scored: Scored) -> tuple[Floats, Floats]:
    """Return each row's probability and whether what it was given to came true."""
    if scored.scores.ndim == 1:
        return scored.scores, scored.labels
    return scored.scores.max(axis=1), hits(scored)


def judge_calibration(
    scored: Scored, event_time_us: NDArray[np.int64], limit: float, *, rule: LimitRule, alpha: float
) -> LimitFinding:
    """Hold the challenger's calibration error, out of fold, against its limit.

    By chance alone each bin lies off, so the error of few rows is large for every model. Which way a bin lies off is
    therefore read from every second block, and how far from the others: what is so found is too small rather than too large.

    Parameters
    ----------
    scored, event_time_us
        Judged rows.
    limit
        Greatest error.
    rule, alpha
        When it stops the challenger.
    """
    n, blocks = scored.labels.size, blocks_or_rows(event_time_us)
    value = calibration_error(scored)
    about = f"expected calibration error ({N_BINS} bins of equal count)"
    plain = LimitFinding(KEY, about, "at most", limit, n, value)
    if blocks.n_blocks < 2:
        return judged_together([plain], rule=rule, alpha=alpha)[0]
    distances = _distances(scored, blocks.numbers)
    is_odd = np.arange(blocks.n_blocks) % 2 == 1
    signs_of_even, signs_of_odd = (np.sign(distances[half].sum(axis=0)) for half in (~is_odd, is_odd))
    by_block = (distances * np.where(is_odd[:, None], signs_of_even, signs_of_odd)).sum(axis=1)
    least = float(by_block.sum()) / n
    counts = np.bincount(blocks.numbers, minlength=blocks.n_blocks)
    squares = float(np.sum((by_block - least * counts) ** 2))
    error = float(np.sqrt(blocks.n_blocks / (blocks.n_blocks - 1) * squares)) / n
    reach = quantile_of_t(1 - alpha, blocks.n_blocks) * error
    finding = replace(
        plain,
        low=max(0.0, least - reach),
        high=min(1.0, value + reach),
        p_value=p_value_of(least - limit, error, blocks.n_blocks),
    )
    return judged_together([finding], rule=rule, alpha=alpha)[0]
