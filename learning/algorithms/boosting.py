"""Boosted trees: scikit-learn's, LightGBM's and XGBoost's."""

from __future__ import annotations

from typing import Any

import numpy as np

from declaration.extras import require_extra
from declaration.target import ProblemType
from learning.algorithms.algorithm import EVERY_PROBLEM, Algorithm, Params, always
from learning.algorithms.rows import FitRows, without_empty_columns
from learning.algorithms.scikit import estimators, parameters_of, refused_by
from learning.metrics import Floats

N_BOOSTING_ROUNDS = 100
LEARNING_RATE = 0.05
MAX_LEAVES = 31
L2_PENALTY = 1.0
"""Boosting settings: of eight, these ranked the months after training best in three of four training
windows of the flights (1, 3, 6, 9 months; 0.002 below the best in the other), at half the cost of 200."""

_BRANCHES = "numbers as they are, a missing value takes a branch of its own; categories by their code, none before another"

_HISTOGRAMS = estimators(
    "sklearn.ensemble", "HistGradientBoostingClassifier", "HistGradientBoostingRegressor"
)

LIGHTGBM_PARAMETERS = frozenset(
    {
        "num_iterations", "learning_rate", "num_leaves", "max_depth", "min_data_in_leaf", "min_sum_hessian_in_leaf",
        "bagging_fraction", "bagging_freq", "feature_fraction", "feature_fraction_bynode", "extra_trees", "lambda_l1",
        "lambda_l2", "linear_lambda", "min_gain_to_split", "max_bin", "max_cat_threshold", "max_cat_to_onehot", "cat_l2",
        "cat_smooth", "path_smooth", "is_unbalance", "scale_pos_weight", "max_delta_step", "boosting",
    }
)  # fmt: skip
XGBOOST_PARAMETERS = frozenset(
    {
        "num_boost_round", "learning_rate", "max_depth", "max_leaves", "min_child_weight", "min_split_loss", "subsample",
        "colsample_bytree", "colsample_bylevel", "colsample_bynode", "reg_lambda", "reg_alpha", "max_bin", "max_delta_step",
        "max_cat_to_onehot", "max_cat_threshold", "scale_pos_weight", "grow_policy",
    }
)  # fmt: skip


def _fit_histograms(rows: FitRows, params: Params, seed: int, threads: int) -> Any:
    del threads  # OpenMP's, limited by the caller
    model = _HISTOGRAMS(rows.problem)(
        **params,
        categorical_features=list(rows.categorical) or None,
        early_stopping=False,
        random_state=seed,
    ).fit(without_empty_columns(rows.matrix), rows.targets)
    # The number of threads is the machine's, not the model's: it must not change the file.
    model._bin_mapper.n_threads = 1
    return model


