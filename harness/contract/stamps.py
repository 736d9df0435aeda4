"""Moments as RFC 3339 text, many at once, each in one of the forms that a column may have."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from harness.contract.cells import Array, moment_text

_DAY = 86_400_000_000
_MINUTE = 60_000_000
_WHOLE, _FINEST = 19, 6  # characters to the second, digits of a microsecond
_FORM = re.compile(r".{19}(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)")
_LOOKED_AT, _USUAL = 10_000, 8


@dataclass(frozen=True, slots=True)
class Form:
    """How a moment is written: with *digits* of a second's fraction, at an *offset* from UTC."""

    digits: int = 0
    offset: str = "Z"


FORMS = (
    *(Form(1), Form(0, "-05:00"), Form(6), Form(0, "+05:45"), Form(3), Form(), Form(0, "+00:00")),
    *(Form(6, "+14:00"), Form(0, "-12:00"), Form(0, "+02:00")),
)
"""What RFC 3339 admits beside what a column's data hold; the most telling first."""


def date_text(microseconds: int) -> str:
    """Return the day of a moment in UTC, as RFC 3339 text."""
    return moment_text(microseconds)[:10]


def drawn_from(texts: Sequence[str]) -> tuple[Form, ...]:
    """Return the forms to draw from, for a column that holds *texts*: three of four times one that
    is usual there, else any."""
    counted = Counter(map(_form_of, islice(texts, _LOOKED_AT)))
    usual = [form for form, _ in counted.most_common(_USUAL)] or [Form()]
    often = -(-3 * len(FORMS) // len(usual))
    return (*usual * often, *FORMS)


def days(moments: Array) -> Array:
    """Return the days of *moments* (int64 microseconds since 1970) as text, dtype object."""
    return np.datetime_as_string((moments // _DAY).astype("M8[D]")).astype(object)


def stamps(moments: Array, forms: Sequence[Form], pick: Array) -> Array:
    """Return *moments* (int64 microseconds since 1970) as text, dtype object: moment i in form
    ``pick[i]``. What the form has no digits for is cut off; where the form's clock would leave the
    years 1 to 9999, the moment is written in UTC."""
    found = np.empty(len(moments), object)
    different = tuple(dict.fromkeys(forms))
    numbers = np.array([different.index(form) for form in forms])[pick]
    for number, form in enumerate(different):
        at = np.flatnonzero(numbers == number)
        found[at] = _written(moments[at], form)
    return found


def _written(moments: Array, form: Form) -> Array:
    local = moments + _shift(form.offset)
    years = local.astype("M8[us]").astype("M8[Y]").astype(np.int64) + 1970
    inside = (years >= 1) & (years <= 9999)
    if not inside.all():
        found = _written(np.where(inside, moments, 0), form)
        found[~inside] = _written(moments[~inside], Form(form.digits))
        return found
    return _cut(local, form.digits) + form.offset


def _cut(moments: Array, digits: int) -> Array:
    text = np.datetime_as_string(moments.astype("M8[us]"), unit="us")
    length = _WHOLE + (1 + min(digits, _FINEST) if digits else 0)
    return text.astype(f"U{length}").astype(object)


def _shift(offset: str) -> int:
    if offset in "Zz":
        return 0
    return (int(offset[:3]) * 60 + int(offset[0] + offset[4:])) * _MINUTE


def _form_of(text: str) -> Form:
    found = _FORM.fullmatch(text)
    return Form() if found is None else Form(min(len(found[1] or ""), _FINEST), found[2])
