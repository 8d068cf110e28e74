"""Boosted trees: scikit-learn's, LightGBM's and XGBoost's."""

from __future__ import annotations

from typing import Any

import numpy as np

from declaration.extras import require_extra
from declaration.target import ProblemType
from learning.algorithms.algorithm import EVERY_PROBLEM, Algorithm, Params, Rounds, always, between, whole
from learning.algorithms.batched_rows import ROWS_AT_ONCE, BatchedRows
from learning.algorithms.rows import FitRows, without_empty_columns
from learning.algorithms.scikit import estimators, parameters_of, refused_by
from learning.metrics import SMALLEST_PROBABILITY, Floats

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
    model = _histograms(rows, params, seed).fit(
        without_empty_columns(rows.matrix), rows.targets, sample_weight=rows.weights
    )
    # The number of threads is the machine's, not the model's: it must not change the file.
    model._bin_mapper.n_threads = 1
    return model


def _histograms(rows: FitRows, params: Params, seed: int) -> Any:
    categorical = list(rows.categorical) or None
    return _HISTOGRAMS(rows.problem)(
        **params, categorical_features=categorical, early_stopping=False, random_state=seed
    )


def _best_histogram_rounds(
    rows: FitRows, newer: FitRows, params: Params, seed: int, threads: int, patience: int
) -> int:
    del threads
    most = int(params["max_iter"] or 1)
    model = _histograms(rows, {**params, "max_iter": 1}, seed).set_params(warm_start=True)
    matrix, best, n_best = without_empty_columns(rows.matrix), np.inf, 0
    while model.max_iter < most or n_best == 0:
        done = 0 if n_best == 0 else model.max_iter
        model.set_params(max_iter=min(most, done + patience))
        model.fit(matrix, rows.targets, sample_weight=rows.weights)
        staged = model.predict if rows.problem == "regression" else model.predict_proba
        for number, scores in enumerate(getattr(model, f"staged_{staged.__name__}")(newer.matrix), start=1):
            if number > done and (loss := _loss(newer, np.asarray(scores), model)) < best:
                best, n_best = loss, number
        if model.max_iter >= n_best + patience:
            break
    return n_best


def _loss(rows: FitRows, scores: Floats, model: Any) -> float:
    """Return the weighted mean log loss or squared error; a class that the model never saw is left out."""
    if rows.problem == "regression":
        losses = (scores - rows.labels) ** 2
    else:
        places = np.searchsorted(model.classes_, rows.labels)
        is_known = np.isin(rows.labels, model.classes_)
        chosen = scores[np.flatnonzero(is_known), places[is_known]]
        losses = np.zeros(rows.labels.size)
        losses[is_known] = -np.log(np.maximum(chosen, SMALLEST_PROBABILITY))
    return float(np.average(losses, weights=rows.weights))


def _lightgbm_settings(rows: FitRows, params: Params, seed: int, threads: int) -> dict[str, Any]:
    classes = {"num_class": rows.n_classes} if rows.problem == "multiclass" else {}
    return {
        **params,
        "objective": rows.problem,
        "seed": seed,
        "num_threads": threads,
        # Same trees whatever the number of threads.
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
        **classes,
    }


def _lightgbm_data(rows: FitRows, **reference: Any) -> Any:
    import lightgbm

    return lightgbm.Dataset(
        rows.matrix,
        label=rows.labels,
        weight=rows.weights,
        # The names of columns are untrusted text; LightGBM's file format is fussy about them.
        feature_name=[f"f{position}" for position in range(rows.matrix.shape[1])],
        categorical_feature=list(rows.categorical),
        **reference,
    )


def _fit_lightgbm(rows: FitRows, params: Params, seed: int, threads: int) -> Any:
    require_extra("lightgbm", "the candidate 'lightgbm'")
    import lightgbm

    settings = _lightgbm_settings(rows, params, seed, threads)
    n_rounds = settings.pop("num_iterations")
    return lightgbm.train(settings, _lightgbm_data(rows), num_boost_round=n_rounds)


def _fit_lightgbm_out_of_core(rows: BatchedRows, params: Params, seed: int, threads: int) -> Any:
    """Fit from batches: memory holds a byte for each value, in its bin. The trees are those of the same rows in memory."""
    require_extra("lightgbm", "the candidate 'lightgbm'")
    import lightgbm

    class Read(lightgbm.Sequence):
        """The rows as LightGBM asks for them: one, a slice, or some."""

        batch_size = ROWS_AT_ONCE

        def __len__(self) -> int:
            return len(rows)

        def __getitem__(self, wanted: int | slice | list[int]) -> Floats:
            if isinstance(wanted, slice):
                start, stop, _ = wanted.indices(len(rows))
                return rows.matrix(start, stop)
            if isinstance(wanted, list):
                return np.concatenate([rows.matrix(place, place + 1) for place in wanted])
            row: Floats = rows.matrix(int(wanted), int(wanted) + 1)[0]
            return row

    settings = _lightgbm_settings(rows.without_features(), params, seed, threads)
    n_rounds = settings.pop("num_iterations")
    data = lightgbm.Dataset(
        Read(),
        label=rows.labels,
        feature_name=[f"f{position}" for position in range(rows.file.n_columns)],
        categorical_feature=list(rows.encoding.categorical),
    )
    booster = lightgbm.train(settings, data, num_boost_round=n_rounds)
    # A booster that has learned keeps the rows, their scores and gradients: the next fit would find no room.
    return lightgbm.Booster(model_str=booster.model_to_string())


