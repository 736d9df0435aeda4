"""EDGE: where on one column's axis rows begin to fail, and the conditions that this makes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.contract.axis import Axis, shortest
from harness.contract.batch import moment, moment_text
from harness.contract.domain import admits
from harness.contract.instants import by_day, by_form
from harness.contract.naturals import naturals
from harness.contract.place import Found, Place, put_values
from harness.contract.rule import Condition
from harness.contract.search import Bracket, levels_of, search
from harness.contract.unordered import values

__all__ = ["Place", "bounded", "conditions", "put_values", "refine", "unasked"]


def conditions(place: Place) -> Found:
    """Return the conditions by which one cell fails (two where rows fail between two values)."""
    if place.bad is None:
        return (Condition(column=place.name, sign="missing"),), None
    line = place.line
    if line is None:
        return values(place)
    if line.form and place.setting[place.name].kind == "string":
        found = by_day(place) or (by_form(place) if line.form == "datetime" else None)
        if found is not None:
            return found
    return _thresholds(place, line)


def bounded(place: Place, passes: Any) -> Condition | None:
    """Return where rows pass again between the value that fails and one that *passes*; None where
    it doesn't, or rows beyond it fail once more: then it is a hole, and no end."""
    line = place.line
    if line is None or place.bad is None or place.fails(passes):
        return None
    good, bad = line.place(passes), line.place(place.bad)
    end = _far_end(place, line, good, up=good > bad)
    if end is not None and place.fails(line.value(end)):
        return None
    return _bound(place, line, search(place, line, good, bad))


def unasked(place: Place) -> tuple[Condition, ...]:
    """Return the conditions by the nearest values that pass, without a question."""
    line = place.line
    if place.bad is None or line is None:
        sign = "missing" if place.bad is None else "=="
        return (Condition(column=place.name, sign=sign, value=place.bad),)
    bad = line.place(place.bad)
    hints = _placed(line, [place.witness, *place.passes])
    lower = max((p for p in hints if p < bad), default=None)
    upper = min((p for p in hints if p > bad), default=None)
    below = None if lower is None else (lower, bad)
    above = None if upper is None else (upper, bad)
    return _told(place, line, below, above)[0]


def _thresholds(place: Place, line: Axis) -> Found:
    bad = line.place(place.bad)
    sure = set(_placed(line, [place.witness]))
    if place.oracle.bulk:
        sure |= set(_pattern(place, line, bad))
        hints = sure
    else:
        hints = sure | set(_placed(line, place.passes))
    lower = max((p for p in hints if p < bad), default=None)
    upper = min((p for p in hints if p > bad), default=None)
    if not place.oracle.bulk:
        ask = [p for p in (bad - 1, bad + 1) if _there(place, line, p)]
        askable = len(ask) == 1 or place.oracle.group or place.left() > 20
        if ask and askable and not place.oracle.any(place.build([line.value(p) for p in ask])):
            lower, upper = bad - 1, bad + 1
            sure |= set(ask)
        if lower is None and upper is None:
            return (Condition(column=place.name, sign="==", value=_plain(place.bad)),), None
    below = _side(place, line, lower, bad, sure)
    above = _side(place, line, upper, bad, sure)
    if place.wide and not place.oracle.bulk and (above is None) != (below is None):
        end = _far_end(place, line, bad, up=above is None)
        if end is not None and not place.fails(line.value(end)):
            if above is None:
                above = search(place, line, end, bad)
            else:
                below = search(place, line, end, bad)
    return _told(place, line, below, above)


def _side(place: Place, line: Axis, hint: int | None, bad: int, sure: set[int]) -> Bracket | None:
    """Return the edge between *bad* and what passes on the side of *hint*; None where nothing
    does. A hint from another row is only believed after it was asked about."""
    if hint is None:
        return None
    if hint in sure or not place.fails(line.value(hint)):
        return search(place, line, hint, bad)
    beyond = [p for p in sure if (p < hint) == (hint < bad) and p != hint]
    if not beyond:
        return None
    return search(place, line, max(beyond) if hint < bad else min(beyond), hint)


def _there(place: Place, line: Axis, at: int) -> bool:
    try:
        return place.admitted(line.value(at))
    except (ValueError, OverflowError):
        return False


