"""Paired tests of two models on the same rows, and Holm's correction for several of them.

Each names what it assumes. Rows of one day are rarely independent of each other, so none of these decides here: the
gate compares by blocks of time. They are offered where `row_dependence` finds nothing against them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from learning.metrics import Floats, MetricError, Scored, metric_value


@dataclass(frozen=True)
class PairedTest:
    """Outcome of a two-sided test of no difference.

    Attributes
    ----------
    name
        Of the test.
    difference
        By how much the first model's quantity is above the second's: an area, a share of rows, a metric.
    p_value
        Two-sided.
    """

    name: str
    difference: float
    p_value: float


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjust p-values so that the chance of any false finding among them stays below the level.

    Assumes nothing of how the tests depend on each other.

    References
    ----------
    Holm (1979), A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6, 65-70.

    Examples
    --------
    >>> [round(one, 3) for one in holm([0.01, 0.04, 0.03, 0.005])]
    [0.03, 0.06, 0.06, 0.02]
    """
    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    steps = np.arange(values.size, 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * steps), 1.0)
    return tuple(adjusted.tolist())


def auc_influences(scored: Scored) -> Floats:
    """Return each row's influence on the ROC AUC: how far the area moves with the row's weight. Sums to 0 over either class.

    The variance of the area is the sum of the squares: over rows where these are independent, over blocks of summed
    influences where they are not.

    Parameters
    ----------
    scored
        Binary labels and scores.

    Raises
    ------
    MetricError
        If one label does not occur.

    References
    ----------
    Sun and Xu (2014), Fast implementation of DeLong's algorithm for comparing the areas under correlated receiver operating
    characteristic curves, IEEE Signal Processing Letters 21, 1389-1393: placements by midranks.
    Obuchowski (1997), Nonparametric analysis of clustered ROC curve data, Biometrics 53, 567-578: their sums by cluster.
    """
    from scipy.stats import rankdata

    is_positive = scored.labels == 1
    n_positive = int(np.count_nonzero(is_positive))
    n_negative = scored.labels.size - n_positive
    if min(n_positive, n_negative) < 2:
        raise MetricError(
            f"an area under the curve has no variance with {n_positive} positive and {n_negative} negative rows; "
            "each label is needed twice."
        )
    ranks = rankdata(scored.scores)
    placements = np.empty(scored.labels.size)
    for members, n_others in ((is_positive, n_negative), (~is_positive, n_positive)):
        placements[members] = (ranks[members] - rankdata(scored.scores[members])) / n_others
    placements[~is_positive] = 1 - placements[~is_positive]
    influences = np.empty(scored.labels.size)
    for members, n_members in ((is_positive, n_positive), (~is_positive, n_negative)):
        centred = placements[members] - placements[members].mean()
        # Divided by the root of n (n - 1), so that the squares sum to DeLong's variance.
        influences[members] = centred / np.sqrt(n_members * (n_members - 1))
    return influences


def delong(one: Scored, other: Scored) -> PairedTest:
    """Compare two models' ROC AUC on the same rows by DeLong's test.

    Assumes rows that are independent of each other, and enough of either label for the areas to be normal.

    Parameters
    ----------
    one, other
        The same binary labels with either's scores.

    Raises
    ------
    MetricError
        If a label occurs less than twice.

    References
    ----------
    DeLong, DeLong and Clarke-Pearson (1988), Comparing the areas under two or more correlated receiver operating
    characteristic curves: a nonparametric approach, Biometrics 44, 837-845; by midranks as in Sun and Xu (2014).
    """
    from scipy.special import ndtr

    difference = metric_value("roc_auc", one) - metric_value("roc_auc", other)
    variance = float(np.sum((auc_influences(one) - auc_influences(other)) ** 2))
    if variance <= 0:
        return PairedTest("DeLong", difference, 1.0 if difference == 0 else 0.0)
    return PairedTest("DeLong", difference, float(2 * ndtr(-abs(difference) / np.sqrt(variance))))


def mcnemar(one_is_right: NDArray[np.bool_], other_is_right: NDArray[np.bool_]) -> PairedTest:
    """Compare two models' accuracy on the same rows by McNemar's test, exact with the mid-p value.

    Assumes rows that are independent of each other. Only rows that exactly one of the two names rightly count. The mid-p
    value halves the probability of what was observed: the exact test without it is needlessly cautious.

    Parameters
    ----------
    one_is_right, other_is_right
        Whether either names the row's class. Shape (n,).

    References
    ----------
    Fagerland, Lydersen and Laake (2013), The McNemar test for binary matched-pairs data: mid-p and asymptotic are better
    than exact conditional, BMC Medical Research Methodology 13, 91.

    Examples
    --------
    Their example: of 21 children 1 and 7 differ one way and the other (mid-p 0.039; without it 0.070).

    >>> one = np.array([True] * 2 + [False] * 19)
    >>> other = np.array([True] + [False] + [True] * 7 + [False] * 12)
    >>> round(mcnemar(one, other).p_value, 3)
    0.039
    """
    from scipy.stats import binom

    first = int(np.count_nonzero(one_is_right & ~other_is_right))
    second = int(np.count_nonzero(other_is_right & ~one_is_right))
    n, fewer = first + second, min(first, second)
    difference = (first - second) / one_is_right.size
    if first == second:
        return PairedTest("McNemar", difference, 1.0)
    p_value = 2 * float(binom.cdf(fewer, n, 0.5)) - float(binom.pmf(fewer, n, 0.5))
    return PairedTest("McNemar", difference, min(p_value, 1.0))


def corrected_resampled_t(differences: Sequence[float], *, test_to_train: float) -> PairedTest:
    """Compare two models' metric over folds by the corrected resampled t-test.

    Assumes folds that are drawn at random, from rows that are alike: folds of time are not. Models of two folds have
    learned from mostly the same rows, so their differences are alike; the correction widens the variance for that.

    Parameters
    ----------
    differences
        The first model's metric above the second's, fold by fold; two at least.
    test_to_train
        Rows of a fold over rows that its models learned from.

    References
    ----------
    Nadeau and Bengio (2003), Inference for the generalization error, Machine Learning 52, 239-281.

    Examples
    --------
    >>> round(corrected_resampled_t([0.02, 0.01, 0.03], test_to_train=0.5).p_value, 4)
    0.1598
    """
    from scipy.special import stdtr

    values = np.asarray(differences, dtype=np.float64)
    if values.size < 2:
        raise MetricError(f"differences of {values.size} folds have no variance; two at least are needed.")
    mean, variance = float(values.mean()), float(values.var(ddof=1))
    error = float(np.sqrt((1 / values.size + test_to_train) * variance))
    if error == 0:
        return PairedTest("corrected resampled t", mean, 1.0 if mean == 0 else 0.0)
    p_value = float(2 * stdtr(values.size - 1, -abs(mean) / error))
    return PairedTest("corrected resampled t", mean, p_value)
