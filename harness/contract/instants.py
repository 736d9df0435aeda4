"""How a date or a date-time is written: what of its text, not of its moment, makes rows fail."""

from __future__ import annotations

import re
from typing import Any

from harness.contract.batch import moment, moment_text
from harness.contract.place import Found, Place
from harness.contract.rule import Condition
from harness.contract.texts import Property

_FORM = re.compile(
    r"(?P<whole>\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d)(?P<fraction>\.\d+)?"
    r"(?P<offset>[Zz]|[+-]\d\d:\d\d)?"
)
_OFFSETS = ("Z", "+00:00", "+02:00", "-05:00")
_HALF = ".5"
_LEAST_LEFT = 8


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
    if not passing:
        return None
    failing = [offset, *(o for o in others[:4] if o not in passing)]
    if len(passing) == 1 and len(failing) > 1:
        return _condition(place, Property(name="other offset", argument=passing[0])), None
    return _condition(place, Property(name="offset", argument=offset)), None


def by_day(place: Place) -> Found | None:
    """Return the condition on a day that only leap years have, where those of other years fail,
    too; None where one day alone does."""
    bad = place.bad
    if not isinstance(bad, str) or bad[4:10] != "-02-29" or place.left() < _LEAST_LEFT:
        return None
    years = [year for year in (2020, 2016, 2024, 2012, 2008) if f"{year:04d}" != bad[:4]]
    tried = [text for year in years if place.admitted(text := f"{year:04d}{bad[4:]}")][:2]
    if not tried or not all(place.fails(text) for text in tried):
        return None
    return _condition(place, Property(name="day", argument="02-29")), None


def _parsed(text: Any) -> re.Match[str] | None:
    return _FORM.fullmatch(text) if isinstance(text, str) else None


def _passes(place: Place, text: str) -> bool:
    return bool(text) and place.admitted(text) and not place.fails(text)


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
