"""Outcomes of served predictions: calibration, confusion or residuals of rows whose labels have come, as counts that add up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from declaration.target import ProblemType
from drift.performance.realised import ScoredRows
from learning.metrics import Floats, Scored

Basis = Literal["holdout", "served"]

PROBABILITY_EDGES = (
    0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5,
    0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 1.0,
)  # fmt: skip
"""Fixed, so that windows and versions add up; close to both ends, where rare events have their probabilities."""

RESIDUAL_BINS, RESIDUAL_REACH = 40, 4.0
"""Bins of residuals between this many standard deviations of the holdout's on both sides; the outer ones take the rest."""

MAX_CLASSES = 12
"""Most frequent classes of a confusion that stand alone; others are counted together."""

OTHER_CLASSES, UNSEEN_CLASS = "all others", "never seen in training"

WILSON_Z = 1.96
"""Two-sided 95 % quantile of the normal distribution."""


@dataclass(frozen=True)
class OutcomeBin:
    """Rows whose prediction (or residual) lies in [low, high): how many, and the sums that give their means."""

    basis: Basis
    low: float
    high: float
    n: int
    sum_predicted: float
    sum_observed: float


@dataclass(frozen=True)
class ConfusedClass:
    """Rows of one class that were given one class."""

    basis: Basis
    label: str
    predicted: str
    n: int


@dataclass(frozen=True)
class Outcomes:
    """Outcomes of served predictions, beside those of the holdout.

    Attributes
    ----------
    model_version
        Version that made the predictions.
    calibration
        Binary: probability of 1. Multiclass: probability of the class that is named, observed whether it was right.
    confusion
        Multiclass only.
    residuals
        Regression only: label less prediction.
    """

    model_version: int
    calibration: tuple[OutcomeBin, ...] = ()
    confusion: tuple[ConfusedClass, ...] = ()
    residuals: tuple[OutcomeBin, ...] = ()

    def n_rows(self, basis: Basis) -> int:
        """Count the rows of a basis."""
        return sum(
            outcome_bin.n
            for outcome_bin in (*self.calibration, *self.residuals)
            if outcome_bin.basis == basis
        )


def outcomes_of(
    version: int, problem: ProblemType, classes: Sequence[str], *, holdout: ScoredRows, served: ScoredRows
) -> Outcomes:
    """Count outcomes of a window's labelled rows and of the holdout.

    Parameters
    ----------
    version, problem, classes
        Of the model that made the predictions; classes in its order, for a multiclass one.
    holdout, served
        Rows with labels and scores.
    """
    parts: tuple[tuple[Basis, Scored], ...] = (("holdout", holdout.scored), ("served", served.scored))
    if problem == "regression":
        edges = residual_edges(holdout.scored)
        bins = [outcome_bin for basis, rows in parts for outcome_bin in _residual_bins(basis, rows, edges)]
        return Outcomes(version, residuals=tuple(bins))
    if problem == "binary":
        binary = [
            outcome_bin
            for basis, rows in parts
            for outcome_bin in _bins(basis, rows.scores, rows.scores, rows.labels, _edges())
        ]
        return Outcomes(version, calibration=tuple(binary))
    named = [outcome_bin for basis, rows in parts for outcome_bin in _named_bins(basis, rows)]
    confused = [pair for basis, rows in parts for pair in _confusion(basis, rows, classes)]
    return Outcomes(version, calibration=tuple(named), confusion=tuple(confused))


def residual_edges(holdout: Scored) -> Floats:
    """Return the edges of residuals: even, symmetric, as wide as the holdout's residuals scatter."""
    residuals = holdout.labels - holdout.scores
    spread = float(np.sqrt(np.mean(residuals**2))) if residuals.size else 0.0
    # Rounded, as a sum depends on the order of rows in its last digits, and windows are added by these edges.
    reach = float(f"{RESIDUAL_REACH * spread:.4g}") if math.isfinite(spread) and spread > 0 else 1.0
    return np.linspace(-reach, reach, RESIDUAL_BINS + 1)


def _edges() -> Floats:
    return np.asarray(PROBABILITY_EDGES)


