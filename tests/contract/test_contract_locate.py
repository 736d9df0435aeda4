"""LOCATE, CAUSE and EDGE on planted bugs of many kinds, in models that answer and that raise."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from contract_bugs import (
    BUGS,
    INEXACT,
    WIDE_SCHEMA,
    Bug,
    Shipments,
    among,
    claims,
    n,
    shipments,
    wide_rows,
)

from harness.contract.batch import Answer, Batch, Broken, Hangs, Mask, Refusal, cells, join
from harness.contract.cause import MOST_CALLS, explain
from harness.contract.checks.catalogue import checks_for
from harness.contract.failures import failures
from harness.contract.levels import pools
from harness.contract.locate import locate
from harness.contract.oracle import Bulk, Group, Single
from harness.contract.promise import Failure, Outcome, Settings
from harness.contract.rule import Rule
from harness.contract.run import examine, open_trial
from harness.contract.schema import domains
from harness.contract.trial import Trial

MADE, BATCH = 30_000, 1000
SETTINGS = Settings(rows=MADE, seconds=60.0)
NAMES = [name for name, _, _ in BUGS]


def trial_of(model: Shipments) -> Trial:
    return open_trial(claims(), model, shipments(), settings=SETTINGS, reopen=lambda: model)


@cache
def made() -> Batch:
    return trial_of(Shipments(lambda b: np.zeros(b.rows, bool), "nan")).make(0, MADE).batch


@cache
def failing(name: str) -> np.ndarray:
    bug = next(bug for called, bug, _ in BUGS if called == name)
    with np.errstate(all="ignore"):
        return np.flatnonzero(bug(made()))


def columns_of(rule: str) -> set[str]:
    return {column for column in shipments().names if column in rule.split() or f"{column}" in rule}


def located(bug: Bug, name: str, way: str) -> tuple[Failure, Rule | None]:
    first = int(failing(name)[0]) // BATCH * BATCH
    batch = made().take(np.arange(first, first + BATCH))
    found = locate(trial_of(Shipments(bug, way)), batch)
    assert found.trouble is not None
    return found.trouble.failure, found.rule


@pytest.mark.parametrize(("name", "bug", "rule"), BUGS, ids=NAMES)
def test_the_cause_of_a_wrong_answer_is_the_planted_one(name: str, bug: Bug, rule: str) -> None:
    trial = trial_of(Shipments(bug, "nan"))

    def fails(batch: Batch) -> Mask:
        return np.isnan(trial.answer(batch, "regression").values)

    suspects = made().take(failing(name)[:200])
    found = next(failures(trial, Bulk(fails), suspects, lambda row: "NaN"))

    assert found.cause.rule.startswith(rule)
    assert columns_of(rule) == set(found.cause.columns)
    assert found.cause.calls <= MOST_CALLS
    assert 1.0 == found.cause.inside
    assert found.cause.outside is not None and found.cause.outside < 0.001


@pytest.mark.parametrize(("name", "bug", "rule"), BUGS, ids=NAMES)
def test_the_cause_of_an_exception_is_the_planted_one(name: str, bug: Bug, rule: str) -> None:
    found, excluded = located(bug, name, "raise")

    if name in INEXACT:
        assert columns_of(rule) == set(found.cause.columns)
    else:
        assert found.cause.rule.startswith(rule)
    assert found.cause.calls <= MOST_CALLS
    assert "raised IndexError: planted" == found.observed
    one = Batch(columns=tuple(cells(c.name, c.kind, [found.row[c.name]]) for c in made().columns))
    assert bug(one)[0]
    assert excluded is not None and excluded.matches(one)[0]


@pytest.mark.parametrize("name", ["three columns", "a refund", "text too long", "a sentinel"])
def test_rows_left_out_of_an_answer_have_the_same_cause(name: str) -> None:
    bug, rule = next((bug, rule) for called, bug, rule in BUGS if called == name)

    found, _ = located(bug, name, "shape")

    assert rule == found.cause.rule
    assert found.cause.calls <= MOST_CALLS


def test_thousands_of_refused_rows_need_no_more_calls_than_one() -> None:
    bug = next(bug for called, bug, _ in BUGS if called == "some categories")
    model = Shipments(bug, "raise")

    found = locate(trial_of(model), made())

    assert failing("some categories").size > 10_000
    assert found.trouble is not None and found.trouble.failure.cause.calls <= 40
    assert "region in ('east', 'west')" == found.trouble.failure.cause.rule


def test_explaining_twice_gives_the_same() -> None:
    bug = next(bug for called, bug, _ in BUGS if called == "four numbers")

    assert located(bug, "four numbers", "raise")[0] == located(bug, "four numbers", "raise")[0]


def test_an_odd_threshold_is_told_as_an_interval_when_the_calls_are_used_up() -> None:
    found, rule = located(lambda b: n(b, "distance") > 709.782712893384, "exp overflows", "raise")

    assert rule is not None
    (condition,) = rule.conditions
    assert condition.value < 709.782712893384 < condition.known  # type: ignore[union-attr]
    assert f"(known to fail from {condition.known!r})" in found.cause.rule  # type: ignore[union-attr]
    assert found.cause.calls <= MOST_CALLS


WIDE: list[tuple[Bug, dict[str, float], str]] = [
    (lambda b: n(b, "f137") > 3.5, {"f137": 250.0}, "f137 > 3.5"),
    (
        lambda b: (n(b, "f137") > 3.5) & (n(b, "f200") < -20),
        {"f137": 250.0, "f200": -500.0},
        "f137 > 3.5 and f200 < -20.0",
    ),
]


@pytest.mark.parametrize("kind", [Bulk, Group])
@pytest.mark.parametrize(("bug", "values", "rule"), WIDE, ids=["one", "two"])
def test_a_cause_among_hundreds_of_columns_is_found(
    bug: Bug, values: dict[str, float], rule: str, kind: type
) -> None:
    training = wide_rows()
    row = training.head(1)
    for name in training.names:
        row = row.put(cells(name, "number", [values.get(name, 7.25)]))
    asked = 0

    def fails(batch: Batch) -> Mask:
        nonlocal asked
        asked += 1
        return bug(batch)

    oracle = Bulk(fails) if kind is Bulk else Group(lambda batch: bool(fails(batch).any()))
    passing = training.take(np.flatnonzero(~bug(training)))
    found = explain(oracle, row, passing, pools(domains(WIDE_SCHEMA), training))

    assert rule == found.rule.text
    assert asked <= MOST_CALLS


def test_single_precision_thresholds_are_found_on_its_own_steps() -> None:
    training = Batch(columns=(cells("x", "number", [0.25, 0.5, 0.75] * 20, dtype="float32"),))
    schema = {"properties": {"x": {"type": "number", "minimum": 0, "maximum": 10}}}
    limit = np.float32(3.7)
    row = Batch(columns=(cells("x", "number", [9.5], dtype="float32"),))

    def fails(batch: Batch) -> Mask:
        return batch["x"].values.astype(np.float32) > limit

    (condition,) = explain(
        Bulk(fails), row, training, pools(domains(schema), training)
    ).rule.conditions

    assert ">" == condition.sign[0]
    assert not np.float32(condition.value) > limit or condition.sign == ">="
    above = np.nextafter(limit, np.float32(10))
    both = Batch(columns=(cells("x", "number", [float(limit), float(above)], dtype="float32"),))
    assert [False, True] == condition.holds(both).tolist()


def company_of(bug: Callable[[Batch], bool], rows: Batch) -> Outcome | Failure:
    def refuses(batch: Batch) -> Answer:
        if bug(batch):
            raise Refusal("ValueError", ("ValueError", "Exception"), "planted")
        return Answer(values=np.ones(batch.rows))

    model = Shipments(lambda b: np.zeros(b.rows, bool), "nan")
    model.answer = lambda batch, *, method: refuses(batch)  # type: ignore[method-assign]
    found = locate(trial_of(model), rows)
    assert found.trouble is not None
    return found.trouble.failure


def test_two_rows_that_only_fail_together_are_both_shown() -> None:
    def clash(batch: Batch) -> bool:
        return bool((n(batch, "quantity") == 0).any() and (n(batch, "items") == 1000).any())

    rows = shipments().head(64)
    quantity, items = rows["quantity"].values.tolist(), rows["items"].values.tolist()
    quantity[20], items[50] = 0, 1000
    rows = rows.put(cells("quantity", "integer", quantity)).put(cells("items", "integer", items))

    found = company_of(clash, rows)

    assert isinstance(found, Failure)
    assert () == found.cause.columns
    assert "with this other row in the batch" in found.cause.rule
    shown = [found.row["quantity"] == 0, "quantity = 0" in found.cause.rule]
    assert [True, False] == sorted(shown, reverse=True)
    assert found.cause.calls <= 45


def test_a_batch_that_is_too_large_is_told_by_its_size() -> None:
    found = company_of(lambda batch: batch.rows > 200, made().head(1000))

    assert isinstance(found, Failure)
    assert "a batch of 201 rows or more, whatever they are" == found.cause.rule


def test_a_row_that_fails_by_its_neighbour_names_the_neighbour() -> None:
    trial = trial_of(Shipments(lambda b: np.zeros(b.rows, bool), "nan"))

    def fails(batch: Batch) -> Mask:
        zero = n(batch, "quantity") == 0
        return np.asarray(among(batch, "region", "west") & zero.any() & ~zero, bool)

    rows = shipments().head(30)
    odd = rows.take(np.array([7])).put(cells("quantity", "integer", [0]))
    west = rows.take(np.flatnonzero(among(rows, "region", "west")))
    (found,) = failures(trial, Bulk(fails), join([west, odd]), lambda row: "wrong")

    assert () == found.cause.columns
    assert "with this other row in the batch" in found.cause.rule
    assert "quantity = 0" in found.cause.rule


DEADLY = ["log of a negative number", "a category that the dictionary lacks", "int16 overflows"]


@pytest.mark.parametrize("name", DEADLY)
def test_a_model_that_dies_on_one_value_is_told_with_its_row(name: str) -> None:
    bug, rule = next((bug, rule) for called, bug, rule in BUGS if called == name)
    model = Shipments(bug, "die")
    first = int(failing(name)[0]) // BATCH * BATCH
    batch = made().take(np.arange(first, first + BATCH))

    found = locate(trial_of(model), batch, gone=Broken("its process ended with exit code 139"))

    assert found.trouble is not None
    assert rule == found.trouble.failure.cause.rule
    assert "its process ended with exit code 139" == found.trouble.failure.observed
    assert found.rule is not None and not found.hung


def test_a_model_that_dies_on_several_cells_together_is_told_with_its_row_and_cells() -> None:
    bug, rule = next((bug, rule) for called, bug, rule in BUGS if called == "three columns")
    first = int(failing("three columns")[0]) // BATCH * BATCH
    batch = made().take(np.arange(first, first + BATCH))

    found = locate(trial_of(Shipments(bug, "die")), batch, gone=Broken("it died"))

    assert found.trouble is not None
    assert rule == found.trouble.failure.cause.rule


def test_a_model_that_takes_its_time_to_die_is_not_said_to_hang() -> None:
    class Slow(Shipments):
        def answer(self, batch: Batch, *, method: str) -> Answer:
            if (n(batch, "quantity") > 50_000).any():
                threading.Event().wait(0.8)  # as one that fills its memory on a busy machine
                raise Broken("it took too much memory")
            return super().answer(batch, method=method)

    model = Slow(lambda b: np.zeros(b.rows, bool), "nan")

    found = locate(trial_of(model), made().head(BATCH), gone=Broken("it took too much memory"))

    assert found.trouble is not None
    assert "it took too much memory" == found.trouble.failure.observed
    assert ("quantity",) == found.trouble.failure.cause.columns


def test_rows_that_only_take_long_are_not_said_to_hang() -> None:
    settings = Settings(rows=300, seconds=60.0)
    model = Shipments(lambda b: np.zeros(b.rows, bool), "nan")
    trial = open_trial(claims(), model, shipments(), settings=settings, reopen=lambda: model)

    with trial.running("valid-rows-are-answered"):
        found = locate(trial, made().head(BATCH), gone=Hangs("the model hangs: no answer"))

    assert found.slow and found.trouble is None


def test_a_model_that_hangs_on_a_value_is_told_with_its_row_and_the_sweep_goes_on() -> None:
    never = threading.Event()

    class Stuck(Shipments):
        def answer(self, batch: Batch, *, method: str) -> Answer:
            if (n(batch, "quantity") > 50_000).any():
                never.wait()
            return super().answer(batch, method=method)

    def opened() -> Stuck:
        return Stuck(lambda b: np.zeros(b.rows, bool), "nan")

    settings = Settings(rows=2000, seconds=12.0)
    trial = open_trial(claims(), opened(), shipments(), settings=settings, reopen=opened)
    check = next(c for c in checks_for(claims()) if c.id == "valid-rows-are-answered")

    found = examine(trial, check)
    never.set()

    (failure,) = found.failures
    assert ("quantity",) == failure.cause.columns
    assert failure.row["quantity"] > 50_000
    assert "the model hangs" in failure.observed
    assert trial.sweep is not None and trial.sweep.rows > 100


def test_an_oracle_for_single_rows_gets_no_more_calls_than_the_others() -> None:
    for name, bug, rule in BUGS[2:20:4]:
        asked = 0

        def fails(row: Batch, bug: Bug = bug) -> bool:
            nonlocal asked
            asked += row.rows
            return bool(bug(row)[0])

        row = made().take(failing(name)[:1])
        passing = shipments().take(np.flatnonzero(~bug(shipments())))
        trial = trial_of(Shipments(bug, "nan"))
        found = explain(Single(fails), row, passing, trial.pools)

        assert columns_of(rule) == set(found.rule.columns), name
        assert asked <= MOST_CALLS + 15, name
