"""Models that take documents: what a healthy one passes, and how each bug is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from orders import LABELS, SCHEMA, Bug, Model, orders

from harness.contract.checks.catalogue import checks_for
from harness.contract.claims import Claims, claims_of
from harness.contract.deadline import Worker
from harness.contract.documents.rows import batch_of, list_of
from harness.contract.documents.trial import DocumentTrial
from harness.contract.in_process import InProcess
from harness.contract.promise import Outcome, Report, Settings
from harness.contract.run import examine, open_trial, run
from harness.core.errors import SpecInvalid
from harness.spec.project import Contract, Outputs
from harness.spec.project import Model as Declared

SHORT = Settings(rows=500, seconds=30.0)


def claims(**changes: Any) -> Claims:
    made: dict[str, Any] = {
        "inputs": SCHEMA,
        "outputs": Outputs(kind="probabilities", labels=LABELS),
    }
    return claims_of(Declared(name="orders", input="documents"), Contract(**(made | changes)))


def door(model: Any) -> InProcess:
    return InProcess(model, ["predict_proba"], kind="documents", folder=Path.cwd(), worker=Worker())


def checked(model: Any, **changes: Any) -> Report:
    return run(claims(**changes), door(model), batch_of(orders()), settings=SHORT)


def asked(model: Any, check: str, rows: list[Any] | None = None) -> Outcome:
    """What one check finds, without the others."""
    declared = claims()
    rows = orders() if rows is None else rows
    trial = open_trial(declared, door(model), batch_of(rows), settings=SHORT)
    return examine(trial, next(found for found in checks_for(declared) if found.id == check))


def test_a_healthy_model_fails_no_check() -> None:
    report = checked(Model())

    assert () == report.failed, report.text
    assert report.rows >= 400
    assert {"passed", "skipped"} == {check.outcome for check in report.checks}


def raising(error: type[Exception], when: Callable[[dict[str, Any]], bool]) -> Bug:
    def bug(order: dict[str, Any], chance: float) -> float:
        if when(order):
            raise error("planted")
        return chance

    return bug


def answering(answer: float, when: Callable[[dict[str, Any]], bool]) -> Bug:
    return lambda order, chance: answer if when(order) else chance


def plan_of(order: dict[str, Any]) -> Any:
    return order["customer"].get("plan")


BUGS = {
    "a threshold deep inside": (
        answering(1.3, lambda order: order["customer"]["age"] > 120),
        "probabilities-lie-between-zero-and-one",
        "/customer/age > 120",
    ),
    "an empty array": (
        raising(ZeroDivisionError, lambda order: not order["items"]),
        "valid-rows-are-answered",
        "length of /items == 0",
    ),
    "a long array": (
        answering(float("nan"), lambda order: len(order["items"]) > 7),
        "probabilities-are-finite",
        "length of /items > 7",
    ),
    "a null": (
        raising(AttributeError, lambda order: order.get("coupon", "") is None),
        "valid-rows-are-answered",
        "/coupon == null",
    ),
    "a key that may be lacking": (
        raising(KeyError, lambda order: "plan" not in order["customer"]),
        "valid-rows-are-answered",
        "/customer/plan is missing",
    ),
    "two places together": (
        answering(-0.5, lambda o: plan_of(o) == "gold" and o["customer"]["age"] < 5),
        "probabilities-lie-between-zero-and-one",
        {"/customer/age", "/customer/plan"},
    ),
}


@pytest.mark.parametrize("name", BUGS)
def test_a_bug_is_one_document_with_the_places_to_blame(name: str) -> None:
    bug, check, cause = BUGS[name]

    found = asked(Model(bug), check)

    assert "failed" == found.outcome
    told = found.failures[0]
    if isinstance(cause, set):
        assert cause == set(told.cause.columns)
    else:
        assert cause == told.cause.rule
    assert {"document"} == set(told.row)
    assert told.cause.calls <= 60


class Turned(Model):
    """Takes the first key's value for granted."""

    def predict_proba(self, documents: list[Any]) -> list[list[float]]:
        answers = super().predict_proba(documents)
        return [
            answer if next(iter(order)) == "customer" else answer[::-1]
            for order, answer in zip(documents, answers, strict=True)
        ]


class Filling(Model):
    """Writes what is lacking into the documents that it is given, deep inside."""

    def predict_proba(self, documents: list[Any]) -> list[list[float]]:
        answers = super().predict_proba(documents)
        for order in documents:
            order["customer"].setdefault("plan", "basic")
        return answers


