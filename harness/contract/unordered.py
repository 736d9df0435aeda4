"""EDGE for values without an order: which of them fail, and what these have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.contract.axis import Axis
from harness.contract.levels import UNSEEN
from harness.contract.place import Found, Place, first_values
from harness.contract.rule import Condition
from harness.contract.search import few_questions
from harness.contract.texts import PARTS, WITNESSES, Property, properties

_KNOWN, _OTHERS = 48, 80
_LENGTHS = ("longer", "shorter", *PARTS)


def values(place: Place) -> Found:
    """Return the condition on a cell whose values have no order."""
    name, bad, pool = place.name, place.bad, place.pool
    known = list(dict.fromkeys([*pool.domain.values, *first_values(pool.seen, _KNOWN)]))
    others = [v for v in first_values(pool.levels, _OTHERS) if v not in known and v != bad]
    text = place.setting[name].kind == "string"
    if text and not pool.domain.closed:
        others += [v for v in WITNESSES if v not in known and v not in others and v != bad]
    others = [value for value in others if place.admitted(value)]
    if place.oracle.bulk:
        asked = [v for v in (*known, *others) if v != bad]
        fails = place.oracle.mask(place.build(asked)).tolist()
        failing = [bad, *(v for v, f in zip(asked, fails, strict=True) if f)]
        passing = [v for v, f in zip(asked, fails, strict=True) if not f]
        return _from_values(place, known, failing, passing)
    return _by_asking(place, known, others)


def _from_values(
    place: Place, known: Sequence[Any], failing: Sequence[Any], passing: Sequence[Any]
) -> Found:
    name, bad, pool = place.name, place.bad, place.pool
    found = [value for value in failing if value in known]
    new = [value for value in passing if value not in known]
    if len(failing) == 1:
        return (Condition(column=name, sign="==", value=bad),), None
    if pool.domain.closed or (len(failing) == len(found) and len(failing) <= 6):
        several = sorted(set(failing), key=repr)
        return (Condition(column=name, sign="in", value=tuple(several)),), None
    unseen = bad not in known and known and not found and not new
    if unseen and pool.domain.open:
        return _unseen(place, known)
    if not all(isinstance(value, str) for value in (*failing, *passing)):
        several = sorted(set(failing), key=repr)
        return (Condition(column=name, sign="in", value=tuple(several)),), None
    special = next(properties(failing, passing), None)
    if special is not None:
        exact = _exact_length(place, special) if special.name in _LENGTHS else special
        shown = _shortest(bad, exact)
        if shown is None:
            shown = min(failing, key=len)
        return (Condition(column=name, sign="text", value=exact),), shown
    if unseen:
        return _unseen(place, known)
    several = sorted({bad, *failing}, key=repr)  # one of them alone would be no true rule
    return (Condition(column=name, sign="in", value=tuple(several)),), None


def _unseen(place: Place, known: Sequence[Any]) -> Found:
    shown = UNSEEN[0] if place.admitted(UNSEEN[0]) else None
    return (Condition(column=place.name, sign="unseen", value=tuple(known)),), shown


def _by_asking(place: Place, known: Sequence[Any], others: Sequence[Any]) -> Found:
    """Find the values that fail by a few questions: groups of those that should pass, and single
    ones of those that should fail."""
    name, bad, pool = place.name, place.bad, place.pool
    good = [value for value in known if value != bad]
    few = good if place.oracle.group else [v for v in good if v not in place.passes][:4]
    if bad in known and not isinstance(bad, str):
        failing = [v for v in few if place.left() > 0 and place.fails(v)]
        return _from_values(place, known, [bad, *failing], [v for v in few if v not in failing])
    spoilt = bool(few) and place.oracle.any(place.build(few))
    if spoilt and len(few) <= 16:
        mask = place.oracle.mask(place.build(few)).tolist()
        failing = [bad, *(v for v, f in zip(few, mask, strict=True) if f)]
        passing = [v for v, f in zip(few, mask, strict=True) if not f]
        if bad in known or not passing:
            return _from_values(place, known, failing, passing)
        few, spoilt = passing, False
    if not isinstance(bad, str) or spoilt:
        return (Condition(column=name, sign="==", value=bad),), None
    unseen = Condition(column=name, sign="unseen", value=tuple(known))
    new = [v for v in UNSEEN if v in others and v != bad and v]
    if bad not in known and pool.domain.open and new and place.fails(new[0]):
        rest = [v for v in ("Ωmega", "x") if v in others and v not in (new[0], bad)]
        if rest and place.fails(rest[0]):
            for special in list(properties([bad, new[0], rest[0]], few or ["x"]))[:3]:
                outside = [v for v in others if not special.holds(v)]
                if outside and place.left() > 2 and not place.oracle.any(place.build(outside)):
                    return (Condition(column=name, sign="text", value=special),), None
            return (unseen,), new[0]
    for special in list(properties([bad], few or ["x"]))[:6]:
        if special.name in _LENGTHS:
            as_much = [v for v in others if special.holds(v)]
            as_much.sort(key=lambda v: _alike(v, special, few))
            if as_much and not place.fails(as_much[0]):
                continue  # this length alone does no harm
            special = _exact_length(place, special)
        inside = [v for v in others if special.holds(v)]
        outside = [v for v in (*few, *others) if not special.holds(v) and v != bad]
        inside.sort(key=lambda v: _alike(v, special, outside))
        if place.left() < 4:
            break
        if inside and not place.fails(inside[0]):
            continue
        limit = outside if place.oracle.group else outside[:3]
        if not limit or not place.oracle.any(place.build(limit)):
            return (Condition(column=name, sign="text", value=special),), _shortest(bad, special)
    if bad not in known and others and place.fails(others[0]) and place.fails(others[-1]):
        return (unseen,), others[0]
    return (Condition(column=name, sign="==", value=bad),), None


def _alike(value: str, special: Property, outside: Sequence[str]) -> int:
    """Return how much else is special about *value*: the fewer the better as a witness."""
    return sum(1 for found in properties([value], outside or ["x"]) if found != special)


def _shortest(bad: str, special: Property) -> str | None:
    """Return the beginning of *bad* that has just too many words, lines or characters; None where
    *special* is something else."""
    if special.name not in _LENGTHS or special.name == "shorter":
        return None
    apart, mark = PARTS.get(special.name, (list, ""))
    return mark.join(apart(bad)[: int(special.argument) + 1])


def _exact_length(place: Place, special: Property) -> Property:
    """Return *special* with the least length that fails (the largest, for ``shorter``); its
    argument is a length that does, or one off it."""
    bad = place.bad
    apart, mark = PARTS.get(special.name, (list, ""))
    parts = apart(bad)
    known = [*place.passes, *first_values(place.pool.seen, _KNOWN)]
    lengths = {len(apart(v)) for v in known if isinstance(v, str)}
    if special.name == "shorter":
        passes = min((n for n in lengths if n > len(parts)), default=len(parts) + 1)
    else:
        passes = max((n for n in lengths if n < len(parts)), default=0)

    def fails(length: int) -> bool:
        return place.fails(mark.join((parts * (length // max(1, len(parts)) + 1))[:length]))

    line = Axis(place=int, value=int)
    good, _ = few_questions(fails, line, passes, len(parts), (), place.left)
    return Property(name=special.name, argument=good)
