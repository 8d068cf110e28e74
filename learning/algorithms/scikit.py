"""Parameters of scikit-learn's estimators: which a declaration may set, and what the library says of their values."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol

from declaration.target import ProblemType
from learning.algorithms.algorithm import Params

OURS = frozenset(
    {"callback", "categorical_features", "copy", "copy_X", "early_stopping", "n_jobs", "random_state", "verbose", "warm_start"}
)  # fmt: skip
"""Parameters that no declaration sets: seed and threads are the training's, rows are not ours to overwrite, and early
stopping would hold out rows at random inside."""


class EstimatorOf(Protocol):
    """Function from a problem type to the estimator's class."""

    def __call__(self, problem: ProblemType) -> type[Any]:
        """Return the estimator's class."""
        ...


def estimators(module: str, classifier: str | None, regressor: str | None) -> EstimatorOf:
    """Return a function that imports a library's classifier or regressor when it is called."""

    def of(problem: ProblemType) -> type[Any]:
        name = regressor if problem == "regression" else classifier
        assert name is not None
        estimator: type[Any] = getattr(import_module(module), name)
        return estimator

    return of


def parameters_of(estimator: EstimatorOf) -> Callable[[ProblemType], frozenset[str]]:
    """Return a function that lists the parameters of an estimator."""

    def parameters(problem: ProblemType) -> frozenset[str]:
        return frozenset(inspect.signature(estimator(problem)).parameters) - OURS

    return parameters


def refused_by(estimator: EstimatorOf) -> Callable[[ProblemType, Params], str]:
    """Return a function that has an estimator validate its parameters."""

    def refused(problem: ProblemType, params: Params) -> str:
        from sklearn.utils._param_validation import InvalidParameterError

        try:
            estimator(problem)(**params)._validate_params()
        except InvalidParameterError as error:
            return str(error)
        return ""

    return refused
