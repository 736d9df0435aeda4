"""Real rows that get no answer, and values never seen before: told once, in one place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from harness.contract.batch import Answer, Batch, Broken, Mask, Refusal, cells
from harness.contract.checks.catalogue import checks_for
from harness.contract.checks.on_dev import no_slice_is_answered_worse_on_dev
from harness.contract.checks.outputs import valid_rows_are_answered
from harness.contract.claims import Claims, claims_of
from harness.contract.promise import Failure, Report, Settings
from harness.contract.run import examine, open_trial, run
from harness.spec.project import Contract, Model, Outputs

SHOPS = ("north", "south", "west")
SCHEMA = {
    "type": "object",
    "properties": {
        "x": {"type": "number", "minimum": -10, "maximum": 10},
        "shop": {"type": "string", "enum": list(SHOPS), "x-harness-open": True},
        "note": {"type": "string", "maxLength": 200},
    },
}
SETTINGS = Settings(rows=3000, seconds=60.0)
VALID, UNSEEN = "valid-rows-are-answered", "unseen-values-in-open-columns-are-answered"


class Fake:
    """Answers three times x, but what *spoil* does to its rows; refuses what the schema doesn't
    admit."""

    methods = ("predict",)

    def __init__(self, spoil: Callable[[Batch, np.ndarray], np.ndarray]) -> None:
        self.spoil = spoil

    def answer(self, batch: Batch, *, method: str) -> Answer:
        kinds = {column.name: column.kind for column in batch.columns}
        wanted = {"x": ("number", "integer"), "shop": ("string",), "note": ("string",)}
        if any(kinds.get(name) not in held for name, held in wanted.items()):
            raise Refusal("ValueError", ["ValueError"], "not my columns")
        x = batch["x"].values
        if any(batch[name].absent.any() for name in wanted) or not (np.abs(x) <= 10).all():
            raise Refusal("ValueError", ["ValueError"], "not my values")
        return Answer(values=self.spoil(batch, 3 * x.astype(float)))


def refusing(bad: Callable[[Batch], Mask]) -> Fake:
    def spoil(batch: Batch, values: np.ndarray) -> np.ndarray:
        if bad(batch).any():
            raise Refusal("ValueError", ["ValueError"], "this one is beyond me")
        return values

    return Fake(spoil)


def with_nan(bad: Callable[[Batch], Mask]) -> Fake:
    return Fake(lambda batch, values: np.where(bad(batch), np.nan, values))


def has(text: str, column: str = "note") -> Callable[[Batch], Mask]:
    return lambda batch: np.array([text in held for held in batch[column].values], bool)


def drawn(rows: int = 400, *, special: int = 0, seed: int = 0) -> Batch:
    """Rows with their outcome y; the note of *special* ones has a word that no other has."""
    draw = np.random.default_rng(seed)
    x = draw.uniform(-10, 10, rows)
    notes = [f"order {n} of {x[n]:.1f}" + " chargeback" * (n % 30 == 7) for n in range(rows)]
    notes = [n.replace(" chargeback", "") if i >= 30 * special else n for i, n in enumerate(notes)]
    return Batch(
        columns=(
            cells("x", "number", x.tolist()),
            cells("shop", "string", draw.choice(SHOPS, rows).tolist()),
            cells("note", "string", notes),
            cells("y", "number", (3 * x + draw.normal(0, 1, rows)).tolist()),
        )
    )


def claims(**changes: Any) -> Claims:
    changes = {"outputs": Outputs(kind="regression"), "errors": ("ValueError",), **changes}
    contract = Contract(inputs=SCHEMA, **changes)
    return claims_of(Model(name="fake"), contract, target="y")


def report_of(model: Fake, dev: Batch | None = None, **changes: Any) -> Report:
    return run(claims(**changes), model, drawn(), settings=SETTINGS, dev=dev)


def told(report: Report) -> dict[str, list[Failure]]:
    return {check.id: list(check.failures) for check in report.failed}


def test_dev_rows_that_are_refused_fail_one_check_with_their_cause_and_are_counted() -> None:
    dev = drawn(special=12, seed=1)

    report = report_of(refusing(has("chargeback")), dev, slices={"shop": 5.0})

    found = told(report)
    assert [VALID] == list(found), report.text
    (failure,) = found[VALID]
    assert ("note",) == failure.cause.columns
    assert "chargeback" in failure.row["note"]
    assert "raised ValueError: this one is beyond me" == failure.observed
    counted = (
        "12 of 400 dev rows are not answered (ValueError: this one is beyond me): "
        "figures are over the other 388"
    )
    assert 1 == report.notes.count(counted), report.notes
    assert report.rows == SETTINGS.rows, "the sweep goes on"


def test_dev_rows_that_get_nan_fail_the_check_of_finite_answers_and_are_counted() -> None:
    dev = drawn(special=12, seed=1)

    report = report_of(with_nan(has("chargeback")), dev, slices={"shop": 5.0})

    found = told(report)
    assert ["values-are-finite"] == list(found), report.text
    assert ("note",) == found["values-are-finite"][0].cause.columns
    counted = (
        "12 of 400 dev rows are not answered (NaN or infinite): figures are over the other 388"
    )
    assert 1 == report.notes.count(counted), report.notes


def test_refused_dev_rows_are_told_whether_or_not_another_check_asked_for_them() -> None:
    dev = drawn(special=12, seed=1)
    trial = open_trial(claims(), refusing(has("chargeback")), drawn(), settings=SETTINGS, dev=dev)

    outcome = examine(trial, valid_rows_are_answered)

    assert [("note",)] == [failure.cause.columns for failure in outcome.failures]


def test_two_causes_in_dev_rows_are_two_failures() -> None:
    dev = drawn(special=12, seed=1)
    texts = dev["note"].values.copy()
    texts[100:110] = "a stornierung of it"
    dev = dev.put(cells("note", "string", texts.tolist()))

    def spoil(batch: Batch, values: np.ndarray) -> np.ndarray:
        for word in ("chargeback", "stornierung"):
            if has(word)(batch).any():
                raise Refusal("ValueError", ["ValueError"], f"what is a {word}?")
        return values

    report = report_of(Fake(spoil), dev)

    words = {
        w for w in ("chargeback", "stornierung") for f in told(report)[VALID] if w in f.row["note"]
    }
    assert {"chargeback", "stornierung"} == words


def test_dev_rows_of_which_none_is_answered_are_skipped_with_the_reason() -> None:
    model = refusing(lambda batch: batch["x"].values < 99)
    trial = open_trial(
        claims(slices={"shop": 5.0}), model, drawn(), settings=SETTINGS, dev=drawn(seed=1)
    )

    outcomes = [examine(trial, no_slice_is_answered_worse_on_dev) for _ in range(2)]

    reason = "no dev row is answered (ValueError: this one is beyond me)"
    assert [("skipped", reason)] * 2 == [(o.outcome, o.reason) for o in outcomes]


def test_rows_that_are_all_answered_leave_no_word_about_it() -> None:
    report = report_of(Fake(lambda batch, values: values), drawn(seed=1))

    assert report.ok, report.text
    assert not any("answered" in note for note in report.notes)


def unknown(batch: Batch) -> Mask:
    return np.array([shop not in SHOPS for shop in batch["shop"].values], bool)


def test_a_model_that_answers_no_unseen_value_is_told_so_in_one_place() -> None:
    dev = drawn(seed=1)
    shops = dev["shop"].values.copy()
    shops[:20] = "east"

    report = report_of(refusing(unknown), dev.put(cells("shop", "string", shops.tolist())))

    found = told(report)
    assert [UNSEEN] == list(found), report.text
    (failure,) = found[UNSEEN]
    assert "shop is a value that training data don't have" == failure.cause.rule
    assert any("the sweep leaves out rows with one" in note for note in report.notes)
    assert any(note.startswith("20 of 400 dev rows are not answered") for note in report.notes)


@pytest.mark.parametrize("first", [UNSEEN, VALID])
def test_the_place_does_not_depend_on_which_check_runs_first(first: str) -> None:
    checks = {check.id: check for check in checks_for(claims())}
    trial = open_trial(claims(), refusing(unknown), drawn(), settings=SETTINGS)

    order = [first, *({UNSEEN, VALID} - {first})]
    outcomes = {name: examine(trial, checks[name]).outcome for name in order}

    assert {UNSEEN: "failed", VALID: "passed"} == outcomes


@pytest.mark.parametrize("first", [UNSEEN, VALID])
def test_a_model_that_dies_of_unseen_values_passes_neither_check(first: str) -> None:
    def dies(batch: Batch, values: np.ndarray) -> np.ndarray:
        if unknown(batch).any():
            raise Broken("it died of signal 11")
        return values

    checks = {check.id: check for check in checks_for(claims())}
    trial = open_trial(claims(), Fake(dies), drawn(), settings=SETTINGS, reopen=lambda: Fake(dies))

    order = [first, *({UNSEEN, VALID} - {first})]
    outcomes = {name: examine(trial, checks[name]).outcome for name in order}

    assert {UNSEEN: "failed", VALID: "failed"} == outcomes


def test_an_unseen_value_that_is_too_long_is_told_as_that_and_no_unseen_one() -> None:
    def long(batch: Batch) -> Mask:
        return np.array([len(shop) > 300 for shop in batch["shop"].values], bool)

    found = told(report_of(refusing(long)))

    assert [VALID] == list(found)
    (failure,) = found[VALID]
    assert "shop is longer than 300 characters" == failure.cause.rule
