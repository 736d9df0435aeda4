"""Rows at the edge of a relation of two columns: whether they fail beyond it and pass before it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.contract.batch import Batch, Cells, moment, moment_text
from harness.contract.domain import admits
from harness.contract.levels import Pool
from harness.contract.oracle import Oracle
from harness.contract.place import put_values
from harness.contract.rule import Condition, Relation, Rule, ordered
from harness.contract.stamps import date_text

_POINTS, _LEAST = 3, 2
_NEAR = 1e-6
_MANY, _ROUNDS, _SEEN = 400, 4, 200
DAY = 86_400_000_000
"""Microseconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """What is known about a rule: *row* was explained (it fails), *plain* fails by *rule*."""

    oracle: Oracle
    row: Batch
    plain: Batch
    rule: Rule
    pools: Mapping[str, Pool]
    left: Callable[[], int]
    most: int = 1500


JOINED: Mapping[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
}
_SOLVED: Mapping[str, Callable[[float, float], float]] = {
    "": lambda level, b: b,
    "+": lambda level, b: level - b,
    "-": lambda level, b: level + b,
    "*": lambda level, b: level / b,
    "/": lambda level, b: level * b,
}


def verified(terms: Terms, relation: Relation) -> bool:
    """Return whether rows fail just beyond the relation's edge and pass just before it, at other
    values of both cells."""
    over, under = _points(terms, relation)
    if len(over) < _LEAST or len(under) < _LEAST or terms.left() < 4:
        return False
    if not terms.oracle.group:
        under = under[:_LEAST]
    if terms.oracle.any(_rows(terms, relation, under)):
        return False
    if terms.oracle.bulk:
        return bool(terms.oracle.mask(_rows(terms, relation, over)).all())
    return all(terms.oracle.any(_rows(terms, relation, [point])) for point in over[:_LEAST])


Point = tuple[Any, Any]
"""A value for each of the two columns."""


def _points(terms: Terms, relation: Relation) -> tuple[list[Point], list[Point]]:
    """Return points just beyond the relation's edge and just before it."""
    other = terms.plain[relation.other]
    pool = terms.pools[relation.other]
    seen = (
        [pool.seen.at(i) for i in np.linspace(0, len(pool.seen) - 1, 8).astype(int)]
        if len(pool.seen)
        else []
    )
    levels = [pool.levels.at(i) for i in range(min(24, len(pool.levels)))]
    used = {terms.plain[relation.other].at(0), terms.row[relation.other].at(0)}
    values = [v for v in dict.fromkeys([*seen, *levels]) if v is not None and v not in used]
    over: list[Point] = []
    under: list[Point] = []
    for value in values:
        if len(over) >= _POINTS and len(under) >= _POINTS:
            break
        level = float(ordered(put_values(other, [value]))[0])
        with np.errstate(all="ignore"):
            edge = _solved(relation, level)
        if edge is None:
            continue
        found = _around(terms, relation, value, edge)
        if found is None:
            continue
        over += [(v, value) for v in found[0]][:1]
        under += [(v, value) for v in found[1]]
    return over[:_POINTS], under[: 2 * _POINTS]


def _solved(relation: Relation, level: float) -> float | None:
    try:
        edge = _SOLVED[relation.join](relation.value, level)
    except (ZeroDivisionError, OverflowError):
        return None
    return edge if math.isfinite(edge) else None


def _around(
    terms: Terms, relation: Relation, value: Any, edge: float
) -> tuple[list[Any], list[Any]] | None:
    """Return values near *edge* that meet the relation with *value*, and that don't."""
    column = terms.plain[relation.column]
    domain = terms.pools[relation.column].domain
    if domain.kind in ("date", "datetime"):
        step = DAY if domain.kind == "date" else 1_000_000
        near = [int(edge) + k * step for k in (-1, 0, 1)]
        made: list[Any] = [moment_text(v)[: 10 if domain.kind == "date" else None] for v in near]
    elif domain.kind == "integer":
        made = [math.floor(edge) + k for k in (-1, 0, 1, 2)]
        made = [float(v) for v in made] if column.kind == "number" else made
    else:
        step_size = max(abs(edge), abs(number_of(relation.value)) * 1e-3, 1e-9) * _NEAR
        made = [edge - step_size, edge + step_size]
        if not relation.join:
            made = [edge, math.nextafter(edge, -math.inf), math.nextafter(edge, math.inf), *made]
    try:
        held = put_values(column, made)
    except (ValueError, OverflowError):
        return None
    good = admits(domain, held)
    pair = Batch(columns=(held, _repeated(put_values(terms.plain[relation.other], [value]), held)))
    holds = relation.holds(pair)
    for part in terms.rule.conditions:
        if isinstance(part, Condition) and part.sign == "missing" and part.column in pair.names:
            return None
    yes = [v for v, g, h in zip(made, good.tolist(), holds.tolist(), strict=True) if g and h]
    no = [v for v, g, h in zip(made, good.tolist(), holds.tolist(), strict=True) if g and not h]
    if not yes or (not no and relation.sign != "=="):
        return None
    return yes, no


