"""What the schema does not admit: answered or refused, and nobody else's trouble."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from harness.contract.asking import Malformed
from harness.contract.checks.outputs import NONSENSE, judged
from harness.contract.claims import declared
from harness.contract.compared import rearranged, rows_of
from harness.contract.hostile import MISSING, Case, HostilePass, hostile_pass
from harness.contract.outputs import differs, shape_problem, shown
from harness.contract.promise import Cause, Failure, Skip, hostile
from harness.contract.trial import Trial

_MOST = 5


@hostile
def hostile_rows_are_answered_or_refused(trial: Trial) -> Iterator[Failure]:
    """A row that the schema doesn't admit is answered, or refused with a declared error."""
    yield from _told(trial, lambda case: case.oddity.kind != MISSING, _unanswered)


@hostile
def a_missing_column_is_refused_or_answered(trial: Trial) -> Iterator[Failure]:
    """A batch without one of its columns is answered well, or refused with a declared error."""

    def problem(trial: Trial, case: Case, found: HostilePass) -> str:
        return _unanswered(trial, case, found) or _nonsense(trial, case, found)

    yield from _told(trial, lambda case: case.oddity.kind == MISSING, problem)


@hostile
def hostile_rows_get_no_silent_nonsense(trial: Trial) -> Iterator[Failure]:
    """A row that the schema doesn't admit never gets NaN, a bad probability or an unknown label."""
    yield from _told(trial, lambda case: case.oddity.kind != MISSING, _nonsense)


@hostile
def hostile_rows_spoil_no_other_row(trial: Trial) -> Iterator[Failure]:
    """A row that the schema doesn't admit changes no other row's answer."""
    draw = np.random.default_rng(0)
    few = [("among others", part) for part in draw.integers(0, trial.probe.rows.rows, _AMONG)]
    if next(rearranged(trial, few), None) is not None:
        raise Skip("rows that the schema admits change others, too: see batch-equals-single")
    yield from _told(trial, lambda case: case.oddity.kind != MISSING, _spoilt)


@hostile
def another_spelling_is_refused_or_answered_the_same(trial: Trial) -> Iterator[Failure]:
    """A valid value in another spelling is refused, or answered like the clean one."""
    yield from _told(trial, lambda case: case.oddity.spelling, _third_thing)


_AMONG = (4, 29)
"""How many batches of valid rows, of how many rows, are asked whether other rows matter."""
_NO_TEXT = "assumed errors: scikit-learn's text code refuses what is no text in its own way"
Problem = Callable[[Trial, Case, HostilePass], str]
Seen = dict[str, list[tuple[Case, str]]]
"""Cases and what is wrong with each, by the kind of their oddity."""


def _told(trial: Trial, concerned: Callable[[Case], bool], problem: Problem) -> Iterator[Failure]:
    """Yield one failure for each kind of oddity that is a problem, with the columns it is in. A
    kept row is told by itself only where no fresh one is of its kind."""
    found = hostile_pass(trial)
    by_kind: Seen = {}
    for case in sorted(found.cases, key=lambda case: case.kept):
        if concerned(case) and (seen := problem(trial, case, found)):
            by_kind.setdefault(case.oddity.kind, []).append((case, seen))
    if by_kind and all(case.oddity.spelling for cases in by_kind.values() for case, _ in cases):
        by_kind = _by_column(by_kind)
    for kind, cases in list(by_kind.items())[:_MOST]:
        case, seen = cases[0]
        name = case.oddity.column
        rule = f"{name}: {kind}" if name else kind
        others = dict.fromkeys(c.oddity.column for c, _ in cases if c.oddity.column != name)
        if others:
            rule += f" (and in {', '.join(others)})"
        cause = Cause(columns=(name,) if name else (), rule=rule, calls=1)
        yield Failure(row=case.row, observed=seen, cause=cause)


def _by_column(by_kind: Seen) -> Seen:
    """Return cases of spelling by the kinds that their column is in: one fact for a column."""
    kinds: dict[str, list[str]] = {}
    first: dict[str, tuple[Case, str]] = {}
    for kind, cases in by_kind.items():
        for case, seen in cases:
            name = case.oddity.column
            first.setdefault(name, (case, seen))
            if kind not in kinds.setdefault(name, []):
                kinds[name].append(kind)
    found: Seen = {}
    for name, told in kinds.items():
        others = (kind.removeprefix("value ").removeprefix("number ") for kind in told[1:])
        found.setdefault(", ".join([told[0], *others]), []).append(first[name])
    return found


def _unanswered(trial: Trial, case: Case, found: HostilePass) -> str:
    if case.broken:
        return case.broken
    if case.refusal is not None:
        if declared(trial.claims, case.refusal):
            return ""
        if _no_text(case):
            if _NO_TEXT not in trial.notes:
                trial.notes.append(_NO_TEXT)
            return ""
        return f"raised {case.refusal}: not among the declared errors"
    for role, answer in (case.answers or {}).items():
        if problem := shape_problem(trial.claims, role, answer, case.batch.rows):
            return problem
    return ""


def _no_text(case: Case) -> bool:
    """Return whether it is scikit-learn's own code for texts (``CountVectorizer`` and its like)
    that meets what is no text: no model's own doing."""
    refusal, value = case.refusal, case.oddity.value
    if refusal is None or isinstance(value, str) or case.oddity.kind == MISSING:
        return False
    return refusal.module.startswith("sklearn.feature_extraction.")


def _nonsense(trial: Trial, case: Case, found: HostilePass) -> str:
    """Return the nonsense that the odd row got (any row, where a column is missing), unless the
    same row got it before one was odd."""
    if case.answers is None:
        return ""
    try:
        reading = trial.read(case.batch.rows, case.answers)
        before = trial.read(case.batch.rows, found.clean)
        usual = trial.read(trial.probe.rows.rows, trial.probe.answers)
    except Malformed:
        return ""  # told by the check that asks for an answer
    applies = judged(trial).values()
    for wrong in NONSENSE:
        if wrong not in applies or wrong(usual).any():
            continue  # no promise, or one that ordinary rows break: told there
        rows = wrong(reading)
        rows &= ~wrong(before)
        if case.oddity.kind != MISSING:
            rows[np.arange(len(rows)) != case.position] = False
        if rows.any():
            return shown(trial.claims, case.answers, int(rows.argmax()))
    return ""


def _spoilt(trial: Trial, case: Case, found: HostilePass) -> str:
    if case.answers is None:
        return ""
    others = [row for row in range(case.batch.rows) if row != case.position]
    for role, answer in case.answers.items():
        if shape_problem(trial.claims, role, answer, case.batch.rows):
            continue
        clean, dirty = rows_of(found.clean[role], others), rows_of(answer, others)
        apart = np.flatnonzero(differs(trial.claims, clean, dirty))
        if len(apart):
            row = int(apart[0])
            before = shown(trial.claims, {role: clean}, row)
            after = shown(trial.claims, {role: dirty}, row)
            return f"row {others[row]} of the batch: {before} without it, {after} beside it"
    return ""


def _third_thing(trial: Trial, case: Case, found: HostilePass) -> str:
    for role, answer in (case.answers or {}).items():
        if shape_problem(trial.claims, role, answer, case.batch.rows):
            continue
        here = [case.position]
        clean, dirty = rows_of(found.clean[role], here), rows_of(answer, here)
        if differs(trial.claims, clean, dirty).any():
            before = shown(trial.claims, {role: clean}, 0)
            after = shown(trial.claims, {role: dirty}, 0)
            return f"clean: {before}; so spelt: {after}"
    return ""
