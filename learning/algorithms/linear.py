"""Linear models and naive Bayes: numbers filled and scaled, a column for each category."""

from __future__ import annotations

from typing import Any

import numpy as np

from learning.algorithms.algorithm import (
    CLASSES,
    EVERY_PROBLEM,
    VALUES,
    Algorithm,
    Params,
    always,
    between,
)
from learning.algorithms.rows import FitRows
from learning.algorithms.scikit import EstimatorOf, estimators, parameters_of, refused_by

RARE_CATEGORY_SHARE = 0.002
"""Categories rarer than this share one column."""

N_CALIBRATION_FOLDS = 3
"""Contiguous folds whose left-out distances tell how far from the boundary means which probability."""

MAX_ITERATIONS = 1_000

MAX_NEWTON_COEFFICIENTS = 300
"""Coefficients up to which a logistic regression is solved by Newton's method: on 327,280 rows of 156 columns it takes less
than half of the CPU seconds of lbfgs, and ends nearer to the optimum."""

LEAST_VARIANCE = 1e-9
"""Of a naive Bayes column: scikit-learn's own smoothing, where the largest variance is 1."""

SCALED = (
    "numbers scaled, missing ones filled with the median and marked by a column; one column a category, "
    f"those of less than {RARE_CATEGORY_SHARE:.1%} of the rows in one"
)

_LOGISTIC = estimators("sklearn.linear_model", "LogisticRegression", None)
_LEAST_SQUARES = estimators("sklearn.linear_model", None, "LinearRegression")
_RIDGE = estimators("sklearn.linear_model", None, "Ridge")
_LINEAR_SVM = estimators("sklearn.svm", "LinearSVC", "LinearSVR")
_NAIVE_BAYES = estimators("sklearn.naive_bayes", "GaussianNB", None)


def _solver(rows: FitRows) -> str:
    """Return the quicker of two solvers: of few columns Newton's needs a handful of steps, of many a step costs too much."""
    columns = rows.encoding.columns
    # A number may have a column that marks missing ones; one more code is for other categories.
    n_columns = sum(len(column.categories) + 1 if column.kind == "category" else 2 for column in columns)
    n_coefficients = n_columns * (rows.n_classes if rows.n_classes > 2 else 1)
    return "newton-cholesky" if n_coefficients <= MAX_NEWTON_COEFFICIENTS else "lbfgs"


def scaled_columns(rows: FitRows, *, is_dense: bool = False) -> Any:
    """Fill, scale and spread columns: what a linear model needs and a tree does not."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    codes = list(rows.categorical)
    numbers = [position for position in range(rows.matrix.shape[1]) if position not in set(codes)]
    fill = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    spread = OneHotEncoder(
        min_frequency=RARE_CATEGORY_SHARE, handle_unknown="infrequent_if_exist", sparse_output=not is_dense
    )
    return ColumnTransformer(
        [("numbers", make_pipeline(fill, StandardScaler()), numbers), ("codes", spread, codes)]
    )


def fit_scaled(rows: FitRows, estimator: Any, *, is_dense: bool = False) -> Any:
    """Fit an estimator behind scaled columns, or to columns that a declared preprocessing has made."""
    from sklearn.pipeline import make_pipeline

    if rows.is_prepared:
        return estimator.fit(
            rows.matrix, rows.targets, **({} if rows.weights is None else {"sample_weight": rows.weights})
        )
    steps = make_pipeline(scaled_columns(rows, is_dense=is_dense), estimator)
    # Nearest neighbours know no weights: nothing is passed where there are none.
    weights = {} if rows.weights is None else {f"{steps.steps[-1][0]}__sample_weight": rows.weights}
    return steps.fit(rows.matrix, rows.targets, **weights)


def fit_support_vectors(rows: FitRows, estimator: Any) -> Any:
    """Fit a support vector machine behind scaled columns: probabilities of classes, values in the target's unit."""
    is_regression = rows.problem == "regression"
    return fit_scaled(
        rows, _in_standard_deviations(estimator) if is_regression else calibrated(estimator, rows)
    )