def _repeated(one: Cells, like: Cells) -> Cells:
    return one.take(np.zeros(len(like), np.int64))


def _rows(terms: Terms, relation: Relation, points: list[Point]) -> Batch:
    made = terms.plain.take(np.zeros(len(points), np.int64))
    made = made.put(put_values(made[relation.column], [point[0] for point in points]))
    return made.put(put_values(made[relation.other], [point[1] for point in points]))


def closer(
    terms: Terms, name: str, other: str, join: str, low: float, high: float
) -> tuple[float, float]:
    """Return narrower ends of where the joined values begin to fail, by asking for many pairs."""
    if not terms.oracle.bulk or not _width(low, high) > 1e-9:
        return low, high
    for _ in range(_ROUNDS):
        pairs = _pairs(terms, name, other, join, low, high)
        if len(pairs) < _LEAST:
            break
        relation = Relation(column=name, other=other, sign=">", join=join)
        rows = _rows(terms, relation, pairs)
        fails = terms.oracle.mask(rows)
        one, two = ordered(rows[name]).astype(float), ordered(rows[other]).astype(float)
        found = np.array([JOINED[join](a, b) for a, b in zip(one, two, strict=True)])
        if not fails.any() or fails.all():
            break
        ends = found[~fails], found[fails]
        upward = ends[0].max() < ends[1].min()
        if not upward and not ends[1].max() < ends[0].min():
            break
        near = (ends[0].max(), ends[1].min()) if upward else (ends[1].max(), ends[0].min())
        low, high = max(low, float(near[0])), min(high, float(near[1]))
    return low, high


def _width(low: float, high: float) -> float:
    return (high - low) / max(abs(low), abs(high), 1e-300)


def _pairs(terms: Terms, name: str, other: str, join: str, low: float, high: float) -> list[Point]:
    """Return pairs of values whose joined value lies between *low* and *high*."""
    draw = np.random.default_rng(0)
    pool = terms.pools[other]
    some = ordered(pool.seen.take(np.arange(min(_SEEN, len(pool.seen)))))
    most = [float(ordered(terms.row[other])[0]), *some[np.isfinite(some)].tolist()]
    spread = np.round(draw.uniform(min(most), max(most), _MANY), 3)
    levels = draw.uniform(low, high, _MANY)
    with np.errstate(all="ignore"):
        solved = [
            _SOLVED[join](level, b) if b else math.nan
            for level, b in zip(levels.tolist(), spread.tolist(), strict=True)
        ]
    pairs = [
        (_near(terms, name, a), _near(terms, other, b))
        for a, b in zip(solved, spread.tolist(), strict=True)
        if math.isfinite(a)
    ]
    pairs = [(a, b) for a, b in pairs if join != "/" or b]
    pairs = [pair for pair in pairs if low <= JOINED[join](*pair) <= high]
    pairs = [(a, b) for a, b in pairs if _within(terms, name, a) and _within(terms, other, b)]
    values = [(_value(terms, name, a), _value(terms, other, b)) for a, b in pairs]
    if not values:
        return []
    fine = admits(terms.pools[name].domain, put_values(terms.plain[name], [v[0] for v in values]))
    fine &= admits(pool.domain, put_values(terms.plain[other], [v[1] for v in values]))
    return [pair for pair, good in zip(values, fine.tolist(), strict=True) if good]


def _within(terms: Terms, name: str, level: float) -> bool:
    domain = terms.pools[name].domain
    return domain.low <= level <= domain.high


def _near(terms: Terms, name: str, level: float) -> float:
    """Return the number nearest to *level* that the column may hold; a moment's in microseconds."""
    match terms.pools[name].domain.kind:
        case "integer" | "datetime":
            return round(level)
        case "date":
            return round(level / DAY) * DAY
    return level


def _value(terms: Terms, name: str, level: float) -> Any:
    """Return the column's value at *level*, a moment as text."""
    match terms.pools[name].domain.kind:
        case "date":
            return date_text(int(level))
        case "datetime":
            return moment_text(int(level))
        case "integer" if terms.plain[name].kind == "number":
            return float(level)
    return level


def number_of(value: Any) -> float:
    """Return a value on its axis: a moment's text as microseconds since 1970."""
    return float(moment(value)) if isinstance(value, str) else float(value)
