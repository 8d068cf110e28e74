"""Track record of a model's estimates: their outcomes on rows whose labels have come since.

An estimate supposes that the concept stands. Where it has been wrong before it is shrunk towards
"unchanged" and its interval widened; where realised values contradict it, it is withheld.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from drift.performance.realised import Measurement

NEWEST = 12
"""Newest outcomes that count: a model's errors of a year ago say little of its next month."""

PRIOR_SPREAD = 1.0
"""Standard deviation, before any outcome, of the share of an estimated change that comes true, about 1."""

PRIOR_OUTCOMES = 1.0
"""Outcomes that the interval's own width counts for beside those seen."""

SURPRISE = 2.4
"""Standard errors by which the mean miss of the newest outcomes must differ from none: 1.6 % by chance. One window later
it is asked again."""

SHARED = 0.6
"""Part of a miss's variance that all windows of a model share, the holdout's own error: a mean of misses does not lose it."""

MAX_MISSES = 6
"""Newest outcomes whose mean miss is looked at, from the newest alone on: a slow change shows in several."""

LEAST_MISS = 0.5
"""Half intervals by which the newest estimate must miss as well: one that holds again is shown again."""

LEAST_SHARE = 0.8
"""Share of the labelled rows that must have been estimated for their outcome to count."""


@dataclass(frozen=True)
class RawEstimate:
    """Estimate of one partition before its correction by the track record; `reach` is half the interval."""

    value: float
    reach: float


@dataclass(frozen=True)
class EstimateOutcome:
    """Outcome of estimates on the rows whose labels came in one window.

    Attributes
    ----------
    partition
        The window.
    expected, reach
        What had been estimated of these rows, and half its interval; at least half of the realised one.
    unchanged
        The metric on the holdout: what assuming no change says.
    realised
        What came.
    """

    partition: str
    expected: float
    reach: float
    unchanged: float
    realised: float

    @property
    def miss(self) -> float:
        """Distance of the realised value above the expected one, in half intervals."""
        difference = self.realised - self.expected
        return difference / self.reach if self.reach > 0 else math.copysign(math.inf, difference) if difference else 0.0  # fmt: skip


def outcome_of(
    partition: str,
    realised: Measurement,
    unchanged: float,
    estimates: Mapping[str, RawEstimate],
    n_by_partition: Mapping[str, int],
) -> EstimateOutcome | None:
    """Compare the realised metric with the estimates of the same rows.

    Parameters
    ----------
    partition
        The window in which the labels came.
    realised
        The metric on them.
    unchanged
        The metric on the model's holdout.
    estimates
        What was estimated, by the partition of the rows.
    n_by_partition
        Rows whose labels came, by the partition that they are of.

    Returns
    -------
    EstimateOutcome | None
        None where too few of the rows were estimated, or nothing was realised.
    """
    shares = {key: n for key, n in n_by_partition.items() if key in estimates}
    n_estimated, n = sum(shares.values()), sum(n_by_partition.values())
    if realised.value is None or not n_estimated or n_estimated < LEAST_SHARE * n:
        return None
    expected, reach = (
        sum(n * getattr(estimates[key], name) for key, n in shares.items()) / n_estimated
        for name in ("value", "reach")
    )
    if realised.low is not None and realised.high is not None:
        # Fewer rows than were estimated scatter more.
        reach = max(reach, (realised.high - realised.low) / 2)
    return EstimateOutcome(partition, expected, reach, unchanged, realised.value)


def with_track_record(
    estimated: Measurement, record: Sequence[EstimateOutcome], unchanged: float
) -> Measurement:
    """Correct an estimate by the outcomes of earlier ones.

    Parameters
    ----------
    estimated
        The estimate as its method gives it.
    record
        Outcomes of the same model version, oldest first; of windows before this one.
    unchanged
        The metric on the holdout.

    Returns
    -------
    Measurement
        Shrunk towards `unchanged`, with a wider interval; or without a value, and with the reason.

    Notes
    -----
    The share of an estimated change that comes true has a normal prior about 1 with `PRIOR_SPREAD`; its
    posterior mean, cut to [0, 1], is what is kept of the change.
    """
    newest = record[-NEWEST:]
    if estimated.value is None or estimated.low is None or estimated.high is None:
        return estimated
    against = contradiction(newest)
    if against:
        return replace(estimated, value=None, low=None, high=None, reason=f"withheld: {against}")
    change = estimated.value - unchanged
    reach = (estimated.high - estimated.low) / 2 * _widening(newest)
    value = unchanged + _share_that_comes_true(newest) * change
    return replace(estimated, value=value, low=value - reach, high=value + reach)


def contradiction(record: Sequence[EstimateOutcome]) -> str:
    """Say how realised values contradict the newest estimates; empty where they do not."""
    if not record:
        return ""
    newest, total = record[-1], 0.0
    if abs(newest.miss) <= LEAST_MISS:
        return ""
    for n, outcome in enumerate(reversed(record[-MAX_MISSES:]), start=1):
        total += outcome.miss if newest.miss > 0 else -outcome.miss
        if 1.96 * total / n > SURPRISE * math.sqrt(SHARED + (1 - SHARED) / n):
            times = "" if n == 1 else f", as in the {n - 1} before" if n > 2 else ", as in the one before"
            return (
                f"labels that came in {newest.partition} contradict it: {newest.realised:.4f} was realised, "
                f"{newest.expected:.4f} had been estimated (± {newest.reach:.4f}){times}"
            )
    return ""


def _share_that_comes_true(record: Sequence[EstimateOutcome]) -> float:
    """Return the posterior mean of the share of a change that comes true, in [0, 1]."""
    precision = weighted = 1 / PRIOR_SPREAD**2
    for outcome in record:
        if outcome.reach > 0:
            change, variance = outcome.expected - outcome.unchanged, (outcome.reach / 1.96) ** 2
            precision += change**2 / variance
            weighted += change * (outcome.realised - outcome.unchanged) / variance
    return min(1.0, max(0.0, weighted / precision))


def _widening(record: Sequence[EstimateOutcome]) -> float:
    """Return the factor by which intervals have been too narrow; at least 1."""
    squares = sum((1.96 * outcome.miss) ** 2 for outcome in record if math.isfinite(outcome.miss))
    return math.sqrt(max(1.0, (PRIOR_OUTCOMES + squares) / (PRIOR_OUTCOMES + len(record))))
