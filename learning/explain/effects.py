"""Partial dependence and individual conditional expectation: the score as one feature is set to one value after another.

Friedman (2001), Greedy function approximation, Annals of Statistics 29, 1189-1232: section 8.2; Goldstein et al. (2015),
Peeking inside the black box, Journal of Computational and Graphical Statistics 24, 44-65.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from learning.encode import ColumnEncoding
from learning.fitted import FittedModel
from learning.metrics import Floats

N_FEATURES = 6
"""Features that are drawn, the most important first."""

MAX_ROWS = 300
"""Rows that are scored at each value: the mean settles long before."""

N_LINES = 20
"""Rows that have a line of their own."""

N_VALUES = 15
"""Quantiles of a number."""

MAX_CATEGORIES = 12
"""Categories of a feature, the most frequent first."""

OUTER_SHARE = 0.01
"""Share of rows beyond either end of the quantiles: what a model says of rare values is mostly made up."""


@dataclass(frozen=True)
class FeatureEffect:
    """Scores as one feature takes one value after another and all others stay.

    Attributes
    ----------
    feature
        Its name.
    values
        Numbers, ascending, or codes of categories, most frequent first. Shape (n_values,).
    labels
        Categories in the values' order; empty for numbers.
    mean
        Mean score at each value: shape (n_values, n_outputs), an output for each class where there are many.
    lines
        Scores of single rows of one output. Shape (n_lines, n_values); no lines where there are many classes.
    """

    feature: str
    values: Floats
    labels: tuple[str, ...]
    mean: Floats
    lines: Floats


def feature_effects(
    model: FittedModel, matrix: Floats, importances: Mapping[str, float], *, seed: int
) -> tuple[FeatureEffect, ...]:
    """Measure how the score depends on each of the most important features; those of one value or of many columns are left out.

    Parameters
    ----------
    model
        The model.
    matrix
        Encoded rows, shape (n, n_columns).
    importances
        Share by feature.
    seed
        Seed of the sample of rows.
    """
    generator = np.random.default_rng(seed)
    n = matrix.shape[0]
    rows = matrix[np.sort(generator.choice(n, min(n, MAX_ROWS), replace=False))]
    effects = (_effect(model, rows, matrix, position) for position in _most_important(model, importances))
    return tuple(effect for effect in effects if effect is not None)


def _most_important(model: FittedModel, importances: Mapping[str, float]) -> Sequence[int]:
    names = model.encoding.names
    used = [position for position, name in enumerate(names) if importances.get(name, 0.0) > 0]
    return sorted(used, key=lambda position: (-importances[names[position]], names[position]))[:N_FEATURES]


def _effect(model: FittedModel, rows: Floats, matrix: Floats, position: int) -> FeatureEffect | None:
    encoding, place = model.encoding.columns[position], model.encoding.slices[position]
    if place.stop - place.start > 1:
        return None  # The words of a text, or the parts of a date, are no axis.
    column = matrix[:, place.start]
    values = _values(column[np.isfinite(column)], encoding)
    if values.size < 2:
        return None
    varied = np.tile(rows, (values.size, 1))
    varied[:, place.start] = np.repeat(values, rows.shape[0])
    scores = model.score_matrix(varied).reshape(values.size, rows.shape[0], -1)
    is_single = scores.shape[2] == 1
    lines = scores[:, :N_LINES, 0].T if is_single else np.empty((0, values.size))
    labels = tuple(_category(encoding, int(value)) for value in values) if encoding.kind == "category" else ()
    return FeatureEffect(encoding.name, values, labels, scores.mean(axis=1), lines)


def _values(known: Floats, encoding: ColumnEncoding) -> Floats:
    if encoding.kind == "category":
        codes, counts = np.unique(known, return_counts=True)
        return np.asarray(codes[np.argsort(-counts, kind="stable")][:MAX_CATEGORIES])
    if known.size == 0:
        return known
    distinct = np.unique(known)
    if distinct.size <= N_VALUES:
        return np.asarray(distinct)
    quantiles = np.linspace(OUTER_SHARE, 1 - OUTER_SHARE, N_VALUES)
    return np.unique(np.quantile(known, quantiles))


def _category(encoding: ColumnEncoding, code: int) -> str:
    return encoding.categories[code] if code < len(encoding.categories) else "other"
