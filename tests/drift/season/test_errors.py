import math

import numpy as np
import pytest
from scipy.special import digamma, polygamma
from scipy.stats import norm, t

from drift.season.errors import inverse_trigamma, moderated_variance


@pytest.mark.parametrize("argument", [0.3, 1.0, 4.5, 80.0])
def test_the_inverse_of_trigamma_is_its_inverse(argument):
    assert inverse_trigamma(float(polygamma(1, argument))) == pytest.approx(argument, rel=1e-8)


def test_variances_are_drawn_together_by_the_published_formula():
    # Smyth (2004), section 6.2, by hand: e_g = z_g - ψ(d/2) + log(d/2), with z_g = log s²_g;
    # d0 solves ψ'(d0/2) = mean((e_g - ē)² G/(G-1)) - ψ'(d/2); s0² = exp(ē + ψ(d0/2) - log(d0/2)).
    variances, d = np.array([0.1, 0.4, 1.0, 3.0, 9.0]), 11
    e = np.log(variances) - digamma(d / 2) + math.log(d / 2)
    excess = np.mean((e - e.mean()) ** 2 * 5 / 4) - polygamma(1, d / 2)
    d0 = 2 * inverse_trigamma(excess)
    s0 = math.exp(e.mean() + digamma(d0 / 2) - math.log(d0 / 2))

    moderated = moderated_variance(variances, d)

    assert moderated.degrees == pytest.approx(d0 + d)
    assert moderated.variances == pytest.approx((d0 * s0 + d * variances) / (d0 + d))
    assert moderated.quantile(0.01) == pytest.approx(t.isf(0.01, d0 + d))


def test_the_prior_of_a_known_distribution_is_found_again():
    # s² = s0² χ²_d / d · d0 / χ²_d0 is what Smyth's model says: here d0 = 10 and s0² = 2.
    draw, d = np.random.default_rng(3), 12
    variances = 2 * 10 / draw.chisquare(10, 4_000) * draw.chisquare(d, 4_000) / d

    moderated = moderated_variance(variances, d)

    assert moderated.degrees - d == pytest.approx(10, rel=0.15)


def test_variances_that_chance_explains_are_one():
    moderated = moderated_variance(np.array([1.0, 1.01, 0.99, 1.0, np.nan]), 5)

    assert math.isinf(moderated.degrees)
    assert np.ptp(moderated.variances[:4]) == 0
    assert np.isnan(moderated.variances[4])
    assert moderated.quantile(0.025) == pytest.approx(norm.isf(0.025))


def test_three_columns_say_nothing_of_each_other():
    moderated = moderated_variance(np.array([1.0, 5.0, 25.0]), 4)

    assert moderated.variances.tolist() == [1.0, 5.0, 25.0]
    assert moderated.degrees == 4
