"""A model and what may still be asked of it: calls within a budget, of a model that may die.

Whoever asks gets an answer, or one of Refusal (the model refuses), Broken (it died, or gave no
answer in time; the next call starts it again) and OutOfTime (the budget is used up).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

from harness.contract.batch import Answer, Batch, Broken, Hangs, Model
from harness.contract.claims import Claims, roles
from harness.contract.deadline import Overdue, Worker
from harness.contract.outputs import Reading, dtype_problem, read, shape_problem
from harness.contract.promise import OutOfCalls, OutOfTime, Settings, Skip
from harness.core.errors import ModelUnusable

T = TypeVar("T")
Elsewhere = Callable[[Mapping[str, str]], AbstractContextManager[Model]]
"""Gives the same model in another process with these environment variables, while it lasts."""

_CALL_SHARE = 3.0


class Malformed(Exception):
    """An answer whose shape or type is not the claimed one; *kind* is ``shape`` or ``dtype``."""

    def __init__(self, kind: str, role: str, problem: str) -> None:
        """Take what is wrong with the answer in *role*."""
        super().__init__(problem)
        self.kind = kind
        self.role = role


class Asking:
    """A model that answers in *roles*, asked within the budget of *settings*.

    *left* says how many seconds remain while a check runs, *calls* how often it was asked.
    """

    def __init__(
        self,
        claims: Claims,
        model: Model,
        *,
        settings: Settings,
        reopen: Callable[[], Model] | None = None,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        """Take who is asked; nothing is called yet. *reopen* gives a new model when the old one
        died or hangs, *elsewhere* one in another process."""
        self.claims = claims
        self.model = model
        self.settings = settings
        self.roles = roles(claims, model.methods)
        self.check = ""
        self.calls = 0
        self.spent = 0.0
        self._reopen = reopen
        self._elsewhere = elsewhere
        self._worker: Worker = getattr(model, "worker", None) or Worker()
        self._broken = ""
        self._hangs = 0
        self._most: float = float("inf")
        self._patience = float("inf")
        self._started: float | None = None

    @contextmanager
    def running(self, check: str) -> Iterator[None]:
        """Let *check* use the budget: only time spent in here counts."""
        self.check, self._started = check, time.monotonic()
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

    def lasting(self, batches: Sequence[Batch], role: str) -> tuple[Answer, Answer]:
        """Return the first answer to *batches*, asked in turn, as given and as it is at the end."""
        method = self.roles[role]
        found: tuple[Answer, Answer] = self.call(
            lambda model: model.lasting(batches, method=method),  # type: ignore[attr-defined]
            calls=len(batches),
        )
        return found

    def call(self, job: Callable[[Model], T], *, calls: int = 1) -> T:
        """Return what *job* gets out of the model, by so many *calls*, within the budget."""
        if self.left <= 0:
            raise OutOfTime(f"the budget of {self.settings.seconds:g} s is used up")
        if self.calls + calls > self._most:
            raise OutOfCalls("the calls that one cause may take are used up")
        if self._broken:
            self._restart()
        self.calls += calls
        model = self.model
        share = self.settings.seconds / _CALL_SHARE / 2**self._hangs  # less patience each time
        longest = min(self.left, max(share, 1.0), self._patience)
        try:
            return self._worker.run(lambda: job(model), seconds=longest)
        except Overdue as overdue:
            gone: Broken = Hangs(f"the model hangs: {overdue}")
            self._hangs += 1
        except Broken as broken:
            gone = broken
        self._broken = str(gone)
        raise gone

    @contextmanager
    def until(self, most: int) -> Iterator[None]:
        """Make no call meanwhile that would be more than *most* in all; OutOfCalls instead."""
        before, self._most = self._most, min(most, self._most)
        try:
            yield
        finally:
            self._most = before

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Give each call no more than so many *seconds* meanwhile."""
        before = self._patience
        self._patience = min(before, seconds)
        try:
            yield
        finally:
            self._patience = before

    @contextmanager
    def hurried(self, seconds: float) -> Iterator[None]:
        """The same, where one hang is known of: others meanwhile cost no patience."""
        hangs = self._hangs
        try:
            with self.within(seconds):
                yield
        finally:
            self._hangs = hangs

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
            raise Hangs(f"the model hangs: {overdue}") from overdue

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
