"""The sweep: rows in bulk that the schema admits, judged row by row with masks.

A model that refuses some of them is asked for ever smaller parts until one row is left; that row's
rule is found, rows that match it are left out, and the sweep goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from harness.contract.asking import Malformed
from harness.contract.batch import Answer, Array, Batch, Broken, Hangs, Mask, Refusal
from harness.contract.coverage import Coverage
from harness.contract.locate import Located, Trouble, locate, real_troubles
from harness.contract.outputs import Reading, read, shown
from harness.contract.promise import OutOfTime, Skip
from harness.contract.rule import Condition, Rule
from harness.contract.trial import LATE, Trial
from harness.contract.unseen import known_in, unseen, unseen_in

FIRST, GROWTH, LARGEST = 1000, 10, 100_000
_MOST_TROUBLES = 6
_KEPT_SUSPECTS = 4096
_RESERVE, _LITTLE = 0.4, 0.12  # of the time: for the causes, when there is any to look for
_SECONDS_A_BATCH = 3.0
_KNOWN_TO_HANG = 1.0  # seconds that a batch gets at least, when one hang was found
_MOST_SLOW, _FEWER = 2, 4

Wrong = Callable[[Reading], Mask]


@dataclass(frozen=True, kw_only=True, slots=True)
class Suspects:
    """The numbers of the sweep's rows that break one promise, and what was seen at the first."""

    indices: Array
    observed: str


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


@dataclass(frozen=True, kw_only=True, slots=True)
class _Made:
    """Rows *start* to *stop* but those left out: their *numbers*, and the *codes* of those made of
    stated levels alone."""

    batch: Batch
    numbers: Array
    codes: Array
    start: int
    stop: int


def _next_size(last: int, rate: float, left: float) -> int:
    seconds = min(_SECONDS_A_BATCH, max(left, 0.0) / 4)
    return int(min(last * GROWTH, LARGEST, max(16, rate * seconds)))


