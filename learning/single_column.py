"""Predictive power of one column alone, out of fold: set-based, the same for every type of column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from declaration.target import ProblemType
from learning.value_groups import as_numbers, floats, groups_of, is_missing

N_FOLDS = 2

FOLD_SEED = (0x5EED, 2_357)
"""Seed of the folds: none that made-up data is likely to have been drawn with, or folds would follow its groups."""

MIN_ROWS = 100
"""Fewer labelled rows prove nothing."""

MIN_CLASS_ROWS = 10
"""Nor do fewer rows outside the most frequent class: of 3 rows, a column orders all first by chance too often."""

MAX_ROWS = 100_000
"""Rows looked at: an AUC of 0.99 is then known to a thousandth."""

MEASURES: Mapping[ProblemType, str] = {"binary": "roc_auc", "multiclass": "accuracy", "regression": "r2"}


@dataclass(frozen=True)
class Strength:
    """Predictive power of one column alone.

    Attributes
    ----------
    measure, value
        roc_auc, accuracy or r2, out of fold; at least `chance`.
    chance
        What a column that says nothing reaches: 0.5, the most frequent class's share, or 0.
    missing_value
        What is reached by knowing only whether a value is missing; `chance` where none is.
    n_rows
        Labelled rows that were looked at.
    """

    measure: str
    value: float
    chance: float
    missing_value: float
    n_rows: int

    @property
    def skill(self) -> float:
        """Share of what chance leaves open that the column decides: 0 nothing, 1 all; AUC 0.95 is 0.9."""
        return (self.value - self.chance) / (1 - self.chance)

    @property
    def missing_skill(self) -> float:
        """Skill of knowing whether a value is missing."""
        return (self.missing_value - self.chance) / (1 - self.chance)


@dataclass(frozen=True)
class Truth:
    """Known labels that columns are measured against.

    Attributes
    ----------
    positions
        Rows of the table, ascending.
    numbers
        0 and 1, class indices, or values; one per position.
    n_classes
        Classes that occur; 0 for regression.
    """

    positions: NDArray[np.int64]
    numbers: NDArray[np.float64]
    n_classes: int

    @property
    def proves_something(self) -> bool:
        """True where there are rows, and differences between them, enough to judge a column by."""
        if self.numbers.size < MIN_ROWS:
            return False
        if not self.n_classes:
            return bool(np.ptp(self.numbers) > 0)
        return bool(self.numbers.size - np.bincount(self.numbers.astype(np.int64)).max() >= MIN_CLASS_ROWS)


def known_truth(label: pa.Array, problem: ProblemType) -> Truth:
    """Return the labels that are known, thinned evenly to `MAX_ROWS`."""
    is_known = np.asarray(pc.is_valid(label))
    if problem == "regression":
        is_known &= np.isfinite(floats(label))
    positions = np.flatnonzero(is_known)
    if positions.size > MAX_ROWS:
        positions = positions[np.linspace(0, positions.size - 1, MAX_ROWS).astype(np.int64)]
    labels = label.take(pa.array(positions))
    if problem != "multiclass":
        numbers = floats(labels)
        return Truth(positions, numbers, int(np.unique(numbers).size) if problem == "binary" else 0)
    encoded = labels if isinstance(labels, pa.DictionaryArray) else labels.dictionary_encode()
    return Truth(positions, np.asarray(encoded.indices, dtype=np.float64), len(encoded.dictionary))


def strengths(columns: pa.Table, label: pa.Array, problem: ProblemType) -> Mapping[str, Strength]:
    """Measure the predictive power of each column alone.

    A column's rows are put into groups, and each fold is predicted by what the groups of the other had. Each of
    few or frequent values is a group of its own, other numbers are grouped with their neighbours. Of texts that are
    nearly all different, and of nested values, only whether they are missing is looked at: out of fold no value is
    met twice.

    Parameters
    ----------
    columns
        Candidate features; one row per label.
    label
        0 and 1, class names or numbers, as the problem has them; NULL (NaN) where unknown.
    problem
        Chooses the measure: the AUC, the share of classes named, or the explained variance of the label or of its
        ranks, whichever is larger (of a heavy-tailed label, a few giants would drown everything else).

    Returns
    -------
    Mapping of str to Strength
        By column; empty where too few labels are known to prove anything.
    """
    truth = known_truth(label, problem)
    if not truth.proves_something:
        return {}
    # Neighbours in time are alike: the folds are drawn, from a fixed seed.
    folds = np.random.default_rng(FOLD_SEED).integers(0, N_FOLDS, truth.numbers.size)
    rows = pa.array(truth.positions)
    return {
        name: _strength(columns[name].take(rows).combine_chunks(), truth, folds, problem)
        for name in columns.column_names
    }


def _strength(column: pa.Array, truth: Truth, folds: NDArray[np.int64], problem: ProblemType) -> Strength:
    numbers, missing = as_numbers(column), is_missing(column)
    # Below chance, out of fold, means nothing too.
    chance = _chance(truth, problem)
    value = max(chance, _value(groups_of(column), truth, folds, problem))
    if numbers is not None and not missing.any() and problem != "multiclass":
        value = max(value, _ordered(numbers, truth, problem))
    alone = _value(missing.astype(np.int64), truth, folds, problem) if missing.any() else chance
    return Strength(MEASURES[problem], value, chance, max(alone, chance), int(truth.numbers.size))


def _ordered(numbers: NDArray[np.float64], truth: Truth, problem: ProblemType) -> float:
    """Measure a number's own order: only the direction is fitted, so that few rows are enough."""
    if problem == "binary":
        auc = roc_auc(truth.numbers, numbers)
        return max(auc, 1 - auc)
    from scipy.stats import rankdata

    by_value = _squared_correlation(numbers, truth.numbers) if np.isfinite(numbers).all() else 0.0
    return max(by_value, _squared_correlation(rankdata(numbers), rankdata(truth.numbers)))


