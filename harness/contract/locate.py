"""LOCATE: from a batch that gets no answer to one row of it, its cause, and what to leave out.

A batch that is refused says one bit. First each odd value of the batch is tried in an ordinary
row, all of them in one call: most failures are due to one cell, and then the row is found among
some hundred that differ from a good one in a single cell. Else the batch is halved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice

import numpy as np

from harness.contract.batch import Batch, Broken, join
from harness.contract.cause import MOST_CALLS
from harness.contract.company import company, told
from harness.contract.failures import MOST, failure, passing_rows
from harness.contract.judged import SOURCES, asked
from harness.contract.losses import lost
from harness.contract.oracle import Group
from harness.contract.promise import Cause, Failure, OutOfCalls, OutOfTime, Skip
from harness.contract.rule import Condition, Rule
from harness.contract.steady import TIMES, asked_again, sometimes
from harness.contract.trial import Trial
from harness.contract.trouble import Located, Seen, Trouble, odd_rows, trouble

__all__ = ["Located", "Trouble", "locate", "real_troubles"]

_PADDING = 2
_FEW_TOGETHER = 3
_MOST_PASSED = 4096
_MOST_MISSED = 40


def locate(
    trial: Trial,
    batch: Batch,
    *,
    gone: Broken | None = None,
    passed: Batch | None = None,
    words: str = "it was not answered",
) -> Located:
    """Return what is wrong with *batch*, which was not answered: in the model's *words* why not.

    *gone* says how the model died or hangs with it, if it does; *passed* are rows that were
    answered before, which tell what is not to blame.
    """
    if gone is not None:
        return lost(trial, batch, gone)
    calls = (trial.sound, trial.calls)[1]  # what real rows cost isn't spent on this cause
    seen = trouble(trial, batch)
    if seen is None:
        return _sometimes(trial, batch, ("refused", words), calls, None, False)
    role = seen[0][2]
    good = _good(trial, role, passed)

    def fails(rows: Batch) -> bool:
        padded = join([good.head(_PADDING), rows]) if good.rows else rows
        return trouble(trial, padded, [role]) is not None

    passing = [good]
    row = None
    if good.rows and trial.pools:
        odd = odd_rows(good, batch)
        if fails(odd):
            row = _narrowed(fails, odd, passing, first=odd.rows // 2)
    if row is None:
        first = max(1, int(np.sqrt(batch.rows)))
        row = _narrowed(fails, batch, passing, first=first)
    if not fails(row):
        again = [trouble(trial, batch, [role]) is not None for _ in range(TIMES - 1)]
        if not all(again):
            return _sometimes(trial, batch, (seen[0][0], seen[1]), calls, [role], *again)
        with trial.until(calls + MOST_CALLS):
            return _together(trial, batch, row, seen, role, calls)
    known = _thinned(join(passing))
    return _explain(trial, row, seen, known, calls=calls)


def real_troubles(trial: Trial, odd: Sequence[Batch], rules: Sequence[Rule]) -> Iterator[Located]:
    """Yield what is wrong with each kind of real row (and of kept and *odd* ones) that the model
    doesn't answer, but those that match *rules*, to which what was yielded is added meanwhile."""
    for rows in (trial.sound[1], trial.kept("valid-rows-are-answered"), *odd):
        yield from _each_kind(trial, rows, rules)
    for source in SOURCES:
        with suppress(Skip, Broken):  # of a model that dies of them other checks tell
            for found in islice(_each_kind(trial, asked(trial, source).refused, rules), MOST):
                yield found if found.hung else replace(found, stop="")


def _each_kind(trial: Trial, rows: Batch | None, rules: Sequence[Rule]) -> Iterator[Located]:
    missed = 0  # rows that are answered alone, or as one that was told
    alike: set[str] = set()
    while rows is not None and rows.rows and missed < _MOST_MISSED:
        out = np.zeros(rows.rows, bool)
        for rule in rules:
            out |= rule.matches(rows)
        rows = rows.take(np.flatnonzero(~out)) if out.any() else rows
        if not rows.rows:
            return
        one, rows = rows.head(1), rows.take(np.arange(1, rows.rows))
        seen: Seen | None = None
        try:
            with trial.within(trial.patience(1)):
                seen = trouble(trial, one)
        except Broken as gone:  # a kept row that the model still hangs or dies on
            found = lost(trial, one, gone)
        else:
            if seen is not None and seen[1] not in alike:
                found = _explained(trial, one, seen)
            else:
                missed += 1
                continue
        if found.slow:
            missed += 1
            continue
        yield found
        if found.rule is None:
            return
        if seen is not None and _of_one_text(
            found.rule
        ):  # the next text refused in these words is no news
            alike.add(seen[1])


def _explained(trial: Trial, row: Batch, seen: Seen) -> Located:
    """Return why the real *row* is not answered, among rows that are."""
    role = seen[0][2]
    good = _good(trial, role, None)
    if good.rows and trouble(trial, join([good.head(_PADDING), row]), [role]) is None:
        good = good.head(0)  # in company it is answered
    return _explain(trial, row, seen, good, calls=trial.calls)


