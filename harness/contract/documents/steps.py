"""Documents a step or two from known ones: one value at an edge, a key less, an array of another
length. Document *i* of a seed can be made again alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from harness.contract import levels
from harness.contract.batch import Batch
from harness.contract.documents.rows import column_at
from harness.contract.documents.schema import Schema
from harness.contract.documents.tree import ABSENT, Path, at, drop, places, put
from harness.core.errors import SpecInvalid

_TRIES = 8
_TWO_STEPS, _DROPPED, _TAKEN, _STATED = 0.3, 0.15, 0.2, 0.6
_EXTRA = 0.05
_LONGEST = 50
_KEYS = ("harness extra", "", " ", "0", "length", "__class__", "ключ", "a/b~c")
_VALUES: tuple[Any, ...] = (None, "?", 0, True, {}, [], {"": None})


class Steps:
    """Makes documents from *known* ones, which the schema admits; *constants* are numbers that the
    model's own rules use."""

    def __init__(
        self,
        schema: Schema,
        known: Sequence[Any],
        *,
        seed: int,
        constants: Mapping[str, Sequence[float]] | None = None,
    ) -> None:
        """Take what documents are made from."""
        self.schema = schema
        self.known = known
        self.seed = seed
        self._constants = {"*": [v for values in (constants or {}).values() for v in values]}
        self._levels: dict[Path, tuple[list[Any], int]] = {}

    def make(self, number: int) -> Any:
        """Return document *number*; a known one as it is where no step is admitted."""
        draw = np.random.default_rng([self.seed, number])
        first = self.known[int(draw.integers(len(self.known)))]
        for _ in range(_TRIES):
            made = self._step(first, draw)
            if draw.random() < _TWO_STEPS:
                made = self._step(made, draw)
            if made is not first and self.schema.admits(made):
                return made
        return first

    def levels(self, path: Path) -> tuple[list[Any], int]:
        """Return the values worth trying at *path*, and how many of them count as stated."""
        general = tuple("0" if token.isdecimal() else token for token in path)
        if general not in self._levels:
            self._levels[general] = self._found(general)
        return self._levels[general]

    def _found(self, path: Path) -> tuple[list[Any], int]:
        seen = column_at(self.known, path)
        domain = self.schema.domain(path)
        if domain is not None:
            try:
                pool = levels.pools((domain,), Batch(columns=(seen,)), constants=self._constants)[0]
            except SpecInvalid:
                pool = None
            if pool is not None:
                values = [pool.levels.at(i) for i in range(len(pool.levels))]
                return values, pool.stated
        here = [at(document, path) for document in self.known[:64]]
        values = [value for value in here if value is not ABSENT]
        return values, len(values)

    def _step(self, document: Any, draw: np.random.Generator) -> Any:
        there = list(places(document))
        if not there or draw.random() < _EXTRA:
            return self._extended(document, draw)
        path = there[int(draw.integers(len(there)))]
        chance = draw.random()
        if chance < _DROPPED:
            return drop(document, path)
        if chance < _DROPPED + _TAKEN:
            return self._taken(document, draw)
        value = at(document, path)
        if isinstance(value, list):
            return put(document, path, _resized(value, draw))
        if isinstance(value, dict):
            inner = [p for p in there if p[: len(path)] == path and p != path]
            if not inner:
                return drop(document, path)
            path = inner[int(draw.integers(len(inner)))]
        values, stated = self.levels(path)
        if not values:
            return drop(document, path)
        among = stated if draw.random() < _STATED else len(values)
        return put(document, path, values[int(draw.integers(max(1, among)))])

    def _extended(self, document: Any, draw: np.random.Generator) -> Any:
        """Return *document* with a key that no schema names, in one of its objects."""
        objects = [p for p in ((), *places(document)) if isinstance(at(document, p), dict)]
        path = objects[int(draw.integers(len(objects)))]
        key = _KEYS[int(draw.integers(len(_KEYS)))]
        return put(document, (*path, key), _VALUES[int(draw.integers(len(_VALUES)))])

    def _taken(self, document: Any, draw: np.random.Generator) -> Any:
        """Return *document* with a part of another one, at a place that it may lack."""
        other = self.known[int(draw.integers(len(self.known)))]
        fitting = [p for p in places(other) if isinstance(at(document, p[:-1]), dict)]
        if not fitting:
            return document
        path = fitting[int(draw.integers(len(fitting)))]
        return put(document, path, at(other, path))


def _resized(items: list[Any], draw: np.random.Generator) -> list[Any]:
    length = (0, 1, len(items) - 1, len(items) + 1, len(items) * 2, 10, _LONGEST)
    wanted = max(0, int(length[int(draw.integers(len(length)))]))
    if not items:
        return items
    return [items[i % len(items)] for i in range(min(wanted, _LONGEST))]
