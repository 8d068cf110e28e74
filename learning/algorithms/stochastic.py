"""Linear models by stochastic gradient descent, which learn a batch of rows at a time.

Robbins and Monro (1951), Ann. Math. Stat. 22, 400-407; the mean of the steps is kept (Polyak and Juditsky 1992, SIAM J. Control
Optim. 30, 838-855), so that the last rows do not count most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from declaration.target import ProblemType
from learning.algorithms.algorithm import EVERY_PROBLEM, Algorithm, Params, between
from learning.algorithms.batched_rows import BatchedRows
from learning.algorithms.linear import SCALED, scaled_columns
from learning.algorithms.rows import FitRows
from learning.algorithms.scikit import estimators, refused_by

N_PASSES = 5
"""Passes over the rows: of a few million one is enough, small sets need some."""

LEAST_SHRUNK, MOST_SHRUNK, SHRUNK_ROWS = 1e-4, 1e-3, 3
"""Bounds of the penalty, and rows by which it falls between: with them scores of 400, 3,000 and 30,000 rows correlate to at least
0.99 with those of a logistic regression solved to the end."""

BATCH_ROWS = 10_000
"""Rows of a batch in memory."""

_PARAMETERS = frozenset(
    {"alpha", "average", "eta0", "l1_ratio", "learning_rate", "max_iter", "penalty", "power_t"}
)
"""Parameters that mean something where rows come in batches; `max_iter` is the number of passes."""

_DESCENT = estimators("sklearn.linear_model", "SGDClassifier", "SGDRegressor")

_Batches = Callable[[Sequence[int]], Iterable[FitRows]]
"""Batches in an order of their numbers."""


def _fit(rows: FitRows, params: Params, seed: int, threads: int) -> Any:
    del threads
    n_batches = -(-rows.labels.size // BATCH_ROWS)

    def batches(order: Sequence[int]) -> Iterable[FitRows]:
        for number in order:
            part = slice(number * BATCH_ROWS, (number + 1) * BATCH_ROWS)
            yield FitRows(
                rows.matrix[part],
                rows.labels[part],
                rows.encoding,
                rows.problem,
                rows.n_classes,
                weights=None if rows.weights is None else rows.weights[part],
            )

    columns = None if rows.is_prepared else scaled_columns(rows).fit(rows.matrix)
    return _descend(columns, rows.labels, batches, n_batches, rows, params, seed)


def _fit_out_of_core(rows: BatchedRows, params: Params, seed: int, threads: int) -> Any:
    del threads
    sample = rows.sample()
    columns = scaled_columns(sample).fit(sample.matrix)
    return _descend(columns, rows.labels, rows.batches, rows.n_batches, sample, params, seed)


def _descend(
    columns: Any,
    labels: np.ndarray[Any, np.dtype[np.float64]],
    batches: _Batches,
    n_batches: int,
    rows: FitRows,
    params: Params,
    seed: int,
) -> Any:
    """Pass over the batches, each time in another order; a value is learned in standard deviations from its mean."""
    from sklearn.pipeline import make_pipeline

    is_regression = rows.problem == "regression"
    loss = {} if is_regression else {"loss": "log_loss"}
    # A seed of its own for each batch would be the same shuffle each time.
    model = _DESCENT(rows.problem)(**params, **loss, random_state=np.random.RandomState(seed))
    centre, scale = (float(labels.mean()), float(labels.std()) or 1.0) if is_regression else (0.0, 1.0)
    classes = {} if is_regression else {"classes": np.unique(labels.astype(np.int64))}
    generator = np.random.default_rng(seed)
    for _ in range(int(params["max_iter"] or 1)):
        for batch in batches(generator.permutation(n_batches).tolist()):
            matrix = batch.matrix if columns is None else columns.transform(batch.matrix)
            targets = (batch.labels - centre) / scale if is_regression else batch.targets
            model.partial_fit(matrix, targets, sample_weight=batch.weights, **classes)
    _without_steps(model, centre, scale)
    return model if columns is None else make_pipeline(columns, model)


def _without_steps(model: Any, centre: float, scale: float) -> None:
    """Keep what predictions need, in the target's unit."""
    model.coef_, model.intercept_ = model.coef_ * scale, model.intercept_ * scale + centre
    model.random_state = None
    for name in (
        "_average_coef", "_average_intercept", "_expanded_class_weight", "_loss_function_", "_standard_coef",
        "_standard_intercept",
    ):  # fmt: skip
        model.__dict__.pop(name, None)


def _defaults(rows: FitRows) -> Params:
    """Shrink small sets more, whose steps would end far apart, and keep the mean from the second pass on."""
    n = rows.labels.size
    return {"alpha": min(MOST_SHRUNK, max(LEAST_SHRUNK, SHRUNK_ROWS / n)), "average": n, "max_iter": N_PASSES}


def _parameters(problem: ProblemType) -> frozenset[str]:
    del problem
    return _PARAMETERS


SGD = Algorithm(
    EVERY_PROBLEM,
    _defaults,
    _fit,
    SCALED,
    "scaled",
    "sklearn.linear_model",
    _parameters,
    refused_by(_DESCENT),
    explains="additive",
    space={"alpha": between(1e-7, 1e-2, log=True)},
    out_of_core=_fit_out_of_core,
)
