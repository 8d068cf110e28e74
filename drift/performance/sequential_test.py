"""Sequential test of the champion's errors: valid however often it is repeated, once a window.

A test at level alpha that is repeated with every window alarms sooner or later on a steady model. An
e-process does not: it is the wealth of a player who bets that the errors exceed what is accepted. If
they do not, the wealth is 1 on average whenever one looks, and exceeds 1 / alpha in at most a share
alpha of all steady lives, however often it is looked at (Ville, 1939). Why not ADWIN: it has no level
under repeated looking, supposes independent rows, and would be one more dependency.

What is betted on are blocks of time (days), not rows: rows of a day err alike. A player who may lose all with one block
stakes little, so that one bad window after many good ones wins him nothing yet: `sudden_rise` looks at the window alone.

References
----------
Waudby-Smith and Ramdas (2023), J. R. Stat. Soc. B 86, 1-27: betting on bounded means.
Podkopaev and Ramdas (2022), ICLR, arXiv:2110.06177: the holdout's upper bound against the running risk.
Shin, Ramdas and Rinaldo (2023), arXiv:2203.03532: a mixture over the instants of a change.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from declaration.target import ProblemType
from drift.performance.realised import ScoredRows
from drift.performance.sudden_rise import SuddenRise, sudden_rise
from learning.blocks import MAX_RUNS, MIN_BLOCKS, blocks_of
from learning.metrics import Floats, Scored

BETS = tuple(0.95 * 2.0**-k for k in range(7))
"""Shares of the wealth that are staked: from nearly all to a hundredth. Their mean is as good as the
best of them but for a factor of seven."""

SCALE_QUANTILE = 0.99
"""A regression's error of the holdout that counts as 1, as all greater ones do: bets need a bound."""

LOSS_NAMES: Mapping[ProblemType, str] = {
    "binary": "squared error of the probability",
    "multiclass": "squared error of the probabilities",
    "regression": "absolute error",
}

LARGEST_LOG = 600.0
"""Wealth is written down up to e^600."""

_DAY_US, _HOUR_US = 86_400_000_000, 3_600_000_000


@dataclass(frozen=True)
class LossBlocks:
    """Mean losses of blocks of time, in order.

    Attributes
    ----------
    means
        In [0, 1]. Shape (n_blocks,).
    rows
        Labelled rows of each. Shape (n_blocks,).
    """

    means: Floats
    rows: NDArray[np.int64]


@dataclass(frozen=True)
class LossScale:
    """Scale that the holdout fixes for all later windows: how losses are bounded, and cut into blocks.

    Attributes
    ----------
    unit
        Loss that counts as 1, in the label's unit; 1 for classes.
    block_us
        Length of a block in microseconds; None cuts runs of neighbouring rows.
    run_rows
        Rows of such a run.
    """

    unit: float
    block_us: int | None
    run_rows: int


@dataclass(frozen=True)
class SequentialTest:
    """Result of the test for a rise of the errors.

    Attributes
    ----------
    e_value
        Wealth after this window; 1 means nothing was won. None when nothing can be said.
    threshold
        From here a rise is certain: 2 / alpha, the other half of alpha being the holdout's.
    accepted
        Mean loss that is accepted: the holdout's upper confidence bound, and the declared drop.
    before, now
        Mean loss of a block of the holdout, and of this window.
    n_windows
        Windows with labels that were betted on.
    loss
        Name of the loss.
    reason
        Why nothing is known.
    unit
        What counts as 1, in the label's unit.
    sudden
        The rows of the newest window alone; None where they are too few, or nobody asked.
    """

    loss: str
    threshold: float
    e_value: float | None = None
    accepted: float | None = None
    before: float | None = None
    now: float | None = None
    n_windows: int = 0
    reason: str = ""
    unit: float = 1.0
    sudden: SuddenRise | None = None

    @property
    def is_sudden(self) -> bool:
        """True where the errors of this window alone have risen beyond the accepted loss."""
        if self.sudden is None or self.accepted is None:
            return False
        return self.sudden.least > max(self.accepted, self.sudden.usual)

    @property
    def is_lasting(self) -> bool:
        """True where the errors of all windows together have risen beyond the accepted loss."""
        return self.e_value is not None and self.e_value >= self.threshold

    @property
    def is_certain(self) -> bool:
        """True where the errors of some windows of the model have risen beyond the accepted loss."""
        return self.is_lasting or self.is_sudden

    @property
    def is_past(self) -> bool:
        """True where the errors have risen, and those of this window are accepted: the test's wealth outlives a passing cause."""
        if self.now is None or self.accepted is None or self.is_sudden:
            return False
        return self.is_certain and self.now <= self.accepted

    @property
    def is_confirmed(self) -> bool:
        """True where the errors have risen and nothing says that this has passed."""
        return self.is_certain and not self.is_past


