"""Paired tests, held against published examples, scipy, kernels written out and permutations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from learning.metrics import MetricError, Scored
from learning.paired_tests import auc_influences, corrected_resampled_t, delong, holm, mcnemar


def test_holm_agrees_with_statsmodels() -> None:
    # statsmodels 0.14, multipletests(p, method="holm").
    found = holm([0.001, 0.2, 0.013, 0.04, 0.04, 0.9])
    assert found == pytest.approx((0.006, 0.4, 0.065, 0.16, 0.16, 0.9))


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_is_between_the_value_itself_and_bonferroni(p_values: list[float]) -> None:
    for plain, adjusted in zip(p_values, holm(p_values), strict=True):
        assert plain <= adjusted <= min(1.0, plain * len(p_values)) + 1e-12


def two_models(n: int = 120, seed: int = 3) -> tuple[Scored, Scored]:
    generator = np.random.default_rng(seed)
    labels = (generator.random(n) < 0.4).astype(float)
    # Rounded, so that there are ties.
    of, over = (np.round(labels * shift + generator.normal(size=n), 1) for shift in (1.2, 0.8))
    return Scored(labels, of), Scored(labels, over)


def delong_by_kernel(one: Scored, other: Scored) -> float:
    """DeLong et al. (1988), equations 3 to 5, with the kernel of each pair written out."""
    is_positive = one.labels == 1
    placements_of_positives, placements_of_negatives = [], []
    for scored in (one, other):
        positives, negatives = scored.scores[is_positive], scored.scores[~is_positive]
        above = positives[:, None] - negatives[None, :]
        kernel = (above > 0) + (above == 0) / 2
        placements_of_positives.append(kernel.mean(axis=1))
        placements_of_negatives.append(kernel.mean(axis=0))
    covariance = np.cov(placements_of_positives) / is_positive.sum()
    covariance += np.cov(placements_of_negatives) / (~is_positive).sum()
    areas = [placements.mean() for placements in placements_of_positives]
    error = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    return float(2 * stats.norm.sf(abs(areas[0] - areas[1]) / error))


def test_delong_is_that_of_the_kernel_of_pairs() -> None:
    for seed in range(5):
        one, other = two_models(seed=seed)
        assert delong(one, other).p_value == pytest.approx(delong_by_kernel(one, other), rel=1e-9)


def test_delong_is_near_a_permutation_of_the_models() -> None:
    """Exchanging the two models' ranks row by row leaves the area's difference without a direction."""
    one, other = two_models(n=300)
    ranks = [stats.rankdata(scored.scores) for scored in (one, other)]
    is_positive = one.labels == 1

    def area(scores: np.ndarray) -> float:
        of_positives = stats.rankdata(scores)[is_positive].sum()
        n_positive = is_positive.sum()
        return float((of_positives - n_positive * (n_positive + 1) / 2) / n_positive / (~is_positive).sum())

    observed = abs(area(ranks[0]) - area(ranks[1]))
    generator = np.random.default_rng(1)
    n_as_large = 0
    for _ in range(2_000):
        is_exchanged = generator.random(one.labels.size) < 0.5
        first, second = np.where(is_exchanged, ranks[::-1], ranks)
        n_as_large += abs(area(first) - area(second)) >= observed - 1e-12
    assert delong(one, other).p_value == pytest.approx(n_as_large / 2_000, abs=0.02)


def test_the_same_model_is_no_different() -> None:
    one, _ = two_models()
    assert (delong(one, one).difference, delong(one, one).p_value) == (0.0, 1.0)


def test_influences_sum_to_nothing_over_either_label() -> None:
    one, _ = two_models()
    influences = auc_influences(one)
    for label in (0, 1):
        assert influences[one.labels == label].sum() == pytest.approx(0.0, abs=1e-12)


def test_one_positive_row_has_no_variance() -> None:
    labels = np.array([1.0, 0, 0, 0])
    with pytest.raises(MetricError, match="1 positive and 3 negative rows; each label is needed twice"):
        delong(Scored(labels, labels), Scored(labels, 1 - labels))


@given(st.integers(0, 40), st.integers(0, 40))
def test_mcnemar_is_half_a_probability_below_the_exact_test(first: int, second: int) -> None:
    one = np.array([True] * first + [False] * second + [True] * 3)
    other = np.array([False] * first + [True] * second + [True] * 3)
    found = mcnemar(one, other)
    if first == second:
        assert found.p_value == 1.0
        return
    exact = stats.binomtest(first, first + second, 0.5)
    assert found.p_value == pytest.approx(exact.pvalue - stats.binom.pmf(first, first + second, 0.5))
    assert found.difference == pytest.approx((first - second) / one.size)


def test_the_corrected_t_is_the_plain_one_where_nothing_was_learned_twice() -> None:
    differences = [0.02, 0.01, 0.03, -0.01, 0.02]
    assert corrected_resampled_t(differences, test_to_train=0).p_value == pytest.approx(
        stats.ttest_1samp(differences, 0).pvalue
    )


def test_the_correction_by_hand() -> None:
    # Mean .02, variance .0001; (1/3 + 1/4) .0001 = .0000583, t = .02 / .007638 = 2.619 with 2 degrees of freedom:
    # p = 1 - t / sqrt(2 + t²) = 1 - 2.619 / 2.976 = .120.
    assert corrected_resampled_t([0.01, 0.02, 0.03], test_to_train=0.25).p_value == pytest.approx(
        0.120, abs=5e-4
    )


def test_one_fold_has_no_variance() -> None:
    with pytest.raises(MetricError, match="1 folds have no variance"):
        corrected_resampled_t([0.1], test_to_train=0.25)
