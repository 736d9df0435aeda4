"""The fewest cells to blame where a call tells one bit, as when a failing row spoils its batch.

Rows that are known to pass are used first: a set of cells that stands in one of them is not to
blame. What is left are hypotheses with weights, and each question is chosen to halve their weight.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from harness.contract.batch import Array, Batch, Cells, Mask, mosaic
from harness.contract.oracle import Oracle

_BY_SIZE = (0.5, 0.27, 0.15, 0.08)
_LIKE_OTHERS = 0.2
_MOST_HYPOTHESES = 6000
_MOST_MASKED = 62
_GUESSES = 192
_OTHER_BASES = 1
_BINS = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Fewest:
    """*columns* by number whose cells suffice, and *witness*: for each a baseline that passes
    without it. *whole* says that the questions sufficed to find out."""

    columns: tuple[int, ...]
    witness: dict[int, int]
    whole: bool = True


def source(pool: Batch, variants: Sequence[tuple[Any, int]]) -> Array:
    """Return, for each variant, which row each cell is from: 0 where chosen, else the baseline."""
    made = np.empty((len(variants), len(pool.columns)), np.int64)
    for number, (chosen, base) in enumerate(variants):
        made[number] = base
        made[number, list(chosen)] = 0
    return made


class Hypotheses:
    """The hypotheses that are left, on their way to one."""

    def __init__(self, oracle: Oracle, pool: Batch, known: Batch, left: Callable[[], int]) -> None:
        self.oracle, self.pool, self.left = oracle, pool, left
        self.width = len(pool.columns)
        row = pool.take(np.zeros(1, np.int64))
        rows = pool.take(np.arange(1, pool.rows))
        self.same = matches(rows, row)  # baselines × columns: the cell is the row's own
        hard = [self.same, matches(known, row)] if known.rows else [self.same]
        self.passed = list(np.concatenate(hard))
        self.like = _alike(known, row) if known.rows else np.zeros((0, self.width), bool)
        self.draw = np.random.default_rng(0)
        self.order = sorted(range(pool.rows - 1), key=lambda b: int(self.same[b].sum()))

    def find(self) -> Fewest:
        """Return the cells to blame."""
        chosen: set[int] = set()
        used: list[int] = []
        for turn, base in enumerate(self.order[: 1 + _OTHER_BASES]):
            if turn and self.asks(chosen, base):
                continue
            found = self._search(chosen, base)
            if found is None:
                return Fewest(columns=tuple(sorted(chosen)), witness={}, whole=False)
            chosen = found
            used.append(base)
        chosen = self._leaner(chosen)
        base = min(used[:1] + self.order, key=lambda b: int(self.same[b, list(chosen)].sum()))
        return Fewest(columns=tuple(sorted(chosen)), witness={c: base + 1 for c in chosen})

    def asks(self, chosen: set[int], base: int) -> bool:
        """Return whether row *base* fails with the cells *chosen*; what passes is remembered."""
        fails = self.oracle.any(mosaic(self.pool, source(self.pool, [(chosen, base + 1)])))
        if not fails:
            held = self.same[base].copy()
            held[list(chosen)] = True
            self.passed.append(held)
        return fails

    def _search(self, must: set[int], base: int) -> set[int] | None:
        """Return a set of cells that holds *must* and makes *base* fail; None where no questions
        are left."""
        hypotheses, weights = self._hypotheses(must)
        same = _bits(np.flatnonzero(self.same[base]))
        while len(hypotheses):
            if self.left() <= 0:
                return None
            tried = self._question(hypotheses, weights, same)
            chosen = {c for c in range(self.width) if tried >> c & 1}
            inside = (hypotheses & ~np.uint64(tried | same)) == 0
            if self.asks(chosen | must, base):
                kept = inside
                within = hypotheses[(hypotheses & ~np.uint64(tried)) == 0]
                if len(within) == 1 and int(within[0]) == tried:
                    return chosen | must
            else:
                kept = ~inside
            hypotheses, weights = hypotheses[kept], weights[kept]
        order = [int(c) for c in np.argsort(self._usual(), kind="stable") if c not in must]
        return self._bisected(must, order, base)

    def _bisected(self, must: set[int], order: list[int], base: int) -> set[int] | None:
        """As ``_search``, for any number of cells and columns: by halves of the columns."""
        chosen = set(must)
        while not (chosen and self.asks(chosen, base)):
            low, high = 0, len(order)
            while low < high:
                if self.left() <= 0:
                    return None
                half = (low + high) // 2
                if self.asks(chosen | set(order[: half + 1]), base):
                    high = half
                else:
                    low = half + 1
            if low >= len(order):
                return chosen  # this baseline passes even with the whole row
            chosen.add(order[low])
            order = order[:low]
        return chosen

    def _hypotheses(self, must: set[int]) -> tuple[Array, Array]:
        """Return the sets of up to four cells that no passing row holds, as bits, and weights."""
        nothing = np.zeros(0, np.uint64), np.zeros(0)
        if self.width > _MOST_MASKED:
            return nothing
        packed = np.packbits(np.array(self.passed), axis=0).T
        like = np.packbits(self.like, axis=0).T if len(self.like) else None
        sets: list[Array] = []
        weights: list[Array] = []
        rest = [c for c in range(self.width) if c not in must]
        count = 0
        for size, share in enumerate(_BY_SIZE, 1):
            more = size - len(must)
            if more < 0 or (more == 0 and not must):
                continue
            found = list(combinations(rest, more))
            wanted = np.array(found, np.int64).reshape(len(found), more)
            count += len(wanted)
            if count > _MOST_HYPOTHESES:
                break
            full = np.hstack([np.tile(sorted(must), (len(wanted), 1)).astype(np.int64), wanted])
            free = full[~_held(packed, full)]
            if not len(free):
                continue
            weight = np.ones(len(free))
            if like is not None:
                weight[_held(like, free)] = _LIKE_OTHERS
            sets.append((np.uint64(1) << free.astype(np.uint64)).sum(axis=1, dtype=np.uint64))
            weights.append(weight * share / weight.sum())
        if not sets:
            return nothing
        return np.concatenate(sets), np.concatenate(weights)

    def _question(self, hypotheses: Array, weights: Array, same: int) -> int:
        """Return the cells to keep, as bits, so that half of the weight lies within them (and the
        cells that are the *same* in the baseline)."""
        if len(hypotheses) == 1:
            return int(hypotheses[0])
        heavy = hypotheses[np.argsort(-weights, kind="stable")[:16]]
        shares = self.draw.choice((0.2, 0.35, 0.5, 0.65, 0.8, 0.9), (_GUESSES, 1))
        kept = self.draw.random((_GUESSES, self.width)) < shares
        guesses = kept @ (np.uint64(1) << np.arange(self.width, dtype=np.uint64))
        unions = np.bitwise_or.accumulate(heavy)
        tried = np.unique(np.concatenate([heavy, unions, guesses.astype(np.uint64)]))
        inside = (hypotheses[None, :] & ~(tried | np.uint64(same))[:, None]) == 0
        mass = (inside * weights[None, :]).sum(axis=1) / weights.sum()
        useful = inside.any(axis=1) & ~inside.all(axis=1)
        off = np.where(useful, np.abs(mass - 0.5), 2.0)
        best = int(off.argmin())
        if off[best] < 2.0:
            return int(tried[best])
        return int(hypotheses[int(weights.argmax())])

    def _leaner(self, chosen: set[int]) -> set[int]:
        """Return *chosen* without the cells that can be left out."""
        if len(chosen) < 2 or self.left() <= len(chosen):
            return chosen
        base = min(self.order, key=lambda b: int(self.same[b, list(chosen)].sum()))
        without = [(chosen - {c}, base + 1) for c in sorted(chosen)]
        if self.oracle.group and not self.oracle.any(mosaic(self.pool, source(self.pool, without))):
            return chosen
        for column in sorted(chosen):
            if len(chosen) > 1 and self.left() > 0 and self.asks(chosen - {column}, base):
                chosen = chosen - {column}
        return chosen

    def _usual(self) -> Array:
        """Return how usual each of the row's cells is among rows that pass."""
        held = np.array(self.passed).mean(axis=0)
        usual: Array = held + (self.like.mean(axis=0) if len(self.like) else 0.0)
        return usual


