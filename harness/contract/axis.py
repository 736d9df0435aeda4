"""A column's values on a line of integers, where neighbours are one apart."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from harness.contract.batch import moment, moment_text
from harness.contract.domain import Domain
from harness.contract.stamps import date_text

_DAY = 86_400_000_000
_DIGITS = 20  # a float64 needs 17 at most


@dataclass(frozen=True, kw_only=True, slots=True)
class Axis:
    """A column's values on a line of integers: *place* and *value* are each other's inverse.

    *form* is ``date`` or ``datetime`` where values are such texts.
    """

    place: Callable[[Any], int]
    value: Callable[[int], Any]
    floats: bool = False
    form: str = ""


def axis(domain: Domain, kind: str, dtype: str = "") -> Axis | None:
    """Return the axis of a column of *kind* and *dtype*; None where values have no order."""
    if domain.values:
        return None
    if kind == "number":
        if domain.kind == "integer":
            return Axis(place=int, value=float)
        if dtype == "float32":
            return Axis(place=single_place, value=single_at, floats=True)
        return Axis(place=float_place, value=float_at, floats=True)
    if kind == "integer":
        return Axis(place=int, value=int)
    if domain.kind == "date":
        return Axis(place=_day, value=_day_at, form="date")
    if domain.kind == "datetime":
        return Axis(place=moment, value=moment_text, form="datetime")
    return None


def float_place(value: float) -> int:
    """Return where *value* stands among the finite float64: neighbours are one apart."""
    bits: int = struct.unpack("<q", struct.pack("<d", value))[0]
    return bits if bits >= 0 else -(bits & 0x7FFFFFFFFFFFFFFF)


def float_at(place: int) -> float:
    """Return the float64 at *place*."""
    bits = struct.pack("<q", abs(place))
    return math.copysign(struct.unpack("<d", bits)[0], place)


def single_place(value: float) -> int:
    """Return where *value* stands among the finite float32."""
    bits: int = struct.unpack("<i", struct.pack("<f", value))[0]
    return bits if bits >= 0 else -(bits & 0x7FFFFFFF)


def single_at(place: int) -> float:
    """Return the float32 at *place*."""
    found: float = struct.unpack("<f", struct.pack("<i", abs(place)))[0]
    return math.copysign(found, place)


def _day(text: str) -> int:
    return moment(text) // _DAY


def _day_at(day: int) -> str:
    return date_text(day * _DAY)


def shortest(one: float, other: float) -> float:
    """Return a number between the two (inclusive) that takes the fewest decimal digits."""
    low, high = min(one, other), max(one, other)
    if low <= 0 <= high:
        return 0.0
    start = Decimal(repr(low))
    exponent = Decimal(repr(max(abs(low), abs(high)))).adjusted() + 1
    for digits in range(_DIGITS):
        unit = exponent - digits
        whole = start.scaleb(-unit).to_integral_value(rounding="ROUND_CEILING").scaleb(unit)
        if low <= float(whole) <= high:
            return float(whole)
    return min(low, high, key=lambda end: len(repr(end)))
