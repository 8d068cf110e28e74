"""Shapley values of any model's answers against background rows.

A feature's part is the mean change of the answer as the feature takes its value, over all orders in which features take theirs, from
each background row to the row explained (Štrumbelj and Kononenko 2014, Explaining prediction models and individual predictions with
feature contributions, Knowledge and Information Systems 41, 647-665). Along any order the changes sum to the whole difference, so
that parts do as well, whether all orders are counted or some are drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import factorial

import numpy as np
from numpy.typing import NDArray

from learning.metrics import Floats

Answers = Callable[[Floats], Floats]
"""From encoded rows, shape (n, n_columns), to answers, shape (n, n_outputs)."""

MAX_EXACT_FEATURES = 8
"""Features up to which every coalition is asked for: 256 for each background row, about as many as the drawn orders of 40 features."""

N_PAIRS = 4
"""Orders drawn for each background row, each with its reverse: what interactions add early in one they add late in the other."""

BLOCK_VALUES = 2_000_000
"""Values of a matrix that is scored at once."""


@dataclass(frozen=True)
class ShapleyValues:
    """Parts of the answers of some rows.

    Attributes
    ----------
    base
        Mean answer of the background rows. Shape (n_outputs,).
    parts
        Shape (n, n_features, n_outputs).
    errors
        Standard errors of the parts, of their shape; None where they are exact.
    n_orders
        Orders drawn for each row; 0 where all are counted.
    """

    base: Floats
    parts: Floats
    errors: Floats | None
    n_orders: int


def shapley_values(
    answers: Answers, rows: Floats, background: Floats, owners: NDArray[np.intp]
) -> ShapleyValues:
    """Take the answers of some rows apart: exactly of few features, of more by orders drawn alike for every row.

    Parameters
    ----------
    answers
        The model.
    rows, background
        Encoded rows, at least one of each.
    owners
        Position of the feature that each column belongs to: the columns of a feature take their values together.

    Examples
    --------
    >>> product = lambda rows: rows.prod(axis=1, keepdims=True)
    >>> found = shapley_values(product, np.array([[2.0, 3.0]]), np.array([[0.0, 1.0]]), np.array([0, 1]))
    >>> found.base.tolist(), found.parts[0, :, 0].tolist()
    ([0.0], [4.0, 2.0])
    """
    n_features = int(owners[-1]) + 1
    base = answers(background).mean(axis=0)
    if n_features <= MAX_EXACT_FEATURES:
        members = np.array(list(np.ndindex(*(2,) * n_features)), dtype=bool)
        weights = _weights(members)
        among = np.broadcast_to(members, (background.shape[0], *members.shape))
        exact = [weights @ _values(answers, row, background, owners, among).mean(axis=0) for row in rows]
        return ShapleyValues(base, np.array(exact), None, 0)
    orders = _orders(background.shape[0], n_features)
    drawn = [_drawn(answers, row, background, owners, orders) for row in rows]
    parts, errors = (np.array(found) for found in zip(*drawn, strict=True))
    return ShapleyValues(base, parts, errors, orders.shape[0] * orders.shape[1])


def _weights(members: NDArray[np.bool_]) -> Floats:
    """Weigh the answers of all coalitions in each feature's part. Shape (n_features, n_coalitions)."""
    n = members.shape[1]
    others = members.sum(axis=1) - members.T
    joins = np.array([factorial(k) * factorial(n - 1 - k) / factorial(n) for k in range(n)] + [0.0])
    weights: Floats = np.where(members.T, joins[others], -joins[others])
    return weights


def _orders(n_background: int, n_features: int) -> NDArray[np.intp]:
    """Draw the rank of each feature in the orders from each background row. Shape (n_background, 2 * N_PAIRS, n_features)."""
    ranks = np.broadcast_to(np.arange(n_features), (n_background, N_PAIRS, n_features))
    ranks = np.random.default_rng(0).permuted(ranks, axis=2)
    return np.concatenate([ranks, n_features - 1 - ranks], axis=1)


def _drawn(
    answers: Answers, row: Floats, background: Floats, owners: NDArray[np.intp], orders: NDArray[np.intp]
) -> tuple[Floats, Floats]:
    """Return a row's parts, and their standard errors by the spread of the pairs of orders from the same background row."""
    n_background, n_walks, n_features = orders.shape
    members = orders[:, :, np.newaxis] < np.arange(n_features + 1)[:, np.newaxis]
    values = _values(answers, row, background, owners, members.reshape(n_background, -1, n_features))
    steps = np.diff(values.reshape(n_background, n_walks, n_features + 1, -1), axis=2)
    changes = np.take_along_axis(steps, orders[..., np.newaxis], axis=2)
    pairs = (changes[:, :N_PAIRS] + changes[:, N_PAIRS:]) / 2
    variances = pairs.var(axis=1, ddof=1).sum(axis=0) / N_PAIRS
    return pairs.mean(axis=(0, 1)), np.sqrt(variances) / n_background


def _values(
    answers: Answers, row: Floats, background: Floats, owners: NDArray[np.intp], members: NDArray[np.bool_]
) -> Floats:
    """Answer for background rows in which the features of a coalition have the row's values; equal rows are asked for once.

    Parameters
    ----------
    members
        Coalitions for each background row. Shape (n_background, n_coalitions, n_features).

    Returns
    -------
    Floats
        Shape (n_background, n_coalitions, n_outputs).
    """
    n_background, n_coalitions, n_features = members.shape
    differs = ~((background == row) | (np.isnan(background) & np.isnan(row)))
    changes = np.logical_or.reduceat(differs, np.unique(owners, return_index=True)[1], axis=1)
    taken = (members & changes[:, np.newaxis]).reshape(-1, n_features)
    places = np.repeat(np.arange(n_background), n_coalitions)
    keys = np.column_stack([places, np.packbits(taken, axis=1)])
    _, first, same = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    size = max(1, BLOCK_VALUES // row.size)
    blocks = [first[start : start + size] for start in range(0, first.size, size)]
    found = [answers(np.where(taken[at][:, owners], row, background[places[at]])) for at in blocks]
    return np.concatenate(found)[same.ravel()].reshape(n_background, n_coalitions, -1)
