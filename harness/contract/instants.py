"""What of a date or a date-time makes rows fail, but for when it is: how it is written, its day."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from itertools import islice
from typing import Any

from harness.contract.batch import moment, moment_text
from harness.contract.place import Found, Place
from harness.contract.rule import Condition
from harness.contract.special_days import alike, beside, specials, unlike
from harness.contract.texts import Property

_FORM = re.compile(
    r"(?P<whole>\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d)(?P<fraction>\.\d+)?"
    r"(?P<offset>[Zz]|[+-]\d\d:\d\d)?"
)
_OFFSETS = ("Z", "+00:00", "+02:00", "-05:00")
_HALF = ".5"
_LEAST_LEFT = 8
_FEW_DAYS, _DAY_ENDS = 2, 10


def by_form(place: Place) -> Found | None:
    """Return the condition on how the cell's date-time is written, where the row passes with the
    same moment, to the second, written otherwise; None where the text is not what matters."""
    bad = _FORM.fullmatch(place.bad) if isinstance(place.bad, str) else None
    if bad is None or place.left() < _LEAST_LEFT:
        return None
    fraction, offset = bad["fraction"] or "", bad["offset"] or ""
    usual = [m for text in (place.witness, *place.passes) if (m := _parsed(text)) is not None]
    offsets = [m["offset"] or "" for m in usual]
    others = [o for o in dict.fromkeys((*offsets, *_OFFSETS)) if o != offset]
    if _passes(place, bad["whole"] + ("" if fraction else _HALF) + offset):
        name = "fraction" if fraction else "no fraction"
        return _condition(place, Property(name=name)), None
    passing = [o for o in others[:4] if _passes(place, _moved(place.bad, fraction, o))]
    if not passing or _fails(place, bad["whole"] + fraction + passing[0]):
        return None  # the hour by the local clock is what matters, if anything is
    failing = [offset, *(o for o in others[:4] if o not in passing)]
    if len(passing) == 1 and len(failing) > 1:
        return _condition(place, Property(name="other offset", argument=passing[0])), None
    return _condition(place, Property(name="offset", argument=offset)), None


def by_day(place: Place) -> Found | None:
    """Return the condition on what the cell's day is in the calendar (29 February, a day of the
    53rd ISO week), where others like it fail, too, and days beside it pass; None where none is."""
    day = _day(place.bad)
    if day is None:
        return None
    known: dict[str, bool] = {}

    def fails(days: Iterable[date]) -> list[bool]:
        texts = (f"{other.isoformat()}{place.bad[_DAY_ENDS:]}" for other in days)
        some = list(islice(filter(place.admitted, texts), _FEW_DAYS))
        known.update({text: place.fails(text) for text in some if text not in known})
        return [known[text] for text in some]

    for name in specials(day):
        if place.left() < _LEAST_LEFT:
            return None
        near = fails(beside(name, day))
        if not near or any(near):
            continue
        others = fails(alike(name, day))
        if others and all(others) and not any(fails(unlike(name, day))):
            return _condition(place, Property(name="day", argument=name)), None
    return None


def _day(text: Any) -> date | None:
    try:
        return date.fromisoformat(text[:_DAY_ENDS]) if isinstance(text, str) else None
    except ValueError:
        return None


def _parsed(text: Any) -> re.Match[str] | None:
    return _FORM.fullmatch(text) if isinstance(text, str) else None


def _passes(place: Place, text: str) -> bool:
    return bool(text) and place.admitted(text) and not place.fails(text)


def _fails(place: Place, text: str) -> bool:
    return place.admitted(text) and place.fails(text)


def _moved(text: str, fraction: str, offset: str) -> str:
    """Return the moment of *text* as it is written at another *offset*; nothing without one."""
    if not offset:
        return ""
    shift = 0 if offset in "Zz" else int(offset[:3]) * 60 + int(offset[0] + offset[4:])
    try:
        local = _plain(moment(text) + shift * 60_000_000)
    except ValueError:
        return ""
    return local + fraction + offset


def _plain(microseconds: int) -> str:
    found = _FORM.fullmatch(moment_text(microseconds))
    if found is None:
        raise ValueError("a moment that no calendar has")
    return found["whole"]


def _condition(place: Place, special: Property) -> tuple[Condition, ...]:
    return (Condition(column=place.name, sign="text", value=special),)