def _best_lightgbm_rounds(
    rows: FitRows, newer: FitRows, params: Params, seed: int, threads: int, patience: int
) -> int:
    require_extra("lightgbm", "the candidate 'lightgbm'")
    import lightgbm

    settings = _lightgbm_settings(rows, params, seed, threads)
    n_rounds = settings.pop("num_iterations")
    data = _lightgbm_data(rows)
    booster = lightgbm.train(
        settings,
        data,
        num_boost_round=n_rounds,
        valid_sets=[_lightgbm_data(newer, reference=data)],
        callbacks=[lightgbm.early_stopping(patience, verbose=False)],
    )
    return max(1, int(booster.best_iteration))


class XgboostModel:
    """XGBoost's Booster, asked with a plain matrix."""

    def __init__(self, booster: Any) -> None:
        self.booster = booster

    def predict(self, matrix: Floats) -> Floats:
        """Return probabilities or values: shape (n,), or (n, n_classes) of many classes."""
        return np.asarray(self.booster.predict(self._data(matrix)), dtype=np.float64)

    def raw_scores(self, matrix: Floats) -> Floats:
        """Return log odds or values, before they become probabilities."""
        return np.asarray(self.booster.predict(self._data(matrix), output_margin=True), dtype=np.float64)

    def contributions(self, matrix: Floats) -> Floats:
        """Return each feature's part of the raw scores, with that of an average row last: shape (n, …, n_features + 1)."""
        data = self._data(matrix)
        return np.asarray(self.booster.predict(data, pred_contribs=True, strict_shape=True), dtype=np.float64)

    def _data(self, matrix: Floats) -> Any:
        import xgboost

        types = self.booster.feature_types
        return xgboost.DMatrix(matrix, feature_types=types, enable_categorical=True, nthread=1)


def _xgboost_settings(rows: FitRows, params: Params, seed: int, threads: int) -> dict[str, Any]:
    objectives = {
        "binary": "binary:logistic",
        "multiclass": "multi:softprob",
        "regression": "reg:squarederror",
    }
    classes = {"num_class": rows.n_classes} if rows.problem == "multiclass" else {}
    return {
        **params,
        "objective": objectives[rows.problem],
        "tree_method": "hist",
        "seed": seed,
        "nthread": threads,
        "verbosity": 0,
        **classes,
    }


def _xgboost_data(rows: FitRows, threads: int) -> Any:
    import xgboost

    codes = set(rows.categorical)
    return xgboost.DMatrix(
        rows.matrix,
        label=rows.labels,
        weight=rows.weights,
        feature_types=["c" if position in codes else "q" for position in range(rows.matrix.shape[1])],
        enable_categorical=True,
        nthread=threads,
    )


def _fit_xgboost(rows: FitRows, params: Params, seed: int, threads: int) -> Any:
    require_extra("xgboost", "the candidate 'xgboost'")
    import xgboost

    settings = _xgboost_settings(rows, params, seed, threads)
    n_rounds = settings.pop("num_boost_round")
    return XgboostModel(xgboost.train(settings, _xgboost_data(rows, threads), num_boost_round=n_rounds))


def _best_xgboost_rounds(
    rows: FitRows, newer: FitRows, params: Params, seed: int, threads: int, patience: int
) -> int:
    require_extra("xgboost", "the candidate 'xgboost'")
    import xgboost

    settings = _xgboost_settings(rows, params, seed, threads)
    n_rounds = settings.pop("num_boost_round")
    booster = xgboost.train(
        settings,
        _xgboost_data(rows, threads),
        num_boost_round=n_rounds,
        evals=[(_xgboost_data(newer, threads), "newer")],
        early_stopping_rounds=patience,
        verbose_eval=False,
    )
    return int(booster.best_iteration) + 1


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
    explains="trees",
    space={
        "learning_rate": between(0.01, 0.3, log=True),
        "max_iter": whole(50, 500, log=True),
        "max_leaf_nodes": whole(7, 255, log=True),
        "min_samples_leaf": whole(5, 500, log=True),
        "max_features": between(0.2, 1.0),
        "l2_regularization": between(0.001, 100.0, log=True),
    },
    rounds=Rounds("max_iter", _best_histogram_rounds),
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
    explains="native",
    space={
        "learning_rate": between(0.01, 0.3, log=True),
        "num_iterations": whole(50, 500, log=True),
        "num_leaves": whole(7, 255, log=True),
        "min_data_in_leaf": whole(5, 500, log=True),
        "feature_fraction_bynode": between(0.2, 1.0),
        "lambda_l2": between(0.001, 100.0, log=True),
    },
    rounds=Rounds("num_iterations", _best_lightgbm_rounds),
    out_of_core=_fit_lightgbm_out_of_core,
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
    explains="native",
    space={
        "learning_rate": between(0.01, 0.3, log=True),
        "num_boost_round": whole(50, 500, log=True),
        "max_leaves": whole(7, 255, log=True),
        "min_child_weight": between(0.5, 200.0, log=True),
        "colsample_bynode": between(0.2, 1.0),
        "subsample": between(0.5, 1.0),
        "reg_lambda": between(0.001, 100.0, log=True),
    },
    rounds=Rounds("num_boost_round", _best_xgboost_rounds),
)
