"""Candidates compared on the same rows: an interval of every metric, and each candidate's gap to the best.

Which candidate is best is seen in the same figures, so the gap to it would look surer than it is. Holm's correction is
therefore made over all pairs, not only over those with the best.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from declaration.choices import METRICS_BY_PROBLEM, improvement
from declaration.model import Metric
from declaration.target import ProblemType
from learning.blocks import Blocks, resampled_weights, time_blocks, widened_level
from learning.metrics import Floats, MetricError, Scored, hits, metric_by_block, metric_value
from learning.paired_tests import (
    PairedTest,
    auc_influences,
    corrected_resampled_t,
    delong,
    holm,
    mcnemar,
)
from learning.row_dependence import row_dependence

TAIL = 0.025
"""Probability beyond either end of an interval."""

SURE_LEVEL = 0.05
"""Adjusted p-value below which a candidate is surely behind the best."""

Interval = tuple[float, float]


@dataclass(frozen=True)
class OfferedTest:
    """A paired test, or why its assumptions do not hold on these rows."""

    name: str
    result: PairedTest | None
    fault: str


@dataclass(frozen=True)
class Gap:
    """A candidate against the best one, on the same rows.

    Attributes
    ----------
    candidate, best
        Their names.
    gap
        By how much the best is better in the declared metric.
    low, high
        Its 95 % interval by blocks of time, for this pair alone; None with too few rows for blocks.
    p_value
        Two-sided, of no gap, adjusted by Holm over all pairs of candidates; None with too few rows for blocks.
    tests
        Tests by rows or folds, unadjusted, where their assumptions hold.
    """

    candidate: str
    best: str
    gap: float
    low: float | None
    high: float | None
    p_value: float | None
    tests: tuple[OfferedTest, ...] = ()


@dataclass(frozen=True)
class JudgedRows:
    """Rows that candidates are compared on.

    Attributes
    ----------
    event_time_us
        Prediction instants, ascending. Shape (n,).
    row_numbers
        The same number where a row comes again. Shape (n,).
    folds
        Fold of each. Shape (n,).
    test_to_train
        Rows of a fold over rows that its models learned from, on average.
    """

    event_time_us: NDArray[np.int64]
    row_numbers: NDArray[np.int64]
    folds: NDArray[np.int64]
    test_to_train: float


@dataclass(frozen=True)
class CandidateComparison:
    """Candidates of one training beside each other.

    Attributes
    ----------
    intervals
        95 % intervals by candidate and metric; of those that have one.
    gaps
        Each candidate but the best against the best, in order.
    """

    intervals: Mapping[str, Mapping[Metric, Interval]]
    gaps: tuple[Gap, ...]


def compare_candidates(
    problem: ProblemType, metric: Metric, candidates: Mapping[str, Scored], rows: JudgedRows, *, seed: int
) -> CandidateComparison:
    """Compare candidates on the same rows: see `metric_intervals` and `gaps_to_best`."""
    intervals = {
        name: metric_intervals(problem, scored, rows.event_time_us, seed=seed)
        for name, scored in candidates.items()
    }
    return CandidateComparison(intervals, gaps_to_best(problem, metric, candidates, rows, seed=seed))


def metric_intervals(
    problem: ProblemType, scored: Scored, event_time_us: NDArray[np.int64], *, seed: int
) -> Mapping[Metric, Interval]:
    """Return the 95 % interval of each of a problem's metrics by blocks of time; none with too few rows.

    Parameters
    ----------
    problem
        Whose metrics.
    scored
        Labels and scores.
    event_time_us
        Prediction instants. Shape (n,).
    seed
        Seed of the bootstrap: the same for all candidates, so that they are drawn the same blocks.
    """
    blocks = time_blocks(event_time_us)
    if blocks is None:
        return {}
    intervals: dict[Metric, Interval] = {}
    tail = widened_level(TAIL, blocks.n_blocks)
    for metric in METRICS_BY_PROBLEM[problem]:
        values = _resampled(metric, scored, blocks, seed)
        values = values[np.isfinite(values)]
        if values.size:
            low, high = np.quantile(values, [tail, 1 - tail])
            intervals[metric] = (float(low), float(high))
    return intervals


def _resampled(metric: Metric, scored: Scored, blocks: Blocks, seed: int) -> Floats:
    return metric_by_block(metric, scored, blocks.numbers)(resampled_weights(blocks.n_blocks, seed=seed))


def gaps_to_best(
    problem: ProblemType, metric: Metric, candidates: Mapping[str, Scored], rows: JudgedRows, *, seed: int
) -> tuple[Gap, ...]:
    """Compare each candidate with the best one by blocks of time; in the order of the gap.

    Parameters
    ----------
    problem, metric
        What is compared.
    candidates
        Out-of-fold scores of the same rows, by name.
    rows
        What is known of these rows.
    seed
        Seed of the bootstrap.

    Raises
    ------
    MetricError
        If the metric is not defined on the rows.
    """
    if len(candidates) < 2:
        return ()
    values = {
        name: improvement(problem, metric, of=metric_value(metric, scored), over=0.0)
        for name, scored in candidates.items()
    }
    best = max(values, key=lambda name: values[name])
    others = sorted((name for name in values if name != best), key=lambda name: -values[name])
    compared = _by_blocks(problem, metric, candidates, values, best, rows.event_time_us, seed)
    gaps = []
    for name in others:
        low, high, p_value = compared.get(name, (None, None, None))
        tests = offered_tests(problem, metric, candidates[best], candidates[name], rows)
        gaps.append(Gap(name, best, values[best] - values[name], low, high, p_value, tests))
    return tuple(gaps)


def _by_blocks(
    problem: ProblemType,
    metric: Metric,
    candidates: Mapping[str, Scored],
    values: Mapping[str, float],
    best: str,
    event_time_us: NDArray[np.int64],
    seed: int,
) -> Mapping[str, tuple[float, float, float]]:
    """Return interval and adjusted p-value of the best's lead over each; none with too few rows for blocks."""
    blocks = time_blocks(event_time_us)
    if blocks is None:
        return {}
    sign = 1.0 if METRICS_BY_PROBLEM[problem][metric] == "higher" else -1.0
    drawn = {name: sign * _resampled(metric, scored, blocks, seed) for name, scored in candidates.items()}
    pairs = list(combinations(candidates, 2))
    p_values = [
        _two_sided(values[first] - values[second], drawn[first] - drawn[second], blocks.n_blocks)
        for first, second in pairs
    ]
    adjusted = dict(zip(map(frozenset, pairs), holm(p_values), strict=True))
    tail = widened_level(TAIL, blocks.n_blocks)
    leads_over = {}
    for name in candidates:
        leads = drawn[best] - drawn[name]
        leads = leads[np.isfinite(leads)]
        if name != best and leads.size:
            low, high = np.quantile(leads, [tail, 1 - tail])
            leads_over[name] = (float(low), float(high), adjusted[frozenset((best, name))])
    return leads_over


