"""Rows that an estimator learns from, and what is set by how many there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from declaration.forecast import DifferenceSpec
from declaration.target import ProblemType
from learning.encode import FeatureEncoding
from learning.metrics import Floats

MAX_LEAF_ROWS = 200
"""Least rows of a leaf in large training sets: small leaves learn the weather of single days."""

ROWS_PER_LEAF_ROW = 50
"""In small training sets a leaf holds at least this fraction of the rows."""

FEATURE_SHARE = 0.3
"""Share of the features that a boosted tree's split chooses from."""

LEAST_FEATURES = 5
"""Features that a split chooses from at least, where there are few."""


@dataclass(frozen=True)
class FitRows:
    """Encoded rows and labels that an estimator learns from.

    Attributes
    ----------
    matrix
        Encoded features, shape (n, n_features).
    labels
        Class index or value, shape (n,).
    encoding
        Which columns are codes.
    problem, n_classes
        What is predicted; 1 class index for binary and regression is not used.
    event_time_us, label_time_us
        When each row was predicted, ascending, and when its label became known; None where nobody asks. Shape (n,).
    weights
        How much each row counts; None for all alike. Shape (n,).
    is_prepared
        Whether a declared preprocessing made the matrix: the algorithm adds none of its own.
    folder
        Folder of the declaration, where files of estimators stand.
    difference
        Change that is learned instead of the label; None for the label itself.
    """

    matrix: Floats
    labels: Floats
    encoding: FeatureEncoding
    problem: ProblemType
    n_classes: int
    event_time_us: NDArray[np.int64] | None = None
    label_time_us: NDArray[np.int64] | None = None
    weights: Floats | None = None
    is_prepared: bool = False
    folder: str = ""
    difference: DifferenceSpec | None = None

    @property
    def categorical(self) -> Sequence[int]:
        """Positions of the columns that hold codes."""
        return self.encoding.categorical

    @property
    def targets(self) -> NDArray[np.float64] | NDArray[np.int64]:
        """Labels as scikit-learn reads them: classes are whole numbers."""
        return self.labels if self.problem == "regression" else self.labels.astype(np.int64)

    @property
    def min_leaf_rows(self) -> int:
        """Least rows of a boosted tree's leaf.

        Examples
        --------
        >>> rows = FitRows(np.zeros((1_000, 1)), np.zeros(1_000), FeatureEncoding(()), "binary", 2)
        >>> rows.min_leaf_rows
        20
        """
        return max(2, min(MAX_LEAF_ROWS, self.labels.size // ROWS_PER_LEAF_ROW))

    @property
    def feature_share(self) -> float:
        """Share of the features that a boosted tree's split chooses from."""
        n_features: int = self.matrix.shape[1]
        return min(1.0, max(FEATURE_SHARE, LEAST_FEATURES / n_features))

    def drawn(self, n_rows: int, seed: int) -> FitRows:
        """Return these rows, or as many drawn without replacement; the order stays. No class loses its last row."""
        if self.labels.size <= n_rows:
            return self
        draw = np.random.default_rng(seed)
        chosen = draw.choice(self.labels.size, n_rows, replace=False)
        if self.problem != "regression":
            _, firsts = np.unique(self.labels, return_index=True)
            chosen = np.union1d(chosen, firsts)
        chosen.sort()
        return self.at(chosen)

    def at(self, positions: NDArray[np.int64]) -> FitRows:
        """Return the rows at some positions."""
        times, weights = (self.event_time_us, self.label_time_us), self.weights
        event_time_us, label_time_us = (None if one is None else one[positions] for one in times)
        return replace(
            self,
            matrix=self.matrix[positions],
            labels=self.labels[positions],
            event_time_us=event_time_us,
            label_time_us=label_time_us,
            weights=None if weights is None else weights[positions],
        )


def without_empty_columns(matrix: Floats) -> Floats:
    """Fill columns that hold nothing: binning refuses them, and a constant is never split on."""
    is_empty = np.isnan(matrix).all(axis=0)
    return np.where(is_empty, 0.0, matrix) if is_empty.any() else matrix
