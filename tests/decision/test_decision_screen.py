"""The dev screen: free to look at, so it may say figures."""

from __future__ import annotations

import numpy as np
import pytest

from harness.core.errors import DataInvalid
from harness.decision.policy import Policy
from harness.decision.screen import HOPEFUL, screen

POLICY = Policy(metric="log_loss", classes=2, minimum_gain=0.005)


def champion(rows: int = 2000) -> np.ndarray:
    return np.random.default_rng(3).uniform(0, 1, rows)


def test_a_challenger_worse_on_dev_is_hopeless() -> None:
    verdict = screen(champion(), champion() + 0.01, POLICY)

    assert not verdict.passed
    assert verdict.reason.startswith("hopeless on dev: gain -0.01 in log_loss on 2,000 rows")


def test_a_challenger_with_more_than_the_minimum_gain_passes() -> None:
    assert screen(champion(), champion() - 0.006, POLICY).passed


def test_a_gain_of_less_than_the_minimum_does_not_pass_by_being_certain() -> None:
    assert not screen(champion(), champion() - 0.004, POLICY).passed


def test_equal_challengers_pass_as_often_as_the_threshold_says() -> None:
    random = np.random.default_rng(11)
    level = Policy(metric="brier", classes=2)

    passed = sum(
        screen(random.uniform(0, 1, 400), random.uniform(0, 1, 400), level).passed
        for _ in range(2000)
    )

    assert passed / 2000 == pytest.approx(HOPEFUL, abs=0.03)


def test_its_spread_is_that_of_the_paired_difference() -> None:
    first, second = champion(), np.random.default_rng(4).uniform(0, 1, 2000)

    assert screen(first, second, POLICY).spread == pytest.approx(np.std(first - second, ddof=1))


@pytest.mark.parametrize("rows", [0, 1])
def test_too_few_rows_refuse_nobody(rows: int) -> None:
    verdict = screen(champion(rows), champion(rows), POLICY)

    assert verdict.passed
    assert verdict.p is None


def test_losses_that_cannot_be_paired_are_refused() -> None:
    with pytest.raises(DataInvalid, match="paired"):
        screen(champion(3), champion(1), POLICY)
    with pytest.raises(DataInvalid, match="finite"):
        screen(champion(3), np.array([0.1, np.nan, 0.2]), POLICY)
