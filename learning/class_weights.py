"""Class weights: how much each row counts in learning, and the probabilities that come of it without them.

Learning with weights is learning of another prior: odds are multiplied by the ratio of the weights. Divided by it again
they are the odds of the rows as they are, so that a weighted model's probabilities mean what any other's do.

References
----------
Elkan (2001), The foundations of cost-sensitive learning, IJCAI, theorem 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from declaration.decisions import ClassWeight
from learning.algorithms.rows import FitRows
from learning.metrics import Floats


def class_weights(declared: ClassWeight, rows: FitRows, classes: Sequence[str]) -> tuple[float, ...]:
    """Return the weight of each class, by index.

    Parameters
    ----------
    declared
        `balanced`, as many rows as all over those of the class times the classes, or weights by label; others count 1.
    rows
        Rows to learn from.
    classes
        Multiclass: labels in index order; otherwise empty, and labels are 0 and 1.

    Examples
    --------
    >>> from learning.encode import FeatureEncoding
    >>> rows = FitRows(np.zeros((4, 1)), np.array([0.0, 0, 0, 1]), FeatureEncoding(()), "binary", 2)
    >>> class_weights("balanced", rows, ()), class_weights({"1": 20.0}, rows, ())
    ((0.6666666666666666, 2.0), (1.0, 20.0))
    """
    if isinstance(declared, str):
        counts = np.bincount(rows.labels.astype(np.int64), minlength=rows.n_classes)
        n_present = int(np.count_nonzero(counts))
        return tuple(float(rows.labels.size / (n_present * n)) if n else 1.0 for n in counts)
    return tuple(declared.get(label, 1.0) for label in classes or ("0", "1"))


def weighted(rows: FitRows, weights: Sequence[float]) -> FitRows:
    """Give each row the weight of its class."""
    return replace(rows, weights=np.asarray(weights)[rows.labels.astype(np.int64)])


def unweighted_probabilities(probabilities: Floats, weights: Sequence[float]) -> Floats:
    """Take class weights out of probabilities: shape (n,) of label 1, or (n, n_classes).

    Examples
    --------
    >>> unweighted_probabilities(np.array([0.5]), (1.0, 4.0)).tolist()
    [0.2]
    """
    if probabilities.ndim == 1:
        positive, negative = probabilities / weights[1], (1 - probabilities) / weights[0]
        return np.asarray(positive / (positive + negative))
    shares = probabilities / np.asarray(weights)
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))
