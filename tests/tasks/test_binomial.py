"""Exact binomial bounds against scipy, and what they promise."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from telltale.tasks.binomial import beta_cdf, binomial_cdf, interval, lower_bound, needed, upper_bound


@given(
    x=st.floats(1e-12, 1.0),
    a=st.floats(0.05, 5000.0),
    b=st.floats(0.05, 5000.0),
)
@settings(max_examples=300, deadline=None)
def test_the_incomplete_beta_function_agrees_with_scipy(x: float, a: float, b: float) -> None:
    assert beta_cdf(x, a, b) == pytest.approx(float(special.betainc(a, b, x)), rel=1e-7, abs=1e-10)


@given(trials=st.integers(1, 20_000), share=st.floats(0.0, 1.0), rate=st.floats(1e-6, 1 - 1e-6))
@settings(max_examples=200, deadline=None)
def test_the_binomial_tail_agrees_with_scipy(trials: int, share: float, rate: float) -> None:
    count = int(share * trials)
    assert binomial_cdf(count, trials, rate) == pytest.approx(
        float(stats.binom.cdf(count, trials, rate)), rel=1e-6, abs=1e-10
    )


@given(trials=st.integers(1, 3000), share=st.floats(0.0, 1.0), confidence=st.floats(0.51, 0.999))
@settings(max_examples=150, deadline=None)
def test_bounds_are_the_quantiles_of_clopper_and_pearson(trials: int, share: float, confidence: float) -> None:
    count = int(share * trials)
    upper = 1.0 if count == trials else float(stats.beta.ppf(confidence, count + 1, trials - count))
    lower = 0.0 if count == 0 else float(stats.beta.ppf(1 - confidence, count, trials - count + 1))
    assert upper_bound(count, trials, confidence) == pytest.approx(upper, abs=1e-8)
    assert lower_bound(count, trials, confidence) == pytest.approx(lower, abs=1e-8)


@given(wrong=st.integers(0, 20), error=st.floats(0.002, 0.4), confidence=st.floats(0.55, 0.99))
@settings(max_examples=100, deadline=None)
def test_needed_is_the_least_number_whose_bound_is_under_the_level(wrong: int, error: float, confidence: float) -> None:
    least = needed(wrong, error, confidence)
    assert upper_bound(wrong, least, confidence) <= error + 1e-9
    assert least == wrong + 1 or upper_bound(wrong, least - 1, confidence) > error - 1e-9


def test_without_an_error_the_least_number_is_the_rule_of_logarithms() -> None:
    assert needed(0, 0.01, 0.90) == math.ceil(math.log(0.10) / math.log(0.99)) == 230


def test_no_trials_bound_nothing() -> None:
    assert interval(0, 0) == (0.0, 1.0)