class _Going:
    """A sweep on its way."""

    def __init__(self, trial: Trial, wrong: Mapping[str, Wrong]) -> None:
        self.trial = trial
        self.wrong = wrong
        self.rows = 0
        sizes = (2, 3) if len(trial.plan.first) else (3, 4)
        self.coverage = Coverage([pool.stated for pool in trial.pools], sizes=sizes)
        self.found: dict[str, list[Array]] = {}
        self.observed: dict[str, str] = {}
        self.troubles: list[Trouble] = []
        self.rules: list[Rule] = []
        self.hung = False
        self.hangs = self.slow = 0
        self.texts: list[str] = []
        self.left_out: set[str] = set()
        self.passed: Batch | None = None

    def run(self) -> Sweep:
        stopped = ""
        try:
            stopped = self._real_rows() or self._made_rows()
        except (OutOfTime, Broken) as ended:
            stopped, self.hung = str(ended), True
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
            hung=self.hung,
        )

    def _real_rows(self) -> str:
        """Explain the real rows that the model doesn't answer; leave out what is told as unseen."""
        odd: list[Batch] = []
        with suppress(Skip, Refusal, Malformed, Broken):
            found = unseen(self.trial)
            self.rules += [one.rule for one in found if one.rule is not None]
            odd += [one.odd for one in found if one.odd is not None]
        if self.rules:
            names = ", ".join(name for rule in self.rules for name in rule.columns)
            self.trial.notes.append(
                f"no unseen value of {names} is answered: the sweep leaves out rows with one"
            )
        troubles = real_troubles(self.trial, odd, self.rules)
        return next((stop for one in troubles if (stop := self._note(one))), "")

    def _made_rows(self) -> str:
        """Ask for batch after batch; while the model answers one, the one before is judged and the
        next one made, in a thread beside."""
        trial, start = self.trial, 0
        size = int(min(FIRST, max(16, trial.rate)))
        began, budget = time.monotonic(), trial.left
        with ThreadPoolExecutor(1, thread_name_prefix="harness-rows") as beside:
            coming = beside.submit(self._make, start, self._end(start, size))
            judged: Future[None] | None = None
            try:
                least = 0.0
                while start < trial.settings.rows:
                    if judged is not None:
                        judged.result()  # its suspects count when time is short
                    if trial.left < least:
                        return f"stopped for want of time after {self.rows:,} rows" if start else ""
                    made = coming.result()
                    asked = time.monotonic()
                    rate = self.rows / max(asked - began, 1e-6) if self.rows else trial.rate
                    least = budget * (_RESERVE if self._anything and self.rows else _LITTLE)
                    size = _next_size(made.stop - made.start, rate, trial.left - least)
                    coming = beside.submit(self._make, made.stop, self._end(made.stop, size))
                    if not made.batch.rows:  # rules leave all of them out
                        start = made.stop
                        continue
                    try:
                        watch = made.stop <= FIRST * GROWTH
                        with trial.within(self._patience(made.batch.rows)):
                            answers = trial.answers(made.batch, watch=watch)
                        trial.well_formed(made.batch.rows, answers)
                    except (Refusal, Malformed, Broken) as trouble:
                        gone = trouble if isinstance(trouble, Broken) else None
                        if gone and self._merely_late(made, rate, time.monotonic() - asked):
                            return f"stopped for want of time after {self.rows:,} rows"
                        words = (
                            f"raised {trouble}" if isinstance(trouble, Refusal) else str(trouble)
                        )
                        found = locate(
                            trial, made.batch, gone=gone, passed=self.passed, words=words
                        )
                        stop = made.stop
                        if found.slow and self.slow < _MOST_SLOW and made.batch.rows > 1:
                            self.slow += 1
                            stop = start + max(1, (made.stop - start) // _FEWER)
                        elif stop_now := self._note(found):
                            return stop_now
                        self.hangs += isinstance(gone, Hangs) and not found.slow
                        coming.result()
                        coming = beside.submit(self._make, start, stop)  # by the new rule
                        began += time.monotonic() - asked  # no row was answered meanwhile
                        continue
                    self.rows += made.batch.rows
                    self.passed = made.batch
                    start = made.stop
                    judged = beside.submit(self._judge, made, answers)
            finally:
                if judged is not None:
                    judged.result()
        return ""

    def _patience(self, rows: int) -> float:
        """Return the seconds that a batch of *rows* gets before rows of it are asked alone. Where
        that cleared them of hanging, the next ones get all the time that a call may take."""
        if self.slow:
            return float("inf")
        if self.hangs:
            return self.trial.patience(rows, least=_KNOWN_TO_HANG)
        return self.trial.patience(rows)

    def _merely_late(self, made: _Made, rate: float, given: float) -> bool:
        """Whether the budget ended before a batch that could well have been answered, once more
        than nothing was: a busy machine, and no model that hangs."""
        expected = made.batch.rows / max(rate, 1e-9)
        return bool(self.rows) and self.trial.left <= 0.05 and given < LATE * expected

    @property
    def _anything(self) -> bool:
        return bool(self.found or self.troubles)

    def _end(self, start: int, size: int) -> int:
        return min(start + size, self.trial.settings.rows)

    def _make(self, start: int, stop: int) -> _Made:
        """Return the rows *start* to *stop* that no rule found so far leaves out."""
        made = self.trial.make(start, stop)
        out = np.zeros(made.batch.rows, bool)
        for rule in self.rules:
            out |= rule.matches(made.batch)
        keep = np.flatnonzero(~out)
        batch = made.batch.take(keep) if out.any() else made.batch
        ahead = getattr(self.trial.model, "ahead", None)
        if ahead is not None:
            ahead(batch)
        codes = made.codes[~out[made.stated]]
        return _Made(batch=batch, numbers=start + keep, codes=codes, start=start, stop=stop)

    def _judge(self, made: _Made, answers: Mapping[str, Answer]) -> None:
        reading = read(self.trial.claims, answers, made.batch.rows)
        for name, wrong in self.wrong.items():
            where = np.flatnonzero(wrong(reading))
            if len(where):
                self.found.setdefault(name, []).append(made.numbers[where])
                self.observed.setdefault(
                    name, shown(reading.claims, reading.answers, int(where[0]))
                )
        self.coverage.add(made.codes)

    def _widened(self, found: Located) -> Located:
        """Return *found*, where it is one more value of an open column that is not answered, as
        just that: then it is no longer worth while to find each."""
        parts = () if found.rule is None else found.rule.conditions
        if found.trouble is None or len(parts) != 1 or not isinstance(parts[0], Condition):
            return found
        failure, part = found.trouble.failure, parts[0]
        told = any(one.failure.cause.columns == part.columns for one in self.troubles)
        named = (d for d in self.trial.claims.domains if d.name == part.column and d.open)
        domain = next(named, None)
        if domain is None or part.sign != "==" or not told:
            return found
        rule = unseen_in(self.trial, domain)
        if part.holds(self.trial.training).any() or part.value in known_in(self.trial, domain):
            return found
        cause = replace(failure.cause, rule=rule.text, inside=None, outside=None)
        told_so = replace(found.trouble, failure=replace(failure, cause=cause))
        return replace(found, trouble=told_so, rule=rule)

    def _lost_text(self, rule: Rule) -> None:
        """Take note that *rule*, if it is one text and no more, is too much for the model; then of
        the second in a column no unseen text is asked about: each costs starts of the model."""
        part = rule.conditions[0]
        if len(rule.conditions) > 1 or not isinstance(part, Condition) or part.sign != "==":
            return
        if isinstance(part.value, str):
            self.texts.append(part.column)
            if self.texts.count(part.column) > 1:
                self._without_texts(part.column)

    def _without_texts(self, *names: str) -> bool:
        """Leave rows with an unseen text in these columns out; return whether any was not yet."""
        new = [name for name in dict.fromkeys(names) if name not in self.left_out]
        for name in new:
            known = tuple(dict.fromkeys(self.trial.training[name].values.tolist()))
            self.rules.append(
                Rule(conditions=(Condition(column=name, sign="unseen", value=known),))
            )
            self.trial.notes.append(
                f"sweep: {name}: several texts are too much; then no unseen one was asked about"
            )
        self.left_out.update(new)
        return bool(new)

    def _note(self, found: Located) -> str:
        """Keep what was *found*; return why the sweep must stop, if it must."""
        found = self._widened(found)
        if found.trouble is None and found.hung and self._without_texts(*self.texts):
            return ""  # it may well be one more of these
        if found.rule is not None and found.lost:
            self._lost_text(found.rule)
        if found.trouble is not None:
            self.troubles.append(found.trouble)
        if found.rule is not None:
            self.rules.append(found.rule)
        if found.hung:
            self.hung = True
        if found.stop:
            return found.stop
        if len(self.troubles) >= _MOST_TROUBLES:
            return f"stopped after {len(self.troubles)} kinds of rows that are not answered"
        return ""
