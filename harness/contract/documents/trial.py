"""A trial of a model that takes documents: the same checks, other rows and another explanation."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from harness.contract import levels, rows
from harness.contract.batch import Array, Batch
from harness.contract.cause import MOST_CALLS
from harness.contract.documents import cause
from harness.contract.documents.generate import CHUNK, Generator
from harness.contract.documents.rows import batch_of, list_of
from harness.contract.documents.schema import Schema, read
from harness.contract.documents.steps import Steps
from harness.contract.oracle import Oracle
from harness.contract.steady import TIMES, Explained, confirmed
from harness.contract.trial import Trial
from harness.core.errors import SpecInvalid
from harness.runtime.inputs import DOCUMENT

MOST = 10_000
"""How many documents are made, at most."""
_SHARE = 0.3
_STEPS = 400
_KNOWN = 2000


class DocumentTrial(Trial):
    """A trial whose rows are documents.

    They are made in turns: a hundred by hypothesis-jsonschema, then some hundreds (in each turn
    three times as many) by a step from known ones, real ones where there are any. Document *i* of a
    seed is always the same; how many there are depends on the time.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Take what a trial takes; raises SpecInvalid for a schema that can't be used, ToolMissing
        without the extra ``documents``."""
        super().__init__(*arguments, **options)
        assert self.claims.document is not None
        self.schema: Schema = read(self.claims.document)
        self.settings = replace(self.settings, rows=min(self.settings.rows, MOST))
        self.training = batch_of(list_of(self.training) if self.training.columns else [])
        self._generator = Generator(self.schema, seed=self.settings.seed)
        self._made: list[Any] = []
        self._turn, self._fertile = 0, True
        self._stepping: Steps | None = None
        self._making = 0.0

    @cached_property
    def real(self) -> list[Any]:
        """The training documents that the schema admits."""
        return [d for d in list_of(self.training)[:_KNOWN] if self.schema.admits(d)]

    @cached_property
    def pools(self) -> tuple[levels.Pool, ...]:
        """None: documents have no columns that are tried with each other."""
        return ()

    @cached_property
    def plan(self) -> rows.Plan:
        """What real rows there are."""
        return rows.Plan(pools=(), real=batch_of(self.real), seed=self.settings.seed)

    @cached_property
    def candidates(self) -> Batch:
        """The documents to probe with: real ones spread over the training data, else made ones.

        Raises SpecInvalid when no document is known that the schema admits.
        """
        count = self.settings.probe_rows
        if self.real:
            spread = rows.spread(len(self.real), count, seed=self.settings.seed)
            return batch_of([self.real[i] for i in spread.tolist()])
        self.notes.append("no training documents: probes use made ones")
        return self._first(count)

    def _first(self, count: int) -> Batch:
        made = self.make(0, count).batch
        if not made.rows:
            raise SpecInvalid(
                "contract.inputs: no document is known that the schema admits",
                hint="give training data that hold some, or look for rules that contradict another",
            )
        return made

    def kept(self, check: str) -> Batch | None:
        """Return the documents that failed *check* before and that the schema still admits."""
        found = [d for d in self._documents_kept(check) if self.schema.admits(d)]
        return batch_of(found) if found else None

    def odd(self, check: str) -> tuple[Batch, ...]:
        """Return the documents that failed *check* before and that the schema does not admit."""
        found = [d for d in self._documents_kept(check) if not self.schema.admits(d)]
        return tuple(batch_of([document]) for document in found)

    def _documents_kept(self, check: str) -> list[Any]:
        return [row[DOCUMENT] for row in self._kept.get(check, ()) if set(row) == {DOCUMENT}]

    def make(self, start: int, stop: int) -> rows.Made:
        """Return documents *start* to *stop*; fewer where there is no more time to make any."""
        while len(self._made) < stop and self._more():
            began = time.monotonic()
            self._made += self._next()
            self._making += time.monotonic() - began
        none = np.zeros(0, np.int64)
        return rows.Made(
            batch=batch_of(self._made[start:stop]), stated=none, codes=none.reshape(0, 0)
        )

    def _more(self) -> bool:
        if self._turn and not self._made and not self.real:
            return False
        return self._turn == 0 or self._making < self.settings.seconds * _SHARE

    def _next(self) -> list[Any]:
        turn, self._turn = self._turn, self._turn + 1
        if turn % 2 == 0:
            made = self._generator.chunk(turn // 2, size=CHUNK) if self._fertile else []
            self._fertile = bool(made)
            return made
        known = self.real or self._made[:CHUNK]
        if not known:
            return []
        first = len(self._made)
        return [self._steps(known).make(first + i) for i in range(_STEPS * 3 ** (turn // 2))]

    def _steps(self, known: list[Any]) -> Steps:
        if self._stepping is None:
            constants: Mapping[str, Any] | None = getattr(self.model, "constants", None)
            self._stepping = Steps(self.schema, known, seed=self.settings.seed, constants=constants)
        return self._stepping

    def explain(
        self, oracle: Oracle, row: Batch, passing: Batch, *, since: int | None = None
    ) -> Explained:
        """Return why the document of *row* fails and *passing* ones don't."""
        times = 1 if self.steady else TIMES - 1
        with self.until((self.calls if since is None else since) + MOST_CALLS - 1):
            return confirmed(
                oracle,
                row,
                passing,
                lambda: cause.explain(oracle, row, passing, self.schema),
                times=times,
            )

    def again(self, indices: Array) -> Batch:
        """Return documents of the sweep by number."""
        wanted = indices.tolist()
        self.make(0, max(wanted, default=-1) + 1)
        return batch_of([self._made[i % len(self._made)] for i in wanted if self._made])
