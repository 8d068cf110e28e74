"""Columns that know the answer: what one column alone predicts of the label, out of fold.

A column that nearly decides the label by itself is seldom a lucky feature; most often it was written
after the truth was known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipelines.spec import ProblemType

LEAK_AUC = 0.99
"""AUC of one column alone from which it is suspected: above what the best single features of real tables reach
(0.98 for the largest radius of a tumour in the breast cancer data of scikit-learn)."""

LEAK_ACCURACY = 0.99
"""Share of rows whose class one column alone names, for more than two classes."""

LEAK_R2 = 0.99
"""Share of the label's variance that one column alone explains, for regression."""

MAX_BINS = 64
"""Groups that a column's values are put into: enough for a step anywhere, few enough that groups have rows."""

N_FOLDS = 2

FOLD_SEED = (0x5EED, 2_357)
"""Seed of the folds: none that made-up data is likely to have been drawn with, or folds would follow its groups."""

MIN_ROWS = 100
"""Fewer labelled rows prove nothing."""

MAX_ROWS = 100_000
"""Rows looked at: an AUC of 0.99 is then known to a thousandth."""


@dataclass(frozen=True)
class Suspicion:
    """A column that predicts the label too well.

    Attributes
    ----------
    column
        Its name.
    measure, value
        roc_auc, accuracy or r2 of the column alone, out of fold.
    n_rows
        Labelled rows that were looked at.
    evidence
        In words.
    """

    column: str
    measure: str
    value: float
    n_rows: int
    evidence: str


def suspicious(columns: pa.Table, label: pa.Array, problem: ProblemType) -> tuple[Suspicion, ...]:
    """Find the columns that nearly decide the label alone.

    Parameters
    ----------
    columns
        Candidate features; one row per label. Numbers, booleans, texts and times.
    label
        0 and 1, class names or numbers, as the problem has them; NULL where unknown.
    problem
        Chooses the measure.

    Returns
    -------
    tuple of Suspicion
        The strongest first.

    Examples
    --------
    >>> answer = pa.array([0, 1] * 200)
    >>> table = pa.table({"copy": answer, "order": pa.array(range(400))})
    >>> [found.column for found in suspicious(table, answer, "binary")]
    ['copy']
    """
    threshold = {"binary": LEAK_AUC, "multiclass": LEAK_ACCURACY, "regression": LEAK_R2}[problem]
    found = []
    for name, strength in strengths(columns, label, problem).items():
        if strength.value >= threshold:
            found.append(
                Suspicion(name, strength.measure, strength.value, strength.n_rows, _evidence(strength))
            )
    return tuple(sorted(found, key=lambda suspicion: -suspicion.value))


@dataclass(frozen=True)
class Strength:
    """What one column alone predicts.

    Attributes
    ----------
    measure, value
        roc_auc, accuracy or r2, out of fold; 0.5, the most frequent class's share, or 0 mean nothing.
    n_rows
        Labelled rows that were looked at.
    missing_tells
        Whether a value is missing says it, rather than the value.
    """

    measure: str
    value: float
    n_rows: int
    missing_tells: bool


def strengths(columns: pa.Table, label: pa.Array, problem: ProblemType) -> Mapping[str, Strength]:
    """Measure what each column alone predicts of the label.

    Columns whose values are nearly all different are put into groups of neighbours; texts of that
    kind are left out: out of fold, no value is met twice.
    """
    is_known = np.asarray(pc.is_valid(label))
    positions = np.flatnonzero(is_known)
    if positions.size < MIN_ROWS:
        return {}
    if positions.size > MAX_ROWS:
        positions = positions[np.linspace(0, positions.size - 1, MAX_ROWS).astype(np.int64)]
    rows = pa.array(positions)
    truth, n_classes = _truth(label.take(rows), problem)
    if n_classes == 1:
        return {}
    # Neighbours in time are alike: the folds are drawn, from a fixed seed.
    folds = np.random.default_rng(FOLD_SEED).integers(0, N_FOLDS, positions.size)
    found = {}
    for name in columns.column_names:
        groups, missing = _groups(columns[name].take(rows))
        if groups is None:
            continue
        value, measure = _out_of_fold(groups, truth, n_classes, folds, problem)
        alone, _ = _out_of_fold(missing.astype(np.int64), truth, n_classes, folds, problem)
        found[name] = Strength(
            measure, value, int(positions.size), bool(alone >= 0.99 * value and missing.any())
        )
    return found


