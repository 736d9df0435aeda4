"""LOCATE for a model that hangs or dies: each row that it does so on costs a start of the model."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import pairwise

import numpy as np

from harness.contract.asking import Malformed
from harness.contract.baselines import BASELINES, diverse
from harness.contract.batch import Batch, Broken, Hangs, Refusal, join
from harness.contract.edge import Place, conditions, unasked
from harness.contract.fewest import fewest
from harness.contract.oracle import Group
from harness.contract.promise import Cause, Failure, OutOfTime
from harness.contract.rule import Condition, Rule
from harness.contract.trial import Trial
from harness.contract.trouble import Located, Trouble, odd_rows

_MOST_PASSED = 4096
_FEWEST_RESTARTS, _MOST_RESTARTS, _DEEP = 3, 16, 4
_SHARE = 0.6  # of the seconds that are left
_SHORT, _LONG = 0.5, 3.0  # seconds for a batch, when one hang is known of
_CALM = 0.25  # of the seconds that are left, for a model that dies and so keeps nobody waiting
_CHUNKS = 40
_NOT_NARROWED = "not narrowed down to cells: each question costs a start of the model"


class _TooDear(Exception):
    """No more starts of the model can be afforded."""


class _Losses:
    """Which rows hang or kill the model, as some did (*gone*): each yes is a restart.

    One that hangs is asked with little patience. One that dies may take its time, as by using up
    its memory on a busy machine; it must not be taken for one that hangs.
    """

    def __init__(self, trial: Trial, good: Batch, gone: Broken) -> None:
        self.trial = trial
        self.gone = gone
        self.passed: list[Batch] = []
        began = time.monotonic()
        trial.answers(good.head(1), watch=False)  # a restart, and a call
        restart = time.monotonic() - began
        affordable = trial.left * _SHARE / (restart + _SHORT)
        self.restarts = min(_MOST_RESTARTS, int(affordable))

    def takes(self, rows: Batch, *, least: float = _SHORT) -> bool:
        """Return whether *rows* are too much for the model, given so many seconds at *least*;
        raises _TooDear."""
        if self.restarts <= 0:
            raise _TooDear
        hangs = isinstance(self.gone, Hangs)
        hurry = min(_LONG, max(least, 4 * rows.rows / self.trial.rate))
        try:
            with self.trial.hurried(hurry if hangs else max(_LONG, self.trial.left * _CALM)):
                self.trial.answers(rows, watch=False)
        except Broken as broken:
            if hangs or not isinstance(broken, Hangs):  # that it dies is known for certain
                self.gone = broken
            self.restarts -= 1
            return True
        except (Refusal, Malformed):
            return False
        self.passed.append(rows)
        return False

    def one(self, rows: Batch) -> Batch | None:
        """Return the one of *rows* that is too much, also with more time; None when none is."""
        part, deep = rows, min(_DEEP, self.restarts)
        while part.rows > 1 or part is rows:
            root = part.rows ** (1 / max(1, deep))
            chunks = min(_CHUNKS, part.rows, max(2, int(np.ceil(root))))
            edges = np.linspace(0, part.rows, chunks + 1).astype(int)
            pieces = [np.arange(a, b) for a, b in pairwise(edges.tolist()) if b > a]
            least = _LONG if chunks == part.rows else _SHORT
            found = next((p for p in pieces if self.takes(part.take(p), least=least)), None)
            if found is None:
                return None
            part, deep = part.take(found), deep - 1
        return part


def lost(trial: Trial, batch: Batch, gone: Broken) -> Located:
    """Return which row of *batch* the model hangs or dies on, where that can be afforded.

    A row hangs when it alone gets no answer in three seconds.
    """
    nothing = Located(trouble=None, stop=str(gone), hung=True)
    if not trial.restartable or trial.sound[0] is None:
        return nothing
    calls, good = trial.calls, trial.sound[0]
    try:
        losses = _Losses(trial, good, gone)
        if losses.restarts < _FEWEST_RESTARTS:
            return nothing
        row = odd = losses.one(odd_rows(good, batch)) if trial.pools else None
        if row is None:
            row = losses.one(batch)
    except (Broken, OutOfTime, _TooDear) as ended:
        return replace(nothing, stop=f"{gone}; {ended}" if str(ended) else str(gone))
    if row is None:
        return replace(nothing, slow=isinstance(losses.gone, Hangs))
    words = str(losses.gone)
    rule = _of_cells(losses, good, row) if odd is None else _of_a_cell(trial, losses, good, odd)
    told = rule.text if rule else _NOT_NARROWED
    cause = Cause(columns=rule.columns if rule else (), rule=told, calls=trial.calls - calls)
    found = Trouble(kind="refused", failure=Failure(row=row.row(0), observed=words, cause=cause))
    if rule is None:
        return Located(trouble=found, stop=str(gone), hung=True)
    return Located(trouble=found, rule=rule, lost=True)


def _of_cells(losses: _Losses, good: Batch, row: Batch) -> Rule | None:
    """Return a rule of the values of those cells that are too much together: thresholds would cost
    more starts of the model than can be afforded."""
    known = join([good, *losses.passed]).head(_MOST_PASSED)
    pool = join([row, diverse(good, BASELINES)])
    try:
        found = fewest(Group(losses.takes), pool, known, left=lambda: losses.restarts - 1)
    except (_TooDear, Broken, OutOfTime):
        return None
    if not found.whole or not found.columns:
        return None
    names = tuple(row.names[column] for column in found.columns)
    parts = tuple(
        Condition(
            column=name, sign="missing" if row[name].at(0) is None else "==", value=row[name].at(0)
        )
        for name in names
    )
    return Rule(conditions=parts)


def _of_a_cell(trial: Trial, losses: _Losses, good: Batch, odd: Batch) -> Rule:
    """Return the rule for the one cell in which *odd* differs from the first *good* row."""
    name = next(n for n in odd.names if odd[n].at(0) != good[n].at(0))
    held = [rows[name].at(i) for rows in losses.passed for i in range(rows.rows)]
    bad = odd[name].at(0)
    place = Place(
        oracle=Group(losses.takes),
        setting=odd,
        name=name,
        pool=next(pool for pool in trial.pools if pool.domain.name == name),
        witness=good[name].at(0),
        passes=tuple(v for v in dict.fromkeys(held) if v is not None and v != bad),
        left=lambda: losses.restarts - 1,
        most=1,
        wide=False,
    )
    try:
        parts, _ = conditions(place)
    except (_TooDear, Broken, OutOfTime):
        held = [rows[name].at(i) for rows in losses.passed for i in range(rows.rows)]
        passes = tuple(v for v in dict.fromkeys(held) if v is not None and v != bad)
        parts = unasked(replace(place, passes=passes))
    return Rule(conditions=parts)
