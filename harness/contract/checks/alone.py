"""A row by itself: answered as among others."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from harness.contract.batch import Answer, Array, Batch, Refusal, join
from harness.contract.compared import apart, rearranged, rows_of
from harness.contract.failures import failures
from harness.contract.further import many_real, share_of, with_unseen
from harness.contract.oracle import Single
from harness.contract.outputs import differs, shape_problem, shown
from harness.contract.promise import Failure, Skip, structural
from harness.contract.trial import Probe, Trial

_SINGLES, _MOST_SINGLES = 16, 128
_SECONDS_ALONE = 0.15
_FEW_ANSWERS = 16


@structural
def batch_equals_single(trial: Trial) -> Iterator[Failure]:
    """A row is answered alone as it is within a batch."""
    probe = trial.probe
    count = probe.rows.rows
    first = np.unique(np.linspace(0, count - 1, min(_SINGLES, count)).astype(int))
    for role in trial.roles:
        began = time.monotonic()
        found = list(_alone(trial, role, probe, first))
        a_call = (time.monotonic() - began) / len(first)
        seconds = share_of(trial, _SECONDS_ALONE) / len(trial.roles)
        most = int(min(_MOST_SINGLES, seconds / max(a_call, 1e-6)))
        if not found and not _refused_alone(trial, role):
            found = list(_others_alone(trial, role, most))
        if found:
            yield from found
            return
    if count > 1:
        halves = np.arange(count // 2), np.arange(count // 2, count)
        parts = [("in half the batch", half) for half in halves]
        parts += [(f"in a batch of {n}", np.arange(n)) for n in _square(trial) if n < count]
        yield from rearranged(trial, parts)


def _refused_alone(trial: Trial, role: str) -> bool:
    """Whether the first row is refused alone: the check of one row tells of it."""
    try:
        trial.answer(trial.probe.rows.head(1), role)
    except Refusal:
        return True
    return False


def _others_alone(trial: Trial, role: str, most: int) -> Iterator[Failure]:
    """Ask up to *most* more rows alone: ones with an unseen value, and real ones whose answers are
    spread over all that there are."""
    unseen, real = with_unseen(trial), many_real(trial)
    if unseen is not None:
        count = unseen.rows.rows
        few = np.linspace(0, count - 1, min(count, most // 3)).astype(int)
        yield from _alone(trial, role, unseen, few)
    among = real or trial.probe
    yield from _alone(trial, role, among, _various(among.answers[role], most))


def _various(answer: Answer, most: int) -> Array:
    """Return up to *most* rows whose answers are spread over all: evenly in their order, and the
    first of each where there are few."""
    values = answer.values.reshape(len(answer.values), -1)[:, -1]
    if values.dtype.kind not in "fiub":
        values = values.astype(str)
    order = np.argsort(values, kind="stable")
    _, firsts = np.unique(values, return_index=True)
    firsts = firsts if len(firsts) <= _FEW_ANSWERS else firsts[:0]
    even = order[np.linspace(0, len(order) - 1, min(most, len(order))).astype(int)]
    return np.array(list(dict.fromkeys([*firsts.tolist(), *even.tolist()]))[:most], int)


def _alone(trial: Trial, role: str, among: Probe, rows: Array) -> Iterator[Failure]:
    """Yield why one of *rows* is answered otherwise alone than *among* the others, if one is."""
    for row in rows.tolist():
        one, within = among.rows.take(np.array([row])), rows_of(among.answers[role], [row])
        try:
            alone = trial.answer(one, role)
        except Refusal as refusal:
            if row == 0 and among is trial.probe:
                return  # told by the check of one row; larger parts tell more
            told = f"raised {refusal}"
        else:
            if shape_problem(trial.claims, role, alone, 1):
                raise Skip("one row alone gets no answer of the claimed shape: see one-row")
            if not len(apart(trial, role, one, within, alone)):
                continue
            told = shown(trial.claims, {role: alone}, 0)
        batch = f"in a batch of {among.rows.rows}"
        seen = f"alone {told}; {batch} {shown(trial.claims, {role: within}, 0)}"
        yield from _explained(trial, role, one, among.rows, seen)
        return


def _square(trial: Trial) -> list[int]:
    """Return the numbers of rows at which an answer or its input is as wide as it is long, and
    their like: there a model may take rows for columns."""
    return sorted({2, 3, trial.claims.width, len(trial.claims.columns)} - {1})


def _explained(
    trial: Trial, role: str, one: Batch, context: Batch, at_first: str
) -> Iterator[Failure]:
    def within(row: Batch) -> Answer:
        return rows_of(trial.answer(join([context, row]), role), [-1])

    def alone(row: Batch) -> Answer | Refusal:
        try:
            return trial.answer(row, role)
        except Refusal as refusal:
            return refusal

    def fails(row: Batch) -> bool:
        try:
            wanted = within(row)
        except Refusal:
            return False
        given = alone(row)
        return isinstance(given, Refusal) or bool(differs(trial.claims, wanted, given)[0])

    def observed(row: Batch) -> str:
        wanted, given = within(row), alone(row)
        told = (
            f"raised {given}"
            if isinstance(given, Refusal)
            else shown(trial.claims, {role: given}, 0)
        )
        return (
            f"alone {told}; in a batch of "
            f"{context.rows + 1} {shown(trial.claims, {role: wanted}, 0)}"
        )

    yield from failures(trial, Single(fails), one, observed, at_first=at_first, made=False)