def loss_scale(problem: ProblemType, holdout: ScoredRows) -> LossScale | None:
    """Fix bounds and blocks on the holdout; None where it has no rows.

    A holdout of fewer than two rows a block is taken row by row.
    """
    if holdout.n == 0:
        return None
    blocks = blocks_of(holdout.event_time_us)
    length = {"day": _DAY_US, "hour": _HOUR_US}[blocks.unit] if blocks.n_blocks >= MIN_BLOCKS else None
    unit = 1.0
    if problem == "regression":
        errors = np.abs(holdout.scored.labels - holdout.scored.scores)
        unit = float(np.quantile(errors, SCALE_QUANTILE)) or 1.0
    least = 2 if holdout.n >= 2 * MIN_BLOCKS else 1
    return LossScale(unit, length, max(least, holdout.n // MAX_RUNS))


def loss_blocks(problem: ProblemType, rows: ScoredRows, scale: LossScale) -> LossBlocks:
    """Return the mean loss of each block of time; a run's last rows count only when it is full."""
    losses = _losses(problem, rows.scored) / scale.unit
    order = np.argsort(rows.event_time_us, kind="stable")
    bounded = np.minimum(losses[order], 1.0)
    if scale.block_us is None:
        n_full = rows.n - rows.n % scale.run_rows
        bounded, numbers = bounded[:n_full], np.arange(n_full) // scale.run_rows
    else:
        _, numbers = np.unique(rows.event_time_us[order] // scale.block_us, return_inverse=True)
    counts = np.bincount(numbers)
    sums = np.bincount(numbers, weights=bounded)
    # A mean of ones can come out above one in the last bit.
    return LossBlocks(np.minimum(sums / np.maximum(counts, 1), 1.0), counts.astype(np.int64))


def _losses(problem: ProblemType, scored: Scored) -> Floats:
    if problem == "multiclass":
        is_class = scored.labels[:, None] == np.arange(scored.scores.shape[1])
        # A class that the model never saw has a column of its own, of probability 0.
        missed = (scored.labels >= scored.scores.shape[1]).astype(np.float64)
        # Between a certain hit (0) and a certain miss (2).
        return np.asarray((((scored.scores - is_class) ** 2).sum(axis=1) + missed) / 2, dtype=np.float64)
    gaps = np.abs(scored.labels - scored.scores)
    return gaps**2 if problem == "binary" else gaps


def accepted_loss(holdout: LossBlocks, *, max_drop: float, alpha: float) -> float:
    """Return the mean loss of a block that is still accepted.

    Parameters
    ----------
    holdout
        At least one block.
    max_drop
        Accepted rise, as a share of the holdout's loss.
    alpha
        Level at which the holdout's own mean is bounded: Student's bound of its blocks, and for a
        holdout without a single error the least rate that this many rows would have shown; of fewer than
        `MIN_BLOCKS` blocks the bound of Chernoff and Hoeffding, which holds for any number of independent losses in [0, 1].

    Returns
    -------
    float
        In (0, 1].
    """
    from scipy.special import stdtrit

    k, mean = holdout.means.size, float(holdout.means.mean())
    if k < MIN_BLOCKS:
        return min(1.0, upper_mean(mean, k, alpha=alpha) * (1 + max_drop))
    spread = float(holdout.means.std(ddof=1)) / math.sqrt(k)
    upper = mean + float(stdtrit(k - 1, 1 - alpha)) * spread
    unseen = -math.log(alpha) / float(holdout.rows.sum())
    return min(1.0, max(upper, unseen) * (1 + max_drop))


def upper_mean(mean: float, n: int, *, alpha: float) -> float:
    """Bound the expectation of independent values in [0, 1] from above.

    Parameters
    ----------
    mean, n
        Their mean, and how many they are.
    alpha
        Chance that the bound is too low.

    Returns
    -------
    float
        The greatest expectation p for which n KL(mean, p) is at most log(1 / alpha).

    References
    ----------
    Hoeffding (1963), J. Am. Stat. Assoc. 58, 13-30: theorem 1.

    Examples
    --------
    >>> round(upper_mean(0.0, 10, alpha=0.05), 4)
    0.2589
    """
    from scipy.special import rel_entr

    low, high = mean, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        is_within = n * float(rel_entr(mean, middle) + rel_entr(1 - mean, 1 - middle)) <= -math.log(alpha)
        low, high = (middle, high) if is_within else (low, middle)
    return high


def log_e_values(windows: Sequence[Floats], accepted: float) -> Floats:
    """Return the logarithm of the wealth after each window.

    Parameters
    ----------
    windows
        Mean losses of each window's blocks, in [0, 1], windows in order.
    accepted
        Mean loss that is bet against, in (0, 1].

    Returns
    -------
    Floats
        Shape (n_windows,). A player enters with each window j, with 1 / (j (j + 1)) of the money, so that
        a long good life does not hide a late change; together they own 1 at the start.

    Examples
    --------
    >>> np.exp(log_e_values([np.array([0.5, 0.5])], 0.5)).round(6).tolist()
    [1.0]
    """
    from scipy.special import logsumexp

    stakes = np.asarray(BETS)[:, None]
    gains = np.array([np.log1p(stakes * (means / accepted - 1)).sum(axis=1) for means in windows])
    wealth = []
    for last in range(1, len(windows) + 1):
        entered = np.arange(1, last + 1)
        # Row j: the gains of windows j, …, last of who entered with j.
        since = np.cumsum(gains[:last][::-1], axis=0)[::-1]
        played = logsumexp(since, axis=1) - math.log(len(BETS)) - np.log(entered * (entered + 1.0))
        wealth.append(float(np.logaddexp(logsumexp(played), -math.log(last + 1.0))))
    return np.asarray(wealth, dtype=np.float64)


def sequential_test(
    problem: ProblemType,
    holdout: LossBlocks | None,
    earlier: Sequence[Floats],
    current: LossBlocks | None,
    *,
    max_drop: float,
    alpha: float,
    unit: float = 1.0,
) -> SequentialTest:
    """Judge whether the errors of one model version have risen.

    Parameters
    ----------
    problem
        What is predicted.
    holdout
        Its losses on rows that it did not learn from; None where there are none.
    earlier
        Block losses of its earlier windows, in order.
    current
        Block losses of this window.
    max_drop
        Accepted rise, as a share of the holdout's loss.
    alpha
        Chance of ever saying so of a model whose expected loss, block for block, stays accepted.
    unit
        What counts as 1, in the label's unit.

    Returns
    -------
    SequentialTest
        With the reason where nothing is known.
    """
    name, threshold = LOSS_NAMES[problem], 2 / alpha
    if holdout is None or holdout.means.size == 0:
        return SequentialTest(name, threshold, reason="the champion has no held-out rows")
    accepted = accepted_loss(holdout, max_drop=max_drop, alpha=alpha / 2)
    now = [] if current is None or current.means.size == 0 else [current.means]
    windows = [means for means in (*earlier, *now) if means.size]
    if not windows:
        return SequentialTest(name, threshold, accepted=accepted, reason="no labels have arrived")
    log_wealth = float(log_e_values(windows, accepted)[-1])
    return SequentialTest(
        name,
        threshold,
        e_value=math.exp(min(log_wealth, LARGEST_LOG)),
        accepted=accepted,
        before=float(holdout.means.mean()),
        now=float(now[0].mean()) if now else None,
        n_windows=len(windows),
        unit=unit,
    )


def monitor_errors(
    problem: ProblemType,
    holdout: ScoredRows,
    labelled: ScoredRows,
    earlier: Sequence[Floats],
    *,
    max_drop: float,
    alpha: float,
    since_us: int | None = None,
) -> tuple[SequentialTest, LossBlocks | None]:
    """Judge a window's labelled rows together with the windows before it, and alone.

    Parameters
    ----------
    problem, max_drop, alpha
        As `sequential_test` wants them.
    holdout, labelled
        The champion's rows that it did not learn from, and those of this window.
    earlier
        Block losses of its earlier windows, in order.
    since_us
        First instant of the window: rows predicted since then are looked at alone, as labels of earlier windows
        say what those were like. None looks at all.

    Returns
    -------
    tuple
        The verdict, and this window's blocks for the windows to come.
    """
    scale = loss_scale(problem, holdout)
    before, now = (
        None if scale is None else loss_blocks(problem, rows, scale) for rows in (holdout, labelled)
    )
    unit = 1.0 if scale is None else scale.unit
    test = sequential_test(problem, before, earlier, now, max_drop=max_drop, alpha=alpha, unit=unit)
    if scale is None:
        return test, now
    bounded = np.minimum(_losses(problem, labelled.scored) / unit, 1.0)
    n_windows = 1 + sum(1 for means in earlier if means.size)
    sudden = sudden_rise(bounded, labelled.event_time_us, since_us, n_windows=n_windows, alpha=alpha / 2)
    if sudden is not None:
        usual = max((float(means.mean()) for means in earlier if means.size), default=0.0)
        sudden = replace(sudden, usual=usual)
    return replace(test, sudden=sudden), now