def _bins(
    basis: Basis, places: Floats, predicted: Floats, observed: Floats, edges: Floats
) -> list[OutcomeBin]:
    """Count rows between edges; beyond them in the outer bins. Bins without rows are left out."""
    n_bins = len(edges) - 1
    numbers = np.clip(np.searchsorted(edges, places, side="right") - 1, 0, n_bins - 1)
    counts, predictions, observations = (
        np.bincount(numbers, weights=weights, minlength=n_bins)
        for weights in (np.ones(places.size), predicted, observed)
    )
    return [
        OutcomeBin(
            basis, float(edges[i]), float(edges[i + 1]), int(counts[i]), float(predictions[i]), float(observations[i])
        )
        for i in np.flatnonzero(counts)
    ]  # fmt: skip


def _residual_bins(basis: Basis, rows: Scored, edges: Floats) -> list[OutcomeBin]:
    return _bins(basis, rows.labels - rows.scores, rows.scores, rows.labels, edges)


def _named_bins(basis: Basis, rows: Scored) -> list[OutcomeBin]:
    if rows.labels.size == 0:
        return []
    confidence = rows.scores.max(axis=1)
    is_right = (rows.scores.argmax(axis=1) == rows.labels).astype(np.float64)
    return _bins(basis, confidence, confidence, is_right, _edges())


def _confusion(basis: Basis, rows: Scored, classes: Sequence[str]) -> list[ConfusedClass]:
    """Count pairs of actual and named class; a label beyond the classes was never seen."""
    if rows.labels.size == 0:
        return []
    names = [*classes, UNSEEN_CLASS]
    actual: NDArray[np.int64] = np.minimum(rows.labels.astype(np.int64), len(classes))
    named: NDArray[np.int64] = rows.scores.argmax(axis=1).astype(np.int64)
    counts = np.bincount(actual * len(names) + named, minlength=len(names) ** 2)
    return [
        ConfusedClass(basis, names[pair // len(names)], names[pair % len(names)], int(counts[pair]))
        for pair in np.flatnonzero(counts).tolist()
    ]


def residual_counts(outcomes: Outcomes, basis: Basis) -> tuple[Floats, Floats]:
    """Return the edges of all residual bins, shape (n_bins + 1,), and the rows between them, shape (n_bins,).

    Raises
    ------
    ValueError
        If there are no residuals.
    """
    if not outcomes.residuals:
        raise ValueError("outcomes without residuals: they are counted for regressions only.")
    width = outcomes.residuals[0].high - outcomes.residuals[0].low
    reach = width * RESIDUAL_BINS / 2
    counts = np.zeros(RESIDUAL_BINS)
    for residual in outcomes.residuals:
        if residual.basis == basis:
            counts[min(RESIDUAL_BINS - 1, max(0, round((residual.low + reach) / width)))] += residual.n
    return np.linspace(-reach, reach, RESIDUAL_BINS + 1), counts


def wilson_interval(n_positive: float, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share.

    References
    ----------
    Wilson (1927), J. Am. Stat. Assoc. 22, 209-212.

    Examples
    --------
    >>> low, high = wilson_interval(10, 100)
    >>> round(low, 4), round(high, 4)
    (0.0552, 0.1744)
    """
    if n == 0:
        return 0.0, 1.0
    share, z2 = n_positive / n, WILSON_Z**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    reach = WILSON_Z / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max(0.0, centre - reach), min(1.0, centre + reach)


def largest_classes(confusion: Sequence[ConfusedClass]) -> tuple[ConfusedClass, ...]:
    """Count all but the most frequent classes together, so that a picture has room.

    Examples
    --------
    >>> rows = [ConfusedClass("served", f"{i:02d}", f"{i:02d}", 100 - i) for i in range(14)]
    >>> [(one.label, one.n) for one in largest_classes(rows)][-2:]
    [('11', 89), ('all others', 175)]
    """
    sizes: dict[str, int] = {}
    for pair in confusion:
        sizes[pair.label] = sizes.get(pair.label, 0) + pair.n
        sizes.setdefault(pair.predicted, 0)
    if len(sizes) <= MAX_CLASSES:
        return tuple(confusion)
    names = set(sorted(sizes, key=lambda name: (-sizes[name], name))[:MAX_CLASSES])

    def name_of(name: str) -> str:
        return name if name in names else OTHER_CLASSES

    sums: dict[tuple[Basis, str, str], int] = {}
    for pair in confusion:
        key = (pair.basis, name_of(pair.label), name_of(pair.predicted))
        sums[key] = sums.get(key, 0) + pair.n
    return tuple(ConfusedClass(*key, n) for key, n in sorted(sums.items()))