def _placed(line: Axis, values: Sequence[Any]) -> list[int]:
    return sorted({line.place(value) for value in values if value is not None})


def _pattern(place: Place, line: Axis, bad: int) -> list[int]:
    """Return the places that pass of many over the whole axis, asked for in one call."""
    points = set(_placed(line, levels_of(place)[: place.most]))
    ends = min(points | {bad}), max(points | {bad})
    tried = naturals(line, *ends, ())
    best = sorted(tried, key=lambda at: (-tried[at], at))[: max(0, place.most - len(points))]
    points |= {*best, bad - 1, bad + 1, bad - 2, bad + 2}
    points = {at for at in points if at != bad}
    held = {at: line.value(at) for at in sorted(points) if _valued(line, at)}
    fine = admits(
        place.pool.domain, put_values(place.setting[place.name], list(held.values()))
    ).tolist()
    asked = [at for at, good in zip(held, fine, strict=True) if good]
    fails = place.oracle.mask(place.build([held[at] for at in asked])).tolist()
    return [at for at, failed in zip(asked, fails, strict=True) if not failed]


def _valued(line: Axis, at: int) -> bool:
    try:
        return bool(np.isfinite(line.place(line.value(at))))
    except (ValueError, OverflowError):
        return False


def _far_end(place: Place, line: Axis, bad: int, *, up: bool) -> int | None:
    """Return the last level beyond *bad*, where rows might pass again."""
    places = [p for p in _placed(line, levels_of(place)) if (p > bad if up else p < bad)]
    if not places:
        return None
    return max(places) if up else min(places)


def _told(place: Place, line: Axis, below: Bracket | None, above: Bracket | None) -> Found:
    """Return the conditions for rows that fail beyond *below* and before *above*."""
    name = place.name
    edges = [edge for edge in (below, above) if edge is not None]
    exact = bool(edges) and all(abs(good - bad) == 1 for good, bad in edges)
    if exact and all(line.value(bad) == place.bad for _, bad in edges):
        good, bad = edges[0]
        if len(edges) == 2 or not _there(place, line, 2 * bad - good):  # or a bound of the domain
            return (Condition(column=name, sign="==", value=_plain(place.bad)),), None
    found = tuple(_bound(place, line, edge) for edge in edges)
    if not found:
        return (Condition(column=name, sign="there"),), None
    first = line.value((below or above or (0, 0))[1])
    if not line.floats:
        return found, first
    start = below[1] if below is not None else None
    stop = above[1] if above is not None else None
    if start is None or stop is None:
        edge = first
        step = abs(edge) * 1e-3
        ends = (edge, edge + step) if start is not None else (edge - step, edge)
        bad = place.bad
        ends = (ends[0], min(ends[1], bad)) if start is not None else (max(ends[0], bad), ends[1])
        near = shortest(*ends) if ends[0] <= ends[1] else edge
    else:
        near = shortest(line.value(start), line.value(stop))
    if not place.admitted(near):
        near = first
    return found, near


def _plain(value: Any) -> Any:
    """Return *value*, a negative zero as zero: the two are equal."""
    return value + 0.0 if isinstance(value, float) else value


def _bound(place: Place, line: Axis, edge: Bracket) -> Condition:
    good, bad = edge
    last, first = line.value(good), line.value(bad)
    sign = ">" if bad > good else "<"
    if abs(bad - good) > 1:
        value, known = last, first
        return Condition(
            column=place.name,
            sign=sign,
            value=moment(value) if line.form else value,
            form=line.form,
            known=known,
        )
    strict = len(repr(last)) <= len(repr(first))
    value = last if strict else first
    return Condition(
        column=place.name,
        sign=sign + ("" if strict else "="),
        value=moment(value) if line.form else value,
        form=line.form,
    )


def refine(place: Place, condition: Condition) -> Condition:
    """Return *condition*, whose threshold is not exact yet, with what more questions tell."""
    line = place.line
    if line is None or condition.known is None:
        return condition
    value = condition.value
    if place.setting[place.name].kind == "string":
        value = moment_text(value)[: 10 if condition.form == "date" else None]
    edge = search(place, line, line.place(value), line.place(condition.known))
    return _bound(place, line, edge)
