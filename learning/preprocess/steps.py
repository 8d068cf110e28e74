"""Steps that scikit-learn has not, or that hold too many rows there: each an estimator of arrays alone."""

from __future__ import annotations

from typing import Any, Literal, Self, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.preprocessing import RobustScaler

from learning.metrics import Floats

MAX_DONOR_ROWS = 2_000
"""Rows among which the nearest are sought for a missing value: each row with a gap is compared with all of them."""

N_NEIGHBOURS = 5
"""Nearest rows whose mean fills a gap: scikit-learn's default."""

N_TARGET_FOLDS = 5
"""Folds of mean labels in training: a row's own label must not be in its feature."""

MAX_SELECTION_ROWS = 20_000
"""Rows that columns are chosen by: nearest neighbours in every column are slow, and ranks settle long before."""

N_SELECTION_TREES = 50
"""Trees of the forest whose use of a column counts."""

N_ISOLATION_TREES = 100
"""Trees of the isolation score: scikit-learn's default."""

Method = Literal["min_variance", "mutual_information", "model"]


class ClippedNumbers(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Clip numbers at limits learned from the rows; a column whose middle half is one value is left alone.

    Parameters
    ----------
    method
        iqr: quartiles and their distance. z_score: mean and standard deviation.
    limit
        How many of them away.

    References
    ----------
    Tukey (1977), Exploratory Data Analysis: the fences of 1.5 quartile distances.
    """

    def __init__(self, method: str, limit: float) -> None:
        self.method = method
        self.limit = limit

    def fit(self, matrix: Floats, labels: ArrayLike | None = None) -> Self:
        """Learn the limits of every column."""
        del labels
        limits = [self._limits(column[~np.isnan(column)]) for column in matrix.T]
        self.lower_, self.upper_ = np.array(limits, dtype=np.float64).reshape(-1, 2).T
        self.n_features_in_ = matrix.shape[1]
        return self

    def _limits(self, values: Floats) -> tuple[float, float]:
        if not values.size:
            return -np.inf, np.inf
        if self.method == "iqr":
            low, high = np.quantile(values, [0.25, 0.75])
            spread = high - low
        else:
            low = high = values.mean()
            spread = values.std()
        return (low - self.limit * spread, high + self.limit * spread) if spread > 0 else (-np.inf, np.inf)

    def transform(self, matrix: Floats) -> Floats:
        """Return the numbers within the limits; missing ones stay missing."""
        return np.clip(matrix, self.lower_, self.upper_)


class QuartileScaler(RobustScaler):  # type: ignore[misc]
    """Scale numbers in quartile distances; a column whose middle half is one value, in standard deviations.

    scikit-learn leaves such a column as it is: what is not in the middle stays as far away as it was.
    """

    def fit(self, matrix: Floats, labels: ArrayLike | None = None) -> Self:
        """Learn middle and unit of every column."""
        super().fit(matrix, labels)
        low, high = np.nanquantile(matrix, [0.25, 0.75], axis=0)
        deviations = np.nanstd(matrix, axis=0)
        self.scale_: Floats = np.where((high == low) & (deviations > 0), deviations, self.scale_)
        return self


class FilledEmpty(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Make columns that held nothing in training 0 for good: a scale cannot be learned from them."""

    def fit(self, matrix: Floats, labels: ArrayLike | None = None) -> Self:
        """Find the columns that hold nothing."""
        del labels
        self.is_empty_ = np.isnan(matrix).all(axis=0)
        self.n_features_in_ = matrix.shape[1]
        return self

    def transform(self, matrix: Floats) -> Floats:
        """Return the matrix with those columns 0."""
        return cast("Floats", np.where(self.is_empty_, 0.0, matrix))


class NearestFilling(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Fill gaps with the mean of the nearest rows, by the distance of the known numbers in standard deviations.

    Parameters
    ----------
    seed
        Of the rows that are asked, where there are more than `MAX_DONOR_ROWS`.

    References
    ----------
    Troyanskaya et al. (2001), Missing value estimation methods for DNA microarrays.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def fit(self, matrix: Floats, labels: ArrayLike | None = None) -> Self:
        """Keep the rows that are asked."""
        from sklearn.impute import KNNImputer

        del labels
        known = ~np.isnan(matrix)
        n_known = np.maximum(known.sum(axis=0), 1)
        self.center_ = np.where(known, matrix, 0.0).sum(axis=0) / n_known
        away = np.where(known, matrix - self.center_, 0.0)
        spread = np.sqrt((away**2).sum(axis=0) / n_known)
        self.spread_ = np.where(spread > 0, spread, 1.0)
        drawn = matrix[_drawn(matrix.shape[0], MAX_DONOR_ROWS, self.seed)]
        self.imputer_ = KNNImputer(n_neighbors=N_NEIGHBOURS, keep_empty_features=True)
        self.imputer_.fit((drawn - self.center_) / self.spread_)
        self.n_features_in_ = matrix.shape[1]
        return self

    def transform(self, matrix: Floats) -> Floats:
        """Return the matrix without gaps."""
        filled = self.imputer_.transform((matrix - self.center_) / self.spread_) * self.spread_ + self.center_
        return cast("Floats", np.where(np.isnan(matrix), filled, matrix))


class MeanLabels(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Mean label of each category, drawn to the mean of all rows as far as its rows are few or differ.

    In training a row has the mean of the other folds: its own label is not among its features.

    Parameters
    ----------
    n_codes
        Codes of each column; a missing one is a category more.
    n_classes
        Of many classes, whose shares are columns; 0 for a label that is a number.
    seed
        Of the folds.

    References
    ----------
    Micci-Barreca (2001), A preprocessing scheme for high-cardinality categorical attributes: the shrinkage.
    """

    def __init__(self, n_codes: tuple[int, ...], n_classes: int, seed: int) -> None:
        self.n_codes = n_codes
        self.n_classes = n_classes
        self.seed = seed

    def fit(self, matrix: Floats, labels: ArrayLike) -> Self:
        """Learn the mean labels from all rows."""
        values = self._values(labels)
        self.means_ = [
            _shrunken_means(codes, values, n + 1)
            for codes, n in zip(self._codes(matrix), self.n_codes, strict=True)
        ]
        self.n_features_in_ = matrix.shape[1]
        return self

    def transform(self, matrix: Floats) -> Floats:
        """Return the mean labels of the categories, one column each, or one for each class."""
        found = [means[codes] for codes, means in zip(self._codes(matrix), self.means_, strict=True)]
        return np.hstack(found)

    def fit_transform(self, matrix: Floats, labels: ArrayLike, **_: object) -> Floats:
        """Learn from all rows, and return for each row what the other folds say."""
        values = np.asarray(labels)
        folds = np.random.default_rng(self.seed).permutation(values.size) % N_TARGET_FOLDS
        parts = np.empty((values.size, len(self.n_codes) * max(1, self.n_classes)))
        for fold in range(min(N_TARGET_FOLDS, values.size)):
            is_here = folds == fold
            others = ~is_here if values.size > 1 else is_here
            parts[is_here] = self.fit(matrix[others], values[others]).transform(matrix[is_here])
        self.fit(matrix, values)
        return parts

    def _values(self, labels: ArrayLike) -> Floats:
        numbers = np.asarray(labels, dtype=np.float64)
        if not self.n_classes:
            return numbers[:, None]
        return cast("Floats", (numbers[:, None] == np.arange(self.n_classes)).astype(np.float64))

    def _codes(self, matrix: Floats) -> list[NDArray[np.int64]]:
        """Return whole codes: a missing one has the code after the others."""
        return [
            np.where(np.isnan(column), n, np.clip(column, 0, n - 1)).astype(np.int64)
            for column, n in zip(matrix.T, self.n_codes, strict=True)
        ]


def _shrunken_means(codes: NDArray[np.int64], values: Floats, n_codes: int) -> Floats:
    """Return the mean of each code and column, by empirical Bayes; that of all rows where there are none."""
    counts = np.bincount(codes, minlength=n_codes)[:, None].astype(np.float64)
    sums = np.stack([np.bincount(codes, one, n_codes) for one in values.T], axis=1)
    overall, variance = values.mean(axis=0), values.var(axis=0)
    at_least_one = np.maximum(counts, 1)
    means = sums / at_least_one
    within = np.stack(
        [np.bincount(codes, (one - means[codes, at]) ** 2, n_codes) for at, one in enumerate(values.T)],
        axis=1,
    )
    # A code's mean weighs by how much labels differ between codes against how surely it is known.
    known = variance * counts
    unknown = within / at_least_one
    weight = np.divide(known, known + unknown, out=np.zeros_like(means), where=known + unknown > 0)
    return cast("Floats", weight * means + (1 - weight) * overall)


class IsolationScore(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Score how unlike the others a row is: how few random cuts part it from them.

    Parameters
    ----------
    seed
        Of the forest.

    References
    ----------
    Liu, Ting and Zhou (2008), Isolation Forest.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def fit(self, matrix: Floats, labels: ArrayLike | None = None) -> Self:
        """Grow the forest."""
        from sklearn.ensemble import IsolationForest

        del labels
        self.forest_ = IsolationForest(n_estimators=N_ISOLATION_TREES, random_state=self.seed).fit(matrix)
        self.n_features_in_ = matrix.shape[1]
        return self

    def transform(self, matrix: Floats) -> Floats:
        """Return one column: near 1 for a row that is unlike, 0.5 and less for one like others."""
        return cast("Floats", -self.forest_.score_samples(matrix)[:, None])


class KeptColumns(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Keep the columns that a measure puts first; the measure itself is not kept.

    Parameters
    ----------
    method
        Variance, mutual information with the label, or the use that a forest makes of the column.
    limit
        Variance to be above, or number of columns to keep.
    is_code
        Columns that hold codes.
    is_regression
        Whether the label is a number.
    seed
        Of rows and trees.

    References
    ----------
    Ross (2014), Mutual information between discrete and continuous data sets.
    """

    def __init__(
        self, method: Method, limit: float, is_code: tuple[bool, ...], is_regression: bool, seed: int
    ) -> None:
        self.method = method
        self.limit = limit
        self.is_code = is_code
        self.is_regression = is_regression
        self.seed = seed

    def fit(self, matrix: Floats, labels: ArrayLike) -> Self:
        """Measure the columns."""
        if self.method == "min_variance":
            scores = _variances(matrix)
            self.is_kept_ = scores > self.limit
        else:
            rows = _drawn(matrix.shape[0], MAX_SELECTION_ROWS, self.seed)
            measure = self._information if self.method == "mutual_information" else self._use
            scores = measure(_without_gaps(matrix[rows]), np.asarray(labels)[rows])
            self.is_kept_ = np.zeros(scores.size, dtype=np.bool_)
            self.is_kept_[np.argsort(-scores, kind="stable")[: int(self.limit)]] = True
        self.scores_ = scores
        self.n_features_in_ = matrix.shape[1]
        return self

    def transform(self, matrix: Floats) -> Floats:
        """Return the kept columns."""
        return matrix[:, self.is_kept_]

    def _information(self, matrix: Floats, labels: NDArray[Any]) -> Floats:
        from sklearn.feature_selection import mutual_info_classif, mutual_info_regression

        measure = mutual_info_regression if self.is_regression else mutual_info_classif
        is_code = np.array(self.is_code, dtype=np.bool_)
        found = measure(matrix, labels, discrete_features=is_code, random_state=self.seed)
        return np.asarray(found, dtype=np.float64)

    def _use(self, matrix: Floats, labels: NDArray[Any]) -> Floats:
        from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

        forest = ExtraTreesRegressor if self.is_regression else ExtraTreesClassifier
        trees = forest(N_SELECTION_TREES, min_samples_leaf=5, random_state=self.seed)
        return np.asarray(trees.fit(matrix, labels).feature_importances_, dtype=np.float64)


def _variances(matrix: Floats) -> Floats:
    """Return the variance of the known values of each column: 0 where there are none."""
    known = [column[~np.isnan(column)] for column in matrix.T]
    # Sums of equal numbers round: their variance is 0 and not nearly so.
    return np.array([column.var() if column.size and np.ptp(column) > 0 else 0.0 for column in known])


def _without_gaps(matrix: Floats) -> Floats:
    """Put the middle of a column where it has gaps."""
    filled = matrix.copy()
    for column in filled.T:
        is_gap = np.isnan(column)
        if is_gap.any():
            column[is_gap] = np.median(column[~is_gap]) if not is_gap.all() else 0.0
    return filled


def _drawn(n_rows: int, n_drawn: int, seed: int) -> NDArray[np.int64]:
    """Draw positions of rows without replacement, in their order; all where there are no more."""
    if n_rows <= n_drawn:
        return np.arange(n_rows)
    return np.sort(np.random.default_rng(seed).choice(n_rows, n_drawn, replace=False))
