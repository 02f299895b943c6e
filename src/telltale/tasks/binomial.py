"""Exact binomial tails and bounds. Knows nothing of tasks, thresholds or pictures.

Counts may be fractions: an effective sample size after a design effect is rarely whole
(Korn and Graubard 1998). All sums are done with the regularised incomplete beta function.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

STEPS = 60
"""Bisections of a bound: 2**-60 is finer than a float64 near 1."""


def beta_cdf(x: float, a: float, b: float) -> float:
    """I_x(a, b), the regularised incomplete beta function, for a, b > 0 and 0 <= x <= 1.

    The continued fraction of DLMF 8.17.22 by Lentz's method, mirrored where it converges slowly.
    """
    assert a > 0, a
    assert b > 0, b
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    if x > (a + 1) / (a + b + 2):
        return 1.0 - beta_cdf(1.0 - x, b, a)
    front = math.exp(
        a * math.log(x) + b * math.log1p(-x) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) - math.log(a)
    )
    tiny = 1e-300
    c, d = 1.0, 1.0 - (a + b) * x / (a + 1)
    d = 1.0 / (d if abs(d) > tiny else tiny)
    total = d
    for m in range(1, 10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1.0 + term * d
            d = 1.0 / (d if abs(d) > tiny else tiny)
            c = 1.0 + term / c
            c = c if abs(c) > tiny else tiny
            total *= c * d
        if abs(c * d - 1.0) < 1e-14:
            break
    return front * total


def binomial_cdf(count: float, trials: float, rate: float) -> float:
    """P(at most `count` of `trials`, each with chance `rate`)."""
    if count >= trials:
        return 1.0
    return beta_cdf(1.0 - rate, trials - count, count + 1)


def upper_bound(count: float, trials: float, confidence: float) -> float:
    """The one-sided Clopper-Pearson bound: the true rate lies above it in at most 1 - confidence of all samples.

    1.0 when there were no trials.
    """
    if count >= trials:
        return 1.0
    return _root(lambda rate: binomial_cdf(count, trials, rate) <= 1.0 - confidence)


def lower_bound(count: float, trials: float, confidence: float) -> float:
    """The one-sided Clopper-Pearson bound from below; 0.0 when there were no trials."""
    if trials <= 0:
        return 0.0
    return 1.0 - upper_bound(trials - count, trials, confidence)


def interval(count: float, trials: float, confidence: float = 0.95) -> tuple[float, float]:
    """The two-sided Clopper-Pearson interval (1934)."""
    side = (1.0 + confidence) / 2.0
    return lower_bound(count, trials, side), upper_bound(count, trials, side)


@lru_cache(maxsize=65536)
def needed(wrong: int, error: float, confidence: float) -> int:
    """How many answers, `wrong` of them wrong, it takes before the bound is at or under `error`.

    needed(0, 0.01, 0.90) is 230: ln(1 - confidence) / ln(1 - error).
    """
    least, most = wrong, wrong + 1
    while binomial_cdf(wrong, most, error) > 1.0 - confidence:
        least, most = most, most * 2
    while most - least > 1:
        middle = (least + most) // 2
        if binomial_cdf(wrong, middle, error) > 1.0 - confidence:
            least = middle
        else:
            most = middle
    return most


def _root(above: Callable[[float], bool]) -> float:
    """The least rate in 0..1 at which `above` holds, from the safe side."""
    low, high = 0.0, 1.0
    for _ in range(STEPS):
        middle = (low + high) / 2.0
        if above(middle):
            high = middle
        else:
            low = middle
    return high