class Relative(Model):
    """Relates each order to the others of its batch."""

    def predict_proba(self, documents: list[Any]) -> list[list[float]]:
        answers = super().predict_proba(documents)
        top = max((chance for _, chance in answers), default=1.0)
        return [[1 - chance / top, chance / top] for _, chance in answers]


class Lenient(Model):
    """Answers what is no order with NaN."""

    def predict_proba(self, documents: list[Any]) -> list[list[float]]:
        return [self._one(order) for order in documents]

    def _one(self, order: Any) -> list[float]:
        try:
            return super().predict_proba([order])[0]
        except Exception:
            return [float("nan")] * 2


class Careless(Model):
    """Raises what it never declared for a document that is none."""

    def predict_proba(self, documents: list[Any]) -> list[list[float]]:
        try:
            return super().predict_proba(documents)
        except (ValueError, TypeError, KeyError) as wrong:
            raise RuntimeError("internal") from wrong


@pytest.mark.parametrize(
    ("model", "check"),
    [
        (Turned(), "key-order-does-not-matter"),
        (Filling(), "the-input-is-left-alone"),
        (Relative(), "batch-equals-single"),
        (Lenient(), "hostile-documents-get-no-silent-nonsense"),
        (Careless(), "hostile-documents-are-answered-or-refused"),
        (Model(lambda o, p: p / 2 if len(o) > 3 else p), "extra-keys-do-not-matter"),
        (
            Model(lambda o, p: p / 2 if isinstance(o["customer"]["age"], float) else p),
            "whole-numbers-may-be-floats",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_broken_promise_fails_its_own_check(model: Model, check: str) -> None:
    found = asked(model, check)

    assert "failed" == found.outcome
    assert found.failures[0].observed


def test_training_documents_outside_the_schema_are_told_with_the_place() -> None:
    odd = {"customer": {"age": 151}, "items": []}

    found = asked(Model(), "training-documents-fit-the-schema", [*orders(20), odd])

    (told,) = found.failures
    assert ("/customer/age",) == told.cause.columns
    assert "151" not in told.observed


def test_documents_are_made_where_no_training_data_are() -> None:
    report = run(claims(), door(Model()), batch_of([]), settings=SHORT)

    assert () == report.failed, report.text
    assert any("no training documents" in note for note in report.notes)


def test_a_schema_that_no_document_satisfies_is_said_so() -> None:
    nothing = {**SCHEMA, "allOf": [{"required": ["total"]}, {"not": {"required": ["total"]}}]}

    with pytest.raises(SpecInvalid, match="no document is known that the schema admits"):
        run(claims(inputs=nothing), door(Model()), batch_of([]), settings=SHORT)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({**SCHEMA, "$dynamicRef": "#x"}, "/$dynamicRef: not understood"),
        ({**SCHEMA, "properties": {"a": {"$ref": "http://x/y"}}}, "/properties/a/$ref"),
        ({**SCHEMA, "properties": {"a": {"minimum": "1"}}}, "/properties/a/minimum"),
        ({**SCHEMA, "properties": {"a": {"formatMinimum": "soon"}}}, "RFC 3339"),
    ],
)
def test_a_schema_that_is_not_understood_is_refused_by_name(schema: Any, words: str) -> None:
    with pytest.raises(SpecInvalid, match=words.replace("$", r"\$")):
        run(claims(inputs=schema), door(Model()), batch_of([]), settings=SHORT)


def test_claims_about_columns_are_refused() -> None:
    with pytest.raises(SpecInvalid, match=r"contract\.monotone: speaks of columns"):
        claims(monotone={"customer": "up"})


def test_document_number_i_of_a_seed_is_always_the_same() -> None:
    def made() -> list[Any]:
        trial = open_trial(claims(), door(Model()), batch_of(orders()), settings=SHORT)
        assert isinstance(trial, DocumentTrial)
        return list_of(trial.make(0, 300).batch)

    first, second = made(), made()

    assert first == second
    assert 300 == len(first)


def test_every_made_document_is_one_that_the_schema_admits() -> None:
    trial = open_trial(claims(), door(Model()), batch_of(orders()), settings=SHORT)
    assert isinstance(trial, DocumentTrial)

    documents = list_of(trial.make(0, 500).batch)

    assert all(trial.schema.admits(document) for document in documents)
    assert any(document["items"] == [] for document in documents)
    assert any("harness extra" in document for document in documents)