def _held(packed: Array, sets: Array) -> Mask:
    """Return which of *sets* (of columns, one a row) some row holds; *packed* has a column's rows
    as bits in each row."""
    found = packed[sets[:, 0]]
    for column in sets.T[1:]:
        found = found & packed[column]
    return np.asarray(found.any(axis=1), bool)


def matches(rows: Batch, row: Batch) -> Mask:
    """Return which cells of *rows* are those of *row* (one), of shape (rows, columns)."""
    found = [_equal(many, one) for many, one in zip(rows.columns, row.columns, strict=True)]
    return np.stack(found, axis=1)


def _equal(many: Cells, one: Cells) -> Mask:
    if bool(one.absent[0]):
        return many.absent
    if many.kind == "mixed":
        return np.fromiter((v is not None and v == one.at(0) for v in many.values), bool, len(many))
    return np.asarray(many.values == one.values[0], bool) & ~many.absent


def _alike(rows: Batch, row: Batch) -> Mask:
    """Return which cells of *rows* are near those of *row*: numbers in the same tenth."""
    found = []
    for many, one in zip(rows.columns, row.columns, strict=True):
        numeric = many.kind in ("number", "integer", "datetime") and not one.absent[0]
        if not numeric:
            found.append(_equal(many, one))
            continue
        values = np.sort(many.values[~many.absent].astype(float))
        value = float(one.values[0])
        if not len(values) or not values[0] <= value <= values[-1]:
            found.append(_equal(many, one))
            continue
        cuts = np.quantile(values, np.linspace(0, 1, _BINS + 1)[1:-1])
        near = np.searchsorted(cuts, many.values.astype(float)) == np.searchsorted(cuts, value)
        found.append(near & ~many.absent)
    return np.stack(found, axis=1)


def _bits(columns: Array) -> int:
    return sum(1 << int(column) for column in columns)
