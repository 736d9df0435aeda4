"""What a column of numbers is taken for: whole or not, and between which bounds.

The bounds lie as far outside the training data as these span, and never beyond zero where no
training value does: a model that takes a logarithm or divides is right to rely on that.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.contract.cells import Array, Cells

_CODES = 10
"""Most different whole numbers that are taken for codes or ranks, each of them often seen."""
_OFTEN, _OFTEN_SHARE = 5, 0.01
_SHARES = 20
_YEARS = 10
_EXACT = 2**53
_INT64 = 2**63
_SENTINELS = frozenset((-1, -9, -99, -999, -9999, 99, 999, 9999, 99999, 999999))

_CALENDAR: Mapping[str, tuple[tuple[int, int], ...]] = {
    "hour": ((0, 23), (0, 24)),
    "minute": ((0, 59),),
    "second": ((0, 59),),
    "month": ((1, 12), (0, 11)),
    "weekday": ((0, 6), (1, 7)),
    "dayofweek": ((0, 6), (1, 7)),
    "dow": ((0, 6), (1, 7)),
    "day": ((1, 31),),
    "dayofyear": ((1, 366),),
    "doy": ((1, 366),),
    "week": ((1, 53), (0, 53)),
    "quarter": ((1, 4),),
}
_PLACES: Mapping[str, tuple[float, float]] = {
    "lat": (-90.0, 90.0),
    "latitude": (-90.0, 90.0),
    "lon": (-180.0, 180.0),
    "lng": (-180.0, 180.0),
    "longitude": (-180.0, 180.0),
    "percent": (0.0, 100.0),
    "percentage": (0.0, 100.0),
    "pct": (0.0, 100.0),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """The least and the largest number admitted, *why*, and the *values* where there are gaps."""

    low: float | int
    high: float | int
    why: str
    values: tuple[int, ...] = ()


def numbers(column: Cells) -> tuple[dict[str, Any], str, list[str]]:
    """Return a column of numbers as JSON Schema, the guess in words, and remarks for a person."""
    there = column.values[~column.absent]
    whole = column.kind == "integer" or looks_whole(column)
    kind = "integer" if whole else "number"
    finite = there[np.isfinite(there)] if len(there) else there
    remarks = [*_remarks(there, finite, column, whole=whole)]
    if not len(finite):
        described: dict[str, Any] = {"type": kind, "minimum": 0, "maximum": 1}
        return described, f"{kind} from 0 to 1", [*remarks, "no value was seen, nothing is known"]
    usual = finite[finite != sentinel] if (sentinel := _sentinel(finite)) is not None else finite
    bounds = _bounds(usual, column, whole=whole)
    if sentinel is not None:
        count = int((finite == sentinel).sum())
        remarks.append(f"{sentinel:g} stands {count} times: does it mean “missing”?")
        bounds = _with(bounds, int(sentinel) if whole else sentinel)
    if bounds.values:
        listed = ", ".join(map(str, bounds.values))
        return {"type": kind, "enum": [*bounds.values]}, f"one of {listed} ({bounds.why})", remarks
    described = {"type": kind, "minimum": bounds.low, "maximum": bounds.high}
    words = f"{kind} from {bounds.low!r} to {bounds.high!r}"
    return described, f"{words} ({bounds.why})", remarks


def looks_whole(column: Cells) -> bool:
    """Return whether floats are whole numbers that became floats because some are missing."""
    there = column.values[~column.absent]
    if column.kind != "number" or not column.absent.any() or not len(there):
        return False
    small = np.isfinite(there) & (np.abs(there) <= _EXACT)  # beyond, every float is whole
    return bool(small.all() and (there == np.floor(there)).all())


def seen(column: Cells) -> str:
    """Return the range of the numbers that are there, for a reader: ``18 to 89``."""
    there = column.values[~column.absent]
    finite = there[np.isfinite(there)]
    if not len(finite):
        return "nothing"
    whole = column.kind == "integer" or looks_whole(column)
    low, high = finite.min().item(), finite.max().item()
    form = ".0f" if whole else ".6g"
    return f"{low:{form}} to {high:{form}}" if low != high else f"{low:{form}} alone"


def tokens(name: str) -> tuple[str, ...]:
    """Return the words of a column's name in small letters: ``depHour_2`` → dep, hour, 2."""
    apart = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name)
    return tuple(part.lower() for part in re.split(r"[^A-Za-z0-9]+", apart) if part)


def _bounds(finite: Array, column: Cells, *, whole: bool) -> Bounds:
    low, high = finite.min().item(), finite.max().item()
    named = _by_name(column.name, low, high, whole=whole)
    if named is not None:
        return named
    if whole and (codes := _codes(finite)):
        if codes[-1] - codes[0] == len(codes) - 1:
            why = "true or false as a number" if codes == (0, 1) else "codes or ranks: no others"
            return Bounds(low=codes[0], high=codes[-1], why=why)
        return Bounds(low=codes[0], high=codes[-1], why="codes: no others", values=codes)
    if not whole and low >= 0 and 0.5 < high <= 1 and len(finite) >= _SHARES:
        top = 1.0 if high == 1 else 1.0 - _tenth(1.0 - high)
        return Bounds(low=_floor(low), high=top, why="a share, 0 to 1")
    return _widened(low, high, column, whole=whole)


