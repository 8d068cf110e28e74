"""Differences between groups: of the share that is selected, and of the errors, by fairlearn's definitions.

Each is the greatest share of a group less the least. fairlearn's `demographic_parity_difference` is the difference of
selection rates, `equal_opportunity_difference` that of true positive rates, and `equalized_odds_difference` the greater
of those of true and false positive rates, each between groups.

References
----------
Weerts, Dudík, Edgar, Jalali, Lutz and Madaio (2023), Fairlearn: assessing and improving fairness of AI systems, Journal of
Machine Learning Research 24, 257.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from declaration.limits import FairnessLimitSpec, LimitRule
from learning.blocks import Blocks, resampled_weights
from learning.limits.finding import (
    LimitFinding,
    blocks_or_rows,
    judged_together,
    p_value_of,
    quantile_of_t,
)
from learning.limits.groups import Members, column_of, groups_by_value
from learning.metrics import Floats, Scored

SELECTION, TRUE_POSITIVE, FALSE_POSITIVE = "selection rate", "true positive rate", "false positive rate"


@dataclass(frozen=True)
class GroupRate:
    """A group's share, and the sums by block that it is made of.

    Attributes
    ----------
    group
        In words.
    chosen, asked
        Rows that are selected, of the rows that the share is of. Shape (n_blocks,) each.
    """

    group: str
    chosen: Floats
    asked: Floats

    @property
    def n(self) -> int:
        """Rows that the share is of."""
        return int(self.asked.sum())

    @property
    def value(self) -> float:
        """The share; NaN of no rows."""
        return float(self.chosen.sum() / self.asked.sum()) if self.n else float("nan")


def group_rates(
    scored: Scored, groups: Mapping[str, Members], blocks: Blocks, *, threshold: float
) -> Mapping[str, tuple[GroupRate, ...]]:
    """Return each group's selection rate, true and false positive rate.

    Parameters
    ----------
    scored
        Binary labels and probabilities.
    groups
        Members of each group among these rows.
    blocks
        Blocks of time of the rows.
    threshold
        Probability from which on a row is selected.
    """
    is_selected, is_positive = scored.scores >= threshold, scored.labels == 1
    among = {SELECTION: np.ones_like(is_positive), TRUE_POSITIVE: is_positive, FALSE_POSITIVE: ~is_positive}
    return {
        rate: tuple(
            GroupRate(name, _counts(members & asked & is_selected, blocks), _counts(members & asked, blocks))
            for name, members in groups.items()
        )
        for rate, asked in among.items()
    }


def _counts(members: Members, blocks: Blocks) -> Floats:
    return np.bincount(blocks.numbers, members, blocks.n_blocks).astype(np.float64)


@dataclass(frozen=True)
class GreatestDifference:
    """The greatest rate of a group less the least.

    Attributes
    ----------
    value
        As it is.
    low, high
        Bounds that hold for every pair of groups at once: which two lie farthest apart is seen in the same figures.
    p_value
        One-sided, of no pair that lies farther apart than the limit, by Bonferroni over the pairs.
    """

    value: float
    low: float
    high: float
    p_value: float


def greatest_difference(
    rates: Sequence[GroupRate], weights: Floats, *, limit: float, alpha: float
) -> GreatestDifference | None:
    """Compare each pair of groups by blocks of time; None where most resamples lack a group.

    Parameters
    ----------
    rates
        Of two groups at least, each with rows.
    weights
        Resampled weights of the blocks. Shape (n_resamples, n_blocks).
    limit
        Greatest difference.
    alpha
        Level of either bound over all pairs.
    """
    n_blocks = weights.shape[1]
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = np.array([(weights @ rate.chosen) / (weights @ rate.asked) for rate in rates])
    drawn = drawn[:, np.isfinite(drawn).all(axis=0)]
    if n_blocks < 2 or 2 * drawn.shape[1] < weights.shape[0]:
        return None
    values = np.array([rate.value for rate in rates])
    covariance = np.cov(drawn) * n_blocks / (n_blocks - 1)
    # A share of 0 or 1 has no variance in any resample: at least that of a share with one row more of either kind.
    n = np.array([rate.n for rate in rates])
    shrunk = (np.array([rate.chosen.sum() for rate in rates]) + 1) / (n + 2)
    np.fill_diagonal(covariance, np.maximum(np.diag(covariance), shrunk * (1 - shrunk) / n))
    above, below = np.nonzero(~np.eye(values.size, dtype=np.bool_))
    differences = values[above] - values[below]
    variances = covariance[above, above] + covariance[below, below] - 2 * covariance[above, below]
    errors = np.sqrt(np.maximum(variances, np.finfo(np.float64).tiny))
    n_pairs = differences.size
    reach = quantile_of_t(1 - alpha / n_pairs, n_blocks) * errors
    least = min(p_value_of(d - limit, e, n_blocks) for d, e in zip(differences, errors, strict=True))
    return GreatestDifference(
        value=float(differences.max()),
        low=max(0.0, float((differences - reach).max())),
        high=min(1.0, float((differences + reach).max())),
        p_value=min(1.0, n_pairs * least),
    )


def judge_fairness(
    scored: Scored,
    rows: pa.Table,
    event_time_us: NDArray[np.int64],
    spec: FairnessLimitSpec,
    *,
    rule: LimitRule,
    alpha: float,
    seed: int,
) -> tuple[LimitFinding, ...]:
    """Hold the differences between declared groups, out of fold, against their limits.

    Parameters
    ----------
    scored, rows, event_time_us
        The judged rows: scores, columns of the training set, prediction instants.
    spec
        As declared.
    rule, alpha
        When a limit stops the challenger; the level is over all of them together.
    seed
        Seed of the bootstrap.

    Raises
    ------
    LimitError
        If a group is no column of the training set.
    """
    blocks = blocks_or_rows(event_time_us)
    weights = resampled_weights(blocks.n_blocks, seed=seed)
    findings: list[LimitFinding] = []
    for position, declared in enumerate(spec.groups):
        column = column_of(rows, declared, f"model.gate.fairness.groups[{position}]")
        groups = groups_by_value(rows[column], declared)
        rates = group_rates(scored, groups, blocks, threshold=spec.threshold)
        findings += _findings(rates, declared, spec, weights, alpha)
    return judged_together(findings, rule=rule, alpha=alpha)


def _findings(
    rates: Mapping[str, Sequence[GroupRate]],
    column: str,
    spec: FairnessLimitSpec,
    weights: Floats,
    alpha: float,
) -> Iterator[LimitFinding]:
    limits = (
        ("max_selection_rate_difference", (SELECTION,), spec.max_selection_rate_difference),
        ("max_true_positive_rate_difference", (TRUE_POSITIVE,), spec.max_true_positive_rate_difference),
        ("max_false_positive_rate_difference", (FALSE_POSITIVE,), spec.max_false_positive_rate_difference),
        (
            "max_equalized_odds_difference",
            (TRUE_POSITIVE, FALSE_POSITIVE),
            spec.max_equalized_odds_difference,
        ),
    )
    for key, names, limit in limits:
        if limit is not None:
            kept = {name: [rate for rate in rates[name] if rate.n >= spec.min_rows] for name in names}
            yield _finding(key, kept, column, limit, weights, alpha, spec.min_rows)


def _finding(
    key: str,
    kept: Mapping[str, Sequence[GroupRate]],
    column: str,
    limit: float,
    weights: Floats,
    alpha: float,
    min_rows: int,
) -> LimitFinding:
    n = sum(rate.n for rates in kept.values() for rate in rates)
    words = "equalized odds" if len(kept) > 1 else next(iter(kept))
    plain = LimitFinding(
        f"model.gate.fairness.{key}", f"difference of {words} by {column}", "at most", limit, n
    )
    if any(len(rates) < 2 for rates in kept.values()):
        return replace(plain, note=f"fewer than two groups have min_rows, {min_rows}, rows to take it of")
    compared = [
        greatest_difference(rates, weights, limit=limit, alpha=alpha / len(kept)) for rates in kept.values()
    ]
    known = [difference for difference in compared if difference is not None]
    if len(known) < len(compared):
        return replace(plain, note="a group is in too few blocks of time")
    about = f"{plain.about} ({'; '.join(_extremes(name, rates) for name, rates in kept.items())})"
    return replace(
        plain,
        about=about,
        value=max(difference.value for difference in known),
        low=max(difference.low for difference in known),
        high=max(difference.high for difference in known),
        p_value=min(1.0, len(known) * min(difference.p_value for difference in known)),
    )


def _extremes(name: str, rates: Sequence[GroupRate]) -> str:
    """Say which groups have the least and the greatest rate."""
    least, greatest = min(rates, key=lambda rate: rate.value), max(rates, key=lambda rate: rate.value)
    return (
        f"{name} {least.value:.3f} of {least.group}, {least.n} rows, to {greatest.value:.3f} of {greatest.group}, "
        f"{greatest.n} rows"
    )
