"""LOCATE for a model that hangs or dies: each row that it does so on costs a start of the model."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import pairwise

import numpy as np

from harness.contract.asking import Malformed
from harness.contract.baselines import BASELINES, diverse
from harness.contract.batch import Batch, Broken, Refusal, join
from harness.contract.edge import Place, conditions, unasked
from harness.contract.fewest import fewest
from harness.contract.oracle import Group
from harness.contract.promise import Cause, Failure, OutOfTime
from harness.contract.rule import Condition, Rule
from harness.contract.trial import Trial
from harness.contract.trouble import Located, Trouble, odd_rows

_MOST_PASSED = 4096
_FEWEST_RESTARTS, _MOST_RESTARTS, _DEEP = 3, 16, 4
_SHARE = 0.4  # of the seconds that are left
_SHORT, _LONG = 0.5, 3.0  # seconds for a batch, when one hang is known of
_CHUNKS = 40


class _TooDear(Exception):
    """No more starts of the model can be afforded."""


class _Losses:
    """Which rows hang or kill the model, asked for with little patience: each yes is a restart."""

    def __init__(self, trial: Trial, good: Batch) -> None:
        self.trial = trial
        self.passed: list[Batch] = []
        self.words = ""
        began = time.monotonic()
        trial.answers(good.head(1), watch=False)  # a restart, and a call
        restart = time.monotonic() - began
        affordable = trial.left * _SHARE / (restart + _SHORT)
        self.restarts = min(_MOST_RESTARTS, int(affordable))

    def takes(self, rows: Batch) -> bool:
        """Return whether *rows* are too much for the model; raises _TooDear."""
        if self.restarts <= 0:
            raise _TooDear
        seconds = min(_LONG, max(_SHORT, 4 * rows.rows / self.trial.rate))
        try:
            with self.trial.hurried(seconds):
                self.trial.answers(rows, watch=False)
        except Broken as broken:
            self.words = str(broken)
            self.restarts -= 1
            return True
        except (Refusal, Malformed):
            return False
        self.passed.append(rows)
        return False

    def one(self, rows: Batch) -> Batch | None:
        """Return the one of *rows* that is too much, None when none is or it costs too much."""
        part, deep = rows, min(_DEEP, self.restarts)
        while part.rows > 1 or part is rows:
            root = part.rows ** (1 / max(1, deep))
            chunks = min(_CHUNKS, part.rows, max(2, int(np.ceil(root))))
            edges = np.linspace(0, part.rows, chunks + 1).astype(int)
            pieces = [np.arange(a, b) for a, b in pairwise(edges.tolist()) if b > a]
            found = next((p for p in pieces if self.takes(part.take(p))), None)
            if found is None:
                return None
            part, deep = part.take(found), deep - 1
        return part


def lost(trial: Trial, batch: Batch, gone: str) -> Located:
    """Return which row of *batch* the model hangs or dies on, where that can be afforded."""
    nothing = Located(trouble=None, stop=gone, hung=True)
    if not trial.restartable or trial.sound[0] is None:
        return nothing
    calls, good = trial.calls, trial.sound[0]
    try:
        losses = _Losses(trial, good)
        if losses.restarts < _FEWEST_RESTARTS:
            return nothing
        odd = losses.one(odd_rows(good, batch)) if trial.pools else None
        if odd is not None:
            return _lost_on_a_cell(trial, losses, good.head(1), odd, calls)
        row = losses.one(batch)
    except (Broken, OutOfTime, _TooDear) as ended:
        return Located(trouble=None, stop=f"{gone}; {ended}" if str(ended) else gone, hung=True)
    if row is None:
        return nothing
    words = losses.words
    columns, rule = _lost_on_cells(losses, good, row)
    cause = Cause(columns=columns, rule=rule, calls=trial.calls - calls)
    told = Failure(row=row.row(0), observed=words, cause=cause)
    return Located(trouble=Trouble(kind="refused", failure=told), stop=gone, hung=True)


def _lost_on_cells(losses: _Losses, good: Batch, row: Batch) -> tuple[tuple[str, ...], str]:
    """Return the cells that are too much together, and a rule of their values: thresholds would
    cost more starts of the model than can be afforded."""
    nothing = (), "not narrowed down to cells: each question costs a start of the model"
    known = join([good, *losses.passed]).head(_MOST_PASSED)
    pool = join([row, diverse(good, BASELINES)])
    try:
        found = fewest(Group(losses.takes), pool, known, left=lambda: losses.restarts - 1)
    except (_TooDear, Broken):
        return nothing
    if not found.whole or not found.columns:
        return nothing
    names = tuple(row.names[column] for column in found.columns)
    parts = tuple(
        Condition(
            column=name, sign="missing" if row[name].at(0) is None else "==", value=row[name].at(0)
        )
        for name in names
    )
    return names, Rule(conditions=parts).text


def _lost_on_a_cell(trial: Trial, losses: _Losses, good: Batch, odd: Batch, calls: int) -> Located:
    """Return the rule for the one cell in which *odd* differs from the first *good* row."""
    name = next(n for n in odd.names if odd[n].at(0) != good[n].at(0))
    held = [rows[name].at(i) for rows in losses.passed for i in range(rows.rows)]
    bad, words = odd[name].at(0), losses.words
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
    except (_TooDear, Broken):
        held = [rows[name].at(i) for rows in losses.passed for i in range(rows.rows)]
        passes = tuple(v for v in dict.fromkeys(held) if v is not None and v != bad)
        parts = unasked(replace(place, passes=passes))
    rule = Rule(conditions=parts)
    cause = Cause(columns=rule.columns, rule=rule.text, calls=trial.calls - calls)
    failed = Failure(row=odd.row(0), observed=words, cause=cause)
    return Located(trouble=Trouble(kind="refused", failure=failed), rule=rule)