def _widened(low: float | int, high: float | int, column: Cells, *, whole: bool) -> Bounds:
    """Return the range with its own span on both sides, rounded outwards, on zero's one side."""
    span = high - low if high > low else max(abs(high), 1)
    step = 10.0 ** (math.floor(math.log10(span)) - 1) if 0 < span < math.inf else 1.0
    if not step or not math.isfinite(span):
        step = 1.0
    ends = [_down((low - span) / step) * step, -_down(-(high + span) / step) * step]
    why = "as far again on both sides as the data span"
    if low >= 0 and ends[0] <= _floor(low):
        ends[0], why = _floor(low), "as far again upwards as the data span"
        why += ", above zero" if low > 0 else ""
    if high <= 0 and ends[1] >= -_floor(-high):
        ends[1], why = -_floor(-high), "as far again downwards as the data span"
        why += ", below zero" if high < 0 else ""
    if whole:
        least, most = -_INT64, _INT64 - 1
        above, below = int(low > 0), -int(high < 0)  # no training value is zero: nor is a guess
        first = max(least, math.floor(ends[0])) if low < 0 else max(above, math.floor(ends[0]))
        last = min(most, math.ceil(ends[1])) if high > 0 else min(below, math.ceil(ends[1]))
        return Bounds(low=min(first, int(low)), high=max(last, int(high)), why=why)
    limit = float(np.finfo(np.float32 if column.dtype == "float32" else np.float64).max)
    clipped = [float(min(max(_tidy(end, step), -limit), limit)) for end in ends]
    return Bounds(low=min(clipped[0], low), high=max(clipped[1], high), why=why)


def _by_name(name: str, low: float, high: float, *, whole: bool) -> Bounds | None:
    words = tokens(name)
    joined = "".join(words)
    if whole and words[-1:] == ("year",) and low >= 1500 and high <= 2200:
        first, last = int(low) - _YEARS, int(high) + _YEARS
        return Bounds(low=first, high=last, why="by its name, a year")
    for key, ranges in _CALENDAR.items():
        if whole and (words[-1:] == (key,) or joined == key):
            for first, last in ranges:
                if first <= low and high <= last and (high - low) * 3 >= last - first:
                    return Bounds(
                        low=first,
                        high=last,
                        why=f"by its name, {'an' if key == 'hour' else 'a'} {key}",
                    )
    for word in words:
        if word in _PLACES:
            least, most = _PLACES[word]
            if least <= low and high <= most and (word[0] in "l" or high > 1):
                if whole:
                    return Bounds(low=int(least), high=int(most), why=f"by its name, {word}")
                return Bounds(low=least, high=most, why=f"by its name, {word}")
    return None


def _codes(finite: Array) -> tuple[int, ...]:
    values, counts = np.unique(finite, return_counts=True)
    often = max(_OFTEN, _OFTEN_SHARE * len(finite))
    if not 2 <= len(values) <= _CODES or counts.min() < often or np.abs(values).max() > _EXACT:
        return ()
    return tuple(int(value) for value in values.tolist())


def _floor(low: float | int) -> float:
    """Return zero where zero was seen, else a tenth of the least positive value."""
    return 0.0 if low == 0 else _tenth(low)


def _tenth(value: float | int) -> float:
    """Return about a tenth of a positive *value*: one figure, rounded down."""
    tenth = value / 10
    if tenth < 1e-300:
        return float(value)
    figure = 10.0 ** math.floor(math.log10(tenth))
    return float(f"{math.floor(tenth / figure * (1 + 1e-12)) * figure:.0e}")


def _down(value: float) -> float:
    return float(math.floor(value)) if math.isfinite(value) else value


def _tidy(value: float, step: float) -> float:
    """Return *value* without the dust of binary fractions below *step*."""
    places = max(0, 1 - math.floor(math.log10(step))) if step < 10 else 0
    tidy = round(value, places) if places and math.isfinite(value) and places < 300 else value
    return tidy or value  # a small bound beside zero is no dust


def _remarks(there: Array, finite: Array, column: Cells, *, whole: bool) -> list[str]:
    found = []
    if len(finite) < len(there):
        count = len(there) - len(finite)
        found.append(f"{count} infinite values in the data, which no schema admits: mend the data")
    if not len(finite):
        return found
    if whole and column.kind == "number":
        found.append("whole numbers, held as floats because some are missing")
    if whole and np.abs(finite.astype(float)).max() > _EXACT:
        found.append(
            "beyond 2**53, where a float can't tell neighbours apart: keep it as text, "
            "if it is an identifier"
        )
    return found


def _with(bounds: Bounds, value: float | int) -> Bounds:
    """Return *bounds* that admit *value* too."""
    if bounds.values:
        return replace(bounds, values=tuple(sorted({*bounds.values, int(value)})))
    return replace(bounds, low=min(bounds.low, value), high=max(bounds.high, value))


def _sentinel(finite: Array) -> float | None:
    """Return a number that stands far from all others and is often written for “missing”."""
    different, counts = np.unique(finite, return_counts=True)
    if len(different) < 5:
        return None
    values = [float(value) for value in different.tolist()]  # Python's: inf in place of a warning
    for place, neighbour, far in ((0, 1, -1), (-1, -2, 0)):
        value, gap = values[place], abs(values[neighbour] - values[place])
        lonely = gap > abs(values[far] - values[neighbour])
        if -10 < value < 0:
            lonely = values[1] >= 0
        if value in _SENTINELS and counts[place] >= 2 and lonely:
            return value
    return None
