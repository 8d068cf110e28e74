"""Algorithms that keep rows: a kernel's support vectors and nearest neighbours. What they learn from is capped."""

from __future__ import annotations

from typing import Any

from declaration.search import RangeSpec
from learning.algorithms.algorithm import EVERY_PROBLEM, Algorithm, Params, always, between, whole
from learning.algorithms.linear import SCALED, fit_scaled, fit_support_vectors
from learning.algorithms.rows import FitRows
from learning.algorithms.scikit import estimators, parameters_of, refused_by

MAX_KERNEL_ROWS = 10_000
"""Rows that a kernel learns from: time grows with their square, and each may become part of the model."""

MAX_NEIGHBOURS_ROWS = 20_000
"""Rows among which neighbours are sought: each is compared with every row that is scored."""

N_NEIGHBOURS = 25
"""Neighbours that are asked: scikit-learn's 5 give a probability six values."""

_KERNEL_SVM = estimators("sklearn.svm", "SVC", "SVR")
_NEIGHBOURS = estimators("sklearn.neighbors", "KNeighborsClassifier", "KNeighborsRegressor")

_OWN_PROBABILITIES = frozenset({"probability", "decision_function_shape", "break_ties", "cache_size"})
"""Probabilities come of calibration, for linear and kernel alike."""


def _fit_kernel_svm(rows: FitRows, params: Params, seed: int, threads: int) -> Any:
    del threads
    rows = rows.drawn(MAX_KERNEL_ROWS, seed)
    return fit_support_vectors(rows, _KERNEL_SVM(rows.problem)(**params))


def _fit_neighbours(rows: FitRows, params: Params, seed: int, threads: int) -> Any:
    del threads
    rows = rows.drawn(MAX_NEIGHBOURS_ROWS, seed)
    n_neighbors = min(int(params["n_neighbors"] or 1), rows.labels.size)
    # Comparing with every row needs no tree, which no safe format holds.
    settings = {**params, "n_neighbors": n_neighbors, "algorithm": "brute"}
    return fit_scaled(rows, _NEIGHBOURS(rows.problem)(**settings), is_dense=True)


KERNEL_SVM = Algorithm(
    EVERY_PROBLEM,
    always({}),
    _fit_kernel_svm,
    f"{SCALED}; of more than {MAX_KERNEL_ROWS:,} rows, as many drawn by the seed",
    "scaled",
    "sklearn.svm",
    lambda problem: parameters_of(_KERNEL_SVM)(problem) - _OWN_PROBABILITIES,
    refused_by(_KERNEL_SVM),
    space={"C": between(0.01, 100.0, log=True), "gamma": between(0.001, 1.0, log=True)},
)
NEAREST_NEIGHBOURS = Algorithm(
    EVERY_PROBLEM,
    always({"n_neighbors": N_NEIGHBOURS}),
    _fit_neighbours,
    f"{SCALED}; of more than {MAX_NEIGHBOURS_ROWS:,} rows, as many drawn by the seed",
    "scaled_dense",
    "sklearn.neighbors",
    lambda problem: parameters_of(_NEIGHBOURS)(problem) - {"algorithm", "leaf_size", "metric_params"},
    refused_by(_NEIGHBOURS),
    space={"n_neighbors": whole(5, 200, log=True), "weights": RangeSpec(choice=("uniform", "distance"))},
    takes_weights=False,
)