def _of_one_text(rule: Rule) -> bool:
    part = rule.conditions[0]
    return isinstance(part, Condition) and part.sign == "==" and isinstance(part.value, str)


def _good(trial: Trial, role: str, passed: Batch | None) -> Batch:
    """Return rows that are answered: real ones, or what was *passed*, or made ones."""
    answered = trial.sound[0]
    if answered is None:
        if passed is not None and passed.rows:
            return _thinned(passed)
        oracle = Group(lambda rows: trouble(trial, rows, [role]) is not None)
        return passing_rows(trial, oracle)
    if passed is None or not passed.rows:
        return answered
    return join([answered, _thinned(passed)])


def _thinned(rows: Batch) -> Batch:
    if rows.rows <= _MOST_PASSED:
        return rows
    first = np.arange(_MOST_PASSED // 2)
    rest = np.linspace(_MOST_PASSED // 2, rows.rows - 1, _MOST_PASSED // 2).astype(int)
    return rows.take(np.concatenate([first, rest]))


def _narrowed(
    fails: Callable[[Batch], bool], rows: Batch, passing: list[Batch], *, first: int
) -> Batch:
    """Return the one of *rows* (which fail) that is left after halving; parts that pass are added
    to *passing*."""
    part, size = rows, first
    while part.rows > 1:
        head = part.head(min(size, part.rows - 1))
        if fails(head):
            part = head
        else:
            passing.append(head)
            part = part.take(np.arange(head.rows, part.rows))
        size = part.rows // 2
    return part


def _together(trial: Trial, batch: Batch, row: Batch, seen: Seen, role: str, calls: int) -> Located:
    """Return that *batch* fails and no row of it alone, with the fewest rows that do."""
    size, found = _size_limit(trial, batch, role), None
    if size <= _FEW_TOGETHER:  # so few copies of one row may be too alike, not too many
        found = company(lambda rows: trouble(trial, rows, [role]) is not None, None, batch)
        size = 0 if found is None or found.rows else size
    if size:
        rule = f"a batch of {size} rows or more, whatever they are"
    elif found is not None and found.rows:
        row = found.take(np.array([found.rows - 1]))
        rule = told(found.head(found.rows - 1))
    else:
        rule = f"depends on the other rows: a batch of {batch.rows}, no row of it alone"
    cause = Cause(columns=(), rule=rule, calls=trial.calls - calls)
    together = Failure(row=row.row(0), observed=seen[1], cause=cause)
    return Located(
        trouble=Trouble(kind=seen[0][0], failure=together),
        stop="stopped: a whole batch fails and no row of it alone",
    )


def _sometimes(
    trial: Trial,
    batch: Batch,
    seen: tuple[str, str],
    calls: int,
    roles: Sequence[str] | None,
    *before: bool,
) -> Located:
    """Return that *batch*, in which a trouble was *seen*, is answered at one time and at another
    not: after the first time it failed as said *before*."""
    times = asked_again(lambda rows: trouble(trial, rows, roles) is not None, batch, *before)
    found = sometimes(batch.head(1), times)
    rule = f"{found.rule.text}, in a batch of {batch.rows}" if batch.rows > 1 else found.rule.text
    told = failure(found, seen[1], trial.calls - calls)
    told = replace(told, cause=replace(told.cause, rule=rule))
    return Located(
        trouble=Trouble(kind=seen[0], failure=told),
        stop="stopped: the same batch was refused, then answered",
    )


def _size_limit(trial: Trial, batch: Batch, role: str) -> int:
    """Return how many copies of one good row are too many; 0 when as many as *batch* are fine."""
    good = _good(trial, role, None)
    if not good.rows:
        return 0

    def fails(count: int) -> bool:
        return trouble(trial, good.take(np.zeros(count, np.int64)), [role]) is not None

    low, high = 1, batch.rows
    try:
        if not fails(high):
            return 0
        while high - low > 1:
            half = (low + high) // 2
            low, high = (low, half) if fails(half) else (half, high)
    except OutOfCalls:
        return 0
    return high


def _explain(trial: Trial, row: Batch, seen: Seen, good: Batch, *, calls: int) -> Located:
    key, message = seen
    role = key[2]
    pad = good.head(_PADDING)

    def padded(rows: Batch) -> Seen | None:
        return trouble(trial, join([pad, rows]) if pad.rows else rows, [role])

    try:
        oracle = Group(lambda rows: padded(rows) is not None)
        explained = trial.explain(oracle, row, good, since=calls)
        steady = explained.rule.times is None
        again = padded(explained.row) if steady else None
    except (OutOfTime, Broken) as ended:
        cause = Cause(columns=(), rule=f"not found: {ended}", calls=trial.calls - calls)
        stopped = Failure(row=row.row(0), observed=message, cause=cause)
        return Located(trouble=Trouble(kind=key[0], failure=stopped), stop=str(ended), hung=True)
    kind, words = (key[0], message) if again is None else (again[0][0], again[1])
    found = Trouble(kind=kind, failure=failure(explained, words, trial.calls - calls))
    if not explained.rule.conditions or not explained.rule.matches(row).all():
        return Located(trouble=found, stop="stopped: no rule tells which rows the model answers")
    return Located(trouble=found, rule=explained.rule)
