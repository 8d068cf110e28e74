"""Regressions of each column on the other columns and the calendar, all from one table of co-moments.

The regression-adjusted variables of Hawkins (1991, Technometrics 33): all residuals come from one inverse.
A fault breaks the relation of one column to the others; a season moves all columns along it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from drift.season.co_moments import N_FIXED, CoMoments, Matrix, Vector
from drift.season.scores import NumericScore, Score

RIDGE = 0.03
"""Penalty of a score's coefficient per row (Hoerl, Kennard 1970): twins share what they say."""

LEAST_VARIANCE = 1e-4
"""Least variance of what is left of a score: a column at one value has none, and its logarithm no end."""

DIRECT_SCORES = 100
"""Scores that are all regressed on all others; of more, each on its nearest ones."""

N_NEAREST = 30
"""Scores by which a score is explained where there are more than `DIRECT_SCORES`: the most correlated."""

Places = NDArray[np.intp]


@dataclass(frozen=True)
class Design:
    """Scores that are judged together, and the terms by which they are explained.

    Attributes
    ----------
    columns
        Column of each score of the table; scores of one column do not explain each other.
    is_numeric, has_noise
        Scores of numbers, and of such as do not rest at one value. Shape (n_scores,).
    active
        Scores that are judged, by their place. Shape (n_active,).
    has_calendar
        Whether the calendar explains too.
    """

    columns: tuple[str, ...]
    is_numeric: NDArray[np.bool_]
    has_noise: NDArray[np.bool_]
    active: Places
    has_calendar: bool

    @property
    def terms(self) -> Places:
        """Rows of the co-moments that are read: the constant, the calendar, the active scores."""
        fixed = np.arange(N_FIXED if self.has_calendar else 1)
        return np.concatenate([fixed, N_FIXED + self.active])

    @property
    def n_fixed(self) -> int:
        """Terms before the scores."""
        return N_FIXED if self.has_calendar else 1

    def groups(self) -> list[Places]:
        """List the active scores of each column, by their place among the active."""
        names = [self.columns[place] for place in self.active]
        return [
            np.array([index for index, name in enumerate(names) if name == column], dtype=np.intp)
            for column in dict.fromkeys(names)
        ]

    def without(self, column: str) -> Design:
        """Return the design with a column set aside."""
        places = [place for place in self.active if self.columns[place] != column]
        return replace(self, active=np.array(places, dtype=np.intp))


def design_of(scores: Sequence[Score], judged: Sequence[str], *, has_calendar: bool) -> Design:
    """Return the design of the scores of some columns."""
    judged_columns = frozenset(judged)
    return Design(
        tuple(score.column for score in scores),
        np.array([isinstance(score, NumericScore) for score in scores], dtype=bool),
        np.array([isinstance(score, NumericScore) and not score.is_heavy for score in scores], dtype=bool),
        np.array(
            [place for place, score in enumerate(scores) if score.column in judged_columns], dtype=np.intp
        ),
        has_calendar,
    )


def residual_rows(products: Matrix, design: Design) -> Matrix:
    """Return the coefficients b by which a row's terms give each score's residual, unexplained by the others.

    Parameters
    ----------
    products
        Mean products of the rows that are learned from. Shape (n_terms, n_terms).
    design
        Scores, and what explains them.

    Returns
    -------
    Matrix
        A row per active score, over `design.terms`: 1 for the score itself, minus the regression's
        coefficients for the others, 0 for other scores of its column.
    """
    own = products[np.ix_(design.terms, design.terms)].copy()
    scored = np.arange(design.n_fixed, len(own))
    own[scored, scored] += RIDGE
    if len(scored) > DIRECT_SCORES:
        return _nearest_rows(own, design)
    precision = np.linalg.inv(own)[scored]
    rows = precision / precision[np.arange(len(scored)), scored][:, None]
    for group in design.groups():
        if len(group) > 1:
            rows[group] = np.linalg.solve(precision[np.ix_(group, scored[group])], precision[group])
    return np.asarray(rows)


def _nearest_rows(products: Matrix, design: Design) -> Matrix:
    """Explain each score by the fixed terms and the scores that it is most correlated with."""
    n_fixed = design.n_fixed
    means = products[0]
    covariance = (products - np.outer(means, means))[n_fixed:, n_fixed:]
    spread = np.sqrt(np.maximum(np.diag(covariance), RIDGE))
    nearness = np.abs(covariance) / np.outer(spread, spread)
    rows = np.zeros((len(nearness), len(products)))
    for group in design.groups():
        nearness[np.ix_(group, group)] = -1.0
    for score in range(len(nearness)):
        chosen = np.argsort(-nearness[score], kind="stable")[:N_NEAREST]
        chosen = chosen[nearness[score][chosen] >= 0]
        terms = np.concatenate([np.arange(n_fixed), n_fixed + chosen])
        rows[score, terms] = -np.linalg.lstsq(
            products[np.ix_(terms, terms)], products[terms, n_fixed + score], rcond=None
        )[0]
        rows[score, n_fixed + score] = 1.0
    return rows


@dataclass(frozen=True)
class Statistics:
    """Statistics of each score of a window given the others. Each of shape (n_active,).

    Attributes
    ----------
    level
        How far the score lies from what the others say, in standard deviations of the reference.
    slope
        By how much it moves when the others say that it moves by 1 (Mincer, Zarnowitz 1969): 0 where it is
        stuck or foreign, -1 where its sign is turned. NaN where the others foretell no movement.
    noise
        Logarithm of the deviation that is left after the slope.
    explained
        Variance of what the others say.
    """

    level: Vector
    slope: Vector
    noise: Vector
    explained: Vector


def statistics_of(window: CoMoments, rows: Matrix, design: Design) -> Statistics:
    """Compute the three statistics of a window from its co-moments.

    Parameters
    ----------
    window
        Its co-moments.
    rows
        Coefficients of the reference.
    design
        As for `rows`.
    """
    products = window.products[np.ix_(design.terms, design.terms)]
    means = products[0]
    covariance = products - np.outer(means, means)
    scored = np.arange(design.n_fixed, len(means))
    residual_terms = -rows
    residual_terms[np.arange(len(rows)), scored] += 1.0
    with_terms = residual_terms @ covariance
    explained = np.maximum((with_terms * residual_terms).sum(axis=1), 0.0)
    shared = with_terms[np.arange(len(rows)), scored]
    is_moved = explained > LEAST_VARIANCE
    slope = np.full(len(rows), np.nan)
    slope[is_moved] = shared[is_moved] / explained[is_moved]
    left = np.diag(covariance)[scored] - np.where(is_moved, np.nan_to_num(slope) * shared, 0.0)
    return Statistics(rows @ means, slope, np.log(np.maximum(left, LEAST_VARIANCE)) / 2, explained)
