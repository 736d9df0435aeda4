"""A rule's precision, measured: how many fresh rows fail that it holds for, and that it doesn't."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.contract.axis import axis
from harness.contract.batch import Array, Batch, Cells, join, moment, mosaic
from harness.contract.domain import admits
from harness.contract.edge import put_values
from harness.contract.levels import Pool
from harness.contract.oracle import Oracle
from harness.contract.rule import Condition, Part, Relation, Rule, ordered

Fresh = Callable[[int], Batch]
"""Makes so many rows that nothing was learnt from."""

_IN_BULK = 4000
_FEW, _MORE, _GROUP = 4, 8, 256
_PLENTY = 20  # questions left: then more rows are asked about
_DRAWS = 400
_PATTERN = (0.0, 0.0, 0.0, 1.0, 0.0, 0.5, 0.25, 0.75)
"""Which of the values within a rule each row holds: most its edge, where it is wrong first."""

_POWERS = 63
_NEARLY = 64  # other values of a blamed column


@dataclass(frozen=True, kw_only=True, slots=True)
class Precision:
    """The shares of rows *inside* and *outside* a rule that fail; None where not measured.
    *measured* says how many rows these are. *against* is a row that the rule holds for and that
    passes, with the rule's cells in it."""

    inside: float | None = None
    outside: float | None = None
    measured: tuple[int, int] = (0, 0)
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
        measured=(len(first), len(rest)),
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
    exact = all(isinstance(p, Relation) or p.known is None for p in rule.conditions)
    most = _MORE if exact and left() > _PLENTY else _FEW  # else the threshold needs the questions
    some = np.linspace(0, known.rows - 1, min(known.rows, most - 2)).astype(int)
    wide = known if fresh is None else join([known, fresh(_FEW * _FEW)])
    spread = join([_extreme(wide, np.argmin), _extreme(wide, np.argmax), known.take(some)])
    held = inside(rule, row, spread, pools, ends=True)
    failed: list[bool] = []
    for number in range(min(held.rows, most)):
        if left() <= 0:
            break
        failed.append(oracle.any(held.take(np.array([number]))))
    share = sum(failed) / len(failed) if failed else None
    if not all(failed):
        against = held.take(np.array([failed.index(False)]))
        return Precision(inside=share, measured=(len(failed), 0), against=against)
    outside, beyond = None, 0
    if oracle.group and fresh is not None and left() > 0:
        rows = join([fresh(_GROUP), nearly(rule, row, pools)])
        out = rows.take(np.flatnonzero(~rule.matches(rows)))
        if out.rows and not oracle.any(out):
            outside, beyond = 0.0, out.rows
    return Precision(inside=share, outside=outside, measured=(len(failed), beyond))


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
        if ends:
            pick = np.minimum(np.arange(rows.rows) % _MORE, len(_PATTERN) - 1)
            pick = np.rint(np.array(_PATTERN)[pick] * (len(values) - 1)).astype(int)
            pick = np.where(np.arange(rows.rows) == _FEW, min(1, len(values) - 1), pick)
        made = made.put(values.take(pick))
    fits = np.flatnonzero(rule.matches(made))
    return made.take(fits)


def _meeting(parts: list[Part], row: Batch, name: str, pool: Pool, *, ends: bool) -> Cells:
    """Return values of one column that its own conditions admit, the row's own first; with *ends*
    the others by how far they are from it."""
    alone = [part for part in parts if isinstance(part, Condition)]
    own = row[name]
    levels = pool.levels.take(np.arange(min(len(pool.levels), _DRAWS)))
    if levels.kind != own.kind:
        return own
    tried = [own.at(0), *(levels.at(i) for i in range(len(levels))), *_along(own, pool)]
    if len(alone) == len(parts) and alone and alone[0].sign == "missing":
        return own
    held = put_values(own, tried)
    fits = np.ones(len(held), bool)
    for part in alone:
        fits &= _sure(part).matches(held)
    fits &= ~held.absent & admits(pool.domain, held)
    fits[0] = True
    found: Array = np.flatnonzero(fits)
    if not len(found):
        return own
    if ends and alone and len(found) > 2:
        levels_at = ordered(held.take(found)).astype(float)
        far = np.abs(levels_at - levels_at[0])
        found = found if np.isnan(far).any() else found[np.argsort(far, kind="stable")]
    return held.take(found)


def _sure(part: Condition) -> Condition:
    """Return *part* with the nearest value that is known to fail for its threshold."""
    if part.known is None:
        return part
    known = moment(part.known) if isinstance(part.known, str) else part.known
    return replace(part, value=known, sign=f"{part.sign[0]}=", known=None)


def _along(own: Cells, pool: Pool) -> list[Any]:
    """Return values ever farther from the row's own: a rule is wrong first near its edge."""
    line = axis(pool.domain, own.kind, own.dtype)
    if line is None or own.at(0) is None:
        return []
    at, found = line.place(own.at(0)), []
    for step in (sign << power for power in range(_POWERS) for sign in (1, -1)):
        try:
            value = line.value(at + step)
            put_values(own, [value])
        except (ValueError, OverflowError, struct.error):
            continue
        found.append(value)
    return found
