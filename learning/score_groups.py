"""Groups of rows with like scores, of each horizon by itself, and quantiles of the errors in them.

Late flights are later than early ones are early, and the later they are said to be the more they vary; a forecast of two days errs
more than one of six hours. So intervals and quantiles are learned in each group of rows with like scores, of each horizon.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learning.metrics import Floats, Scored

GROUP_ROWS = 300
"""Rows of a group at least: the 5 % quantile of so many is known to 1.3 % of probability."""

MAX_GROUPS = 10
"""Groups of a horizon at most."""


@dataclass(frozen=True)
class ForecastRows:
    """Rows scored by a model that had not learned from them.

    Attributes
    ----------
    scored
        Labels and scores.
    horizons
        Hours ahead of each, where there are several horizons. Shape (n,).
    """

    scored: Scored
    horizons: Floats | None = None

    @property
    def errors(self) -> Floats:
        """Labels less scores."""
        return self.scored.labels - self.scored.scores

    def at(self, places: NDArray[np.bool_]) -> ForecastRows:
        """Return some of the rows."""
        return ForecastRows(
            Scored(self.scored.labels[places], self.scored.scores[places]),
            None if self.horizons is None else self.horizons[places],
        )


def taught_by_others(
    rows: ForecastRows, folds: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.bool_], ForecastRows]]:
    """Give the places of each fold's rows, and the rows of the other folds; one fold alone has its own."""
    for fold in np.unique(folds):
        is_here = folds == fold
        yield is_here, rows if is_here.all() else rows.at(~is_here)


@dataclass(frozen=True)
class ScoreGroups:
    """Groups of like scores.

    Attributes
    ----------
    edges
        Of each horizon the scores between its groups, ascending: one less than the groups.
    horizons
        Ascending, in hours; empty where rows have one horizon, or none.
    """

    edges: tuple[tuple[float, ...], ...] = ((),)
    horizons: tuple[float, ...] = ()

    @property
    def n_groups(self) -> int:
        """Groups of all horizons."""
        return sum(len(edges) + 1 for edges in self.edges)

    def numbers(self, scores: Floats, horizons: Floats | None = None) -> NDArray[np.int64]:
        """Return the group of each row.

        Parameters
        ----------
        scores
            Shape (n,).
        horizons
            Hours ahead, where there are several horizons; one that was not learned of counts as the next longer one.

        Examples
        --------
        >>> groups = ScoreGroups(((0.0,), (5.0,)), (6.0, 24.0))
        >>> groups.numbers(np.array([-1.0, 1.0, 1.0, 9.0]), np.array([6.0, 6.0, 12.0, 24.0])).tolist()
        [0, 1, 2, 3]
        """
        kinds = np.zeros(scores.size, dtype=np.int64)
        if self.horizons and horizons is not None:
            kinds = np.minimum(np.searchsorted(self.horizons, horizons), len(self.horizons) - 1)
        numbers = np.empty(scores.size, dtype=np.int64)
        first = 0
        for kind, edges in enumerate(self.edges):
            is_here = kinds == kind
            numbers[is_here] = first + np.searchsorted(np.asarray(edges), scores[is_here], side="right")
            first += len(edges) + 1
        return numbers

    def to_plain(self) -> dict[str, Any]:
        """Return the groups as JSON values; without several horizons a plain list of edges."""
        if not self.horizons:
            return {"edges": list(self.edges[0])}
        return {"edges": [list(edges) for edges in self.edges], "horizons": list(self.horizons)}

    @staticmethod
    def from_plain(plain: Mapping[str, Any]) -> ScoreGroups:
        """Read what `to_plain` gives."""
        horizons = tuple(plain.get("horizons", ()))
        edges = plain["edges"] if horizons else [plain["edges"]]
        return ScoreGroups(tuple(tuple(one) for one in edges), horizons)


def score_groups(scores: Floats, horizons: Floats | None = None) -> ScoreGroups:
    """Cut rows into groups of like scores, of each horizon by itself."""
    if horizons is None:
        return ScoreGroups((_edges(scores),))
    values = np.unique(horizons)
    return ScoreGroups(
        tuple(_edges(scores[horizons == value]) for value in values), tuple(float(value) for value in values)
    )


def _edges(scores: Floats) -> tuple[float, ...]:
    """Return edges between groups of equal size, as many as leave each `GROUP_ROWS` rows."""
    for n_groups in range(min(MAX_GROUPS, scores.size // GROUP_ROWS), 1, -1):
        edges = np.unique(np.quantile(scores, np.arange(1, n_groups) / n_groups))
        counts = np.bincount(np.searchsorted(edges, scores, side="right"), minlength=edges.size + 1)
        # Equal scores are in one group, which may leave others with few.
        if counts.min() >= GROUP_ROWS / 2:
            return tuple(edges.tolist())
    return ()


def group_quantiles(
    values: Floats, numbers: NDArray[np.int64], n_groups: int, shares: Sequence[float]
) -> tuple[tuple[float, ...], ...]:
    """Return quantiles of values by share, each by group: what `outward_quantile` gives."""
    by_group = [
        [outward_quantile(ordered, share) for share in shares]
        for ordered in (np.sort(values[numbers == group]) for group in range(n_groups))
    ]
    return tuple(zip(*by_group, strict=True))


def outward_quantile(ordered: Floats, share: float) -> float:
    """Return the quantile of values that a new one of their kind lies at or below with the share as probability.

    Between two values it is the outer one, so that below 0.5 no more, and above no less than the share lie at or below it: the ends of
    a conformal interval. Of so few values that none is sure, the outermost. The median lies halfway between two.

    Parameters
    ----------
    ordered
        Ascending; at least one.
    share
        Above 0 and below 1.

    Examples
    --------
    >>> values = np.arange(1.0, 20.0)
    >>> [outward_quantile(values, share) for share in (0.1, 0.12, 0.5, 0.88, 0.9)]
    [2.0, 2.0, 10.0, 18.0, 18.0]
    """
    # Rounded first: 0.95 * 20 is a little above 19.
    rank = round((ordered.size + 1) * share, 9)
    lower, upper = int(np.floor(rank)), int(np.ceil(rank))
    ranks = (lower, upper) if share == 0.5 else (lower,) if share < 0.5 else (upper,)
    return float(np.mean([ordered[min(max(one, 1), ordered.size) - 1] for one in ranks]))
