"""Boosted trees of scikit-learn, LightGBM and XGBoost, read into one form."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from learning.encode import FeatureEncoding
from learning.exchange.graph import ExchangeError, Graph
from learning.exchange.trees import Leaf, Split, Tree, add_trees

_LOGIT, _SOFTMAX, _IDENTITY = "logit", "softmax", "identity"


def add_histograms(graph: Graph, estimator: Any) -> str:
    """Add scikit-learn's histogram boosting; return its answer."""
    links = {"LogitLink": _LOGIT, "MultinomialLogit": _SOFTMAX, "IdentityLink": _IDENTITY}
    link = type(estimator._loss.link).__name__
    if link not in links:
        raise ExchangeError(f"answers through {link}, which is not written as ONNX")
    baseline = np.asarray(estimator._baseline_prediction, dtype=np.float64).reshape(1, -1)
    return _answer(graph, histogram_trees(estimator, graph.encoding), baseline, links[link])


def histogram_trees(estimator: Any, encoding: FeatureEncoding) -> Sequence[Tree]:
    """Read the trees of scikit-learn's histogram boosting; each adds to the raw score of one class."""
    columns, codes = _histogram_columns(estimator, encoding)
    return [
        _histogram_tree(predictor, target, columns, codes)
        for level in estimator._predictors
        for target, predictor in enumerate(level)
    ]


def _histogram_columns(
    estimator: Any, encoding: FeatureEncoding
) -> tuple[Sequence[int], Mapping[int, Sequence[float]]]:
    """Return which feature each of its columns is, and what it makes of each code: its own number, or NaN."""
    if estimator._preprocessor is None:
        return range(len(encoding.columns)), {}
    is_categorical = np.asarray(estimator.is_categorical_)
    categorical = np.flatnonzero(is_categorical)
    encoder = estimator._preprocessor.named_transformers_["encoder"]
    numbers: dict[int, Sequence[float]] = {}
    for feature, categories in zip(categorical, encoder.categories_, strict=True):
        own = {code: float(place) for place, code in enumerate(categories) if not np.isnan(code)}
        n_codes = len(encoding.columns[feature].categories) + 1
        numbers[int(feature)] = [*(own.get(float(code), np.nan) for code in range(n_codes)), np.nan]
    # Its own first step puts categories before numbers.
    return [int(feature) for feature in (*categorical, *np.flatnonzero(~is_categorical))], numbers


def _histogram_tree(
    predictor: Any, target: int, columns: Sequence[int], codes: Mapping[int, Sequence[float]]
) -> Tree:
    nodes: list[Split | Leaf] = []
    for node in predictor.nodes:
        if node["is_leaf"]:
            nodes.append(Leaf(float(node["value"])))
            continue
        feature, is_missing_left = columns[int(node["feature_idx"])], bool(node["missing_go_to_left"])
        goes_left = None
        if node["is_categorical"]:
            bits = predictor.raw_left_cat_bitsets[int(node["bitset_idx"])]
            goes_left = tuple(
                is_missing_left if np.isnan(code) else _has_bit(bits, int(code)) for code in codes[feature]
            )
        nodes.append(
            Split(
                feature,
                float(node["num_threshold"]),
                is_missing_left,
                int(node["left"]),
                int(node["right"]),
                goes_left,
            )
        )
    return Tree(nodes, target)


