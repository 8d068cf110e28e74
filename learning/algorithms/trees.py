"""Decision tree and random forest."""

from __future__ import annotations

from typing import Any

from learning.algorithms.algorithm import EVERY_PROBLEM, Algorithm, Params, between, whole
from learning.algorithms.rows import FitRows, without_empty_columns
from learning.algorithms.scikit import estimators, parameters_of, refused_by

N_TREES = 100
MIN_LEAF_ROWS = 20
MAX_TREE_ROWS = 100_000
"""Rows each tree of a forest draws at most: bounds time and the size of the model file."""

_CODES = (
    "numbers as they are, a missing value takes a branch of its own; categories by their code, in its order"
)
_TREE = estimators("sklearn.tree", "DecisionTreeClassifier", "DecisionTreeRegressor")
_FOREST = estimators("sklearn.ensemble", "RandomForestClassifier", "RandomForestRegressor")


def _fit_tree(rows: FitRows, params: Params, seed: int, threads: int) -> Any:
    del threads
    tree = _TREE(rows.problem)(**params, random_state=seed)
    return tree.fit(without_empty_columns(rows.matrix), rows.targets, sample_weight=rows.weights)


def _fit_forest(rows: FitRows, params: Params, seed: int, threads: int) -> Any:
    forest = _FOREST(rows.problem)(**params, n_jobs=threads, random_state=seed)
    forest.fit(rows.matrix, rows.targets, sample_weight=rows.weights)
    # The number of threads is the machine's, not the model's: it must not change the file.
    return forest.set_params(n_jobs=None)


DECISION_TREE = Algorithm(
    EVERY_PROBLEM,
    lambda rows: {"min_samples_leaf": rows.min_leaf_rows},
    _fit_tree,
    _CODES,
    "codes",
    "sklearn.tree",
    parameters_of(_TREE),
    refused_by(_TREE),
    explains="trees",
    space={
        "max_depth": whole(3, 20),
        "min_samples_leaf": whole(5, 500, log=True),
        "max_features": between(0.3, 1.0),
    },
)
RANDOM_FOREST = Algorithm(
    EVERY_PROBLEM,
    lambda rows: {
        "n_estimators": N_TREES,
        "min_samples_leaf": MIN_LEAF_ROWS,
        "max_features": "sqrt",
        "max_samples": min(rows.matrix.shape[0], MAX_TREE_ROWS),
    },
    _fit_forest,
    _CODES,
    "codes",
    "sklearn.ensemble",
    parameters_of(_FOREST),
    refused_by(_FOREST),
    explains="trees",
    space={
        "n_estimators": whole(50, 300, log=True),
        "min_samples_leaf": whole(2, 200, log=True),
        "max_features": between(0.1, 1.0),
    },
)
