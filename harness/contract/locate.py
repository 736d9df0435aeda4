"""LOCATE: from a batch that gets no answer to one row of it, its cause, and the rows to leave out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from harness.contract.batch import Batch, Broken, Refusal
from harness.contract.cause import explain
from harness.contract.failures import failure, left, passing_rows
from harness.contract.oracle import Single
from harness.contract.promise import Cause, Failure, OutOfTime
from harness.contract.rule import Rule
from harness.contract.trial import Malformed, Trial


@dataclass(frozen=True, kw_only=True, slots=True)
class Trouble:
    """Rows that got no answer in the claimed form: *kind* refused, shape or dtype."""

    kind: str
    failure: Failure


@dataclass(frozen=True, kw_only=True, slots=True)
class Located:
    """What is wrong with a batch. Rows that match *rule* may be left out and the rest asked again;
    None where nothing is known to help. *stop* says why one can't go on, *hung* that the model
    is gone or the time is up."""

    trouble: Trouble | None
    rule: Rule | None = None
    stop: str = ""
    hung: bool = False


def locate(trial: Trial, batch: Batch, *, gone: str = "") -> Located:
    """Return what is wrong with *batch*, which was not answered; *gone* says how the model died or
    hangs with it, if it does."""
    if gone:
        return Located(trouble=None, stop=gone, hung=True)
    part, seen = batch, _trouble(trial, batch)
    if seen is None:
        return Located(trouble=None, stop="stopped: the same batch was refused, then answered")
    while part.rows > 1:
        half = part.rows // 2
        first = part.head(half)
        trouble = _trouble(trial, first, [seen[0][2]])
        if trouble is None:
            part = part.take(np.arange(half, part.rows))
        else:
            part, seen = first, trouble
    alone = _trouble(trial, part)
    if alone is None:
        rule = f"depends on the other rows: a batch of {batch.rows}, no row of it alone"
        lost = Failure(row=part.row(0), observed=seen[1], cause=Cause(columns=(), rule=rule))
        return Located(
            trouble=Trouble(kind=seen[0][0], failure=lost),
            stop="stopped: a whole batch fails and no row of it alone",
        )
    return _explain(trial, part, alone)


def real_troubles(trial: Trial) -> Iterator[Located]:
    """Yield what is wrong with each kind of real (and kept) row that the model doesn't answer."""
    _, bad, _ = trial.sound
    kept = trial.kept("valid-rows-are-answered")
    for waiting in (bad, kept):
        while waiting is not None and waiting.rows:
            one = waiting.head(1)
            trouble = _trouble(trial, one)
            if trouble is None:
                waiting = waiting.take(np.arange(1, waiting.rows))
                continue
            found = _explain(trial, one, trouble)
            yield found
            if found.rule is None:
                return
            waiting = left(waiting, found.rule)


def _explain(trial: Trial, row: Batch, trouble: Seen) -> Located:
    key, message = trouble
    calls = trial.calls
    oracle = Single(lambda one: (_trouble(trial, one, [key[2]]) or (None,))[0] == key)
    try:
        answered = trial.sound[0]
        passing = passing_rows(trial, oracle) if answered is None else answered
        explained = explain(oracle, row, passing, trial.pools)
        again = _trouble(trial, explained.row)
    except (OutOfTime, Broken) as ended:
        cause = Cause(columns=(), rule=f"not found: {ended}", calls=trial.calls - calls)
        lost = Failure(row=row.row(0), observed=message, cause=cause)
        return Located(trouble=Trouble(kind=key[0], failure=lost), stop=str(ended), hung=True)
    seen = again[1] if again is not None else message
    told = Trouble(kind=key[0], failure=failure(explained, seen, trial.calls - calls))
    if not explained.rule.conditions or not explained.rule.matches(row).all():
        return Located(trouble=told, stop="stopped: no rule tells which rows the model answers")
    return Located(trouble=told, rule=explained.rule)


Seen = tuple[tuple[str, str, str], str]
"""The kind of a trouble, more of its kind, the role it is in; then its words."""


def _trouble(trial: Trial, batch: Batch, roles: Sequence[str] | None = None) -> Seen | None:
    """Return what kind of trouble the model has with *batch*, and its words; None without any."""
    for role in roles or trial.roles:
        try:
            trial.read(batch.rows, {role: trial.answer(batch, role)})
        except Refusal as refusal:
            return ("refused", refusal.type, role), f"raised {refusal}"
        except Malformed as malformed:
            return (malformed.kind, "", role), str(malformed)
    return None
