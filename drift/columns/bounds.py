"""Lower confidence bounds of an effect, and the least effect that a window can show."""

from __future__ import annotations

import math


def ks_margin(n: int, m: int, alpha: float) -> float:
    """Return how far the KS distance of two samples may exceed the true one, at confidence 1 - alpha.

    The inequality of Dvoretzky, Kiefer and Wolfowitz with Massart's constant, in its two-sample
    form (Wei and Dudley, 2012); it needs no assumption on the distributions. Ties are on the safe side.

    Examples
    --------
    >>> round(ks_margin(20_000, 5_000, 0.0025), 4)
    0.0289
    """
    return math.sqrt(math.log(2 / alpha) / 2 * (1 / n + 1 / m))


def ks_lower_bound(distance: float, n: int, m: int, alpha: float) -> float:
    """Return the one-sided lower confidence bound of a KS distance; at least 0."""
    return max(0.0, distance - ks_margin(n, m, alpha))


def v_lower_bound(effect: float, degrees_of_freedom: int, n: int, m: int, alpha: float) -> float:
    """Return the one-sided lower confidence bound of Cramér's V at equal sample sizes; at least 0.

    V² divided by (1/n + 1/m)/4 follows a noncentral chi-square; the bound inverts it (Steiger, 2004),
    which also takes away V's upward bias.

    Examples
    --------
    >>> v_lower_bound(0.05, 20, 1000, 1000, 0.05)
    0.0
    """
    if degrees_of_freedom < 1:
        return 0.0
    unit = (1 / n + 1 / m) / 4
    return math.sqrt(_least_noncentrality(effect**2 / unit, degrees_of_freedom, alpha) * unit)


def _least_noncentrality(statistic: float, degrees: int, alpha: float) -> float:
    from scipy.special import chndtr, chndtrinc

    if chndtr(statistic, degrees, 0.0) <= 1 - alpha:
        return 0.0
    return max(0.0, float(chndtrinc(statistic, degrees, 1 - alpha)))


def v_detectable(gate: float, degrees_of_freedom: int, n: int, m: int, alpha: float) -> float:
    """Return the least observed V whose lower bound reaches the gate."""
    from scipy.special import chndtrix

    if degrees_of_freedom < 1:
        return 1.0
    unit = (1 / n + 1 / m) / 4
    return min(1.0, math.sqrt(float(chndtrix(1 - alpha, degrees_of_freedom, gate**2 / unit)) * unit))


def share_bounds(successes: int, n: int, alpha: float) -> tuple[float, float]:
    """Return one-sided lower and upper confidence bounds of a share (Clopper and Pearson, 1934), each at level alpha.

    Exact: neither misses more often than alpha, as Wilson's (1927) do at small shares.

    Examples
    --------
    >>> low, high = share_bounds(50, 5_000, 0.0025)
    >>> round(low, 4), round(high, 4)
    (0.0065, 0.0146)
    """
    from scipy.special import betaincinv

    low = float(betaincinv(successes, n - successes + 1, alpha)) if successes > 0 else 0.0
    high = float(betaincinv(successes + 1, n - successes, 1 - alpha)) if successes < n else 1.0
    return low, high


def share_difference_lower_bound(first: int, n_first: int, second: int, n_second: int, alpha: float) -> float:
    """Return the lower confidence bound of the absolute difference of two shares; at least 0.

    The distances of both shares to their bounds towards each other are added as independent errors are
    (Zou and Donner, 2008; with Wilson's bounds it is Newcombe's method 10, 1998).
    """
    low_of, high_of = {}, {}
    for name, successes, n in (("first", first, n_first), ("second", second, n_second)):
        low_of[name], high_of[name] = share_bounds(successes, n, alpha / 2)
    shares = {"first": first / n_first, "second": second / n_second}
    small, large = sorted(shares, key=lambda name: shares[name])
    gap = shares[large] - shares[small]
    return max(0.0, gap - math.hypot(shares[large] - low_of[large], high_of[small] - shares[small]))
