"""What is told of values without an order, of a rule's precision, and of a model that changes its
mind."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.contract.batch import Answer, Batch, Mask, Refusal, cells
from harness.contract.cause import MOST_CALLS, explain
from harness.contract.claims import Claims, claims_of
from harness.contract.levels import pools
from harness.contract.oracle import Group
from harness.contract.promise import Failure, Report, Settings
from harness.contract.run import run
from harness.contract.schema import domains
from harness.spec.project import Contract, Model, Outputs

CHANNELS = (
    *("web", "store", "phone", "fax", "post"),
    *("kiosk", "partner", "mail", "agent", "other"),
)
OPEN: dict[str, Any] = {"type": "string", "x-harness-open": True}
CLOSED: dict[str, Any] = {"type": "string", "enum": list(CHANNELS)}
UNSEEN = "channel is a value that training data don't have"
Bug = Callable[[str], bool]


def schema(channel: dict[str, Any]) -> dict[str, Any]:
    amount = {"type": "number", "minimum": 0, "maximum": 1e6}
    year = {"type": "integer", "minimum": 1900, "maximum": 2100}
    return {
        "type": "object",
        "properties": {"amount": amount, "channel": channel, "year": year, "age": year},
    }


def training(rows: int = 400) -> Batch:
    draw = np.random.default_rng(0)
    return Batch(
        columns=(
            cells("amount", "number", np.round(draw.uniform(1, 1000, rows), 2).tolist()),
            cells("channel", "string", draw.choice(CHANNELS, rows).tolist()),
            cells("year", "integer", draw.integers(2005, 2024, rows).tolist()),
            cells("age", "integer", draw.integers(1930, 2000, rows).tolist()),
        )
    )


def claims(channel: dict[str, Any] = CLOSED, **more: Any) -> Claims:
    outputs = Outputs(kind="regression")
    contract = Contract(inputs=schema(channel), outputs=outputs, errors=("ValueError",), **more)
    return claims_of(Model(name="fake"), contract)


class Fake:
    """A model of *answered* rows, numbered by its calls."""

    methods = ("predict",)

    def __init__(self, answered: Callable[[Batch, int], np.ndarray]) -> None:
        self.answered, self.calls = answered, 0

    def answer(self, batch: Batch, *, method: str) -> Answer:
        self.calls += 1
        if "channel" not in batch.names or "amount" not in batch.names:
            raise refused("ValueError")
        return Answer(values=self.answered(batch, self.calls))


def refused(kind: str = "IndexError") -> Refusal:
    return Refusal(kind, [kind, "Exception"], "planted")


def wrong(batch: Batch, where: Mask, way: str) -> np.ndarray:
    if way == "raise" and where.any():
        raise refused()
    return np.where(where, np.nan, 1.0)


def report(model: Fake, claimed: Claims) -> Report:
    return run(claimed, model, training(), settings=Settings(rows=3000, seconds=60.0))


def told(found: Report, *checks: str) -> list[Failure]:
    return [one for check in found.checks if check.id in checks for one in check.failures]


def rules(bug: Bug, way: str, channel: dict[str, Any]) -> list[str]:
    def answered(batch: Batch, _: int) -> np.ndarray:
        return wrong(batch, np.array([bug(str(v)) for v in batch["channel"].values], bool), way)

    seen = report(Fake(answered), claims(channel))
    found = told(seen, "values-are-finite", "valid-rows-are-answered")
    found = found or told(seen, "unseen-values-in-open-columns-are-answered")
    assert all(failure.cause.calls <= MOST_CALLS for failure in found)
    return [failure.cause.rule for failure in found]


VALUES: list[tuple[str, Bug, dict[str, Any], str]] = [
    ("one known value", lambda v: v == "fax", OPEN, "channel == 'fax'"),
    ("three known", lambda v: v in CHANNELS[3:6], OPEN, "channel in ('fax', 'kiosk', 'post')"),
    (
        "all but two, and unseen ones",
        lambda v: v not in ("web", "store"),
        OPEN,
        "channel not in ('store', 'web')",
    ),
    (
        "all but two of a closed list",
        lambda v: v not in ("web", "store"),
        CLOSED,
        "channel not in ('store', 'web')",
    ),
    ("all but one", lambda v: v != "web", OPEN, "channel not in ('web',)"),
    ("all unseen ones", lambda v: v not in CHANNELS, OPEN, UNSEEN),
    (
        "two known ones and all unseen",
        lambda v: v not in CHANNELS or v in ("fax", "web"),
        OPEN,
        "channel is one of ('fax', 'web') or a value that training data don't have",
    ),
    (
        "a value and what folds to it",
        lambda v: v.strip().lower() == "fax",
        OPEN,
        "channel == 'fax'",
    ),
    ("the one long value", lambda v: len(v) > 5, CLOSED, "channel == 'partner'"),
    ("long ones, unseen too", lambda v: len(v) > 5, OPEN, "channel is longer than 5 characters"),
]


@pytest.mark.parametrize("way", ["nan", "raise"])
@pytest.mark.parametrize(("name", "bug", "channel", "rule"), VALUES, ids=[v[0] for v in VALUES])
def test_values_that_fail_are_told_by_known_ones_first(
    name: str, bug: Bug, channel: dict[str, Any], rule: str, way: str
) -> None:
    assert [rule] == rules(bug, way, channel)


def test_a_rule_that_does_not_always_hold_says_of_how_many_rows() -> None:
    """Leap years pass: no interval tells that."""

    def answered(batch: Batch, _: int) -> np.ndarray:
        year = np.nan_to_num(batch["year"].values.astype(float))
        return wrong(batch, np.asarray((year > 2027) & (np.fmod(year, 8) > 0)), "nan")

    (failure, *_) = told(report(Fake(answered), claims()), "values-are-finite")

    inside, outside = failure.cause.measured
    if failure.cause.rule == "year > 2027":
        assert failure.cause.inside is not None and failure.cause.inside < 1
    assert inside > 100 and outside > 100


@given(st.integers(2030, 2060), st.integers(1, 30), st.integers(2020, 2090))
@settings(max_examples=25, deadline=None)
def test_a_band_among_three_cells_is_told_with_both_ends(start: int, width: int, at: int) -> None:
    """Where no end is looked for beforehand, since too many cells are to blame."""
    stop = start + width

    def fails(batch: Batch) -> bool:
        year, age = (batch[name].values.astype(int) for name in ("year", "age"))
        fax = batch["channel"].values == "fax"
        return bool((fax & (year >= start) & (year < stop) & (age > 2000)).any())

    known = training()
    row = known.head(1).put(cells("channel", "string", ["fax"]))
    row = row.put(cells("year", "integer", [min(max(at, start), stop - 1)]))
    row = row.put(cells("age", "integer", [2050]))
    found = explain(Group(fails), row, known, pools(domains(schema(CLOSED)), known))

    year = {part.sign for part in found.rule.conditions if part.columns == ("year",)}
    always = found.inside == 1.0
    assert year == {"=="} or len(year) == 2 or not always, found.rule.text


def scrambled(batch: Batch) -> Mask:
    keys = zip(*(column.values.tolist() for column in batch.columns), strict=True)
    return np.array([zlib.crc32(repr(key).encode()) % 3 == 0 for key in keys], bool)


PARTS: list[Callable[[Batch], Mask]] = [
    scrambled,
    lambda b: np.asarray((b["amount"].values * b["year"].values > 1_234_567.89), bool),
    lambda b: np.asarray(
        (b["amount"].values > 777.123)
        & (b["year"].values > 2051)
        & (b["age"].values < 1917)
        & (b["channel"].values != "web"),
        bool,
    ),
]


@pytest.mark.parametrize("way", ["nan", "raise"])
@pytest.mark.parametrize("bug", PARTS, ids=["scrambled", "a product", "four cells"])
def test_no_cause_takes_more_calls_than_it_may(bug: Callable[[Batch], Mask], way: str) -> None:
    found = told(
        report(Fake(lambda batch, _: wrong(batch, bug(batch), way)), claims()),
        "values-are-finite",
        "valid-rows-are-answered",
    )

    assert found
    assert all(failure.cause.calls <= MOST_CALLS for failure in found)


NO_RULE = "no rule: the same rows are not answered alike each time they are asked"


def test_a_row_that_fails_now_and_then_is_told_by_how_often() -> None:
    draw = np.random.default_rng(1)

    def answered(batch: Batch, _: int) -> np.ndarray:
        often = np.where(batch["amount"].values > 2000, 0.6, 0.0)
        return wrong(batch, np.asarray(draw.random(batch.rows) < often, bool), "nan")

    found = told(report(Fake(answered), claims()), "values-are-finite")

    assert found
    for failure in found:
        assert not failure.cause.steady
        assert () == failure.cause.columns
        assert failure.cause.rule.startswith(("fails only sometimes: ", "no rule: "))


def test_a_batch_that_is_refused_now_and_then_is_a_failure_that_says_so() -> None:
    draw = np.random.default_rng(3)

    def answered(batch: Batch, _: int) -> np.ndarray:
        if batch.rows >= 900 and draw.random() < 0.6:
            raise refused()
        return np.ones(batch.rows)

    found = told(report(Fake(answered), claims()), "valid-rows-are-answered")

    (failure,) = found
    assert failure.cause.rule.startswith("fails only sometimes: ")
    assert "raised IndexError: planted" == failure.observed


@pytest.mark.parametrize("way", ["nan", "raise"])
def test_a_model_that_breaks_after_some_calls_gets_no_rule_of_values(way: str) -> None:
    def answered(batch: Batch, calls: int) -> np.ndarray:
        return wrong(batch, np.full(batch.rows, calls > 40), way)

    found = told(report(Fake(answered), claims()), "values-are-finite", "valid-rows-are-answered")

    assert found
    assert {NO_RULE} == {failure.cause.rule for failure in found}


def test_noise_gets_no_rule_and_no_threshold_for_a_direction() -> None:
    draw = np.random.default_rng(2)

    def answered(batch: Batch, _: int) -> np.ndarray:
        return np.asarray(batch["amount"].values / 1e6 + draw.normal(0, 0.3, batch.rows))

    found = told(
        report(Fake(answered), claims(monotone={"amount": "up"})), "declared-directions-hold"
    )

    assert [f"amount goes up: {NO_RULE}"] == [failure.cause.rule for failure in found]


def test_a_rule_that_holds_whatever_was_asked_before_is_told_of_an_unsteady_model_too() -> None:
    def answered(batch: Batch, calls: int) -> np.ndarray:
        return wrong(batch, np.asarray(batch["amount"].values > 2000), "nan") + 0.01 * calls

    found = told(report(Fake(answered), claims()), "values-are-finite")

    assert ["amount > 2000.0"] == [failure.cause.rule for failure in found]
