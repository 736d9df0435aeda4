"""Planning figures, held against simulated holdouts: what is printed is about what happens."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.decision.decide import Verdict, decide
from harness.decision.evalue import GRID
from harness.decision.exact import log_p
from harness.decision.policy import Policy, level
from harness.decision.power import power, rows_for

HUNDRED = Policy(metric="accuracy", classes=2, looks=100)
DISAGREEMENT = 0.1


@pytest.mark.parametrize(
    ("gain", "looks", "expected"),
    [
        (0.01, 1, 6_200),
        (0.01, 10, 11_700),
        (0.01, 20, 13_300),
        (0.01, 100, 17_100),
        (0.02, 1, 1_500),
        (0.02, 10, 2_900),
        (0.02, 20, 3_300),
        (0.02, 100, 4_300),
        (0.005, 1, 24_700),
        (0.005, 10, 46_700),
        (0.005, 20, 53_200),
        (0.005, 100, 68_300),
    ],
)
def test_a_hundred_protected_looks_cost_under_three_times_the_rows(
    gain: float, looks: int, expected: int
) -> None:
    assert rows_for(gain, alpha=0.05 / looks) == pytest.approx(expected, abs=100)


def holdouts(rows: int, gain: float, draws: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Return wins and losses of a challenger that is truly better by *gain*, in many holdouts."""
    chances = [(DISAGREEMENT + gain) / 2, (DISAGREEMENT - gain) / 2, 1 - DISAGREEMENT]
    drawn = np.random.default_rng(rows).multinomial(rows, chances, size=draws)
    return drawn[:, 0], drawn[:, 1]


def exact_share(rows: int, gain: float, alpha: float) -> float:
    wins, losses = holdouts(rows, gain)
    needed = {}
    for n in set((wins + losses).tolist()):
        low, high = n // 2, n + 1  # the fewest wins in n that reach the level
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (
                (low, middle) if log_p(middle, n - middle) <= math.log(alpha) else (middle, high)
            )
        needed[n] = high
    return float(np.mean([w >= needed[w + x] for w, x in zip(wins, losses, strict=True)]))


def evalue_share(rows: int, gain: float, alpha: float) -> float:
    wins, losses = holdouts(rows, gain)
    logs = wins[:, None] * np.log1p(GRID) + losses[:, None] * np.log1p(-GRID)
    top = logs.max(axis=1, keepdims=True)
    log_e = (top + np.log(np.exp(logs - top).mean(axis=1, keepdims=True))).ravel()
    return float(np.mean(log_e >= -math.log(alpha)))


@pytest.mark.parametrize(
    ("rows", "gain", "exact", "evalue"),
    [
        (5_000, -0.005, 0.000, 0.000),
        (5_000, 0.01, 0.125, 0.011),
        (5_000, 0.02, 0.862, 0.495),
        (10_000, 0.01, 0.420, 0.095),
        (10_000, 0.02, 0.999, 0.971),
        (20_000, 0.01, 0.866, 0.498),
        (20_000, 0.02, 1.000, 1.000),
    ],
)
def test_the_gate_promotes_true_gains_as_often_as_the_documented_table_says(
    rows: int, gain: float, exact: float, evalue: float
) -> None:
    alpha = level(HUNDRED, promotions=0)

    assert exact_share(rows, gain, alpha) == pytest.approx(exact, abs=0.02)
    assert evalue_share(rows, gain, alpha) == pytest.approx(evalue, abs=0.02)


@pytest.mark.parametrize("rows", [2_000, 5_000, 20_000])
def test_the_gain_that_accuracy_is_said_to_see_is_seen_in_four_of_five_holdouts(rows: int) -> None:
    gain = power(HUNDRED, rows=rows)

    assert gain is not None
    assert exact_share(rows, gain, level(HUNDRED, promotions=0)) == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize(("rows", "spread"), [(2_000, 0.05), (20_000, 0.2), (50_000, 0.2)])
def test_the_gain_that_log_loss_is_said_to_see_is_seen_at_least_so_often(
    rows: int, spread: float
) -> None:
    policy = Policy(metric="log_loss", classes=2, minimum_gain=0.005, looks=20)
    gain = power(policy, rows=rows, spread=spread)
    assert gain is not None
    random = np.random.default_rng(rows)
    champion = random.uniform(0.5, 1.0, rows)

    verdicts = [
        decide(
            champion,
            champion - gain + spread * random.choice([-1.0, 1.0], rows),
            policy,
            look=1,
            promotions=0,
        ).verdict
        for _ in range(100)
    ]

    assert 70 <= verdicts.count(Verdict.PROMOTE) <= 97


def test_more_rows_see_smaller_gains_and_more_looks_larger_ones() -> None:
    few = Policy(metric="accuracy", classes=2, looks=10)

    assert power(HUNDRED, rows=20_000) < power(HUNDRED, rows=5_000)
    assert power(few, rows=5_000) < power(HUNDRED, rows=5_000)
    assert power(few, rows=5_000, promotions=1) > power(few, rows=5_000)


def test_nothing_is_said_where_nothing_is_known() -> None:
    brier = Policy(metric="brier", classes=2)

    assert power(brier, rows=5_000) is None
    assert power(brier, rows=0, spread=0.1) is None
    assert power(HUNDRED, rows=20) is None


def test_a_gain_that_may_be_no_larger_than_the_disagreement_counts_the_minimum_too() -> None:
    picky = Policy(metric="accuracy", classes=2, minimum_gain=0.02)

    assert 0.02 < power(picky, rows=10_000) < 0.1
    assert power(picky, rows=300) is None