def _fit_lightgbm(rows: FitRows, params: Params, seed: int, threads: int) -> Any:
    require_extra("lightgbm", "the candidate 'lightgbm'")
    import lightgbm

    settings: dict[str, Any] = {
        **params,
        "objective": rows.problem,
        "seed": seed,
        "num_threads": threads,
        # Same trees whatever the number of threads.
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    n_rounds = settings.pop("num_iterations")
    if rows.problem == "multiclass":
        settings["num_class"] = rows.n_classes
    data = lightgbm.Dataset(
        rows.matrix,
        label=rows.labels,
        # The names of columns are untrusted text; LightGBM's file format is fussy about them.
        feature_name=[f"f{position}" for position in range(rows.matrix.shape[1])],
        categorical_feature=list(rows.categorical),
    )
    return lightgbm.train(settings, data, num_boost_round=n_rounds)


class XgboostModel:
    """XGBoost's Booster, asked with a plain matrix."""

    def __init__(self, booster: Any) -> None:
        self.booster = booster

    def predict(self, matrix: Floats) -> Floats:
        """Return probabilities or values: shape (n,), or (n, n_classes) of many classes."""
        import xgboost

        types = self.booster.feature_types
        data = xgboost.DMatrix(matrix, feature_types=types, enable_categorical=True, nthread=1)
        return np.asarray(self.booster.predict(data), dtype=np.float64)


def _fit_xgboost(rows: FitRows, params: Params, seed: int, threads: int) -> Any:
    require_extra("xgboost", "the candidate 'xgboost'")
    import xgboost

    objectives = {
        "binary": "binary:logistic",
        "multiclass": "multi:softprob",
        "regression": "reg:squarederror",
    }
    settings: dict[str, Any] = {
        **params,
        "objective": objectives[rows.problem],
        "tree_method": "hist",
        "seed": seed,
        "nthread": threads,
        "verbosity": 0,
    }
    n_rounds = settings.pop("num_boost_round")
    if rows.problem == "multiclass":
        settings["num_class"] = rows.n_classes
    codes = set(rows.categorical)
    data = xgboost.DMatrix(
        rows.matrix,
        label=rows.labels,
        feature_types=["c" if position in codes else "q" for position in range(rows.matrix.shape[1])],
        enable_categorical=True,
        nthread=threads,
    )
    return XgboostModel(xgboost.train(settings, data, num_boost_round=n_rounds))


def _refused_by_lightgbm(problem: ProblemType, params: Params) -> str:
    """Return LightGBM's complaint about parameters, from a training on six rows; '' where it has none."""
    require_extra("lightgbm", "the candidate 'lightgbm'")
    import lightgbm

    settings = {"objective": problem, "verbosity": -1, "num_threads": 1, "min_data_in_bin": 1, **params}
    n_rounds = settings.pop("num_iterations", 1)
    if not isinstance(n_rounds, int) or n_rounds < 1:
        return f"num_iterations must be a whole number of at least 1. Got {n_rounds!r} instead."
    if problem == "multiclass":
        settings["num_class"] = 3
    rows = lightgbm.Dataset(
        np.arange(6.0)[:, None], label=np.array([0, 1, 2, 0, 1, 2]) % (2 if problem == "binary" else 3)
    )
    try:
        lightgbm.train(settings, rows, num_boost_round=1)
    except (lightgbm.basic.LightGBMError, TypeError, ValueError) as error:
        return str(error)
    return ""


def _refused_by_xgboost(problem: ProblemType, params: Params) -> str:
    """Return XGBoost's complaint about parameters, from a training on six rows; '' where it has none."""
    from learning.encode import ColumnEncoding, FeatureEncoding

    n_rounds = params.get("num_boost_round", 1)
    if not isinstance(n_rounds, int) or n_rounds < 1:
        return f"num_boost_round must be a whole number of at least 1. Got {n_rounds!r} instead."
    n_classes = 3 if problem == "multiclass" else 2
    rows = FitRows(
        np.arange(6.0)[:, None],
        np.arange(6.0) % n_classes,
        FeatureEncoding((ColumnEncoding("x", "number"),)),
        problem,
        n_classes,
    )
    require_extra("xgboost", "the candidate 'xgboost'")
    import xgboost

    try:
        _fit_xgboost(rows, {**params, "num_boost_round": 1}, 0, 1)
    except (xgboost.core.XGBoostError, TypeError, ValueError) as error:
        return str(error).splitlines()[0]
    return ""


HIST_GRADIENT_BOOSTING = Algorithm(
    EVERY_PROBLEM,
    lambda rows: {
        "learning_rate": LEARNING_RATE,
        "max_iter": N_BOOSTING_ROUNDS,
        "max_leaf_nodes": MAX_LEAVES,
        "min_samples_leaf": rows.min_leaf_rows,
        "max_features": rows.feature_share,
        "l2_regularization": L2_PENALTY,
    },
    _fit_histograms,
    _BRANCHES,
    "branches",
    "sklearn.ensemble",
    parameters_of(_HISTOGRAMS),
    refused_by(_HISTOGRAMS),
)
LIGHTGBM = Algorithm(
    EVERY_PROBLEM,
    lambda rows: {
        "num_iterations": N_BOOSTING_ROUNDS,
        "learning_rate": LEARNING_RATE,
        "num_leaves": MAX_LEAVES,
        "min_data_in_leaf": rows.min_leaf_rows,
        "feature_fraction_bynode": rows.feature_share,
        "lambda_l2": L2_PENALTY,
    },
    _fit_lightgbm,
    _BRANCHES,
    "branches",
    "lightgbm",
    always(LIGHTGBM_PARAMETERS),
    _refused_by_lightgbm,
    "lightgbm",
    "lightgbm",
)
XGBOOST = Algorithm(
    EVERY_PROBLEM,
    lambda rows: {
        "num_boost_round": N_BOOSTING_ROUNDS,
        "learning_rate": LEARNING_RATE,
        "max_leaves": MAX_LEAVES,
        "max_depth": 0,
        "grow_policy": "lossguide",
        # Hessians of a probability are at most a quarter.
        "min_child_weight": rows.min_leaf_rows * (1.0 if rows.problem == "regression" else 0.1),
        "colsample_bynode": rows.feature_share,
        "reg_lambda": L2_PENALTY,
    },
    _fit_xgboost,
    _BRANCHES,
    "branches",
    "xgboost",
    always(XGBOOST_PARAMETERS),
    _refused_by_xgboost,
    "xgboost",
    "xgboost",
)
