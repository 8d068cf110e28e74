"""Extrapolation: rows outside what a model learned from, feature by feature and together.

Judged on its own and never weighed by importance: a feature that did not vary on the holdout has
none, and ruins the predictions all the more once it moves. Of rows of the training set a share of
no more than 2 / (n + 1) would lie outside the range of the n others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from learning.metrics import Floats

MARGIN = 0.05
"""Part of the training range that it is widened by on both sides."""

GATE = 0.05
"""Share of the rows that must surely lie outside before it is said: a tail that is seldom reached is no change."""

JOINT_QUANTILE = 0.999
"""Quantile of the distances of training rows beyond which a combination of values counts as outside."""

RIDGE = 0.01
"""Added to the correlations' diagonal, so that columns that are one another's copies have an inverse."""

NAMED_FEATURES = 3
"""Features named in a sentence."""


@dataclass(frozen=True)
class FeatureRange:
    """Range of one feature in the training rows.

    Attributes
    ----------
    name
        The feature.
    low, high
        Least and greatest number (or truth, 0 or 1; or age in seconds); None of a category, or without any value.
    categories
        All texts; None of a number.
    """

    name: str
    low: float | None = None
    high: float | None = None
    categories: frozenset[str] | None = None

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Return the range widened by `MARGIN`."""
        if self.low is None or self.high is None:
            return None
        margin = MARGIN * (self.high - self.low)
        return self.low - margin, self.high + margin


