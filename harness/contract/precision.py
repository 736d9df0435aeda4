"""A rule's precision, measured: how many fresh rows fail that it holds for, and that it doesn't."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.contract.batch import Array, Batch, Cells, join, mosaic
from harness.contract.edge import put_values
from harness.contract.levels import Pool
from harness.contract.oracle import Oracle
from harness.contract.rule import Condition, Part, Rule, ordered

Fresh = Callable[[int], Batch]
"""Makes so many rows that nothing was learnt from."""

_IN_BULK = 4000
_FEW, _GROUP = 4, 256
_DRAWS = 400
_NEARLY = 64  # other values of a blamed column


@dataclass(frozen=True, kw_only=True, slots=True)
class Precision:
    """The shares of rows *inside* and *outside* a rule that fail; None where not measured.
    *against* is a row that the rule holds for and that passes, with the rule's cells in it."""

    inside: float | None = None
    outside: float | None = None
    against: Batch | None = None

    @property
    def worth(self) -> float:
        """How much of the rule is right, as far as it is known."""
        if self.inside is None and self.against is not None:
            return -1.0
        inside = 1.0 if self.inside is None else self.inside
        outside = 0.0 if self.outside is None else self.outside
        return inside - outside


def measure(
    oracle: Oracle,
    rule: Rule,
    row: Batch,
    known: Batch,
    pools: Mapping[str, Pool],
    fresh: Fresh | None,
    left: Callable[[], int],
) -> Precision:
    """Return how often rows fail inside and outside *rule*.

    Rows inside are *known* and *fresh* ones whose cells of the rule are drawn anew so that it
    holds; *row* is one that fails.
    """
    if not rule.conditions:
        return Precision()
    contrary = np.flatnonzero(rule.matches(known))
    if len(contrary):
        return Precision(inside=None, against=known.take(contrary[:1]))
    if oracle.bulk:
        return _in_bulk(oracle, rule, row, known, pools, fresh)
    return _by_asking(oracle, rule, row, known, pools, fresh, left)


def _in_bulk(
    oracle: Oracle,
    rule: Rule,
    row: Batch,
    known: Batch,
    pools: Mapping[str, Pool],
    fresh: Fresh | None,
) -> Precision:
    rows = known if fresh is None else join([known, fresh(_IN_BULK)])
    held = inside(rule, row, rows, pools)
    out = rows.take(np.flatnonzero(~rule.matches(rows)))
    parts = [part for part in (held, out) if part.rows]
    fails = oracle.mask(join(parts))
    first, rest = fails[: held.rows], fails[held.rows :]
    passing = np.flatnonzero(~first)
    return Precision(
        inside=float(first.mean()) if len(first) else None,
        outside=float(rest.mean()) if len(rest) else None,
        against=held.take(passing[:1]) if len(passing) else None,
    )


def _by_asking(
    oracle: Oracle,
    rule: Rule,
    row: Batch,
    known: Batch,
    pools: Mapping[str, Pool],
    fresh: Fresh | None,
    left: Callable[[], int],
) -> Precision:
    some = np.linspace(0, known.rows - 1, min(known.rows, _FEW - 2)).astype(int)
    wide = known if fresh is None else join([known, fresh(_FEW * _FEW)])
    spread = join([_extreme(wide, np.argmin), _extreme(wide, np.argmax), known.take(some)])
    held = inside(rule, row, spread, pools, ends=True)
    failed = asked = 0
    for number in range(min(held.rows, _FEW)):
        if left() <= 0:
            break
        asked += 1
        one = held.take(np.array([number]))
        if not oracle.any(one):
            return Precision(inside=failed / asked, against=one)
        failed += 1
    outside = None
    if oracle.group and fresh is not None and left() > 0:
        rows = join([fresh(_GROUP), nearly(rule, row, pools)])
        out = rows.take(np.flatnonzero(~rule.matches(rows)))
        if out.rows and not oracle.any(out):
            outside = 0.0
    return Precision(inside=failed / asked if asked else None, outside=outside)


def _extreme(rows: Batch, end: Callable[[Array], Any]) -> Batch:
    """Return a row that holds each column's least (or largest) number of *rows*."""
    source = np.zeros((1, len(rows.columns)), np.int64)
    for number, column in enumerate(rows.columns):
        if column.kind in ("number", "integer", "datetime"):
            there = np.flatnonzero(~column.absent)
            source[0, number] = there[int(end(column.values[there]))] if len(there) else 0
        elif column.kind == "string" and len(column):
            levels = ordered(column.take(np.arange(min(len(column), _DRAWS))))
            if np.isfinite(levels).all():
                source[0, number] = int(end(levels))
    return mosaic(rows, source)


def nearly(rule: Rule, row: Batch, pools: Mapping[str, Pool]) -> Batch:
    """Return copies of *row*, which *rule* holds for, each with another value in one cell of it:
    spread over what that column may hold."""
    made = [row.head(0)]
    for name in rule.columns:
        levels, own = pools[name].levels, row[name]
        if levels.kind != own.kind or not len(levels):
            continue
        some = np.unique(np.linspace(0, len(levels) - 1, min(len(levels), _NEARLY)).astype(int))
        others = [value for value in map(levels.at, some.tolist()) if value is not None]
        held = put_values(own, others)
        made.append(row.take(np.zeros(len(held), np.int64)).put(held))
    return join(made)


def inside(
    rule: Rule, row: Batch, rows: Batch, pools: Mapping[str, Pool], *, ends: bool = False
) -> Batch:
    """Return *rows* with cells put into them so that *rule* holds: for each condition values that
    meet it, with *ends* those at its edge first."""
    draw = np.random.default_rng(0)
    made = rows
    for name in rule.columns:
        parts = [part for part in rule.conditions if name in part.columns]
        values = _meeting(parts, row, name, pools[name], ends=ends)
        pick = draw.integers(0, len(values), rows.rows)
        if ends:  # most at the rule's edge, where it is wrong first
            pick = np.where(np.arange(rows.rows) % _FEW == _FEW - 1, len(values) - 1, 0)
        made = made.put(values.take(pick))
    fits = np.flatnonzero(rule.matches(made))
    return made.take(fits)


def _meeting(parts: list[Part], row: Batch, name: str, pool: Pool, *, ends: bool) -> Cells:
    """Return values of one column that its own conditions admit, the row's own first."""
    alone = [part for part in parts if isinstance(part, Condition)]
    own = row[name]
    edge: list[Any] = [own.at(0)]
    levels = pool.levels.take(np.arange(min(len(pool.levels), _DRAWS)))
    if levels.kind != own.kind:
        return own
    tried = [*edge, *(levels.at(i) for i in range(len(levels)))]
    if len(alone) == len(parts) and alone and alone[0].sign == "missing":
        return own
    held = put_values(own, tried)
    fits = np.ones(len(held), bool)
    for part in alone:
        fits &= part.matches(held)
    fits &= ~held.absent
    found: Array = np.flatnonzero(fits)
    if not len(found):
        return own
    if ends and len(found) > 2:
        found = np.array([found[0], found[-1], *found[1:-1]])
    return held.take(found)
