"""Rows in bulk: what the schema admits and nothing else, each row made again alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from contract_zoo import SCHEMA, batch_of, claims, inputs
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.contract import rows
from harness.contract.batch import Batch, cells
from harness.contract.coverage import Coverage
from harness.contract.hostile import oddities
from harness.contract.levels import pools
from harness.contract.pairwise import pairwise
from harness.contract.probes import cell_of
from harness.contract.rows import Plan
from harness.contract.schema import Domain, admits, domains
from harness.core.errors import SpecInvalid


def plan_of(schema: dict[str, Any], training: Batch | None = None, *, seed: int = 0) -> Plan:
    made = pools(domains(schema), training)
    return rows.plan(made, training, seed=seed)


@pytest.fixture(scope="module")
def plan() -> Plan:
    return plan_of(SCHEMA, batch_of(inputs()))


@given(st.integers(0, 30_000), st.integers(0, 2**31))
@settings(max_examples=30)
def test_a_row_of_a_seed_can_be_made_again_alone(start: int, seed: int) -> None:
    plan = plan_of(SCHEMA, seed=seed)

    together = rows.make(plan, start, start + 7).batch
    alone = rows.make(plan, start + 5, start + 6).batch
    numbered = rows.again(plan, np.array([start + 5, start]))

    assert together.row(5) == alone.row(0) == numbered.row(0)
    assert together.row(0) == numbered.row(1)


def test_another_seed_makes_other_rows() -> None:
    one, other = plan_of(SCHEMA, seed=1), plan_of(SCHEMA, seed=2)

    assert rows.make(one, 0, 9).batch.row(3) != rows.make(other, 0, 9).batch.row(3)


def test_every_made_row_is_admitted(plan: Plan) -> None:
    made = rows.make(plan, 0, 20_000).batch

    for domain in domains(SCHEMA):
        assert admits(domain, made[domain.name]).all(), domain.name


@st.composite
def columns(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["number", "integer", "string", "date", "date-time", "boolean"]))
    described: dict[str, Any] = {"type": kind}
    if kind in ("number", "integer"):
        ends = sorted(draw(st.lists(st.integers(-(10**12), 10**12), min_size=2, max_size=2)))
        described |= {"minimum": ends[0], "maximum": ends[1]}
    elif kind == "string":
        described |= draw(
            st.sampled_from([{}, {"x-harness-open": True}, {"enum": ["a", "b"]}, {"maxLength": 3}])
        )
    elif kind.startswith("date"):
        described = {"type": "string", "format": kind}
    if draw(st.booleans()):
        described["type"] = [described["type"], "null"]
    return described


@given(columns())
def test_whatever_the_column_every_made_cell_is_admitted_and_no_odd_one(
    described: dict[str, Any],
) -> None:
    plan = plan_of({"properties": {"x": described}})
    (domain,) = domains({"properties": {"x": described}})

    made = rows.make(plan, 0, 300).batch["x"]

    assert admits(domain, made).all()
    for oddity in oddities(domain, made.at(0)):
        assert not admits(domain, cell_of(oddity.value, made))[0], oddity


def test_bounds_and_their_neighbours_are_tried(plan: Plan) -> None:
    util = rows.make(plan, 0, 5000).batch["util"].values.tolist()

    assert {0.0, 1.0, 5e-324, float(np.nextafter(1.0, 0.0))} <= set(util)


def test_unseen_and_missing_values_are_tried_where_they_are_admitted(plan: Plan) -> None:
    made = rows.make(plan, 0, 5000).batch

    known = {"web", "shop", "phone"}
    assert set(made["channel"].values[~made["channel"].absent]) - known
    assert made["channel"].absent.any()
    assert not made["plan"].absent.any()


def test_numbers_that_the_model_uses_are_tried_with_their_neighbours() -> None:
    schema = {"properties": {"x": {"type": "number", "minimum": 0, "maximum": 10}}}

    (pool,) = pools(domains(schema), None, constants={"x": [7.25]})

    held = set(pool.levels.values.tolist())
    assert {7.25, float(np.nextafter(7.25, 0)), float(np.nextafter(7.25, 10))} <= held


def test_a_schema_that_nothing_known_satisfies_is_refused_by_name() -> None:
    schema = {"properties": {"code": {"type": "string", "pattern": "^Q[0-9]{7}$"}}}

    with pytest.raises(SpecInvalid, match=r"properties\.code"):
        pools(domains(schema), None)


def test_training_values_serve_where_no_other_value_fits() -> None:
    schema = {"properties": {"code": {"type": "string", "pattern": "^Q[0-9]{7}$"}}}
    training = Batch(columns=(cells("code", "string", ["Q1234567", "Q7654321"]),))

    made = rows.make(plan_of(schema, training), 0, 50).batch["code"].values

    assert {"Q1234567", "Q7654321"} == set(made)


def test_fifty_thousand_rows_cover_every_triple_of_stated_levels(plan: Plan) -> None:
    counted = Coverage([pool.stated for pool in plan.pools])

    counted.add(rows.make(plan, 0, 50_000).codes)

    assert counted.shares()[3] > 0.999
    assert counted.shares()[4] < 1.0


def test_a_slow_models_first_rows_hold_every_pair_and_are_made_again_alone(plan: Plan) -> None:
    levels = tuple(pool.stated for pool in plan.pools)
    slow = replace(plan, first=pairwise(levels))
    count = len(slow.first)
    counted = Coverage(levels, sizes=(2,))

    made = rows.make(slow, 0, count)
    counted.add(made.codes)

    assert {2: 1.0} == counted.shares()
    last = rows.again(slow, np.array([count - 1]))
    assert made.batch.row(count - 1) == last.row(0)


def test_coverage_counts_what_was_there_and_no_more() -> None:
    counted = Coverage([2, 2, 2])

    counted.add(np.array([[0, 0, 0], [1, 1, 1], [0, 0, 0]], np.int8))

    assert {3: 2 / 8} == counted.shares()


def test_a_float32_column_stays_float32() -> None:
    schema = {"properties": {"x": {"type": "number"}}}
    training = Batch(columns=(cells("x", "number", [0.5, 1.5], dtype="float32"),))

    (column,) = rows.make(plan_of(schema, training), 0, 2000).batch.to_columns()

    assert "f4" == column.type


def test_rows_with_training_data_that_contradict_the_schema_are_still_admitted() -> None:
    training = Batch(columns=(cells("x", "number", [50.0, 5.0]),))
    schema = {"properties": {"x": {"type": "number", "maximum": 10}}}
    (domain,) = domains(schema)

    made = rows.make(plan_of(schema, training), 0, 500).batch["x"]

    assert admits(domain, made).all()
    assert isinstance(domain, Domain)


def test_the_claims_of_the_zoo_name_every_training_column() -> None:
    assert list(inputs().columns) == list(claims().columns)


def test_two_columns_of_a_kind_are_equal_in_some_rows() -> None:
    schema = {"properties": {"bid": {"type": "number"}, "ask": {"type": "number"}}}
    training = Batch(
        columns=(
            cells("bid", "number", [1.25, 2.5, 3.75]),
            cells("ask", "number", [10.5, 20.25, 30.0]),
        )
    )
    laid = plan_of(schema, training)

    made = rows.make(laid, 0, 20_000)

    free = np.ones(20_000, bool)
    free[made.stated] = False
    equal = (made.batch["bid"].values == made.batch["ask"].values) & free
    assert equal.sum() > 50
    where = np.flatnonzero(equal)[:5]
    again = rows.again(laid, where)
    assert [made.batch.row(int(i)) for i in where] == [again.row(i) for i in range(5)]