@dataclass(frozen=True)
class JointSupport:
    """Joint support of the training rows' numbers.

    Attributes
    ----------
    names
        Numeric features.
    means, scales
        Their mean and standard deviation. Shape (n_features,).
    precision
        Inverse of their correlations. Shape (n_features, n_features).
    limit
        Squared Mahalanobis distance that one in a thousand training rows exceeds.
    """

    names: tuple[str, ...]
    means: Floats
    scales: Floats
    precision: Floats
    limit: float

    def is_outside(self, matrix: Floats) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Tell which rows lie beyond the limit; a missing value lies at the mean. Shape (n, n_features)."""
        return np.asarray(_distances(_scaled(matrix, self.means, self.scales), self.precision) > self.limit)


@dataclass(frozen=True)
class TrainingSupport:
    """Support of the rows that a model version learned from: the range of each feature, and where they lie together."""

    ranges: tuple[FeatureRange, ...]
    joint: JointSupport | None = None


@dataclass(frozen=True)
class OutsideShare:
    """Share of a window's rows outside the training range.

    Attributes
    ----------
    feature
        Its name; '' of all features together.
    n, n_outside
        Rows with a value, and those outside.
    lower_bound
        Share that is sure, one-sided (Clopper and Pearson 1934), corrected for the number of features.
    detail
        What was exceeded, in words.
    """

    feature: str
    n: int
    n_outside: int
    lower_bound: float
    detail: str = ""

    @property
    def share(self) -> float:
        """Share of the rows, in [0, 1]."""
        return self.n_outside / self.n if self.n else 0.0

    @property
    def is_certain(self) -> bool:
        """True where more than the gate is surely outside."""
        return self.lower_bound > GATE


@dataclass(frozen=True)
class Extrapolation:
    """Rows of a window outside what the model learned from; features in order of their share.

    Attributes
    ----------
    features
        Each feature that was judged.
    joint
        Combinations of numbers; None with fewer than two numeric features.
    n, n_any
        Rows of the window, and those outside in any feature.
    """

    features: tuple[OutsideShare, ...]
    joint: OutsideShare | None
    n: int
    n_any: int

    @property
    def certain(self) -> tuple[OutsideShare, ...]:
        """Shares that are surely outside, features first."""
        shares = [share for share in self.features if share.is_certain]
        return (*shares, self.joint) if self.joint is not None and self.joint.is_certain else tuple(shares)

    @property
    def any_share(self) -> float | None:
        """Share of the rows outside in any feature, in [0, 1]; None without rows."""
        return self.n_any / self.n if self.n else None


def learn_joint(names: Sequence[str], matrix: Floats) -> JointSupport | None:
    """Learn where training rows lie together: correlations from every other row, the limit from the rest.

    Parameters
    ----------
    names
        Numeric features.
    matrix
        Their values, NaN where missing. Shape (n, n_features).

    Returns
    -------
    JointSupport | None
        None with fewer than two features that vary, or too few rows for a limit.
    """
    has_value = ~np.isnan(matrix)
    varies = [
        place
        for place in range(matrix.shape[1])
        if has_value[:, place].any() and np.ptp(matrix[has_value[:, place], place]) > 0
    ]
    if len(varies) < 2 or matrix.shape[0] < 2 * len(varies) + 2 / (1 - JOINT_QUANTILE):
        return None
    varying = matrix[:, varies]
    means, scales = np.nanmean(varying[::2], axis=0), np.nanstd(varying[::2], axis=0)
    scales = np.where(scales > 0, scales, 1.0)
    learned, held = (_scaled(part, means, scales) for part in (varying[::2], varying[1::2]))
    correlations = learned.T @ learned / len(learned) + RIDGE * np.eye(len(varies))
    precision = np.asarray(np.linalg.inv(correlations), dtype=np.float64)
    limit = float(np.quantile(_distances(held, precision), JOINT_QUANTILE))
    return JointSupport(tuple(names[place] for place in varies), means, scales, precision, limit)


def outside_share(feature: str, n: int, n_outside: int, *, level: float, detail: str = "") -> OutsideShare:
    """Return a share with its one-sided lower bound.

    Examples
    --------
    >>> round(outside_share("price", 100, 10, level=0.05).lower_bound, 4)
    0.0553
    """
    from scipy.special import betaincinv

    bound = float(betaincinv(n_outside, n - n_outside + 1, level)) if n_outside else 0.0
    return OutsideShare(feature, n, n_outside, bound, detail)


def extrapolation_text(extrapolation: Extrapolation | None) -> str:
    """Describe the part of the window the model had to extrapolate for; empty where nothing is sure."""
    if extrapolation is None or not extrapolation.certain:
        return ""
    features = [outside for outside in extrapolation.certain if outside.feature]
    named = [
        f"{outside.feature} ({100 * outside.share:.0f} % of the rows {outside.detail})"
        for outside in features[:NAMED_FEATURES]
    ]
    more = f" and {len(features) - NAMED_FEATURES} more" if len(features) > NAMED_FEATURES else ""
    if not named:
        assert extrapolation.joint is not None
        return (
            f"{100 * extrapolation.joint.share:.0f} % of the rows combine values as hardly any row that the model "
            "learned from did: there it extrapolates."
        )
    return f"The model extrapolates: outside what it learned from lie {', '.join(named)}{more}."


def _scaled(matrix: Floats, means: Floats, scales: Floats) -> Floats:
    """Return values in standard deviations; a missing one lies at the mean."""
    return np.nan_to_num((matrix - means) / scales, nan=0.0)


def _distances(scaled: Floats, precision: Floats) -> Floats:
    return np.asarray(np.einsum("ij,jk,ik->i", scaled, precision, scaled, optimize=True), dtype=np.float64)


def detail_of(bounds: FeatureRange, n_below: int, n_above: int) -> str:
    """Name the end of the training range that values lie beyond."""
    if bounds.categories is not None:
        return "in categories never seen"
    if n_above >= n_below:
        return f"above {bounds.high:.4g}"
    return f"below {bounds.low:.4g}"


def judge_outside(
    counts: Mapping[str, tuple[int, int, str]],
    joint: tuple[int, int] | None,
    n: int,
    n_any: int,
    *,
    alpha: float,
) -> Extrapolation:
    """Judge counts of rows outside.

    Parameters
    ----------
    counts
        By feature: rows with a value, rows outside, and what was exceeded.
    joint
        Rows, and those outside; None where it is not judged.
    n, n_any
        Rows of the window, and those outside in any feature.
    alpha
        One-sided level of all bounds together.
    """
    level = alpha / max(1, len(counts) + (joint is not None))
    features = [
        outside_share(name, n_known, outside, level=level, detail=detail)
        for name, (n_known, outside, detail) in counts.items()
    ]
    features.sort(key=lambda share: (-share.share, share.feature))
    together = None if joint is None else outside_share("", *joint, level=level)
    return Extrapolation(tuple(features), together, n, n_any)
