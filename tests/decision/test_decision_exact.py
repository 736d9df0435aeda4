"""The exact McNemar test against the binomial distribution, summed in whole numbers."""

from __future__ import annotations

import math
import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.decision.exact import log_p, p_value

counts = st.integers(0, 300)


def tail(wins: int, losses: int) -> Fraction:
    n = wins + losses
    return Fraction(sum(math.comb(n, i) for i in range(wins, n + 1)), 2**n)


def log(value: Fraction) -> float:
    return math.log(value.numerator) - math.log(value.denominator)


@given(counts, counts)
def test_p_is_the_binomial_tail_and_never_below_it(wins: int, losses: int) -> None:
    expected = log(tail(wins, losses))

    actual = log_p(wins, losses)

    assert expected - 1e-12 * max(1.0, -expected) <= actual <= min(0.0, expected + 1e-9)


@pytest.mark.parametrize(("wins", "losses"), [(1000, 0), (1200, 30), (3200, 800), (4200, 1000)])
def test_tails_below_the_smallest_float_are_still_right(wins: int, losses: int) -> None:
    expected = log(tail(wins, losses))

    actual = log_p(wins, losses)

    assert expected < math.log(1e-280)
    assert actual == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("wins", [500_000, 500_001, 501_500, 505_000, 600_000, 999_999])
def test_a_million_rows_obey_pascals_rule_and_take_no_time(wins: int) -> None:
    """P(X of n+1 ≥ w+1) = ½·P(X of n ≥ w+1) + ½·P(X of n ≥ w)."""
    losses = 1_000_000 - wins
    began = time.process_time()
    here, above = log_p(wins, losses), log_p(wins + 1, losses - 1)

    expected = math.log(0.5) + here + math.log1p(math.exp(above - here))

    assert log_p(wins + 1, losses) == pytest.approx(expected, abs=1e-9)
    assert time.process_time() - began < 1.0


@given(counts, counts)
def test_one_more_win_instead_of_a_loss_lowers_p(wins: int, losses: int) -> None:
    more, here = log_p(wins + 1, losses), log_p(wins, losses + 1)

    assert more < here if wins > losses else more <= here


def test_without_a_row_that_tells_them_apart_p_is_one() -> None:
    assert log_p(0, 0) == 0.0
    assert p_value(0, 7) == 1.0


@pytest.mark.parametrize("n", [1, 5, 12, 40])
@pytest.mark.parametrize("chance", [Fraction(1, 2), Fraction(2, 5), Fraction(1, 10)])
def test_a_challenger_that_is_not_better_passes_with_at_most_the_level(
    n: int, chance: Fraction
) -> None:
    for alpha in (0.5, 0.05, 0.001, 1e-9):
        passes = sum(
            math.comb(n, wins) * chance**wins * (1 - chance) ** (n - wins)
            for wins in range(n + 1)
            if log_p(wins, n - wins) <= math.log(alpha)
        )

        assert passes <= Fraction(alpha)
