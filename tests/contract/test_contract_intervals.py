"""Tails and intervals, against scipy's own and against what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.contract.intervals import (
    at_least,
    at_most,
    clopper_pearson,
    holm,
    mean_above,
    mean_at_least,
    mean_at_most,
    rank_above,
)


@given(st.integers(1, 3000), st.data())
def test_binomial_tails_are_scipy_s(trials: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, trials))
    rate = data.draw(st.floats(0.001, 0.999))

    assert stats.binom.sf(hits - 1, trials, rate) == pytest.approx(
        at_least(hits, trials, rate), rel=1e-6, abs=1e-12
    )
    assert stats.binom.cdf(hits, trials, rate) == pytest.approx(
        at_most(hits, trials, rate), rel=1e-6, abs=1e-12
    )


@pytest.mark.parametrize(("hits", "trials"), [(0, 10), (10, 10), (3, 40), (900, 2000)])
def test_the_exact_interval_is_scipy_s(hits: int, trials: int) -> None:
    wanted = stats.binomtest(hits, trials).proportion_ci(0.99, "exact")

    assert (wanted.low, wanted.high) == pytest.approx(clopper_pearson(hits, trials, 0.01), abs=1e-9)


@pytest.mark.parametrize("ties", [3, 1000])
def test_ranks_are_compared_as_scipy_does(ties: int) -> None:
    draw = np.random.default_rng(0)
    first, second = draw.integers(0, ties, 60), draw.integers(0, ties, 45) + 1

    share, p = rank_above(first, second)

    wanted = stats.mannwhitneyu(first, second, alternative="less", method="asymptotic")
    assert wanted.statistic / (60 * 45) == pytest.approx(share)
    assert wanted.pvalue == pytest.approx(p)


def test_values_that_are_all_alike_are_not_told_apart() -> None:
    assert (0.5, 1.0) == rank_above(np.zeros(50), np.zeros(50))
    assert (0.5, 1.0) == rank_above(np.zeros(0), np.zeros(50))


def test_holm_multiplies_by_what_is_left() -> None:
    assert [0.03, 0.06, 0.06] == pytest.approx(holm([0.01, 0.04, 0.03]))
    assert [] == holm([])


@pytest.mark.parametrize("law", ["rare", "skewed", "even"])
def test_bounds_of_a_mean_are_wrong_no_more_often_than_said(law: str) -> None:
    """At an error of 5 % each; 400 draws of 60, of which 5 % and three deviations are 33."""
    draw = np.random.default_rng(1)
    laws = {
        "rare": (lambda n: (draw.random(n) < 0.05).astype(float), 0.05),
        "skewed": (lambda n: draw.beta(0.5, 4.5, n), 0.1),
        "even": (lambda n: draw.random(n), 0.5),
    }
    drawn, mean = laws[law]

    samples = [drawn(60) for _ in range(400)]

    assert 33 >= sum(mean_at_least(sample, 0.05) > mean for sample in samples)
    assert 33 >= sum(mean_at_most(sample, 0.05) < mean for sample in samples)


def test_a_bound_comes_near_the_mean_with_many_values() -> None:
    values = np.random.default_rng(2).beta(1, 9, 5000)

    assert 0.093 < mean_at_least(values, 0.001) < values.mean()
    assert values.mean() < mean_at_most(values, 0.001) < 0.107


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_mean_is_never_less_likely(values: list[float], one: float, two: float) -> None:
    held = np.array(values)

    low, high = sorted((one, two))

    assert mean_above(held, low) <= mean_above(held, high) + 1e-9
    assert 0.0 <= mean_above(held, high) <= 1.0
