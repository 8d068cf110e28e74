"""Exact Shapley values of a sum of trees against background rows.

A row in which some features have a background row's values ends in a leaf if each split on the way there is passed by the value that
it meets. So a leaf asks for the row's value of some features and for the background row's of others; its share of each feature's part
follows from how many there are of either, whatever all other features do (interventional TreeSHAP: Lundberg et al. 2020, Nature
Machine Intelligence 2, 56-67). Only the leaves that some such row ends in are visited, for all trees and background rows at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learning.encode import FeatureEncoding
from learning.exchange.boosting import histogram_trees
from learning.exchange.plain import forest_trees
from learning.exchange.trees import Split, Tree
from learning.metrics import Floats

Places = NDArray[np.intp]
Bits = NDArray[np.uint64]
"""Sets of features, a bit for each: shape (n_words, n)."""

WORD = 64
"""Features in one word of a set."""


@dataclass(frozen=True)
class TreeSum:
    """Trees whose leaves are summed, node by node.

    Attributes
    ----------
    feature, threshold, is_missing_true, holds, fails
        As of `Split`; `feature` is -1 in a leaf, and children are positions among all nodes.
    codes, code_table
        Row of the table that says where each code goes, -1 of a number; a missing code is the last column.
    value, target
        What a leaf adds to which output.
    roots
        Positions of the first nodes.
    dtype
        Precision in which numbers are compared.
    """

    feature: Places
    threshold: Floats
    is_missing_true: NDArray[np.bool_]
    holds: Places
    fails: Places
    codes: Places
    code_table: NDArray[np.bool_]
    value: Floats
    target: Places
    roots: Places
    dtype: type[np.float64] | type[np.float32]

    @staticmethod
    def of(trees: Sequence[Tree], dtype: type[np.float64] | type[np.float32]) -> TreeSum:
        """Lay trees out."""
        sizes = [len(tree.nodes) for tree in trees]
        roots = np.cumsum([0, *sizes])[:-1]
        nodes = [node for tree in trees for node in tree.nodes]
        splits = [node if isinstance(node, Split) else None for node in nodes]
        tables = list(
            dict.fromkeys(node.codes for node in splits if node is not None and node.codes is not None)
        )
        code_table = np.zeros((len(tables), max(map(len, tables), default=1)), dtype=bool)
        for table, codes in zip(code_table, tables, strict=True):
            table[: len(codes) - 1], table[-1] = codes[:-1], codes[-1]
        places = {codes: place for place, codes in enumerate(tables)}
        starts = np.repeat(roots, sizes)
        return TreeSum(
            np.array([-1 if node is None else node.feature for node in splits]),
            np.array([0.0 if node is None else node.threshold for node in splits]),
            np.array([node is not None and node.is_missing_true for node in splits]),
            np.array([0 if node is None else node.holds for node in splits]) + starts,
            np.array([0 if node is None else node.fails for node in splits]) + starts,
            np.array([-1 if node is None or node.codes is None else places[node.codes] for node in splits]),
            code_table,
            np.array([0.0 if isinstance(node, Split) else node.value for node in nodes]),
            np.repeat([tree.target for tree in trees], sizes),
            roots,
            dtype,
        )

    @staticmethod
    def read(estimator: Any, encoding: FeatureEncoding, n_classes: int) -> TreeSum:
        """Read histogram boosting, a forest or a tree of scikit-learn; the last two compare in single precision.

        Parameters
        ----------
        estimator, encoding
            It, and its features: each is one column.
        n_classes
            Of the problem: 0 of values, 1 of a probability, else the number of classes.
        """
        if hasattr(estimator, "_predictors"):
            return TreeSum.of(histogram_trees(estimator, encoding), np.float64)
        return TreeSum.of(forest_trees(estimator, n_classes), np.float32)

    def next_nodes(self, row: Floats) -> Places:
        """Return where each node sends an encoded row."""
        values = row.astype(self.dtype).astype(np.float64)[self.feature]
        goes = np.where(np.isnan(values), self.is_missing_true, values <= self.threshold)
        by_code = self.codes >= 0
        found = values[by_code]
        known = np.where(np.isnan(found), -1.0, found).astype(np.intp)
        goes[by_code] = self.code_table[self.codes[by_code], known]
        nodes: Places = np.where(goes, self.holds, self.fails)
        return nodes


def tree_shapley(trees: TreeSum, rows: Floats, background: Floats, n_outputs: int) -> Floats:
    """Return the parts of some rows, shape (n, n_features, n_outputs): they sum to the difference from the background's mean.

    Parameters
    ----------
    trees
        The model; each column is a feature.
    rows, background
        Encoded rows, at least one of each.
    n_outputs
        Sums that leaves add to.

    Examples
    --------
    >>> from learning.exchange.trees import Leaf
    >>> stump = TreeSum.of([Tree([Split(0, 0.5, True, 1, 2), Leaf(1.0), Leaf(3.0)])], np.float64)
    >>> rows, background = np.array([[1.0, 7.0]]), np.array([[0.0, 8.0], [1.0, 9.0]])
    >>> tree_shapley(stump, rows, background, 1)[0, :, 0].tolist()
    [1.0, 0.0]
    """
    by_background = np.array([trees.next_nodes(row) for row in background])
    parts = np.array([_parts(trees, row, by_background, rows.shape[1], n_outputs) for row in rows])
    parts /= background.shape[0]
    return parts


def _parts(trees: TreeSum, row: Floats, by_background: Places, n_features: int, n_outputs: int) -> Floats:
    leaves, own, others = _reached(trees, trees.next_nodes(row), by_background, n_features)
    n_own, n_others = (np.bitwise_count(bits).sum(axis=0, dtype=np.intp) for bits in (own, others))
    chance = _chances(int(max(n_own.max(), n_others.max())))
    gain = trees.value[leaves] * chance[n_own, n_others]
    loss = trees.value[leaves] * chance[n_others, n_own]
    parts = np.empty((n_features, n_outputs))
    for feature in range(n_features):
        word, bit = divmod(feature, WORD)
        gains, losses = ((one[word] & np.uint64(1 << bit)).astype(bool) for one in (own, others))
        parts[feature] = np.bincount(trees.target[leaves[gains]], gain[gains], n_outputs)
        parts[feature] -= np.bincount(trees.target[leaves[losses]], loss[losses], n_outputs)
    return parts


@lru_cache(maxsize=64)
def _chances(n_most: int) -> Floats:
    """Return the chance that, in a random order, one of `a` features comes last of them and before `b` others; rows are a, columns b."""
    counts = range(n_most + 1)
    return np.array([[1 / (max(a, 1) * comb(max(a, 1) + b, b)) for b in counts] for a in counts])


def _reached(
    trees: TreeSum, by_row: Places, by_background: Places, n_features: int
) -> tuple[Places, Bits, Bits]:
    """Return the leaves that mixtures of the row and a background row end in, with the features that must be of either."""
    words = np.arange((n_features - 1) // WORD + 1)[:, np.newaxis]
    bits = np.where(
        trees.feature // WORD == words, np.uint64(1) << (trees.feature % WORD).astype(np.uint64), np.uint64(0)
    )
    nodes: Places = np.tile(trees.roots, by_background.shape[0])
    rows: Places = np.repeat(np.arange(by_background.shape[0]), trees.roots.size)
    own: Bits = np.zeros((words.size, nodes.size), dtype=np.uint64)
    others: Bits = np.zeros_like(own)
    found: list[tuple[Places, Bits, Bits]] = []
    while nodes.size:
        is_leaf = trees.feature[nodes] < 0
        if is_leaf.any():
            found.append((nodes[is_leaf], own[:, is_leaf], others[:, is_leaf]))
            nodes, rows, own, others = nodes[~is_leaf], rows[~is_leaf], own[:, ~is_leaf], others[:, ~is_leaf]
        bit, mine, theirs = bits[:, nodes], by_row[nodes], by_background[rows, nodes]
        is_other = (others & bit).any(axis=0)
        parted = (mine != theirs) & ~is_other & ~(own & bit).any(axis=0)
        nodes = np.concatenate([np.where(is_other, theirs, mine), theirs[parted]])
        rows = np.concatenate([rows, rows[parted]])
        marks = bit[:, parted]
        others = np.concatenate([others, others[:, parted] | marks], axis=1)
        before = own[:, parted]
        own[:, parted] |= marks
        own = np.concatenate([own, before], axis=1)
    leaves, own, others = (np.concatenate(parts, axis=-1) for parts in zip(*found, strict=True))
    return leaves, own, others
