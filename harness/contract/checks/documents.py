"""What holds for documents: their keys, their numbers, and documents that no schema admits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from harness.contract.batch import Batch, Refusal
from harness.contract.checks import hostile as of_rows
from harness.contract.claims import declared
from harness.contract.compared import difference, rows_of
from harness.contract.documents.hostile import hostile_pass
from harness.contract.documents.rows import batch_of, list_of
from harness.contract.documents.tree import Path, mapped, pointer
from harness.contract.documents.trial import DocumentTrial
from harness.contract.promise import Cause, Check, Failure, Skip, hostile, structural
from harness.contract.trial import Trial

_EXTRA = "harness extra"
_EXACT = 2**53


@structural
def training_documents_fit_the_schema(trial: Trial) -> Iterator[Failure]:
    """Every training document is one that the schema admits."""
    documents = list_of(trial.training) if trial.training.columns else []
    if not documents:
        raise Skip("there are no training documents")
    schema = _of_documents(trial).schema
    bad = [document for document in documents if not schema.admits(document)]
    if bad:
        path, keyword = schema.problem(bad[0])
        where = pointer(path) or "the document"
        rule = f"{where} breaks {keyword} ({len(bad)} of {len(documents)} documents break a rule)"
        yield Failure(
            row={"document": bad[0]},
            observed=f"a training document breaks the schema's {keyword}",
            cause=Cause(columns=(pointer(path),) if path else (), rule=rule),
        )


@structural
def key_order_does_not_matter(trial: Trial) -> Iterator[Failure]:
    """The keys of an object are known by name, whatever their order."""

    def turned(path: Path, value: Any) -> Any:
        return dict(reversed(value.items())) if isinstance(value, dict) else value

    yield from _otherwise(trial, lambda d: mapped(d, turned), "keys in reverse order")


@structural
def extra_keys_do_not_matter(trial: Trial) -> Iterator[Failure]:
    """Keys that the schema admits and doesn't name are no input."""
    schema = _of_documents(trial).schema

    def extended(path: Path, value: Any) -> Any:
        described = schema.at(path) or {}
        free = "properties" in described and not isinstance(
            described.get("additionalProperties"), Mapping
        )
        open_ = free and not described.keys() & {"patternProperties", "propertyNames"}
        return {**value, _EXTRA: "?"} if open_ and isinstance(value, dict) else value

    yield from _otherwise(trial, lambda d: mapped(d, extended), "with an extra key")


@structural
def whole_numbers_may_be_floats(trial: Trial) -> Iterator[Failure]:
    """A whole number is the same whether JSON writes it as 1 or as 1.0."""

    def floated(path: Path, value: Any) -> Any:
        whole = isinstance(value, int) and not isinstance(value, bool)
        return float(value) if whole and abs(value) < _EXACT else value

    yield from _otherwise(trial, lambda d: mapped(d, floated), "with 1.0 in place of 1")


def _otherwise(trial: Trial, change: Callable[[Any], Any], how: str) -> Iterator[Failure]:
    """Yield the first document that is answered otherwise when it is changed in a way that says
    the same; a declared refusal is no answer."""
    schema = _of_documents(trial).schema
    probe = trial.probe
    old = list_of(probe.rows)
    made = [change(document) for document in old]
    chosen = [
        i
        for i, (one, other) in enumerate(zip(old, made, strict=True))
        if _written(one) != _written(other) and schema.admits(other)
    ]
    if not chosen:
        raise Skip(f"no document to probe with can be written {how}")
    batch = batch_of([made[i] for i in chosen])
    for role, answer in probe.answers.items():
        try:
            given = trial.answer(batch, role)
        except Refusal as refusal:
            if declared(trial.claims, refusal):
                raise Skip(f"documents {how} are refused: {refusal.type}") from refusal
            yield _first_refused(trial, batch, role, how)
            return
        found = difference(trial, role, batch, rows_of(answer, chosen), given, how)
        if found is not None:
            yield found
            return


def _written(value: Any) -> str:
    return repr(value)


def _first_refused(trial: Trial, batch: Batch, role: str, how: str) -> Failure:
    for number in range(batch.rows):
        one = batch.take(np.array([number]))
        try:
            trial.answer(one, role)
        except Refusal as refusal:
            cause = Cause(columns=(), rule=how)
            return Failure(row=one.row(0), observed=f"{how}: raised {refusal}", cause=cause)
    cause = Cause(columns=(), rule=f"{how}: a batch of {batch.rows}, no document of it alone")
    return Failure(row=batch.row(0), observed=f"{how}: the batch is refused", cause=cause)


@hostile
def hostile_documents_are_answered_or_refused(trial: Trial) -> Iterator[Failure]:
    """A document that the schema doesn't admit is answered, or refused with a declared error."""
    yield from _as_of_rows(trial, of_rows.hostile_rows_are_answered_or_refused)


@hostile
def hostile_documents_get_no_silent_nonsense(trial: Trial) -> Iterator[Failure]:
    """A document that the schema doesn't admit gets no NaN, bad probability or unknown label."""
    yield from _as_of_rows(trial, of_rows.hostile_rows_get_no_silent_nonsense)


@hostile
def hostile_documents_spoil_no_other_document(trial: Trial) -> Iterator[Failure]:
    """A document that the schema doesn't admit changes no other document's answer."""
    yield from _as_of_rows(trial, of_rows.hostile_rows_spoil_no_other_row)


@hostile
def another_spelling_of_a_value_is_refused_or_answered_the_same(trial: Trial) -> Iterator[Failure]:
    """A value that is admitted is refused in another spelling, or answered like the clean one."""
    yield from _as_of_rows(trial, of_rows.another_spelling_is_refused_or_answered_the_same)


def _as_of_rows(trial: Trial, check: Check) -> Iterator[Failure]:
    hostile_pass(_of_documents(trial))
    yield from check.evidence(trial)


def _of_documents(trial: Trial) -> DocumentTrial:
    if not isinstance(trial, DocumentTrial):
        raise Skip("the inputs are no documents")
    return trial
