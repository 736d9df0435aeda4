"""EDGE: where on one column's axis rows begin to fail, and the condition that this makes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from harness.contract.axis import Axis, axis, float_at, float_place, shortest
from harness.contract.batch import Batch, Cells, cells, moment
from harness.contract.domain import admits
from harness.contract.levels import UNSEEN, Pool
from harness.contract.oracle import Oracle
from harness.contract.rule import Condition


def condition(
    oracle: Oracle, setting: Batch, name: str, good: Cells, pool: Pool
) -> tuple[Condition, Any]:
    """Return the condition on one cell of *setting* (one failing row), and a plainer value that
    fails, if any. *good* is that cell in a row that passes."""
    bad = setting[name].at(0)
    if bad is None:
        return Condition(column=name, sign="missing"), None

    def build(values: Sequence[Any]) -> Batch:
        at = np.zeros(len(values), np.int64)
        return setting.take(at).put(put_values(setting[name], values))

    line = None if setting[name].kind == "mixed" else axis(pool.domain, setting[name].kind)
    if line is not None:
        return _threshold(oracle, build, name, good.at(0), bad, line, pool)
    known = list(dict.fromkeys([*pool.domain.values, *_first(pool.seen, 24)]))
    others = [value for value in _first(pool.levels, 24) if value not in known and value != bad]
    if not oracle.bulk:
        known, others = known[:4], others[:3]
    fails = oracle.mask(build([*known, *others])) if known or others else np.zeros(0, bool)
    failing = [v for v, f in zip(known, fails.tolist(), strict=False) if f]
    unseen = fails[len(known) :]
    if bad not in known and known and len(unseen) and unseen.all() and not failing:
        shown = UNSEEN[0] if admits(pool.domain, cells(name, "string", UNSEEN[:1]))[0] else None
        return Condition(column=name, sign="unseen", value=tuple(known)), shown
    several = sorted({bad, *failing}, key=repr)
    if 1 < len(several) <= 6 and bad in known:
        return Condition(column=name, sign="in", value=tuple(several)), None
    return Condition(column=name, sign="==", value=bad), None


def _threshold(
    oracle: Oracle,
    build: Callable[[Sequence[Any]], Batch],
    name: str,
    good: Any,
    bad: Any,
    line: Axis,
    pool: Pool,
) -> tuple[Condition, Any]:
    if good is None or line.place(good) == line.place(bad):
        candidates = [v for v in _first(pool.levels, 24) if v is not None and v != bad]
        passes = [
            v for v, f in zip(candidates, oracle.mask(build(candidates)), strict=True) if not f
        ]
        if not passes:
            return Condition(column=name, sign="==", value=bad), None
        good = passes[0]
    up = line.place(bad) > line.place(good)
    last, first = search(oracle, build, line, good=good, bad=bad)
    beyond = _within(line, line.place(first) + (1 if up else -1), pool)
    if first == bad and (beyond is None or oracle.first(build([beyond])) is None):
        return Condition(column=name, sign="==", value=bad), None
    strict_is_shorter = len(repr(last)) <= len(repr(first))
    sign = (">" if up else "<") + ("" if strict_is_shorter else "=")
    value = last if strict_is_shorter else first
    if line.form:
        value = moment(value)
    shown = first
    if line.floats:
        step = abs(first) * 1e-3
        ends = sorted((first, first + step if up else first - step))
        near = (ends[0], min(ends[1], bad)) if up else (max(ends[0], bad), ends[1])
        shown = shortest(*near) if near[0] <= near[1] else first
    return Condition(column=name, sign=sign, value=value, form=line.form), shown


def _within(line: Axis, place: int, pool: Pool) -> Any:
    try:
        value = line.value(place)
    except (ValueError, OverflowError):
        return None
    held = cells(pool.domain.name, pool.levels.kind if not line.form else "string", [value])
    return value if admits(pool.domain, held)[0] else None


def put_values(column: Cells, values: Sequence[Any]) -> Cells:
    """Return *values* (a moment as text) as cells of *column*'s kind, name and dtype."""
    if column.kind == "datetime":
        values = [moment(value) for value in values]
    return cells(column.name, column.kind, values, dtype=column.dtype)


def _first(column: Cells, count: int) -> list[Any]:
    found = dict.fromkeys(column.at(i) for i in range(min(len(column), 20 * count)))
    return [value for value in found if value is not None][:count]


def search(
    oracle: Oracle, build: Callable[[Sequence[Any]], Batch], line: Axis, *, good: Any, bad: Any
) -> tuple[Any, Any]:
    """Return the last value that passes and the first that fails, neighbours on *line*.

    *build* makes rows that differ in this cell alone. Somewhere between *good* and *bad* rows
    begin to fail; where they do so more than once, one such place is found.
    """
    low, high = line.place(good), line.place(bad)
    step = 1 if high > low else -1
    ways = 255 if oracle.bulk else 1
    turn = 0
    while abs(high - low) > 1:
        turn += 1
        if line.floats and not oracle.bulk and turn % 6 == 0:
            low, high = _try_short(oracle, build, low, high, step)
            continue
        span = abs(high - low)
        count = min(ways, span - 1)
        places = [low + step * (span * (i + 1) // (count + 1)) for i in range(count)]
        places = sorted({p for p in places if p not in (low, high)}, reverse=step < 0)
        found = oracle.first(build([line.value(p) for p in places]))
        if found is None:
            low = places[-1]
        else:
            high = places[found]
            low = places[found - 1] if found else low
    return line.value(low), line.value(high)


def _try_short(
    oracle: Oracle, build: Callable[[Sequence[Any]], Batch], low: int, high: int, step: int
) -> tuple[int, int]:
    """Ask for the shortest decimal between, and for its neighbour: thresholds are often round."""
    short = float_place(shortest(float_at(low + step), float_at(high - step)))
    if oracle.first(build([float_at(short)])) is not None:
        if short - step == low or oracle.first(build([float_at(short - step)])) is None:
            return short - step, short
        return low, short - step
    if short + step == high or oracle.first(build([float_at(short + step)])) is not None:
        return short, short + step
    return short + step, high
