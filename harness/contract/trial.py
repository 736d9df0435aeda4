"""A trial: one model, its claims and its rows, while they are being checked.

What checks share lives here: the rows to probe with, the answers to them, the sweep. It has the
lifetime of one report (or of one pytest process).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.contract import levels, rows
from harness.contract.asking import Asking, Elsewhere, Malformed
from harness.contract.batch import (
    Answer,
    Array,
    Batch,
    Broken,
    Model,
    Refusal,
    join,
)
from harness.contract.cause import CALLS_KEPT, MOST_CALLS, explain
from harness.contract.claims import Claims
from harness.contract.domain import admits
from harness.contract.oracle import Oracle
from harness.contract.pairwise import MOST_COLUMNS, pairwise
from harness.contract.probes import as_trained, batch_of, with_missing
from harness.contract.promise import Failure, Settings, Skip
from harness.contract.steady import TIMES, Explained, confirmed

if TYPE_CHECKING:
    from harness.contract.growth import Growth
    from harness.contract.hostile import HostilePass
    from harness.contract.judged import Judged, Known
    from harness.contract.sweep import Sweep
    from harness.contract.unseen import Unseen
    from harness.contract.visit import Visit

_REFUSED_CALLS = 40
_FEWEST_PROBES, _PROBING_CALLS = 8, 300
_FRESH = 4000
LATE = 20  # times as long as expected: then it hangs
_APART = 2**40  # rows from here on are in no sweep
_PACES = ((20_000.0, 1.0), (2_000.0, 0.25), (200.0, 0.05))  # rows a second, share of the rows
_SLOWEST = 0.02
_SWEEP_SHARE, _ENOUGH_ROWS, _BULK = 0.5, 20_000, 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe:
    """Rows that the schema admits and the model answered, and its answers by role."""

    rows: Batch
    answers: Mapping[str, Answer]


class Trial(Asking):
    """The model under trial and what is known of it so far.

    *given* is all training rows as they came, *training* those of their columns that are inputs
    (no rows, when one is lacking), *dev* the dev rows with their target, if there are any. *rate*
    says how many rows a second were answered in a small batch. *unseen* is what values that
    training data don't have do, once that was asked. It is not *steady* once the same rows were
    seen to get other answers.
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
        super().__init__(claims, model, settings=settings, reopen=reopen, elsewhere=elsewhere)
        lacking = set(claims.columns) - set(training.names)
        self.training = training.head(0) if lacking else training.only(claims.columns)
        self.given = training
        self.dev = dev
        self._kept = dict(kept or {})
        self.notes: list[str] = []
        self._probes: dict[str, Probe] = {}
        self.sweep: Sweep | None = None
        self.hostile: HostilePass | None = None
        self.known: dict[str, Known] = {}
        self.unseen: tuple[Unseen, ...] | Broken | None = None
        self.judged: dict[str, Judged | Broken] = {}
        self.visits: dict[tuple[object, ...], Visit] = {}
        self.blamed: dict[int, Mapping[str, Failure]] = {}
        self.growth: Growth | None = None
        self.further: dict[str, Probe | None] = {}
        self.steady = True

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
            spread = rows.spread(self._drawn.real.rows, count, seed=self.settings.seed)
            chosen = as_trained(self._drawn.real.take(spread), self.training)
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

    def _restart(self) -> None:
        """Start the model again, and let it answer what it did before: a first call may take far
        longer than those that follow, and is no sign that it hangs."""
        super()._restart()
        known = self.__dict__.get("sound")
        if known is None or known[0] is None:
            return
        before = self._patience, self._hangs
        self._patience, self._hangs = float("inf"), 0
        try:
            self.call(lambda model: model.answer(known[0], method=self.roles[self.main]), calls=0)
        finally:
            self._patience, self._hangs = before

    def _some(self, parts: list[Array]) -> Batch | None:
        return self.candidates.take(np.sort(np.concatenate(parts))) if parts else None

    @property
    def probe(self) -> Probe:
        """The rows to probe with and the answers to them: real rows, and kept ones of the check
        that runs. Raises Skip when the model answers none."""
        kept = self.kept(self.check)
        key = self.check if kept is not None else ""
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

    def patience(self, rows: int, *, least: float = 5.0) -> float:
        """Return the seconds, so many at *least*, in which *rows* are surely answered unless the
        model hangs: many times as long as they should take."""
        return max(least, LATE * rows / max(self.rate, 1e-9))

    @cached_property
    def bulk(self) -> float:
        """How many rows a second are answered in bulk, as far as a thousand rows tell."""
        if self.rate * self.settings.seconds * _SWEEP_SHARE >= _ENOUGH_ROWS:
            return self.rate
        batch = self._paced[0]  # no kept rows, which the model may not answer
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
        pace = self.pace
        began = self.calls if since is None else since
        most = began + MOST_CALLS - (CALLS_KEPT if self.steady else 2 * TIMES)

        def look() -> Explained:
            with self.until(most):
                return explain(
                    oracle,
                    row,
                    passing,
                    self.pools,
                    fresh=self.answered if oracle.bulk else self.fresh,
                    left=lambda: most - self.calls,
                    pace=pace,
                )

        with self.until(began + MOST_CALLS - 1):  # one shows the row
            times = 1 if self.steady else TIMES - 1
            return confirmed(oracle, row, passing, look, times=times)

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
