"""The sweep: rows in bulk that the schema admits, judged row by row with masks.

A model that refuses some of them is asked for ever smaller parts until one row is left; that row's
rule is found, rows that match it are left out, and the sweep goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.contract import rows
from harness.contract.batch import Array, Batch, Broken, Mask, Refusal
from harness.contract.cause import explain
from harness.contract.coverage import Coverage
from harness.contract.failures import failure, left, passing_rows
from harness.contract.oracle import Single
from harness.contract.outputs import Reading, shown
from harness.contract.promise import Cause, Failure, OutOfTime
from harness.contract.rule import Rule
from harness.contract.trial import Malformed, Trial

FIRST, GROWTH, LARGEST = 1000, 10, 100_000
_MOST_TROUBLES = 6
_KEPT_SUSPECTS = 4096
_RESERVE = 0.4
_SECONDS_A_BATCH = 3.0

Wrong = Callable[[Reading], Mask]


@dataclass(frozen=True, kw_only=True, slots=True)
class Suspects:
    """The numbers of the sweep's rows that break one promise, and what was seen at the first."""

    indices: Array
    observed: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Trouble:
    """Rows that got no answer in the claimed form: *kind* refused, shape or dtype."""

    kind: str
    failure: Failure


@dataclass(frozen=True, kw_only=True, slots=True)
class Sweep:
    """What a sweep found. *rows* were answered; *stopped* says why it ended early, if it did."""

    rows: int
    coverage: Mapping[int, float]
    suspects: Mapping[str, Suspects]
    troubles: tuple[Trouble, ...]
    stopped: str = ""
    hung: bool = False


def sweep(trial: Trial, wrong: Mapping[str, Wrong]) -> Sweep:
    """Return what a sweep over ``settings.rows`` rows finds; *wrong* gives a mask by promise."""
    if trial.sweep is None:
        trial.sweep = _Going(trial, wrong).run()
    return trial.sweep


class _Going:
    """A sweep on its way."""

    def __init__(self, trial: Trial, wrong: Mapping[str, Wrong]) -> None:
        self.trial = trial
        self.wrong = wrong
        self.rows = 0
        self.coverage = Coverage([pool.stated for pool in trial.pools])
        self.found: dict[str, list[Array]] = {}
        self.observed: dict[str, str] = {}
        self.troubles: list[Trouble] = []
        self.rules: list[Rule] = []

    def run(self) -> Sweep:
        stopped, hung = "", False
        try:
            stopped = self._real_rows() or self._made_rows()
        except (OutOfTime, Broken) as ended:
            stopped, hung = str(ended), True
        return Sweep(
            rows=self.rows,
            coverage=self.coverage.shares() if self.rows else {},
            suspects={
                name: Suspects(
                    indices=np.concatenate(parts)[:_KEPT_SUSPECTS], observed=self.observed[name]
                )
                for name, parts in self.found.items()
            },
            troubles=tuple(self.troubles),
            stopped=stopped,
            hung=hung,
        )

    def _real_rows(self) -> str:
        """Explain the real rows that the model doesn't answer."""
        _, bad, _ = self.trial.sound
        kept = self.trial.kept("valid-rows-are-answered")
        for waiting in (bad, kept):
            while waiting is not None and waiting.rows:
                one = waiting.head(1)
                trouble = _trouble(self.trial, one)
                if trouble is None:
                    waiting = waiting.take(np.arange(1, waiting.rows))
                    continue
                if stop := self._explain(one, trouble):
                    return stop
                waiting = left(waiting, self.rules[-1])
        return ""

    def _made_rows(self) -> str:
        trial, start = self.trial, 0
        size = int(min(FIRST, max(16, trial.rate)))
        until = trial.left * _RESERVE
        while start < trial.settings.rows:
            if trial.left < until:
                return f"stopped for want of time after {self.rows:,} rows" if start else ""
            stop = min(start + size, trial.settings.rows)
            began = time.monotonic()
            made = rows.make(trial.plan, start, stop)
            out = np.zeros(made.batch.rows, bool)
            for rule in self.rules:
                out |= rule.matches(made.batch)
            keep = np.flatnonzero(~out)
            batch = made.batch.take(keep) if out.any() else made.batch
            try:
                reading = trial.reading(batch)
            except (Refusal, Malformed):
                if stop_now := self._locate(batch):
                    return stop_now
                continue
            self._judge(reading, start + keep)
            self.coverage.add(made.codes[~out[made.stated]])
            self.rows += batch.rows
            rate = batch.rows / max(time.monotonic() - began, 1e-6)
            start = stop
            size = int(min(size * GROWTH, LARGEST, max(16, rate * _SECONDS_A_BATCH)))
        return ""

    def _judge(self, reading: Reading, numbers: Array) -> None:
        for name, wrong in self.wrong.items():
            where = np.flatnonzero(wrong(reading))
            if len(where):
                self.found.setdefault(name, []).append(numbers[where])
                self.observed.setdefault(
                    name, shown(reading.claims, reading.answers, int(where[0]))
                )

    def _locate(self, batch: Batch) -> str:
        """Find one row that makes *batch* fail; return why the sweep must stop, if it must."""
        part, seen = batch, _trouble(self.trial, batch)
        if seen is None:
            return "stopped: the same batch was refused, then answered"
        while part.rows > 1:
            half = part.rows // 2
            first = part.head(half)
            trouble = _trouble(self.trial, first, [seen[0][2]])
            if trouble is None:
                part = part.take(np.arange(half, part.rows))
            else:
                part, seen = first, trouble
        alone = _trouble(self.trial, part)
        if alone is None:
            rule = f"depends on the other rows: a batch of {batch.rows}, no row of it alone"
            lost = Failure(row=part.row(0), observed=seen[1], cause=Cause(columns=(), rule=rule))
            self.troubles.append(Trouble(kind=seen[0][0], failure=lost))
            return "stopped: a whole batch fails and no row of it alone"
        return self._explain(part, alone)

    def _explain(self, row: Batch, trouble: Seen) -> str:
        key, message = trouble
        trial, calls = self.trial, self.trial.calls
        oracle = Single(lambda one: (_trouble(trial, one, [key[2]]) or (None,))[0] == key)
        try:
            answered = trial.sound[0]
            passing = passing_rows(trial, oracle) if answered is None else answered
            explained = explain(oracle, row, passing, trial.pools)
            again = _trouble(trial, explained.row)
        except (OutOfTime, Broken) as ended:
            cause = Cause(columns=(), rule=f"not found: {ended}", calls=trial.calls - calls)
            lost = Failure(row=row.row(0), observed=message, cause=cause)
            self.troubles.append(Trouble(kind=key[0], failure=lost))
            raise
        seen = again[1] if again is not None else message
        told = failure(explained, seen, trial.calls - calls)
        self.troubles.append(Trouble(kind=key[0], failure=told))
        self.rules.append(explained.rule)
        if not explained.rule.conditions or not explained.rule.matches(row).all():
            return "stopped: no rule tells which rows the model answers"
        if len(self.troubles) >= _MOST_TROUBLES:
            return f"stopped after {len(self.troubles)} kinds of rows that are not answered"
        return ""


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
