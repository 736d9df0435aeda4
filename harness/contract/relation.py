"""A declared relation at work: rows changed by the project's own function, answers compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.contract.batch import Answer, Array, Batch, Cells, Mask, Refusal, from_column
from harness.contract.cells import cells
from harness.contract.domain import admits
from harness.contract.judged import like
from harness.contract.outputs import differs, nearly_tied, tolerance
from harness.contract.promise import Skip
from harness.contract.trial import Trial
from harness.runtime.frame import Column
from harness.spec.project import Relation

Function = Callable[..., Sequence[Column]]


class NoRelation(Exception):
    """The project's function raised, or gave back what is no changed row; the message says so."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """Rows and what became of them. *broken* marks those that break the relation; *before* and
    *after* are the answers by role to the rows at *asked*, which the schema admits once changed."""

    changed: Batch
    asked: Array
    broken: Mask
    before: Mapping[str, Answer]
    after: Mapping[str, Answer]


def compared(trial: Trial, relation: Relation, batch: Batch) -> Compared:
    """Return *batch* before and after the change.

    Raises NoRelation, Skip where this way to the model runs no function of the project, and what
    asking the model raises.
    """
    found = changed(trial, relation, batch)
    fine = np.ones(batch.rows, bool)
    for domain in trial.claims.domains:
        fine &= admits(domain, found[domain.name])
    asked = np.flatnonzero(fine)
    broken = np.zeros(batch.rows, bool)
    before: Mapping[str, Answer] = {}
    after: Mapping[str, Answer] = {}
    if len(asked):
        before = trial.answers(batch.take(asked))
        after = trial.answers(found.take(asked))
        trial.well_formed(len(asked), before)
        trial.well_formed(len(asked), after)
        broken[asked] = _breaks(trial, relation.expect, before, after)
    return Compared(changed=found, asked=asked, broken=broken, before=before, after=after)


def changed(trial: Trial, relation: Relation, batch: Batch) -> Batch:
    """Return *batch* as the relation changes it, its columns held as *batch* holds them."""
    found = _asked(trial, relation.change, batch)
    made = Batch.from_columns(found)
    missing = [name for name in trial.claims.columns if name not in made.names]
    if missing:
        raise NoRelation(f"{relation.change} gave back no column {', '.join(missing)}")
    held = like(made.only(trial.claims.columns), batch)
    return replace(held, columns=tuple(_as_before(c, batch[c.name]) for c in held.columns))


def _as_before(column: Cells, before: Cells) -> Cells:
    if before.kind == "integer" and column.kind == "number" and not column.absent.any():
        whole = column.values == np.floor(column.values)
        if (whole & (np.abs(column.values) < 2.0**62)).all():
            column = replace(column, kind="integer", values=column.values.astype(np.int64))
    same = column.kind == before.kind
    return replace(column, dtype=before.dtype if same else "")


def _breaks(
    trial: Trial, expect: str, before: Mapping[str, Answer], after: Mapping[str, Answer]
) -> Mask:
    main = trial.main
    if expect == "equal":
        return unequal(trial, before, after)
    if expect in ("up", "down"):
        sign = 1.0 if expect == "up" else -1.0
        low, high = (
            sign * a[main].values.astype(float).reshape(len(a[main].values), -1)[:, -1]
            for a in (before, after)
        )
        near = tolerance(trial.claims, before[main], after[main])
        with np.errstate(invalid="ignore"):
            limit = near.absolute + near.relative * np.maximum(np.abs(low), np.abs(high))
            return np.asarray(low - high > limit, bool)
    pair = Batch(columns=tuple(_flat(n, a[main]) for n, a in (("b", before), ("a", after))))
    (said,) = _asked(trial, expect, pair, shape=before[main].values.shape)
    return np.asarray(~from_column(said).values.astype(bool), bool)


def unequal(trial: Trial, before: Mapping[str, Answer], after: Mapping[str, Answer]) -> Mask:
    """Return which rows two answers by role differ on; a label may flip where probabilities tie."""
    rows = len(before[trial.main].values)
    found = np.zeros(rows, bool)
    for role, answer in before.items():
        apart = differs(trial.claims, answer, after[role])
        if role == "labels" and "probabilities" in before and apart.any():
            reading = trial.read(rows, {"probabilities": before["probabilities"]})
            apart &= ~nearly_tied(reading, tolerance(trial.claims, before["probabilities"]))
        found |= apart
    return found


def _flat(name: str, answer: Answer) -> Cells:
    kind = {"f": "number", "i": "integer", "u": "integer", "b": "boolean"}
    listed = answer.values.ravel().tolist()
    held = kind.get(answer.values.dtype.kind, "mixed")
    if held == "mixed" and all(isinstance(value, str) for value in listed):
        held = "string"
    return cells(name, held, listed)


def _asked(trial: Trial, function: str, batch: Batch, **more: Any) -> Sequence[Column]:
    if not hasattr(trial.model, "function"):
        raise Skip("this way to the model runs no function of its project")
    try:
        return trial.call(lambda model: model.function(function, batch, **more))  # type: ignore[attr-defined]
    except Refusal as refusal:
        unusable = refusal.type == "Unusable"
        told = refusal.message if unusable else f"{function} raised {refusal}"
        raise NoRelation(told) from refusal