def _has_bit(bits: Any, code: int) -> bool:
    return bool((int(bits[code // 32]) >> (code % 32)) & 1)


def add_lightgbm(graph: Graph, booster: Any) -> str:
    """Add a LightGBM booster; return its answer."""
    model = booster.dump_model()
    # Without the number of classes, which the trees tell.
    objective = str(model["objective"]).split(" num_class:")[0]
    links = {"binary sigmoid:1": _LOGIT, "multiclass": _SOFTMAX, "regression": _IDENTITY}
    if objective not in links or model["average_output"]:
        raise ExchangeError(f"answers as {model['objective']}, which is not written as ONNX")
    n_targets = int(model["num_tree_per_iteration"])
    trees = [
        Tree(_lightgbm_nodes(tree["tree_structure"], graph.encoding), place % n_targets)
        for place, tree in enumerate(model["tree_info"])
    ]
    return _answer(graph, trees, np.zeros((1, n_targets)), links[objective])


def _lightgbm_nodes(root: Mapping[str, Any], encoding: FeatureEncoding) -> Sequence[Split | Leaf]:
    """Lay a nested tree out in a row: a node's children stand behind it."""
    waiting: list[Mapping[str, Any]] = [root]
    nodes: list[Split | Leaf] = []
    while len(nodes) < len(waiting):
        node = waiting[len(nodes)]
        if "split_feature" not in node:
            nodes.append(Leaf(float(node["leaf_value"])))
            continue
        nodes.append(_lightgbm_split(node, len(waiting), encoding))
        waiting += [node["left_child"], node["right_child"]]
    return nodes


def _lightgbm_split(node: Mapping[str, Any], holds: int, encoding: FeatureEncoding) -> Split:
    feature = int(node["split_feature"])
    if node["decision_type"] == "==":
        chosen = {int(code) for code in str(node["threshold"]).split("||")}
        n_codes = len(encoding.columns[feature].categories) + 1
        # A missing code is in no set.
        codes = (*(code in chosen for code in range(n_codes)), False)
        return Split(feature, 0.0, False, holds, holds + 1, codes)
    if node["decision_type"] != "<=" or node["missing_type"] not in ("None", "NaN"):
        raise ExchangeError(
            f"splits by {node['decision_type']} with missing values as {node['missing_type']}, which is not written as ONNX"
        )
    threshold = float(node["threshold"])
    # Where training saw no missing value of the feature, LightGBM takes it for 0.
    is_missing_true = threshold >= 0 if node["missing_type"] == "None" else bool(node["default_left"])
    return Split(feature, threshold, is_missing_true, holds, holds + 1)


def add_xgboost(graph: Graph, booster: Any) -> str:
    """Add an XGBoost booster; return its answer. XGBoost compares in single precision."""
    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    objective, boosted = learner["objective"]["name"], learner["gradient_booster"]
    links = {"binary:logistic": _LOGIT, "multi:softprob": _SOFTMAX, "reg:squarederror": _IDENTITY}
    if objective not in links or boosted["name"] != "gbtree":
        raise ExchangeError(f"answers as {objective} of {boosted['name']}, which is not written as ONNX")
    targets = boosted["model"]["tree_info"]
    trees = [
        Tree(_xgboost_nodes(tree, graph.encoding), int(target))
        for tree, target in zip(boosted["model"]["trees"], targets, strict=True)
    ]
    scores = np.atleast_1d(json.loads(learner["learner_model_param"]["base_score"])).astype(np.float32)
    baseline = np.log(scores / (1 - scores)) if links[objective] == _LOGIT else scores
    n_targets = max(int(target) for target in targets) + 1
    whole = np.broadcast_to(baseline.astype(np.float64), (n_targets,))[None, :]
    return _answer(graph, trees, whole, links[objective], is_single=True)


def _xgboost_nodes(tree: Mapping[str, Any], encoding: FeatureEncoding) -> Sequence[Split | Leaf]:
    chosen = _xgboost_categories(tree)
    nodes: list[Split | Leaf] = []
    for place, left in enumerate(tree["left_children"]):
        value = float(np.float32(tree["split_conditions"][place]))
        if left == -1:
            nodes.append(Leaf(value))
            continue
        feature, is_missing_left = int(tree["split_indices"][place]), bool(tree["default_left"][place])
        codes = None
        if place in chosen:
            n_codes = len(encoding.columns[feature].categories) + 1
            # What is in the set goes right.
            codes = (*(code not in chosen[place] for code in range(n_codes)), is_missing_left)
        nodes.append(
            Split(feature, value, is_missing_left, int(left), int(tree["right_children"][place]), codes)
        )
    return nodes


def _xgboost_categories(tree: Mapping[str, Any]) -> Mapping[int, frozenset[int]]:
    spans = zip(tree["categories_nodes"], tree["categories_segments"], tree["categories_sizes"], strict=True)
    return {
        int(node): frozenset(int(code) for code in tree["categories"][start : start + size])
        for node, start, size in spans
    }


def _answer(graph: Graph, trees: Sequence[Tree], baseline: Any, link: str, *, is_single: bool = False) -> str:
    """Add the sum of the trees, and what turns it into probabilities or values."""
    if is_single:
        total = add_trees(graph, trees, n_targets=baseline.shape[1], comparison="less", dtype=np.float32)
    else:
        total = add_trees(graph, trees, n_targets=baseline.shape[1])
    raw = graph.op("Add", total, graph.constant(baseline))
    if link == _LOGIT:
        return flat(graph, graph.op("Sigmoid", raw))
    return graph.op("Softmax", raw, axis=1) if link == _SOFTMAX else flat(graph, raw)


def flat(graph: Graph, column: str) -> str:
    """Turn one column into a vector."""
    return graph.op("Squeeze", column, graph.constant(np.array([1])))
