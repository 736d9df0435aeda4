"""Two answers to the same rows, compared: which rows differ, shown as a failure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from harness.contract.batch import Answer, Array, Batch, Refusal
from harness.contract.claims import declared
from harness.contract.outputs import differs, nearly_tied, shown, tolerance
from harness.contract.promise import Cause, Failure, Skip
from harness.contract.trial import Probe, Trial


def rearranged(
    trial: Trial, orders: Sequence[tuple[str, Array]], among: Probe | None = None
) -> Iterator[Failure]:
    """Yield the first row that is answered otherwise when the rows (those to probe with, or those
    *among*) are taken in some order."""
    probe = among or trial.probe
    for how, order in orders:
        batch = probe.rows.take(order)
        for role, answer in probe.answers.items():
            wanted = rows_of(answer, order.tolist())
            found = difference(trial, role, batch, wanted, trial.answer(batch, role), how)
            if found is not None:
                yield found
                return


def unchanged(
    trial: Trial, batches: Sequence[tuple[str, Batch]], among: Probe | None = None
) -> Iterator[Failure]:
    """Yield the first row that is answered otherwise in one of *batches* than in the probe, or
    than *among* other rows."""
    probe = among or trial.probe
    for how, batch in batches:
        for role, wanted in probe.answers.items():
            found = difference(trial, role, batch, wanted, trial.answer(batch, role), how)
            if found is not None:
                yield found
                return


def rows_of(answer: Answer, indices: list[int]) -> Answer:
    """Return the part of *answer* for the rows at *indices*."""
    if not answer.values.ndim:
        return answer
    return replace(answer, values=answer.values[np.array(indices, int)])


def difference(
    trial: Trial, role: str, batch: Batch, wanted: Answer, given: Answer, how: str
) -> Failure | None:
    """Return the first row of *batch* for which *given* is not what was *wanted*, if any."""
    rows = apart(trial, role, batch, wanted, given)
    if not len(rows):
        return None
    row, claims = int(rows[0]), trial.claims
    if given.values.shape != wanted.values.shape:
        return Failure(
            row=batch.row(row),
            observed=f"an answer of shape {wanted.values.shape}; {how}: {given.values.shape}",
            cause=Cause(columns=(), rule=f"{how}: another shape"),
        )
    before, after = shown(claims, {role: wanted}, row), shown(claims, {role: given}, row)
    return Failure(
        row=batch.row(row),
        observed=f"{before}; {how}: {after}",
        cause=Cause(columns=(), rule=f"{how}: {len(rows)} of {batch.rows} rows differ"),
    )


def apart(trial: Trial, role: str, batch: Batch, wanted: Answer, given: Answer) -> Array:
    """Return which rows of *batch* differ; a label may flip where probabilities are tied."""
    claims = trial.claims
    if given.values.shape != wanted.values.shape:
        return np.arange(batch.rows)
    differing = differs(claims, wanted, given)
    if role == "labels" and differing.any() and "probabilities" in trial.roles:
        answers = {"probabilities": trial.answer(batch, "probabilities")}
        near = tolerance(claims, *answers.values())
        differing &= ~nearly_tied(trial.read(batch.rows, answers), near)
    return np.flatnonzero(differing)


def other_forms(trial: Trial, batches: Sequence[tuple[str, Batch]]) -> Iterator[Failure]:
    """Like ``unchanged``, but a refusal by a declared error is no wrong answer: it skips."""
    refused: Refusal | None = None
    for form in batches:
        try:
            found = next(unchanged(trial, [form]), None)
        except Refusal as refusal:
            refused = refused or refusal
            continue
        if found is not None:
            yield found
            return
    if refused is not None:
        raise_unless_declared(trial, refused)


def raise_unless_declared(trial: Trial, refusal: Refusal) -> None:
    """Raise Skip for a refusal by a declared error, else the refusal itself."""
    if declared(trial.claims, refusal):
        raise Skip(f"refused: {refusal}") from refusal
    raise refusal
