"""Shapley values of trees: those of the definition, through missing values, categories and every output."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from declaration.model import CandidateSpec
from declaration.target import ProblemType
from learning.exchange.trees import Leaf, Split, Tree
from learning.explain.contributions import contributions
from learning.explain.raw_score import summed_score
from learning.explain.tree_shapley import TreeSum, tree_shapley
from learning.fitted import FittedModel
from learning.metrics import Floats
from learning.out_of_fold import fit
from learning.training_rows import read_training_set
from tests.fixtures.shapley import by_definition
from tests.fixtures.training_world import training_table

EVERY = [slice(place, place + 1) for place in range(5)]


def with_gaps(problem: ProblemType) -> pa.Table:
    """Five features: numbers, also with gaps, whole ones, and categories, some of them missing."""
    generator = np.random.default_rng(8)
    table = training_table(500, problem=problem)
    signal = table["signal__x"].to_numpy()
    gaps = np.where(generator.random(500) < 0.3, np.nan, signal**2)
    table = table.append_column("gaps__x", pa.array(gaps, from_pandas=True))
    places = [(None, "east", "west", "north", "south")[place] for place in generator.integers(0, 5, 500)]
    return table.append_column("place__name", pa.array(places))


def trained(problem: ProblemType, use: str, **params: str | float) -> tuple[FittedModel, Floats]:
    data = read_training_set(with_gaps(problem), problem)
    candidate = CandidateSpec.model_validate({"use": use, "params": params})
    return fit(candidate, data.fit_rows(), data.classes, 0, 1), data.matrix


@pytest.mark.parametrize("problem", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("use", ["hist_gradient_boosting", "random_forest", "decision_tree"])
@pytest.mark.usefixtures("few_trees")
def test_parts_of_trees_are_those_of_the_definition(problem: ProblemType, use: str) -> None:
    model, matrix = trained(problem, use)
    rows, background = matrix[40:44], matrix[::71]
    found = contributions(model, rows, background=background)
    score = summed_score(model).of_rows
    expected = [by_definition(score, row, background, EVERY) for row in rows]
    np.testing.assert_allclose(found.parts, expected, atol=1e-12)
    np.testing.assert_allclose(found.base, score(background).mean(axis=0))
    assert found.errors is None
    assert found.base_of == "the mean of 8 rows that it learned from"
    # All of them are asked by the trees: the comparison is not one of zeros.
    assert (np.abs(found.parts).max(axis=(0, 2)) > 0).sum() >= 4


def random_tree(generator: np.random.Generator, features: Floats) -> Tree:
    """Grow a tree of 15 nodes; the last of the features has codes 0 to 2."""
    nodes: list[Split | Leaf] = []
    for place in range(15):
        if place >= 7:
            nodes.append(Leaf(float(generator.normal())))
            continue
        feature, is_missing_true = int(generator.choice(features)), bool(generator.integers(2))
        codes = None
        if feature == features[-1]:
            codes = (*(bool(one) for one in generator.integers(2, size=3)), is_missing_true)
        nodes.append(
            Split(feature, float(generator.normal()), is_missing_true, 2 * place + 1, 2 * place + 2, codes)
        )
    return Tree(nodes, int(generator.integers(2)))


def sums(trees: list[Tree], rows: Floats) -> Floats:
    """Walk the trees row by row."""
    found = np.zeros((rows.shape[0], 2))
    for place, row in enumerate(rows):
        for tree in trees:
            node = tree.nodes[0]
            while isinstance(node, Split):
                value = row[node.feature]
                holds = bool(value <= node.threshold)
                if np.isnan(value):
                    holds = node.is_missing_true
                elif node.codes is not None:
                    holds = node.codes[int(value)]
                node = tree.nodes[node.holds if holds else node.fails]
            found[place, tree.target] += node.value
    return found


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 100_000))
def test_parts_of_any_trees_are_those_of_the_definition(seed: int) -> None:
    # Of 70 features four are asked: sets of features need a second word.
    generator = np.random.default_rng(seed)
    asked = np.array([2, 33, 63, 69])
    trees = [random_tree(generator, asked) for _ in range(3)]
    rows = generator.normal(size=(6, 70))
    rows[:, 69] = generator.integers(3, size=6)
    rows[generator.random(rows.shape) < 0.2] = np.nan
    own, background = rows[:2], rows[2:]
    found = tree_shapley(TreeSum.of(trees, np.float64), own, background, 2)

    def among(four: Floats) -> Floats:
        whole = np.zeros((four.shape[0], 70))
        whole[:, asked] = four
        return sums(trees, whole)

    expected = [by_definition(among, row, background[:, asked], EVERY[:4]) for row in own[:, asked]]
    np.testing.assert_allclose(found[:, asked], expected, atol=1e-12)
    assert np.abs(np.delete(found, asked, axis=1)).max() == 0


def test_single_precision_decides_as_scikit_learn_does() -> None:
    # 0.1 in single precision is more than the threshold in double: as trees of scikit-learn compare.
    tree = Tree([Split(0, 0.1, True, 1, 2), Leaf(0.0), Leaf(1.0)])
    parts = [
        tree_shapley(TreeSum.of([tree], dtype), np.array([[0.1]]), np.array([[0.0]]), 1)
        for dtype in (np.float64, np.float32)
    ]
    assert [float(part[0, 0, 0]) for part in parts] == [0.0, 1.0]
