"""Quantiles of what is predicted, from errors out of fold: each by itself, in the groups of like scores that intervals have.

A quantile is the score and the error's quantile in the row's group (`outward_quantile`), so that the 5 % and the 95 % quantile are the ends of
the 90 % interval, and quantiles never cross.

References
----------
Koenker and Bassett (1978), Regression quantiles, Econometrica 46: the pinball loss, which is least at the quantile. Lei, G'Sell,
Rinaldo, Tibshirani and Wasserman (2018), Distribution-free predictive inference for regression, JASA 113.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learning.blocks import resampled_weights, time_blocks, widened_level
from learning.metrics import Floats, Scored
from learning.score_groups import ForecastRows, ScoreGroups, group_quantiles, score_groups, taught_by_others

COVERAGE_LEVEL = 0.95
"""Confidence of the interval of a quantile's coverage."""


@dataclass(frozen=True)
class Quantiles:
    """Distances of quantiles from predicted values, by groups of like scores.

    Attributes
    ----------
    shares
        Which quantiles, ascending.
    groups
        The groups.
    distances
        By share, what is added to a score of each group.
    """

    shares: tuple[float, ...]
    groups: ScoreGroups
    distances: tuple[tuple[float, ...], ...]

    def around(self, scores: Floats, horizons: Floats | None = None) -> Floats:
        """Return each score's quantiles; see `ScoreGroups.numbers`. Shape (n, n_shares)."""
        groups = self.groups.numbers(scores, horizons)
        values: Floats = scores[:, np.newaxis] + np.asarray(self.distances).T[groups]
        return values

    def to_plain(self) -> dict[str, Any]:
        """Return the quantiles as JSON values."""
        distances = [list(of_share) for of_share in self.distances]
        return {"shares": list(self.shares), **self.groups.to_plain(), "distances": distances}

    @staticmethod
    def from_plain(plain: Mapping[str, Any]) -> Quantiles:
        """Read what `to_plain` gives."""
        distances = tuple(tuple(of_share) for of_share in plain["distances"])
        return Quantiles(tuple(plain["shares"]), ScoreGroups.from_plain(plain), distances)


@dataclass(frozen=True)
class QuantileFigures:
    """Coverage and pinball loss of one quantile on judged rows, by quantiles that other folds teach.

    Attributes
    ----------
    share
        Which quantile.
    horizon
        Hours ahead of the rows; None for all.
    n
        Rows.
    coverage, coverage_low, coverage_high
        Share of the truths at or below, and its 95 % interval by blocks of time; None where there are too few.
    below
        Share of them that lie below. Less than `coverage` where truths equal the quantile: of counts, and of values that stay the
        same. A quantile is right if its share lies between the two.
    pinball
        Mean pinball loss, in the target's unit.
    label_pinball
        Of the labels' own quantile, the same for every row.
    naive_pinball
        Of the same quantile around the naive forecast; None where there is none.
    """

    share: float
    horizon: float | None
    n: int
    coverage: float
    coverage_low: float | None
    coverage_high: float | None
    below: float
    pinball: float
    label_pinball: float
    naive_pinball: float | None = None

    @property
    def skill(self) -> float | None:
        """Share of the loss of the labels' quantile that is avoided."""
        return _avoided(self.pinball, self.label_pinball)

    @property
    def naive_skill(self) -> float | None:
        """Share of the loss of the naive forecast's quantile that is avoided."""
        return None if self.naive_pinball is None else _avoided(self.pinball, self.naive_pinball)


def _avoided(loss: float, baseline: float) -> float | None:
    return 1 - loss / baseline if baseline else None


@dataclass(frozen=True)
class QuantileResult:
    """Quantiles to serve with, and what they are worth on rows that did not teach them.

    Attributes
    ----------
    quantiles
        Learned from all errors out of fold.
    values
        The judged rows' quantiles, each fold's learned from the other folds. Shape (n, n_shares).
    figures
        Of each quantile over all rows, and then, of several horizons, of each.
    is_blind
        Whether there were other folds; figures of one fold alone are of the rows that taught.
    """

    quantiles: Quantiles
    values: Floats
    figures: tuple[QuantileFigures, ...]
    is_blind: bool


def fit_quantiles(rows: ForecastRows, shares: Sequence[float]) -> Quantiles:
    """Learn quantiles from scores of rows that the model had not learned from."""
    groups = score_groups(rows.scored.scores, rows.horizons)
    numbers = groups.numbers(rows.scored.scores, rows.horizons)
    return Quantiles(tuple(shares), groups, group_quantiles(rows.errors, numbers, groups.n_groups, shares))


