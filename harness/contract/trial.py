"""A trial: one model, its claims and its rows, while they are being checked.

What checks share lives here: the budget of time, the rows to probe with, the answers to them, the
sweep. It has the lifetime of one report (or of one pytest process).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from harness.contract import levels, rows
from harness.contract.batch import (
    Answer,
    Array,
    Batch,
    Broken,
    Model,
    Refusal,
    join,
)
from harness.contract.cause import MOST_CALLS, Explained, explain
from harness.contract.claims import Claims, roles
from harness.contract.deadline import Overdue, Worker
from harness.contract.domain import admits
from harness.contract.oracle import Oracle
from harness.contract.outputs import Reading, dtype_problem, read, shape_problem
from harness.contract.pairwise import MOST_COLUMNS, pairwise
from harness.contract.probes import as_trained, batch_of, with_missing
from harness.contract.promise import Failure, OutOfTime, Settings, Skip
from harness.core.errors import ModelUnusable

if TYPE_CHECKING:
    from harness.contract.growth import Growth
    from harness.contract.hostile import HostilePass
    from harness.contract.judged import Judged, Known
    from harness.contract.sweep import Sweep
    from harness.contract.visit import Visit

T = TypeVar("T")
Elsewhere = Callable[[Mapping[str, str]], AbstractContextManager[Model]]
"""Gives the same model in another process with these environment variables, while it lasts."""

_REFUSED_CALLS = 40
_FEWEST_PROBES, _PROBING_CALLS = 8, 300
_CALL_SHARE = 3.0
_FRESH = 4000
_APART = 2**40  # rows from here on are in no sweep
_PACES = ((20_000.0, 1.0), (2_000.0, 0.25), (200.0, 0.05))  # rows a second, share of the rows
_SLOWEST = 0.02
_SWEEP_SHARE, _ENOUGH_ROWS, _BULK = 0.5, 20_000, 1000


class Malformed(Exception):
    """An answer whose shape or type is not the claimed one; *kind* is ``shape`` or ``dtype``."""

    def __init__(self, kind: str, role: str, problem: str) -> None:
        """Take what is wrong with the answer in *role*."""
        super().__init__(problem)
        self.kind = kind
        self.role = role


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe:
    """Rows that the schema admits and the model answered, and its answers by role."""

    rows: Batch
    answers: Mapping[str, Answer]


class Trial:
    """The model under trial and what is known of it so far.

    *given* is all training rows as they came, *training* those of their columns that are inputs
    (no rows, when one is lacking), *dev* the dev rows with their target, if there are any. *left*
    says how many seconds remain while a check runs, *rate* how many rows a second were answered
    in a small batch.
    """

    def __init__(
        self,
        claims: Claims,
        model: Model,
        training: Batch,
        *,
        settings: Settings,
        reopen: Callable[[], Model] | None = None,
        elsewhere: Elsewhere | None = None,
        dev: Batch | None = None,
        kept: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    ) -> None:
        """Take what is tried; nothing is called yet. *reopen* gives a new model when the old one
        died or hangs, *elsewhere* one in another process; *kept* are rows that failed before."""
        self.claims = claims
        self.settings = settings
        lacking = set(claims.columns) - set(training.names)
        self.training = training.head(0) if lacking else training.only(claims.columns)
        self.given = training
        self.dev = dev
        self.model = model
        self.roles = roles(claims, model.methods)
        self._kept = dict(kept or {})
        self.calls = 0
        self.spent = 0.0
        self.notes: list[str] = []
        self._reopen = reopen
        self._elsewhere = elsewhere
        self._worker: Worker = getattr(model, "worker", None) or Worker()
        self._broken = ""
        self._hangs = 0
        self._patience: float | None = None
        self._started: float | None = None
        self._probes: dict[str, Probe] = {}
        self._check = ""
        self.sweep: Sweep | None = None
        self.hostile: HostilePass | None = None
        self.known: dict[str, Known] = {}
        self.judged: dict[str, Judged] = {}
        self.visits: dict[tuple[object, ...], Visit] = {}
        self.blamed: dict[int, Mapping[str, Failure]] = {}
        self.growth: Growth | None = None

    @contextmanager
    def running(self, check: str) -> Iterator[None]:
        """Let *check* use the budget: only time spent in here counts."""
        self._check, self._started = check, time.monotonic()
        try:
            yield
        finally:
            self.spent += time.monotonic() - self._started
            self._started = None

    @property
    def left(self) -> float:
        """The seconds that remain of the budget."""
        running = 0.0 if self._started is None else time.monotonic() - self._started
        return self.settings.seconds - self.spent - running

    def answer(self, batch: Batch, role: str) -> Answer:
        """Return the model's answer in *role*, of whatever form.

        Raises Refusal, Broken (it died, or gave no answer in time) or OutOfTime.
        """
        return self.call(lambda model: model.answer(batch, method=self.roles[role]))

    def together(self, batches: Sequence[Batch], role: str) -> Sequence[Answer]:
        """Return the answers to *batches*, asked for at once by as many threads."""
        method = self.roles[role]
        return self.call(lambda model: model.together(batches, method=method))  # type: ignore[attr-defined]

    def call(self, job: Callable[[Model], T], *, calls: int = 1) -> T:
        """Return what *job* gets out of the model, by so many *calls*, within the budget."""
        if self.left <= 0:
            raise OutOfTime(f"the budget of {self.settings.seconds:g} s is used up")
        if self._broken:
            self._restart()
        self.calls += calls
        model = self.model
        share = self.settings.seconds / _CALL_SHARE / 2**self._hangs  # less patience each time
        longest = min(self.left, self._patience or max(share, 1.0))
        try:
            return self._worker.run(lambda: job(model), seconds=longest)
        except Overdue as overdue:
            self._broken = f"the model hangs: {overdue}"
            self._hangs += 1
        except Broken as broken:
            self._broken = str(broken)
        raise Broken(self._broken)

    @contextmanager
    def hurried(self, seconds: float) -> Iterator[None]:
        """Give each call no more than so many *seconds* meanwhile, as one hang is known of."""
        before = self._patience, self._hangs
        self._patience = seconds
        try:
            yield
        finally:
            self._patience, self._hangs = before

    @property
    def restartable(self) -> bool:
        """Whether a model that died or hangs can be had again."""
        return self._reopen is not None

    def _restart(self) -> None:
        if self._reopen is None:
            raise Broken(f"the model is gone since: {self._broken}")
        try:
            self.model = self._reopen()
        except (ModelUnusable, Broken) as unusable:
            raise Broken(f"the model can't be started again: {unusable}") from unusable
        self._worker = getattr(self.model, "worker", None) or Worker()
        self._broken = ""

    @contextmanager
    def elsewhere(self, **environment: str) -> Iterator[Model]:
        """Give the same model in another process with *environment* variables (on top of ours).

        Ask it through ``asked_of``. Raises Skip where this way to the model knows of no other
        process, and Broken when the model can't be started there.
        """
        if self._elsewhere is None:
            raise Skip("this way to the model has no second process")
        try:
            with self._elsewhere(environment) as model:
                yield model
        except ModelUnusable as unusable:
            raise Broken(f"the model can't be started in another process: {unusable}") from unusable

    def asked_of(self, model: Model, batch: Batch, role: str) -> Answer:
        """Return *model*'s answer in *role*, within the budget; raises as ``answer`` does."""
        if self.left <= 0:
            raise OutOfTime(f"the budget of {self.settings.seconds:g} s is used up")
        self.calls += 1
        worker = getattr(model, "worker", None) or Worker()
        method = self.roles[role]
        try:
            return worker.run(lambda: model.answer(batch, method=method), seconds=self.left)
        except Overdue as overdue:
            raise Broken(f"the model hangs: {overdue}") from overdue

    def answers(
        self, batch: Batch, roles: Sequence[str] | None = None, *, watch: bool = True
    ) -> dict[str, Answer]:
        """Return the answers in *roles* (None: every one), of whatever form.

        Without *watch* nobody looks whether the model changes its input, which takes time.
        """
        methods = {role: self.roles[role] for role in roles or self.roles}
        if len(methods) < 2 or not hasattr(self.model, "answers"):
            return {role: self.answer(batch, role) for role in methods}
        asked = tuple(methods.values())
        given = self.call(
            lambda model: model.answers(batch, methods=asked, watch=watch),  # type: ignore[attr-defined]
            calls=len(asked),
        )
        return {role: given[method] for role, method in methods.items()}

    def reading(self, batch: Batch, roles: Sequence[str] | None = None) -> Reading:
        """Return the answers as numbers; raises Malformed when their form is not the claimed."""
        return self.read(batch.rows, self.answers(batch, roles))

    def read(self, count: int, answers: Mapping[str, Answer]) -> Reading:
        """Return *answers* to *count* rows as numbers; raises Malformed."""
        self.well_formed(count, answers)
        return read(self.claims, answers, count)

    def well_formed(self, count: int, answers: Mapping[str, Answer]) -> None:
        """Raise Malformed when the form of *answers* to *count* rows is not the claimed one."""
        for role, answer in answers.items():
            if problem := shape_problem(self.claims, role, answer, count):
                raise Malformed("shape", role, problem)
            if problem := dtype_problem(self.claims, role, answer):
                raise Malformed("dtype", role, problem)

    @property
    def main(self) -> str:
        """The role that the claims are about."""
        return next(iter(self.roles))

    @cached_property
    def pools(self) -> tuple[levels.Pool, ...]:
        """What is tried in each column."""
        known = self.training if self.training.rows else None
        constants = getattr(self.model, "constants", None)
        words = getattr(self.model, "words", ())
        return levels.pools(self.claims.domains, known, constants=constants, words=words)

    @cached_property
    def _drawn(self) -> rows.Plan:
        return rows.plan(self.pools, self.training, seed=self.settings.seed)

    @cached_property
    def plan(self) -> rows.Plan:
        """What rows in bulk are made from; a slow model's first rows hold all pairs of levels."""
        made = self._drawn
        expected = self.bulk * self.settings.seconds * _SWEEP_SHARE
        if expected >= _ENOUGH_ROWS or len(self.pools) > MOST_COLUMNS:
            return made
        first = pairwise(tuple(pool.stated for pool in self.pools), seed=self.settings.seed)
        self.notes.append(
            f"a slow model, {self.bulk:,.0f} rows a second: "
            f"{len(first)} rows hold all pairs of stated levels"
        )
        return replace(made, first=first)

    @cached_property
    def candidates(self) -> Batch:
        """The rows to probe with: real ones spread over the training data, with some missing
        cells where the schema admits them; made ones where there are no real rows."""
        count = self.settings.probe_rows
        if self._drawn.real.rows:
            spread = np.linspace(0, self._drawn.real.rows - 1, min(count, self._drawn.real.rows))
            chosen = as_trained(self._drawn.real.take(spread.astype(int)), self.training)
        else:
            self.notes.append("no training rows: probes use made rows")
            chosen = rows.make(self._drawn, 0, count).batch
        return with_missing(chosen, self.claims)

    @cached_property
    def sound(self) -> tuple[Batch | None, Batch | None, str]:
        """The candidates that the model answers in the claimed form, those that it does not, and
        why not; None where there are none. After 40 calls the rest counts as not answered."""
        good: list[Array] = []
        bad: list[Array] = []
        reason = ""
        stack = [np.arange(self.candidates.rows)]
        last = self.calls + _REFUSED_CALLS
        while stack:
            part = stack.pop()
            try:
                self.reading(self.candidates.take(part))
                good.append(part)
            except (Refusal, Malformed) as trouble:
                reason = reason or str(trouble)
                if len(part) == 1 or self.calls >= last:
                    bad.append(part)
                else:
                    half = len(part) // 2
                    stack += [part[half:], part[:half]]
        return self._some(good), self._some(bad), reason

    def _some(self, parts: list[Array]) -> Batch | None:
        return self.candidates.take(np.sort(np.concatenate(parts))) if parts else None

    @property
    def probe(self) -> Probe:
        """The rows to probe with and the answers to them: real rows, and kept ones of the check
        that runs. Raises Skip when the model answers none."""
        kept = self.kept(self._check)
        key = self._check if kept is not None else ""
        if key not in self._probes:
            batch = self._paced[0]
            if kept is not None:
                batch = join([kept, batch])
            self._probes[key] = Probe(rows=batch, answers=self.answers(batch))
        return self._probes[key]

    @property
    def rate(self) -> float:
        """How many rows a second were answered in a small batch; infinite when none were."""
        return float("inf") if self.sound[0] is None else self._paced[1]

    @cached_property
    def _paced(self) -> tuple[Batch, float]:
        """The sound candidates, of a slow model's only as many as leave time for every check;
        and how many rows a second they were answered at."""
        batch, _, reason = self.sound
        if batch is None:
            raise Skip(f"no row to probe with is answered: {reason}")
        took = self._timed(batch)
        rate = batch.rows / took
        most = max(_FEWEST_PROBES, int(rate * self.settings.seconds / _PROBING_CALLS))
        if most >= batch.rows or self._timed(batch.head(_FEWEST_PROBES)) > took / 2:
            return batch, rate  # a call takes long, and fewer rows in it would spare nothing
        self.notes.append(f"a slow model: {most} rows to probe with")
        return batch.take(np.linspace(0, batch.rows - 1, most).astype(int)), rate

    def _timed(self, batch: Batch) -> float:
        """Return the seconds that *batch* takes, the better of two times."""
        took = []
        for _ in range(2):
            began = time.monotonic()
            self.answers(batch)
            took.append(time.monotonic() - began)
        return max(min(took), 1e-9)

    @cached_property
    def bulk(self) -> float:
        """How many rows a second are answered in bulk, as far as a thousand rows tell."""
        if self.rate * self.settings.seconds * _SWEEP_SHARE >= _ENOUGH_ROWS:
            return self.rate
        batch = self.probe.rows
        many = batch.take(np.arange(_BULK) % batch.rows)
        try:
            began = time.monotonic()
            self.answers(many)
        except Refusal:
            return self.rate
        return max(self.rate, _BULK / max(time.monotonic() - began, 1e-9))

    def kept(self, check: str) -> Batch | None:
        """Return the rows that failed *check* before and that the schema still admits."""
        found = []
        for row in self._kept.get(check, ()):
            if set(row) != set(self.claims.columns):
                continue
            batch = batch_of(row, self.candidates)
            if all(admits(domain, batch[domain.name])[0] for domain in self.claims.domains):
                found.append(batch)
        return join(found) if found else None

    def odd(self, check: str) -> tuple[Batch, ...]:
        """Return the rows that failed *check* before and that the schema does not admit."""
        rows_kept = [batch_of(row, self.candidates) for row in self._kept.get(check, ())]
        return tuple(
            batch
            for batch in rows_kept
            if batch.names != self.claims.columns
            or not all(admits(d, batch[d.name])[0] for d in self.claims.domains)
        )

    def make(self, start: int, stop: int) -> rows.Made:
        """Return rows *start* to *stop* of the sweep; fewer where no more can be made."""
        return rows.make(self.plan, start, stop)

    def explain(
        self, oracle: Oracle, row: Batch, passing: Batch, *, since: int | None = None
    ) -> Explained:
        """Return why *row* (a batch of one, which fails) fails and *passing* rows don't; the calls
        *since* that number count as spent on it."""
        began = self.calls if since is None else since
        return explain(
            oracle,
            row,
            passing,
            self.pools,
            fresh=self.answered if oracle.bulk else self.fresh,
            left=lambda: MOST_CALLS - 4 - (self.calls - began),
            pace=self.pace,
        )

    def answered(self, count: int) -> Batch:
        """Return up to *count* rows as ``fresh`` makes them, but ones that the model answers: real
        ones alone where it refuses some of the others."""
        rows = self._answered
        return rows.take(np.linspace(0, rows.rows - 1, min(count, rows.rows)).astype(int))

    @cached_property
    def _answered(self) -> Batch:
        made = self.fresh(_FRESH)
        try:
            self.reading(made)
        except (Refusal, Malformed):
            return made.head(0) if self.sound[0] is None else self.sound[0]
        return made

    @property
    def pace(self) -> float:
        """What share of the usual number of rows a model of this speed is asked about."""
        if self.sound[0] is None:
            return 1.0
        return next((share for rate, share in _PACES if self.rate >= rate), _SLOWEST)

    def fresh(self, count: int) -> Batch:
        """Return *count* rows that are in no sweep, some of them real; fewer of a slow model's."""
        count = max(16, int(count * self.pace))
        made = rows.make(self.plan, _APART, _APART + count).batch
        real = self.plan.real
        if not real.rows:
            return made
        few = np.linspace(0, real.rows - 1, min(real.rows, count // 4)).astype(int)
        return join([real.take(few), made.head(count - len(few))])

    def again(self, indices: Array) -> Batch:
        """Return rows of the sweep by number."""
        return rows.again(self.plan, indices)