def calibrated(classifier: Any, rows: FitRows) -> Any:
    """Turn distances from a boundary into probabilities, by contiguous folds; a fold needs a row of every class.

    Platt (1999), Probabilistic outputs for support vector machines.
    """
    from sklearn.calibration import CalibratedClassifierCV

    n_rarest = int(np.unique(rows.labels, return_counts=True)[1].min())
    if n_rarest < 2:
        return CalibratedClassifierCV(classifier, cv=[(np.arange(rows.labels.size),) * 2], ensemble=False)
    return CalibratedClassifierCV(classifier, cv=min(N_CALIBRATION_FOLDS, n_rarest), ensemble=False)


def _in_standard_deviations(regressor: Any) -> Any:
    """Let a regressor learn the target in standard deviations: its own settings are in that unit."""
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.preprocessing import StandardScaler

    return TransformedTargetRegressor(regressor, transformer=StandardScaler())


def _plain(estimator: EstimatorOf, *, takes_seed: bool = True) -> Any:
    def fit(rows: FitRows, params: Params, seed: int, threads: int) -> Any:
        del threads
        seeded = {"random_state": seed} if takes_seed else {}
        return fit_scaled(rows, estimator(rows.problem)(**params, **seeded))

    return fit


def _fit_linear_svm(rows: FitRows, params: Params, seed: int, threads: int) -> Any:
    del threads
    return fit_support_vectors(rows, _LINEAR_SVM(rows.problem)(**params, random_state=seed))


def _fit_naive_bayes(rows: FitRows, params: Params, seed: int, threads: int) -> Any:
    del seed, threads
    model = fit_scaled(rows, _NAIVE_BAYES(rows.problem)(**params), is_dense=True)
    # Columns that all rest at one value have no spread to divide by; scaled ones have one.
    bayes = model if rows.is_prepared else model[-1]
    bayes.var_ = np.maximum(bayes.var_, LEAST_VARIANCE)
    return model


LOGISTIC_REGRESSION = Algorithm(
    CLASSES,
    lambda rows: {"C": 1.0, "max_iter": MAX_ITERATIONS, "solver": _solver(rows)},
    _plain(_LOGISTIC),
    SCALED,
    "scaled",
    "sklearn.ensemble",
    parameters_of(_LOGISTIC),
    refused_by(_LOGISTIC),
    explains="additive",
    space={"C": between(0.001, 100.0, log=True)},
)
LINEAR_REGRESSION = Algorithm(
    VALUES,
    always({}),
    _plain(_LEAST_SQUARES, takes_seed=False),
    SCALED,
    "scaled",
    "sklearn.ensemble",
    parameters_of(_LEAST_SQUARES),
    refused_by(_LEAST_SQUARES),
    explains="additive",
)
RIDGE = Algorithm(
    VALUES,
    always({"alpha": 1.0}),
    _plain(_RIDGE),
    SCALED,
    "scaled",
    "sklearn.ensemble",
    parameters_of(_RIDGE),
    refused_by(_RIDGE),
    explains="additive",
    space={"alpha": between(0.01, 10_000.0, log=True)},
)
LINEAR_SVM = Algorithm(
    EVERY_PROBLEM,
    always({"max_iter": MAX_ITERATIONS}),
    _fit_linear_svm,
    SCALED,
    "scaled",
    "sklearn.svm",
    parameters_of(_LINEAR_SVM),
    refused_by(_LINEAR_SVM),
    explains="additive",
    space={"C": between(0.001, 100.0, log=True)},
)
NAIVE_BAYES = Algorithm(
    CLASSES,
    always({}),
    _fit_naive_bayes,
    SCALED,
    "scaled_dense",
    "sklearn.naive_bayes",
    parameters_of(_NAIVE_BAYES),
    refused_by(_NAIVE_BAYES),
    explains="additive",
    space={"var_smoothing": between(1e-9, 1.0, log=True)},
)
