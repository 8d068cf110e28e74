"""The algorithms that a declaration may name, with the settings they are trained with.

Settings are deliberately few and fixed: no candidate peeks at rows by a random split inside
(early stopping would), so that the same rows and seed give the same model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from declaration.extras import require_extra
from declaration.model import Candidate
from declaration.target import ProblemType
from learning.encode import FeatureEncoding
from learning.metrics import Floats

N_BOOSTING_ROUNDS = 100
LEARNING_RATE = 0.05
MAX_LEAVES = 31
L2_PENALTY = 1.0
"""Boosting settings: of eight, these ranked the months after training best in three of four training
windows of the flights (1, 3, 6, 9 months; 0.002 below the best in the other), at half the cost of 200."""

MAX_LEAF_ROWS = 200
"""Least rows of a leaf in large training sets: small leaves learn the weather of single days."""

ROWS_PER_LEAF_ROW = 50
"""In small training sets a leaf holds at least this fraction of the rows."""

FEATURE_SHARE = 0.3
"""Share of the features that a split chooses from: the same finding as with the leaves."""

LEAST_FEATURES = 5
"""Features that a split chooses from at least, where there are few."""

N_FOREST_TREES = 100
MIN_FOREST_LEAF_ROWS = 20
MAX_FOREST_ROWS = 100_000
"""Rows each tree of a forest draws at most: bounds time and the size of the model file."""

RARE_CATEGORY_SHARE = 0.002
"""Categories rarer than this share one column of the linear models."""


@dataclass(frozen=True)
class FitRows:
    """What an estimator learns from.

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
    """

    matrix: Floats
    labels: Floats
    encoding: FeatureEncoding
    problem: ProblemType
    n_classes: int

    @property
    def categorical(self) -> Sequence[int]:
        """Positions of the columns that hold codes."""
        return self.encoding.categorical

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


Fit = Callable[[FitRows, int, int], Any]
"""From rows, seed and threads to an estimator."""


def _hist_gradient_boosting(rows: FitRows, seed: int, threads: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    del threads  # OpenMP's, limited by the caller
    is_regression = rows.problem == "regression"
    kind = HistGradientBoostingRegressor if is_regression else HistGradientBoostingClassifier
    model = kind(
        learning_rate=LEARNING_RATE,
        max_iter=N_BOOSTING_ROUNDS,
        max_leaf_nodes=MAX_LEAVES,
        min_samples_leaf=rows.min_leaf_rows,
        max_features=rows.feature_share,
        l2_regularization=L2_PENALTY,
        categorical_features=list(rows.categorical) or None,
        early_stopping=False,
        random_state=seed,
    ).fit(without_empty_columns(rows.matrix), _labels(rows))
    # The number of threads is the machine's, not the model's: it must not change the file.
    model._bin_mapper.n_threads = 1
    return model


def _lightgbm(rows: FitRows, seed: int, threads: int) -> Any:
    require_extra("lightgbm", "the candidate 'lightgbm'")
    import lightgbm

    objectives = {"binary": "binary", "multiclass": "multiclass", "regression": "regression"}
    settings: dict[str, Any] = {
        "objective": objectives[rows.problem],
        "learning_rate": LEARNING_RATE,
        "num_leaves": MAX_LEAVES,
        "min_data_in_leaf": rows.min_leaf_rows,
        "feature_fraction_bynode": rows.feature_share,
        "lambda_l2": L2_PENALTY,
        "seed": seed,
        "num_threads": threads,
        # Same trees whatever the number of threads.
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    if rows.problem == "multiclass":
        settings["num_class"] = rows.n_classes
    data = lightgbm.Dataset(
        rows.matrix,
        label=rows.labels,
        # The names of columns are untrusted text; LightGBM's file format is fussy about them.
        feature_name=[f"f{position}" for position in range(rows.matrix.shape[1])],
        categorical_feature=list(rows.categorical),
    )
    return lightgbm.train(settings, data, num_boost_round=N_BOOSTING_ROUNDS)


def _random_forest(rows: FitRows, seed: int, threads: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    is_regression = rows.problem == "regression"
    kind = RandomForestRegressor if is_regression else RandomForestClassifier
    forest = kind(
        n_estimators=N_FOREST_TREES,
        min_samples_leaf=MIN_FOREST_LEAF_ROWS,
        max_features="sqrt",
        max_samples=min(rows.matrix.shape[0], MAX_FOREST_ROWS),
        n_jobs=threads,
        random_state=seed,
    ).fit(rows.matrix, _labels(rows))
    # As above.
    return forest.set_params(n_jobs=None)


def _logistic_regression(rows: FitRows, seed: int, threads: int) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    del threads
    estimator = LogisticRegression(C=1.0, max_iter=1_000, random_state=seed)
    return make_pipeline(_linear_columns(rows), estimator).fit(rows.matrix, _labels(rows))


def _ridge(rows: FitRows, seed: int, threads: int) -> Any:
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline

    del threads
    estimator = Ridge(alpha=1.0, random_state=seed)
    return make_pipeline(_linear_columns(rows), estimator).fit(rows.matrix, _labels(rows))


def _linear_columns(rows: FitRows) -> Any:
    """Fill, scale and spread columns: what a linear model needs and a tree does not."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    codes = list(rows.categorical)
    numbers = [position for position in range(rows.matrix.shape[1]) if position not in set(codes)]
    fill = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    spread = OneHotEncoder(min_frequency=RARE_CATEGORY_SHARE, handle_unknown="infrequent_if_exist")
    return ColumnTransformer(
        [("numbers", make_pipeline(fill, StandardScaler()), numbers), ("codes", spread, codes)]
    )


def without_empty_columns(matrix: Floats) -> Floats:
    """Fill columns that hold nothing: binning refuses them, and a constant is never split on."""
    is_empty = np.isnan(matrix).all(axis=0)
    return np.where(is_empty, 0.0, matrix) if is_empty.any() else matrix


def _labels(rows: FitRows) -> NDArray[np.float64] | NDArray[np.int64]:
    return rows.labels if rows.problem == "regression" else rows.labels.astype(np.int64)


@dataclass(frozen=True)
class Algorithm:
    """One algorithm: how it is fitted, the library it needs, and what it makes of encoded features, in words."""

    fit: Fit
    library: str
    preprocessing: str


_TREES = "numbers as they are, a missing value takes a branch of its own; categories by their code, none before another"
_LINEAR = (
    "numbers scaled, missing ones filled with the median and marked by a column; one column a category, "
    f"those of less than {RARE_CATEGORY_SHARE:.1%} of the rows in one"
)
_FOREST = (
    "numbers as they are, a missing value takes a branch of its own; categories by their code, in its order"
)

CANDIDATES: Mapping[Candidate, Algorithm] = {
    "hist_gradient_boosting": Algorithm(_hist_gradient_boosting, "sklearn.ensemble", _TREES),
    "lightgbm": Algorithm(_lightgbm, "lightgbm", _TREES),
    "logistic_regression": Algorithm(_logistic_regression, "sklearn.ensemble", _LINEAR),
    "ridge": Algorithm(_ridge, "sklearn.ensemble", _LINEAR),
    "random_forest": Algorithm(_random_forest, "sklearn.ensemble", _FOREST),
}
"""The algorithms by the names that a declaration uses."""


def load_libraries(candidates: Sequence[Candidate]) -> None:
    """Import what the candidates need: threads can only be limited in libraries that are loaded."""
    for name in sorted({CANDIDATES[candidate].library for candidate in candidates}):
        import_module(name)
