"""The mixture e-value: its promise by exhaustive sums, its laws by Hypothesis."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.decision.evalue import GRID, log_e, most

differences = st.lists(st.floats(-1, 1), min_size=1, max_size=60)
deltas = st.sampled_from([0.0, 0.001, 0.05, 0.5, 0.9])


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[float], list[float], float]:
    """Return values, their probabilities, and a δ that is not below their mean."""
    values = draw(
        st.lists(st.sampled_from([-1, -0.5, -0.1, 0, 0.1, 0.5, 1]), min_size=1, max_size=4)
    )
    weights = draw(st.lists(st.integers(1, 50), min_size=len(values), max_size=len(values)))
    chances = [w / sum(weights) for w in weights]
    mean = math.fsum(v * p for v, p in zip(values, chances, strict=True))
    delta = max(0.0, mean) + draw(st.sampled_from([0.0, 0.0, 0.01]))
    return values, chances, min(delta, 0.999)


@settings(max_examples=60)
@given(worlds(), st.integers(1, 4))
def test_its_expectation_is_at_most_one_when_the_gain_is_at_most_delta(
    world: tuple[list[float], list[float], float], rows: int
) -> None:
    values, chances, delta = world
    if math.fsum(v * p for v, p in zip(values, chances, strict=True)) > delta:
        return  # a mean of 1 has no δ below 1

    expectation = math.fsum(
        math.prod(chances[i] for i in draw)
        * math.exp(log_e(np.array([values[i] for i in draw]), delta=delta))
        for draw in product(range(len(values)), repeat=rows)
    )

    assert expectation <= 1.0


@given(differences, deltas, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_no_bit(
    values: list[float], delta: float, random: object
) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    assert log_e(np.array(values), delta=delta) == log_e(np.array(shuffled), delta=delta)


@given(differences, deltas)
def test_it_is_the_mean_over_stakes_of_products_over_rows(
    values: list[float], delta: float
) -> None:
    capitals = [math.prod(1 + stake * (d - delta) for d in values) for stake in GRID / (1 + delta)]

    assert log_e(np.array(values), delta=delta) == pytest.approx(
        math.log(math.fsum(capitals) / len(capitals)), abs=1e-7
    )


@given(differences, deltas)
def test_no_rows_give_more_than_wins_in_all_of_them(values: list[float], delta: float) -> None:
    assert log_e(np.array(values), delta=delta) <= most(len(values), delta=delta) + 1e-9


@given(differences, st.integers(0, 59), deltas)
def test_a_smaller_loss_of_the_challenger_never_counts_against_it(
    values: list[float], place: int, delta: float
) -> None:
    better = list(values)
    better[place % len(values)] = min(1.0, better[place % len(values)] + 0.25)

    assert log_e(np.array(better), delta=delta) >= log_e(np.array(values), delta=delta) - 1e-12


def test_no_stake_can_ruin_so_the_worst_rows_stay_finite() -> None:
    assert math.isfinite(log_e(np.full(100_000, -1.0), delta=0.9))
    assert (GRID > 0).all()
    assert (GRID < 1).all()
