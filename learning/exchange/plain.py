"""Trees, forests, linear models and naive forecasts of scikit-learn and ours, added to an ONNX graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learning.exchange.boosting import flat
from learning.exchange.graph import ExchangeError, Graph
from learning.exchange.trees import Leaf, Split, Tree, add_trees
from learning.naive_forecast import NaiveForecast

Floats = NDArray[np.float64]


def add_forest(graph: Graph, estimator: Any, n_classes: int) -> str:
    """Add a decision tree, or the mean of a forest; return its answer. scikit-learn compares in single precision.

    Parameters
    ----------
    graph
        What is added to.
    estimator
        The tree or forest.
    n_classes
        Of the problem: 0 of values, 1 of a probability, else the number of classes.
    """
    trees = forest_trees(estimator, n_classes)
    total = add_trees(graph, trees, n_targets=max(1, n_classes), dtype=np.float32)
    return total if n_classes > 1 else flat(graph, total)


def forest_trees(estimator: Any, n_classes: int) -> Sequence[Tree]:
    """Read a decision tree, or the trees of a forest, whose leaves sum to its mean; parameters as for `add_forest`."""
    members = getattr(estimator, "estimators_", None) or [estimator]
    return [
        Tree(_forest_nodes(member.tree_, place, len(members)), target)
        for member in members
        for target, place in enumerate(_targets(estimator, n_classes))
        if place is not None
    ]


def _targets(estimator: Any, n_classes: int) -> Sequence[int | None]:
    """Return for each score its place among the estimator's; None of a class that it does not know."""
    if n_classes == 0:
        return [0]
    classes = [int(index) for index in estimator.classes_]
    if n_classes == 1:
        return [classes.index(1)]
    return [classes.index(index) if index in classes else None for index in range(n_classes)]


def _forest_nodes(tree: Any, place: int, n_trees: int) -> Sequence[Split | Leaf]:
    nodes: list[Split | Leaf] = []
    for node, left in enumerate(tree.children_left):
        if left == -1:
            nodes.append(Leaf(float(tree.value[node, 0, place]) / n_trees))
            continue
        right, is_missing_left = tree.children_right[node], bool(tree.missing_go_to_left[node])
        threshold = float(tree.threshold[node])
        nodes.append(Split(int(tree.feature[node]), threshold, is_missing_left, int(left), int(right)))
    return nodes


def add_naive(graph: Graph, forecast: NaiveForecast) -> str:
    """Add a naive forecast; return its answer."""
    otherwise = graph.constant(np.array(forecast.otherwise))
    if forecast.column is None:
        # As many answers as there are rows.
        first = graph.numbers(0)
        return flat(graph, graph.op("Where", graph.op("IsNaN", first), otherwise, otherwise))
    column = graph.numbers(forecast.column)
    return flat(graph, graph.op("Where", graph.op("IsNaN", column), otherwise, column))


def add_linear(graph: Graph, pipeline: Any, n_classes: int) -> str:
    """Add a linear model behind filled and scaled columns; return its answer.

    Parameters
    ----------
    graph
        What is added to.
    pipeline
        Columns that fill, scale and spread, and the model.
    n_classes
        Of the problem: 0 of values, 1 of a probability, else the number of classes.
    """
    columns, model = pipeline[0], pipeline[-1]
    weights = np.atleast_2d(np.asarray(model.coef_, dtype=np.float64))
    parts = [graph.constant(np.atleast_1d(np.asarray(model.intercept_, dtype=np.float64))[None, :])]
    for name, transformer, positions in columns.transformers_:
        block = weights[:, columns.output_indices_[name]]
        if block.shape[1] and name == "numbers":
            parts.append(_numbers(graph, transformer, positions, block))
        if block.shape[1] and name == "codes":
            parts += _codes(graph, transformer, positions, block)
    total = parts[0]
    for part in parts[1:]:
        total = graph.op("Add", total, part)
    if n_classes == 0:
        return flat(graph, _as_long(graph, total))
    return _probabilities(graph, _as_long(graph, total), model.classes_, n_classes)


def _as_long(graph: Graph, total: str) -> str:
    """Give each row its answer, also where no feature says anything."""
    first = graph.numbers(0)
    zero = graph.constant(np.array(0.0))
    zeros = graph.op("Where", graph.op("IsNaN", first), zero, zero)
    return graph.op("Add", zeros, total)


def _numbers(graph: Graph, transformer: Any, positions: Sequence[int], block: Floats) -> str:
    """Add the part of the numbers: filled, marked where missing, scaled, weighted."""
    from onnx import TensorProto

    fill, scale = transformer[0], transformer[-1]
    matrix = graph.op("Concat", *(graph.numbers(int(position)) for position in positions), axis=1)
    missing = graph.op("IsNaN", matrix)
    columns = graph.op("Where", missing, graph.constant(np.asarray(fill.statistics_)[None, :]), matrix)
    if fill.indicator_ is not None and len(fill.indicator_.features_):
        marked = graph.constant(np.asarray(fill.indicator_.features_, dtype=np.int64))
        marks = graph.op("Cast", graph.op("Gather", missing, marked, axis=1), to=TensorProto.DOUBLE)
        columns = graph.op("Concat", columns, marks, axis=1)
    centred = graph.op("Sub", columns, graph.constant(np.asarray(scale.mean_)[None, :]))
    scaled = graph.op("Div", centred, graph.constant(np.asarray(scale.scale_)[None, :]))
    return graph.op("MatMul", scaled, graph.constant(np.ascontiguousarray(block.T)))


def _codes(graph: Graph, encoder: Any, positions: Sequence[int], block: Floats) -> Sequence[str]:
    """Add the part of each category: what its columns of 0 and 1 come to, by the encoder itself."""
    parts, begin = [], 0
    for place, position in enumerate(positions):
        n_known = len(graph.encoding.columns[int(position)].categories)
        codes = np.zeros((n_known + 2, len(positions)))
        codes[:, place] = [*range(n_known + 1), np.nan]
        spread = encoder.transform(codes)
        dense = np.asarray(spread.toarray() if hasattr(spread, "toarray") else spread)
        end = begin + int(encoder._n_features_outs[place])
        parts.append(graph.looked_up(int(position), dense[:, begin:end] @ block[:, begin:end].T))
        begin = end
    return parts


def _probabilities(graph: Graph, total: str, classes: Any, n_classes: int) -> str:
    """Turn weighted sums into probabilities of the problem's classes."""
    known = [int(index) for index in classes]
    if len(known) == 2:
        likely = graph.op("Sigmoid", total)
        if n_classes == 1:
            return flat(graph, likely)
        both = graph.op("Concat", graph.op("Sub", graph.constant(np.array(1.0)), likely), likely, axis=1)
    else:
        both = graph.op("Softmax", total, axis=1)
    if known == list(range(n_classes)):
        return both
    spread = np.zeros((len(known), n_classes))
    spread[np.arange(len(known)), known] = 1.0
    return graph.op("MatMul", both, graph.constant(spread))


def check_linear(pipeline: Any) -> None:
    """Refuse what is not a linear model behind scaled columns.

    Raises
    ------
    ExchangeError
        If the last step is another, or the steps before are.
    """
    steps = [type(step).__name__ for _, step in pipeline.steps]
    if steps[0] != "ColumnTransformer" or len(steps) != 2 or steps[1] not in _LINEAR:
        raise ExchangeError(f"consists of {' and '.join(steps)}, which is not written as ONNX")


_LINEAR = frozenset({"LogisticRegression", "LinearRegression", "Ridge"})