def _truth(label: pa.Array, problem: ProblemType) -> tuple[NDArray[np.float64], int]:
    """Return labels as numbers, classes numbered."""
    if problem == "regression":
        numbers = np.asarray(label.cast(pa.float64()), dtype=np.float64)
        return numbers, 1 if np.ptp(numbers) == 0 else 2
    encoded = label.dictionary_encode() if not isinstance(label, pa.DictionaryArray) else label
    numbers = np.asarray(encoded.indices, dtype=np.float64)
    if problem == "binary":
        numbers = np.asarray(label.cast(pa.float64()), dtype=np.float64)
    return numbers, len(encoded.dictionary)


def _groups(column: pa.ChunkedArray) -> tuple[NDArray[np.int64] | None, NDArray[np.bool_]]:
    """Put values into at most `MAX_BINS` groups and one for missing values."""
    array = column.combine_chunks()
    missing = np.asarray(pc.is_null(array, nan_is_null=True))
    kind = array.type
    if pa.types.is_boolean(kind):
        values = np.asarray(array.cast(pa.int8()).fill_null(-1), dtype=np.float64)
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        values = np.asarray(array.cast(pa.float64()).fill_null(np.nan), dtype=np.float64)
    elif pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        stamps = array.cast(pa.timestamp("us")).cast(pa.int64())
        values = np.asarray(stamps.cast(pa.float64(), safe=False).fill_null(np.nan), dtype=np.float64)
    else:
        encoded = array.cast(pa.string()).dictionary_encode()
        if len(encoded.dictionary) > max(MAX_BINS, len(array) // 10):
            return None, missing
        return np.asarray(encoded.indices.fill_null(len(encoded.dictionary)), dtype=np.int64), missing
    present = values[~missing]
    if not present.size:
        return None, missing
    edges = np.unique(np.quantile(present, np.linspace(0, 1, MAX_BINS + 1)[1:-1]))
    groups = np.searchsorted(edges, values, side="right").astype(np.int64)
    groups[missing] = edges.size + 1
    return groups, missing


def _out_of_fold(
    groups: NDArray[np.int64],
    truth: NDArray[np.float64],
    n_classes: int,
    folds: NDArray[np.int64],
    problem: ProblemType,
) -> tuple[float, str]:
    """Predict each fold by the groups' means, or most frequent classes, of the others."""
    n_groups = int(groups.max()) + 1
    predicted = np.zeros(truth.size)
    for fold in range(N_FOLDS):
        inside = folds == fold
        learned, asked = groups[~inside], groups[inside]
        if problem == "multiclass":
            counts = np.zeros((n_groups, n_classes))
            np.add.at(counts, (learned, truth[~inside].astype(np.int64)), 1)
            counts += counts.sum(axis=0) * 1e-9
            predicted[inside] = counts.argmax(axis=1)[asked]
        else:
            base = truth[~inside].mean()
            sums = np.bincount(learned, truth[~inside], n_groups)
            sizes = np.bincount(learned, minlength=n_groups)
            predicted[inside] = ((sums + base) / (sizes + 1))[asked]
    if problem == "multiclass":
        return float(np.mean(predicted == truth)), "accuracy"
    if problem == "binary":
        return _auc(truth, predicted), "roc_auc"
    residual, total = np.sum((truth - predicted) ** 2), np.sum((truth - truth.mean()) ** 2)
    return float(1 - residual / total), "r2"


def _auc(truth: NDArray[np.float64], scores: NDArray[np.float64]) -> float:
    """Return the area under the ROC curve, ties counted half (Mann-Whitney)."""
    from scipy.stats import rankdata

    positive = truth > 0
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    if not n_positive or not n_negative:
        return 0.5
    ranks = rankdata(scores)
    return float((ranks[positive].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))


_NAMES = {"roc_auc": "AUC", "accuracy": "accuracy", "r2": "R²"}


def _evidence(strength: Strength) -> str:
    how = "whether it is missing tells it" if strength.missing_tells else "alone"
    return f"{_NAMES[strength.measure]} {strength.value:.3f} {how}, on {strength.n_rows:,} rows"


def names_of(found: Sequence[Suspicion]) -> frozenset[str]:
    """Return the suspected columns."""
    return frozenset(suspicion.column for suspicion in found)
