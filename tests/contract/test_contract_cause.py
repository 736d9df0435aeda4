"""CAUSE and EDGE on rules that are known: no model, only a mask."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from contract_zoo import SCHEMA, batch_of, inputs
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.contract.axis import float_at, float_place, shortest
from harness.contract.batch import Batch, Mask, cells
from harness.contract.cause import explain
from harness.contract.levels import pools
from harness.contract.oracle import Bulk, Single
from harness.contract.rule import Condition, Rule
from harness.contract.schema import domains

TRAINING = batch_of(inputs())
POOLS = pools(domains(SCHEMA), TRAINING)
Fails = Callable[[Batch], Mask]


def row_with(**values: object) -> Batch:
    batch = TRAINING.take(np.array([3]))
    for name, value in values.items():
        batch = batch.put(cells(name, batch[name].kind, [value]))
    return batch


def young(batch: Batch) -> Mask:
    return (
        (batch["age"].values < 18)
        & (batch["region"].values == "north")
        & (batch["plan"].values == "gold")
    )


CASES: list[tuple[Fails, Batch, str]] = [
    (lambda b: b["income"].values > 1e7, row_with(income=9e8), "income > 10000000.0"),
    (lambda b: b["income"].values >= 1e7, row_with(income=9e8), "income >= 10000000.0"),
    (lambda b: b["balance"].values < -1001.5, row_with(balance=-5e5), "balance < -1001.5"),
    (lambda b: b["visits"].values > 127, row_with(visits=9999), "visits > 127"),
    (lambda b: b["util"].values == 0.5, row_with(util=0.5), "util == 0.5"),
    (lambda b: b["util"].values == 0.0, row_with(util=0.0), "util == 0.0"),
    (lambda b: b["income"].absent, row_with(income=None), "income is missing"),
    (
        lambda b: ~np.isin(b["plan"].values.astype(str), ["basic", "silver", "gold"]),
        row_with(plan="Ωmega"),
        "plan is a value that training data don't have",
    ),
    (
        lambda b: np.isin(b["plan"].values.astype(str), ["silver", "gold"]),
        row_with(plan="gold"),
        "plan in ('gold', 'silver')",
    ),
    (
        lambda b: b["signup"].values.astype(str) < "1677-09-22",
        row_with(signup="0001-01-01"),
        "signup < '1677-09-22'",
    ),
    (
        young,
        row_with(age=3, region="north", plan="gold"),
        "age < 18 and region == 'north' and plan == 'gold'",
    ),
]


@pytest.mark.parametrize(("fails", "row", "rule"), CASES, ids=[case[2] for case in CASES])
@pytest.mark.parametrize("bulk", [True, False], ids=["in-bulk", "one-by-one"])
def test_the_planted_rule_comes_out(fails: Fails, row: Batch, rule: str, bulk: bool) -> None:
    asked = 0

    def counted(batch: Batch) -> Mask:
        nonlocal asked
        asked += 1
        return fails(batch)

    oracle = Bulk(counted) if bulk else Single(lambda one: bool(counted(one)[0]))
    passing = TRAINING.take(np.flatnonzero(~fails(TRAINING)))

    explained = explain(oracle, row, passing, POOLS)

    assert rule == explained.rule.text
    assert fails(explained.row)[0]
    assert explained.rule.matches(row)[0]
    assert asked <= 100


@given(st.floats(-1e5, 1e8, allow_subnormal=True))
@settings(max_examples=30)
def test_a_threshold_is_found_to_the_last_float(threshold: float) -> None:
    def fails(batch: Batch) -> Mask:
        return batch["balance"].values > threshold

    passing = TRAINING.take(np.flatnonzero(~fails(TRAINING)))
    rule = explain(Bulk(fails), row_with(balance=9e8), passing, POOLS).rule
    found = [c for c in rule.conditions if c.column == "balance"]

    if not passing.rows:
        assert () == rule.conditions
        return
    (condition,) = found
    first = condition.value if condition.sign == ">=" else np.nextafter(condition.value, math.inf)
    assert first > threshold
    assert np.nextafter(first, -math.inf) <= threshold


def test_without_a_passing_row_every_row_is_the_cause() -> None:
    everything = Bulk(lambda batch: np.ones(batch.rows, bool))

    explained = explain(everything, row_with(), TRAINING.head(0), POOLS)

    assert "every row" == explained.rule.text


def test_a_cause_of_two_ways_names_one_that_suffices() -> None:
    def fails(batch: Batch) -> Mask:
        return (batch["age"].values > 100) | (batch["visits"].values > 500)

    row = row_with(age=110, visits=900)
    passing = TRAINING.take(np.flatnonzero(~fails(TRAINING)))

    rule = explain(Bulk(fails), row, passing, POOLS).rule

    assert rule.text in ("age > 100", "visits > 500")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_stands_where_it_stands(value: float) -> None:
    assert value == float_at(float_place(value))
    above = math.nextafter(value, math.inf)
    if math.isfinite(above):
        assert 1 == float_place(above) - float_place(value)


@given(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(allow_nan=False, allow_infinity=False),
)
def test_the_shortest_number_lies_between_and_is_no_longer_than_the_ends(
    one: float, other: float
) -> None:
    found = shortest(one, other)

    assert min(one, other) <= found <= max(one, other)
    assert len(repr(abs(found)).rstrip("0.")) <= max(len(repr(abs(one))), len(repr(abs(other))))


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(1300.2, 1301.9, 1301.0), (0.123, 0.131, 0.13), (-5.0, 3.0, 0.0), (-7.4, -6.6, -7.0)],
)
def test_the_shortest_number_is_what_a_person_would_write(
    low: float, high: float, expected: float
) -> None:
    assert expected == shortest(low, high)


def test_a_rule_matches_the_rows_that_hold_all_its_conditions() -> None:
    batch = Batch(columns=(cells("a", "integer", [1, 2, None]), cells("b", "string", ["x"] * 3)))
    rule = Rule(
        conditions=(
            Condition(column="a", sign=">", value=1),
            Condition(column="b", sign="in", value=("x", "y")),
        )
    )

    assert [False, True, False] == rule.matches(batch).tolist()


@pytest.mark.parametrize(
    ("conditions", "text"),
    [
        ([("a", ">", 9629), ("a", ">", 9896)], "a > 9896"),
        ([("a", "<", 4.0), ("a", "<", 2.0), ("b", "<", 3)], "a < 2.0 and b < 3"),
        ([("a", ">=", 5), ("a", ">", 5)], "a > 5"),
        ([("a", ">", 5), ("a", "<", 9)], "5 < a < 9"),
        ([("a", ">", 5), ("a", ">", 5)], "a > 5"),
    ],
)
def test_of_two_bounds_on_one_side_the_tighter_is_told(
    conditions: list[tuple[str, str, float]], text: str
) -> None:
    parts = [Condition(column=c, sign=s, value=v) for c, s, v in conditions]

    assert text == Rule(conditions=tuple(parts)).text