def quantiles_of(
    shares: Sequence[float],
    rows: ForecastRows,
    folds: NDArray[np.int64],
    event_time_us: NDArray[np.int64],
    *,
    naive: Floats | None,
    seed: int,
) -> QuantileResult:
    """Learn quantiles from scores out of fold, and measure those that other folds teach.

    Parameters
    ----------
    shares
        Which quantiles, ascending.
    rows
        The judged rows.
    folds, event_time_us
        Fold of each, and when it was predicted. Shape (n,).
    naive
        Scores of the naive forecast, out of fold; None where there is none. Shape (n,).
    seed
        Seed of the intervals' bootstrap.
    """
    n = folds.size
    values = _by_others(shares, rows, folds)
    # Around a score that says nothing: the labels' own quantiles.
    constant = _by_others(shares, _scored_by(rows, np.zeros(n)), folds)
    around_naive = None if naive is None else _by_others(shares, _scored_by(rows, naive), folds)
    labels = rows.scored.labels
    measured = _Measured(
        labels[:, np.newaxis] <= values,
        labels[:, np.newaxis] < values,
        pinball_losses(labels, values, shares),
        pinball_losses(labels, constant, shares),
        None if around_naive is None else pinball_losses(labels, around_naive, shares),
    )
    figures = tuple(_figures(shares, rows, measured, event_time_us, seed))
    return QuantileResult(fit_quantiles(rows, shares), values, figures, np.unique(folds).size > 1)


def pinball_losses(labels: Floats, values: Floats, shares: Sequence[float]) -> Floats:
    """Return each row's pinball loss of each quantile: what is too low costs the share, what is too high the rest.

    Examples
    --------
    >>> pinball_losses(np.array([10.0, 10.0]), np.array([[8.0], [13.0]]), [0.9]).round(3).tolist()
    [[1.8], [0.3]]
    """
    errors, of_share = labels[:, np.newaxis] - values, np.asarray(shares)
    return np.maximum(of_share * errors, (of_share - 1) * errors)


def _scored_by(rows: ForecastRows, scores: Floats) -> ForecastRows:
    return ForecastRows(Scored(rows.scored.labels, scores), rows.horizons)


def _by_others(shares: Sequence[float], rows: ForecastRows, folds: NDArray[np.int64]) -> Floats:
    """Return the rows' quantiles, each fold's learned from the other folds."""
    values = np.empty((folds.size, len(shares)))
    for is_here, others in taught_by_others(rows, folds):
        here = rows.at(is_here)
        values[is_here] = fit_quantiles(others, shares).around(here.scored.scores, here.horizons)
    return values


@dataclass(frozen=True)
class _Measured:
    """Of each row and quantile: whether the truth lies at or below, whether below, and the losses. Shape (n, n_shares) each."""

    is_covered: NDArray[np.bool_]
    is_below: NDArray[np.bool_]
    losses: Floats
    label_losses: Floats
    naive_losses: Floats | None


def _figures(
    shares: Sequence[float],
    rows: ForecastRows,
    measured: _Measured,
    event_time_us: NDArray[np.int64],
    seed: int,
) -> Iterator[QuantileFigures]:
    for horizon, is_here in _parts(rows):
        for column, share in enumerate(shares):
            is_covered = measured.is_covered[is_here, column]
            low, high = share_interval(is_covered, event_time_us[is_here], seed=seed)
            naive = measured.naive_losses
            yield QuantileFigures(
                share,
                horizon,
                is_covered.size,
                float(is_covered.mean()),
                low,
                high,
                float(measured.is_below[is_here, column].mean()),
                float(measured.losses[is_here, column].mean()),
                float(measured.label_losses[is_here, column].mean()),
                None if naive is None else float(naive[is_here, column].mean()),
            )


def _parts(rows: ForecastRows) -> Iterator[tuple[float | None, NDArray[np.bool_]]]:
    yield None, np.ones(rows.scored.labels.size, dtype=np.bool_)
    if rows.horizons is not None:
        for horizon in np.unique(rows.horizons):
            yield float(horizon), rows.horizons == horizon


def share_interval(
    is_so: NDArray[np.bool_], event_time_us: NDArray[np.int64], *, seed: int
) -> tuple[float | None, float | None]:
    """Return the 95 % interval of a share of rows by resampled blocks of time; None where there are too few."""
    blocks = time_blocks(event_time_us)
    if blocks is None:
        return None, None
    weights = resampled_weights(blocks.n_blocks, seed=seed)
    counts = np.bincount(blocks.numbers, minlength=blocks.n_blocks)
    sums = np.bincount(blocks.numbers, weights=is_so, minlength=blocks.n_blocks)
    tail = widened_level((1 - COVERAGE_LEVEL) / 2, blocks.n_blocks)
    low, high = np.quantile((weights @ sums) / (weights @ counts), [tail, 1 - tail])
    return float(low), float(high)
