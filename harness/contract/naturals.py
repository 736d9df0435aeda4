"""Where a person would put a threshold: natural values between two, each with a weight.

A search that may ask only one question at a time asks about these first: most rules turn at a
round number, at a value of the training data or at a constant of the model, and then it is done in
a dozen questions instead of sixty.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from harness.contract.axis import Axis, shortest
from harness.contract.batch import moment

_LEVEL = 0.5
_FEW, _MOST = 200, 1200
_TINIEST = -6  # no power of ten below this is tried between a negative and a positive number


def naturals(line: Axis, low: int, high: int, levels: Iterable[Any]) -> Mapping[int, float]:
    """Return places strictly between *low* and *high* (either may be the larger), each with the
    weight that a rule turns there; *levels* are values that are worth more."""
    start, stop = min(low, high), max(low, high)
    if stop - start <= 1:
        return {}
    found: dict[int, float] = {}
    for value, weight in _values(line, start, stop):
        _add(found, line, value, weight)
    for value in levels:
        _add(found, line, value, _LEVEL)
    return {place: weight for place, weight in found.items() if start < place < stop}


def _add(found: dict[int, float], line: Axis, value: Any, weight: float) -> None:
    try:
        place = line.place(value)
    except (ValueError, OverflowError, struct.error):
        return
    found[place] = max(weight, found.get(place, 0.0))


def _values(line: Axis, start: int, stop: int) -> Iterator[tuple[Any, float]]:
    if line.form:
        yield from _days(line, start, stop)
    elif line.floats:
        yield from _decimals(line.value(start), line.value(stop))
    else:
        if stop - start <= _FEW:
            yield from ((line.value(n), 0.02) for n in range(start + 1, stop))
        yield from _decimals(float(start), float(stop), whole=True)


def _decimals(low: float, high: float, *, whole: bool = False) -> Iterator[tuple[float, float]]:
    """Yield decimals with few digits; fewer digits where the range spans many powers of ten."""
    if low < 0 < high:
        yield 0.0, 1.0
        for sign, end in ((-1, -low), (1, high)):
            first = min(10.0**_TINIEST, end)
            yield from ((sign * v, w) for v, w in _positive(first, end, whole))
    elif high <= 0:
        yield from ((-v, w) for v, w in _positive(-high, -low, whole))
    else:
        yield from _positive(low, high, whole)


def _positive(low: float, high: float, whole: bool) -> Iterator[tuple[float, float]]:
    if high <= 0:
        return
    last = Decimal(repr(high)).adjusted()
    first = Decimal(repr(low)).adjusted() if low > 0 else max(last - 30, -324)
    if whole:
        first = max(first, 0)
    spread = _within(low, high)
    if spread is not None:
        yield from spread
        return
    decades = last - first + 1
    digits = 2 if decades <= 12 else 1
    for exponent in range(first, last + 1):
        for number in range(1, 10**digits):
            text = str(number).rstrip("0")
            if digits == 2 and number < 10:
                continue
            value = float(f"{number}e{exponent - digits + 1}")
            if low < value < high and not (whole and value != math.floor(value)):
                round_number = 1.0 if text == "1" else 0.5 if text in ("2", "5") else 0.2
                yield value, round_number if len(text) == 1 else 0.06


def _within(low: float, high: float) -> list[tuple[float, float]] | None:
    """Return the multiples of a power of ten between the two, some dozens of them, where the two
    share their first digits; None where they don't."""
    one, other = Decimal(repr(low)), Decimal(repr(high))
    span = other - one
    if span <= 0 or other.adjusted() - span.adjusted() < 1:
        return None
    unit = span.adjusted() - 1  # ten to a hundred multiples
    step = Decimal(1).scaleb(unit)
    start = int((one / step).to_integral_value(rounding="ROUND_CEILING"))
    stop = int((other / step).to_integral_value(rounding="ROUND_FLOOR"))
    found = []
    for number in range(start, min(stop, start + _MOST) + 1):
        value = float(Decimal(number) * step)
        zeros = len(str(number)) - len(str(number).rstrip("0"))
        weight = (0.1, 0.5, 1.0)[min(zeros, 2)] if number % 5 or zeros else 0.2
        if low < value < high:
            found.append((value, weight))
    return found


def _days(line: Axis, start: int, stop: int) -> Iterator[tuple[Any, float]]:
    unit = 1 if line.form == "date" else 86_400_000_000
    days = range(start // unit + 1, (stop - 1) // unit + 1)
    if not len(days):
        return
    if len(days) <= _FEW:
        yield from ((line.value(day * unit), 0.1) for day in days)
    first, last = line.value(days[0] * unit), line.value(days[-1] * unit)
    years = range(int(first[:4]), int(last[:4]) + 1)
    for year in years:
        plain = 0.2 if year % 10 else 0.6
        yield line.value(moment(f"{year:04d}-01-01") // 86_400_000_000 * unit), plain
        if len(years) <= 12:
            for month in range(2, 13):
                at = moment(f"{year:04d}-{month:02d}-01") // 86_400_000_000 * unit
                yield line.value(at), 0.1


def middle(line: Axis, low: int, high: int) -> int:
    """Return a place about halfway between the two, for want of natural ones: the value with the
    fewest digits in the middle half."""
    start, stop = min(low, high), max(low, high)
    quarter = (stop - start) // 4
    if line.floats and quarter > 1:
        return line.place(shortest(line.value(start + quarter), line.value(stop - quarter)))
    return (start + stop) // 2
