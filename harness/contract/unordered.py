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
_ASKED, _ONES = 16, 4  # known values: of those asked as a group, and one by one
_FEWEST_BUT, _FEW_BUT = 2, 6  # "not in": of more that fail than that, of no more that pass
_NEEDED = 3
_NEW = (UNSEEN[0], UNSEEN[2], "x", "7")
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
    """Return the condition by which values were *failing* and others *passing*: one of *known*
    values where it is one, else a property of texts."""
    name, bad, pool = place.name, place.bad, place.pool
    found = [value for value in failing if value in known]
    new = [value for value in passing if value not in known]
    if len(failing) == 1:
        return (Condition(column=name, sign="==", value=bad),), None
    if pool.domain.closed or len(failing) == len(found):
        return _listed(place, known, failing, [] if new else passing), None
    every = known and not new and len(failing) - len(found) > 1  # no unseen value passes
    if every and found and len(found) < len(known):
        return _or_unseen(place, found, passing), None
    if every and not found and pool.domain.open:
        return _unseen(place, known)
    if all(isinstance(value, str) for value in (*failing, *passing)):
        special = next(properties(failing, passing), None)
        if special is not None:
            exact = _exact_length(place, special) if special.name in _LENGTHS else special
            shown = _shortest(bad, exact)
            if shown is None:
                shown = min(failing, key=len)
            return (Condition(column=name, sign="text", value=exact),), shown
        if every and not found:
            return _unseen(place, known)
    # one of them alone would be no true rule
    return _listed(place, known, failing, passing if len(passing) <= _FEW_BUT else []), None


Parts = tuple[Condition, ...]


def _listed(
    place: Place, known: Sequence[Any], failing: Sequence[Any], passing: Sequence[Any]
) -> Parts:
    """Return that a value is one of those *failing*, or where these are most, none of those
    *passing*; *known* ones first."""
    if _FEWEST_BUT < len(failing) > len(passing) > 0:
        return (Condition(column=place.name, sign="not in", value=_sorted(passing, known)),)
    return (Condition(column=place.name, sign="in", value=_sorted(failing, known)),)


def _or_unseen(place: Place, failing: Sequence[Any], passing: Sequence[Any]) -> Parts:
    """Return that a value is a known one of those *failing*, or no known one at all."""
    if len(failing) > len(passing):
        return (Condition(column=place.name, sign="not in", value=_sorted(passing)),)
    value = _sorted(failing), _sorted(passing)
    return (Condition(column=place.name, sign="or unseen", value=value),)


def _sorted(values: Sequence[Any], known: Sequence[Any] = ()) -> tuple[Any, ...]:
    return tuple(sorted(set(values), key=lambda v: (bool(known) and v not in known, repr(v))))


def _unseen(place: Place, known: Sequence[Any]) -> Found:
    shown = UNSEEN[0] if place.admitted(UNSEEN[0]) else None
    return (Condition(column=place.name, sign="unseen", value=tuple(known)),), shown


def _by_asking(place: Place, known: Sequence[Any], others: Sequence[Any]) -> Found:
    """Find the values that fail by a few questions: groups of those that should pass, and single
    ones of those that should fail."""
    name, bad, pool = place.name, place.bad, place.pool
    failing, passing = _known_ones(place, [value for value in known if value != bad])
    if bad in known and (not isinstance(bad, str) or pool.domain.closed):
        return _from_values(place, known, [bad, *failing], passing)
    if not isinstance(bad, str) or (failing and not passing and bad not in known):
        return (Condition(column=name, sign="==", value=bad),), None
    found = [value for value in (bad, *failing) if value in known]
    new = [v for v in _NEW if v in others and v != bad]
    doubtful = failing or (bad not in known and pool.domain.open)
    enough = len(new) > 1 and place.left() > _NEEDED
    if doubtful and enough and all(place.fails(v) for v in new[: 3 if found else 2]):
        if found and passing:
            return _or_unseen(place, found, passing), None
        special = _special(place, [bad, *new[:2]], passing, others)
        if special is not None:
            return special
        return (Condition(column=name, sign="unseen", value=tuple(known)),), new[0]
    special = _special(place, [bad, *failing], passing, others)
    if special is not None:
        return special
    if failing and bad in known:
        return _listed(place, known, [bad, *failing], [] if others else passing), None
    if bad not in known and others and place.fails(others[0]) and place.fails(others[-1]):
        return (Condition(column=name, sign="unseen", value=tuple(known)),), others[0]
    return (Condition(column=name, sign="==", value=bad),), None


def _known_ones(place: Place, good: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Return which of *good*, the known values but the failing one, fail and which pass. Of many
    that other rows don't show to pass, some are asked; where all of these fail, all are taken to.
    """
    passing = [value for value in good if value in place.passes]
    unsure = [value for value in good if value not in passing]
    asked = unsure if place.oracle.group else unsure[:_ONES]
    if not asked or place.left() <= 0 or not place.oracle.any(place.build(asked)):
        return [], passing + asked
    most = max(1, min(_ASKED, place.left() // 3))
    if len(asked) > most:
        asked = asked[:: -(-len(asked) // most)]
    fails = place.oracle.mask(place.build(asked)).tolist()
    failing = [value for value, failed in zip(asked, fails, strict=True) if failed]
    if len(failing) == len(asked):
        return unsure, passing
    return failing, passing + [value for value in asked if value not in failing]


def _special(
    place: Place, failing: Sequence[str], passing: Sequence[str], others: Sequence[str]
) -> Found | None:
    """Return the property that all *failing* texts have and no *passing* one, where others with it
    fail, too, and others without it don't."""
    bad = place.bad
    one_known = len(failing) == 1 and bad in place.pool.domain.values
    for special in list(properties(failing, passing or ["x"]))[:6]:
        if special.name in _LENGTHS:
            as_much = [v for v in others if special.holds(v)]
            as_much.sort(key=lambda v: _alike(v, special, passing))
            if as_much and not place.fails(as_much[0]):
                continue  # this length alone does no harm
            special = _exact_length(place, special)
        inside = [v for v in others if special.holds(v) and v not in failing]
        outside = [v for v in (*passing, *others) if not special.holds(v) and v != bad]
        inside.sort(key=lambda v: _alike(v, special, outside))
        if place.left() < 4:
            break
        if (inside and not place.fails(inside[0])) or (one_known and not inside):
            continue
        limit = outside if place.oracle.group else outside[:3]
        if not limit or not place.oracle.any(place.build(limit)):
            shown = _shortest(bad, special)
            return (Condition(column=place.name, sign="text", value=special),), shown
    return None


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
