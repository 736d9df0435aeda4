"""The search for where rows begin to fail on one column's axis."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from harness.contract.axis import Axis
from harness.contract.naturals import middle, naturals
from harness.contract.place import Place, first_values

_WAYS = 255

Bracket = tuple[int, int]
"""A place that passes and one that fails; neighbours where the threshold is exact."""


def search(place: Place, line: Axis, passes: int, fails: int) -> Bracket:
    """Return the last place that passes and the first that fails, neighbours unless the questions
    run out. Where rows begin to fail more than once between the two, one such place is found."""
    good, bad = passes, fails
    if place.oracle.bulk:
        return _wide_search(place, line, good, bad)
    return few_questions(
        lambda at: place.fails(line.value(at)), line, good, bad, levels_of(place), place.left
    )


def few_questions(
    fails: Callable[[int], bool],
    line: Axis,
    good: int,
    bad: int,
    levels: Sequence[Any],
    left: Callable[[], int],
) -> Bracket:
    """Return what ``search`` does by asking about one place at a time, natural ones first."""
    hopes = _hopes(naturals(line, good, bad, levels), good, bad)
    while abs(bad - good) > 1 and left() > 0:
        step = 1 if bad > good else -1
        hopes = {at: w for at, w in hopes.items() if 0 < (at - good) * step <= (bad - good) * step}
        if not hopes:
            finer = naturals(line, good, bad, ()) if abs(bad - good) > 64 else {}
            hopes = _hopes(finer, good, bad)
        at = _question(hopes, good, bad, step) if hopes else middle(line, good, bad)
        if at in (good, bad):
            at = (good + bad) // 2
        if fails(at):
            bad = at
        else:
            good = at
        if len(hopes) == 1 and at in hopes and at == good:
            hopes = {}
    return good, bad


def _hopes(weights: Mapping[int, float], good: int, bad: int) -> dict[int, float]:
    """Return the places that may be the first to fail: a natural one, or the one after it."""
    step = 1 if bad > good else -1
    found = {place: weight for place, weight in weights.items()}
    for place, weight in [*weights.items(), (good, 0.3)]:
        found[place + step] = max(weight, found.get(place + step, 0.0))
    found[bad] = max(0.2, found.get(bad, 0.0))
    return found


def _question(hopes: Mapping[int, float], good: int, bad: int, step: int) -> int:
    """Return the place that halves the weight of the *hopes*; the one before a hope that is left
    alone, when it is known to fail."""
    order = sorted(hopes, key=lambda at: (at - good) * step)
    if len(order) == 1:
        return order[0] if order[0] != bad else bad - step
    total, held = sum(hopes.values()), 0.0
    for number, at in enumerate(order):
        held += hopes[at]
        if held >= total / 2:
            if at == bad:
                return order[number - 1]
            return at
    return order[-2]


def _wide_search(place: Place, line: Axis, good: int, bad: int) -> Bracket:
    """As ``search``, with many places in one call."""
    step = 1 if bad > good else -1
    while abs(bad - good) > 1:
        span = abs(bad - good)
        count = min(_WAYS, place.most, span - 1)
        places = {good + step * (span * (i + 1) // (count + 1)) for i in range(count)}
        places |= {good + step, bad - step}
        asked = sorted(places - {good, bad}, key=lambda at: (at - good) * step)
        fails = place.oracle.mask(place.build([line.value(at) for at in asked]))
        where = np.flatnonzero(fails)
        last = int(where[0]) if len(where) else len(asked)
        before = asked[last - 1] if last else good
        good, bad = before, (asked[last] if last < len(asked) else bad)
    return good, bad


def levels_of(place: Place) -> list[Any]:
    """Return the column's levels and some of its training values."""
    return [*first_values(place.pool.levels, 400), *first_values(place.pool.seen, 64)]
