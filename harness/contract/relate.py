"""Two columns that fail together by how they relate: equal, one above the other, their sum.

A threshold that moves with another cell shows that. Where it stands is known for one row at least;
the few relations that fit are each asked about at other values of both cells.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations

from harness.contract.axis import shortest
from harness.contract.batch import Batch, join, mosaic
from harness.contract.edge import bounded, conditions, refine
from harness.contract.fewest import source
from harness.contract.oblique import DAY, JOINED, Terms, closer, number_of, verified
from harness.contract.place import Place
from harness.contract.rule import Condition, Relation, Rule, ordered

__all__ = ["Terms", "compared", "mended", "related"]

_NEAR = 1e-6
_LEAST_LEFT = 3
_TO_THE_DAY = 16  # questions that are left: half of them find a day, the others tell with it
_TURNED = {">": "<", ">=": "<=", "<": ">", "<=": ">=", "==": "=="}


def related(terms: Terms) -> Rule | None:
    """Return the rule with two conditions replaced by a relation of their columns, where one is
    verified; None where none is."""
    ordered_ones = [part for part in terms.rule.conditions if _numeric(terms, part)]
    for one, other in combinations(ordered_ones, 2):
        assert isinstance(one, Condition) and isinstance(other, Condition)
        if one.column == other.column:
            continue
        for relation in _of_two(terms, one, other):
            if verified(terms, relation):
                return _replaced(terms.rule, relation)
    return None


def compared(terms: Terms) -> Rule | None:
    """Return the rule with a threshold that is just another cell's value replaced by a comparison
    of the two; None where none is verified."""
    for part in terms.rule.conditions:
        if not isinstance(part, Condition) or not _numeric(terms, part) or part.sign == "==":
            continue
        for other in terms.plain.names:
            relation = Relation(column=part.column, other=other, sign=part.sign)
            ends = sorted((float(part.value), _known(part)))
            if not ends[0] <= _level(terms.plain, other) <= ends[1] or not _alike(terms, relation):
                continue
            if verified(terms, relation):
                return _replaced(terms.rule, relation)
    return None


def mended(terms: Terms, against: Batch) -> Rule | None:
    """Return the rule with what row *against* lacks, which passes although the rule holds for it:
    a threshold that moves with another cell becomes a relation, else that cell gets a condition.

    None where no one cell is found that makes the difference.
    """
    found = _mover(terms, against)
    if found is None:
        return _banded(terms, against)
    held, name = found
    numeric = [p for p in terms.rule.conditions if isinstance(p, Condition) and _numeric(terms, p)]
    if any(part.sign != "==" for part in numeric):
        far = against
        for column in terms.rule.columns:
            far = far.put(terms.row[column])
        if terms.left() > _LEAST_LEFT and terms.oracle.any(far):
            for part in numeric:
                for relation in _joined(terms, _exact(terms, held, part), name):
                    if verified(terms, relation):
                        return _replaced(terms.rule, relation)
            return None
    parts, _ = conditions(_place(terms, held, name, against))
    return Rule(conditions=(*terms.rule.conditions, *parts))


def _banded(terms: Terms, against: Batch) -> Rule | None:
    """Return the rule with the other end of a band: a value that passes on its own, although the
    rule holds for it."""
    for part in terms.rule.conditions:
        alone = [p for p in terms.rule.conditions if set(p.columns) & set(part.columns)] == [part]
        if not isinstance(part, Condition) or part.sign[0] not in "<>" or not alone:
            continue
        if terms.left() <= _LEAST_LEFT:
            return None
        place = _place(terms, terms.plain, part.column, against)
        end = bounded(place, against[part.column].at(0))
        if end is not None:
            return Rule(conditions=(*terms.rule.conditions, end))
    return None


def _exact(terms: Terms, held: Batch, part: Condition) -> Condition:
    """Return *part* with its threshold in row *held* found to the day, where days are asked about
    one by one: what another cell has to do with it shows only there."""
    inexact = part.known is not None and part.form == "date"
    if not inexact or terms.oracle.bulk or terms.left() < _TO_THE_DAY:
        return part
    place = replace(_place(terms, held, part.column, terms.row), left=terms.left)
    return refine(place, part)


def _place(terms: Terms, setting: Batch, name: str, against: Batch) -> Place:
    return Place(
        oracle=terms.oracle,
        setting=setting,
        name=name,
        pool=terms.pools[name],
        witness=against[name].at(0),
        passes=(),
        left=lambda: terms.left() - _LEAST_LEFT,
        most=terms.most,
        wide=False,
    )


def _numeric(terms: Terms, part: object) -> bool:
    if not isinstance(part, Condition) or part.sign not in _TURNED:
        return False
    return _orderable(terms, part.column)


def _orderable(terms: Terms, name: str) -> bool:
    domain = terms.pools[name].domain
    return domain.kind in ("number", "integer", "date", "datetime") and not domain.values


def _alike(terms: Terms, relation: Relation) -> bool:
    """Return whether the two columns may be compared: both numbers or both moments."""
    kinds = [terms.pools[name].domain.kind for name in relation.columns]
    if relation.column == relation.other or not all(map(_orderable, [terms] * 2, relation.columns)):
        return False
    moments = [kind in ("date", "datetime") for kind in kinds]
    return moments[0] == moments[1]


def _level(row: Batch, name: str) -> float:
    column = row[name]
    return math.nan if column.absent[0] else float(ordered(column)[0])


def _of_two(terms: Terms, one: Condition, other: Condition) -> Iterator[Relation]:
    """Yield the relations that two conditions may stand for, by where their thresholds stand."""
    if not _alike(terms, Relation(column=one.column, other=other.column, sign="==")):
        return
    here, there = _level(terms.row, one.column), _level(terms.row, other.column)
    if one.sign == other.sign == "==":
        if here == there:
            yield Relation(column=one.column, other=other.column, sign="==")
        return
    if "==" in (one.sign, other.sign):
        return
    if _same(float(one.value), there) or _same(float(other.value), here):
        for sign in (one.sign, _TURNED[other.sign], one.sign[0], one.sign[0] + "="):
            yield Relation(column=one.column, other=other.column, sign=sign)
    up = one.sign[0] == other.sign[0]
    joins: dict[str, Callable[[float, float], float]] = (
        {"+": lambda a, b: a + b, "*": lambda a, b: a * b}
        if up
        else {"-": lambda a, b: a - b, "/": lambda a, b: a / b if b else math.nan}
    )
    for by, joined in joins.items():
        if one.form and by != "-":
            continue  # moments have no sum
        first = sorted(joined(end, there) for end in _ends(terms, one))
        second = sorted(joined(here, end) for end in _ends(terms, other))
        low, high = max(first[0], second[0]), min(first[1], second[1])
        if not math.isfinite(low + high):
            continue
        slack = _NEAR * 1e-3 * max(abs(low), abs(high))
        if low <= high + slack:
            low, high = min(low, high) - slack, max(low, high) + slack
            low, high = closer(terms, one.column, other.column, by, low, high)
            yield from _signed(one, other.column, by, low, high)


def _ends(terms: Terms, condition: Condition) -> tuple[float, float]:
    """Return the last value that passes and the first that fails, as far as they are known."""
    value = float(condition.value)
    if condition.known is not None:
        return value, _known(condition)
    step = {"integer": 1.0, "date": float(DAY)}.get(terms.pools[condition.column].domain.kind, 0.0)
    step = step if condition.sign[0] == ">" else -step
    return (value - step, value) if condition.sign.endswith("=") else (value, value + step)


def _known(condition: Condition) -> float:
    return float(condition.value if condition.known is None else number_of(condition.known))


def _same(one: float, other: float) -> bool:
    return one == other or abs(one - other) <= 1e-12 * max(abs(one), abs(other))


def _signed(one: Condition, other: str, join: str, low: float, high: float) -> Iterator[Relation]:
    value = _round(low, high)
    for sign in dict.fromkeys((one.sign, one.sign[0], one.sign[0] + "=")):
        yield Relation(
            column=one.column, other=other, sign=sign, join=join, value=value, form=one.form
        )


def _round(low: float, high: float) -> float:
    """Return the roundest number between the two: a power of two, else the shortest."""
    if low > 0:
        power = 2.0 ** math.ceil(math.log2(low))
        if low <= power <= high and power > 1000:
            return power
    return shortest(low, high)


def _joined(terms: Terms, part: Condition, other: str) -> Iterator[Relation]:
    """Yield the relations of *part*'s column and *other* whose edge goes through its threshold."""
    if not _alike(terms, Relation(column=part.column, other=other, sign=part.sign)):
        return
    there = _level(terms.plain, other)
    value = float(part.value)
    ends = (value, _known(part))
    if not math.isfinite(there):
        return
    first = _ends(terms, part)[1]
    if _same(value, there):
        yield Relation(column=part.column, other=other, sign=part.sign)
    elif _same(first, there):
        yield Relation(column=part.column, other=other, sign=f"{part.sign[0]}=")
    for by in "-" if part.form else "+-*/":
        if by in "*/" and there == 0:
            continue
        found = [JOINED[by](end, there) for end in ends]
        slack = _NEAR * 1e-3 * max(map(abs, found))
        low, high = min(found) - slack, max(found) + slack
        if math.isfinite(low) and math.isfinite(high):
            value_at = found[0] if part.form and part.known is None else shortest(low, high)
            yield Relation(
                column=part.column,
                other=other,
                sign=part.sign,
                join=by,
                value=value_at,
                form=part.form,
            )


def _mover(terms: Terms, against: Batch) -> tuple[Batch, str] | None:
    """Return a failing row with the rule's cells of *against*, and the one column whose cell in
    *against* keeps that one from failing."""
    held = terms.plain
    for column in terms.rule.columns:
        held = held.put(against[column])
    if terms.left() < _LEAST_LEFT + 6 or not terms.oracle.any(held):
        return None
    pool = join([held, against])
    fixed = {n for n, name in enumerate(held.names) if name in terms.rule.columns}
    order = [n for n in range(len(held.names)) if n not in fixed]
    low, high = 0, len(order) - 1
    while low < high and terms.left() > _LEAST_LEFT:
        half = (low + high) // 2
        tried = mosaic(pool, source(pool, [(fixed | set(order[: half + 1]), 1)]))
        if terms.oracle.any(tried):
            high = half
        else:
            low = half + 1
    return (held, held.names[order[low]]) if order and low == high else None


def _replaced(rule: Rule, relation: Relation) -> Rule:
    rest = [p for p in rule.conditions if not set(p.columns) & set(relation.columns)]
    return Rule(conditions=(relation, *rest))