def _two_sided(difference: float, drawn: Floats, n_blocks: int) -> float:
    """Return the p-value of no difference by Student's t over blocks, with the bootstrap's standard error."""
    from scipy.special import stdtr

    drawn = drawn[np.isfinite(drawn)]
    # A variance of n blocks by the bootstrap divides by n.
    error = float(drawn.std() * np.sqrt(n_blocks / (n_blocks - 1))) if drawn.size else 0.0
    if error == 0:
        return 1.0 if difference == 0 or not drawn.size else 0.0
    return float(2 * stdtr(n_blocks - 1, -abs(difference) / error))


def offered_tests(
    problem: ProblemType, metric: Metric, best: Scored, other: Scored, rows: JudgedRows
) -> tuple[OfferedTest, ...]:
    """Make the tests by rows and by folds where their assumptions hold, and say where they do not.

    Parameters
    ----------
    problem, metric
        What is compared.
    best, other
        Two candidates' scores of the same rows.
    rows
        What is known of them.
    """
    tests = [_corrected_t(problem, metric, best, other, rows)]
    if problem != "regression":
        tests.insert(0, _mcnemar(best, other, rows))
    if problem == "binary":
        tests.insert(0, _delong(best, other, rows))
    return tuple(tests)


def _delong(best: Scored, other: Scored, rows: JudgedRows) -> OfferedTest:
    try:
        influences = auc_influences(best) - auc_influences(other)
    except MetricError as error:
        return OfferedTest("DeLong", None, str(error))
    fault = _dependence(influences, rows)
    return OfferedTest("DeLong", None if fault else delong(best, other), fault)


def _mcnemar(best: Scored, other: Scored, rows: JudgedRows) -> OfferedTest:
    ours, theirs = hits(best), hits(other)
    fault = _dependence(ours - theirs, rows)
    return OfferedTest("McNemar", None if fault else mcnemar(ours == 1, theirs == 1), fault)


def _dependence(influences: Floats, rows: JudgedRows) -> str:
    return row_dependence(influences, time_blocks(rows.event_time_us), rows.row_numbers).fault


def _corrected_t(
    problem: ProblemType, metric: Metric, best: Scored, other: Scored, rows: JudgedRows
) -> OfferedTest:
    name = "corrected resampled t"
    if np.all(np.diff(rows.folds) >= 0):
        return OfferedTest(name, None, "folds are spans of time that follow each other, not drawn at random")
    try:
        differences = _by_fold(problem, metric, best, other, rows.folds)
    except MetricError as error:
        return OfferedTest(name, None, f"in a fold {error}")
    return OfferedTest(name, corrected_resampled_t(differences, test_to_train=rows.test_to_train), "")


def _by_fold(
    problem: ProblemType, metric: Metric, best: Scored, other: Scored, folds: NDArray[np.int64]
) -> Sequence[float]:
    differences = []
    for fold in range(int(folds.max()) + 1):
        of, over = (
            metric_value(metric, Scored(scored.labels[folds == fold], scored.scores[folds == fold]))
            for scored in (best, other)
        )
        differences.append(improvement(problem, metric, of=of, over=over))
    return differences