def _squared_correlation(left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    left, right = left - left.mean(), right - right.mean()
    # Each by its own size first: products of large numbers overflow.
    left, right = left / (np.abs(left).max() or 1), right / (np.abs(right).max() or 1)
    total = float(np.sum(left**2) * np.sum(right**2))
    return float(np.sum(left * right)) ** 2 / total if total else 0.0


def _chance(truth: Truth, problem: ProblemType) -> float:
    if problem == "multiclass":
        return float(np.bincount(truth.numbers.astype(np.int64)).max() / truth.numbers.size)
    return 0.5 if problem == "binary" else 0.0


def _value(groups: NDArray[np.int64], truth: Truth, folds: NDArray[np.int64], problem: ProblemType) -> float:
    """Predict each fold by the groups' means, or most frequent classes, in the others, and measure it."""
    numbers = truth.numbers
    if problem == "multiclass":
        return float(
            np.mean(_most_frequent(groups, numbers.astype(np.int64), truth.n_classes, folds) == numbers)
        )
    if problem == "binary":
        return roc_auc(numbers, _means(groups, numbers, folds))
    from scipy.stats import rankdata

    ranks = rankdata(numbers)
    return max(_r2(numbers, _means(groups, numbers, folds)), _r2(ranks, _means(groups, ranks, folds)))


def _means(
    groups: NDArray[np.int64], numbers: NDArray[np.float64], folds: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Predict by the groups' means, drawn to the mean of all by one row's weight."""
    predicted, n_groups = np.zeros(numbers.size), int(groups.max()) + 1
    for fold in range(N_FOLDS):
        inside = folds == fold
        sums = np.bincount(groups[~inside], numbers[~inside], n_groups)
        sizes = np.bincount(groups[~inside], minlength=n_groups)
        predicted[inside] = ((sums + numbers[~inside].mean()) / (sizes + 1))[groups[inside]]
    return predicted


def _most_frequent(
    groups: NDArray[np.int64], classes: NDArray[np.int64], n_classes: int, folds: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Predict by the groups' most frequent class; of ties and unknown groups, the most frequent of all."""
    predicted, n_groups = np.zeros(classes.size, dtype=np.int64), int(groups.max()) + 1
    for fold in range(N_FOLDS):
        inside = folds == fold
        cells = groups[~inside] * n_classes + classes[~inside]
        counts = np.bincount(cells, minlength=n_groups * n_classes).reshape(n_groups, n_classes)
        broken_ties = counts + counts.sum(axis=0) / (2 * classes.size)
        predicted[inside] = broken_ties.argmax(axis=1)[groups[inside]]
    return predicted


def _r2(truth: NDArray[np.float64], predicted: NDArray[np.float64]) -> float:
    total = float(np.sum((truth - truth.mean()) ** 2))
    return 1 - float(np.sum((truth - predicted) ** 2)) / total if total else 0.0


def roc_auc(truth: NDArray[np.float64], scores: NDArray[np.float64]) -> float:
    """Return the area under the ROC curve, ties counted half (Mann-Whitney).

    Examples
    --------
    >>> roc_auc(np.array([0.0, 1.0, 0.0, 1.0]), np.array([1.0, 2.0, 3.0, 4.0]))
    0.75
    """
    from scipy.stats import rankdata

    positive = truth > 0
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    if not n_positive or not n_negative:
        return 0.5
    ranks = rankdata(scores)
    return float((ranks[positive].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))
