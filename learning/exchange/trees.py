"""Trees of any library in one form, and written as one ONNX node in doubles.

A split of categories becomes a column of 0 and 1 that a table gives for each code, so that a tree compares numbers alone: runtimes
differ in what they make of sets, and of missing values beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from learning.exchange.graph import ML_DOMAIN, Graph

Comparison = Literal["at most", "less"]
_MODES: dict[Comparison, int] = {"at most": 0, "less": 1}

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Leaf:
    """A leaf: what it adds to the score."""

    value: float


@dataclass(frozen=True)
class Split:
    """An inner node.

    Attributes
    ----------
    feature
        Its position.
    threshold
        Number that is compared with.
    is_missing_true
        Whether a missing value goes where the comparison holds.
    holds, fails
        Positions of the children in the tree.
    codes
        Of a split of categories, for each code (then all other texts, then a missing text), whether it goes where
        the comparison holds; None of a number.
    """

    feature: int
    threshold: float
    is_missing_true: bool
    holds: int
    fails: int
    codes: tuple[bool, ...] | None = None


@dataclass(frozen=True)
class Tree:
    """A tree by its nodes, the root first, and the score that its leaves add to."""

    nodes: Sequence[Split | Leaf]
    target: int = 0


def add_trees(
    graph: Graph,
    trees: Sequence[Tree],
    *,
    n_targets: int,
    comparison: Comparison = "at most",
    dtype: type[np.float64] | type[np.float32] = np.float64,
) -> str:
    """Add an ensemble to a graph; return the sums of its leaves. Shape (n, n_targets)."""
    columns = _SplitColumns(graph, dtype)
    written = _Written(columns)
    for tree in trees:
        written.add(tree)
    return written.node(graph, n_targets, _MODES[comparison])


class _SplitColumns:
    """Columns that trees compare: the features, and one for each distinct split of a feature's categories."""

    def __init__(self, graph: Graph, dtype: type[np.float64] | type[np.float32]) -> None:
        self._graph, self._dtype = graph, dtype
        self._n_features = len(graph.encoding.columns)
        self._splits: dict[tuple[int, tuple[bool, ...]], int] = {}

    def of(self, split: Split) -> int:
        """Return the column that a split compares."""
        if split.codes is None:
            return split.feature
        return self._n_features + self._splits.setdefault((split.feature, split.codes), len(self._splits))

    def joined(self) -> str:
        """Add all columns to the graph. A split's column is 0 where it holds, else 1."""
        from onnx import TensorProto

        matrix = self._graph.matrix(self._dtype)
        if not self._splits:
            return matrix
        features = sorted({feature for feature, _ in self._splits})
        tables, order = [], []
        for feature in features:
            places = [place for (owner, _), place in self._splits.items() if owner == feature]
            codes = [codes for (owner, codes) in self._splits if owner == feature]
            tables.append(self._graph.looked_up(feature, 1 - np.array(codes, dtype=np.uint8).T))
            order += places
        grouped = self._graph.op("Concat", *tables, axis=1) if len(tables) > 1 else tables[0]
        sorted_back = np.argsort(np.array(order, dtype=np.int64))
        in_order = self._graph.op("Gather", grouped, self._graph.constant(sorted_back), axis=1)
        return self._graph.op(
            "Concat", matrix, self._graph.op("Cast", in_order, to=TensorProto.DOUBLE), axis=1
        )


class _Written:
    """Arrays of ONNX's TreeEnsemble, tree by tree."""

    def __init__(self, columns: _SplitColumns) -> None:
        self._columns = columns
        self._roots: list[int] = []
        self._features: list[int] = []
        self._thresholds: list[float] = []
        self._missing_true: list[int] = []
        self._holds: list[tuple[int, bool]] = []
        self._fails: list[tuple[int, bool]] = []
        self._weights: list[float] = []
        self._targets: list[int] = []

    def add(self, tree: Tree) -> None:
        """Add a tree."""
        places: dict[int, tuple[int, bool]] = {}
        n_splits = len(self._features)
        for position, node in enumerate(tree.nodes):
            if isinstance(node, Leaf):
                places[position] = (len(self._weights), True)
                self._weights.append(node.value)
                self._targets.append(tree.target)
            else:
                places[position] = (n_splits, False)
                n_splits += 1
        self._roots.append(len(self._features))
        if isinstance(tree.nodes[0], Leaf):
            # The form has no tree without a split.
            self._split(0, 0.0, False, places[0], places[0])
        for node in tree.nodes:
            if isinstance(node, Split):
                threshold = node.threshold if node.codes is None else 0.5
                self._split(
                    self._columns.of(node), threshold, node.is_missing_true, places[node.holds], places[node.fails]
                )  # fmt: skip

    def _split(
        self,
        column: int,
        threshold: float,
        is_missing_true: bool,
        holds: tuple[int, bool],
        fails: tuple[int, bool],
    ) -> None:
        self._features.append(column)
        self._thresholds.append(threshold)
        self._missing_true.append(int(is_missing_true))
        self._holds.append(holds)
        self._fails.append(fails)

    def node(self, graph: Graph, n_targets: int, mode: int) -> str:
        """Add the ensemble's node."""
        from onnx import numpy_helper

        def doubles(values: Sequence[float]) -> object:
            return numpy_helper.from_array(np.array(values, dtype=np.float64))

        return graph.op(
            "TreeEnsemble",
            self._columns.joined(),
            domain=ML_DOMAIN,
            n_targets=n_targets,
            aggregate_function=1,
            post_transform=0,
            tree_roots=self._roots,
            nodes_featureids=self._features,
            nodes_modes=numpy_helper.from_array(np.full(len(self._features), mode, dtype=np.uint8)),
            nodes_splits=doubles(self._thresholds),
            nodes_missing_value_tracks_true=self._missing_true,
            nodes_truenodeids=[place for place, _ in self._holds],
            nodes_trueleafs=[int(is_leaf) for _, is_leaf in self._holds],
            nodes_falsenodeids=[place for place, _ in self._fails],
            nodes_falseleafs=[int(is_leaf) for _, is_leaf in self._fails],
            leaf_targetids=self._targets,
            leaf_weights=doubles(self._weights),
        )
