"""Sizes as people write them: ``200 MB``."""

from __future__ import annotations

import re
from fractions import Fraction

UNITS = {
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
"""Decimal and binary units of IEC 80000-13."""

_SIZE = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]+)?)\s*(?P<unit>[A-Za-z]*)")


def parse(text: str) -> int:
    """Return the bytes that *text* means, rounded down; raises ValueError and says what is wrong.

    ``KB`` is read as ``kB``: nobody means anything else. Other letters keep their case.
    """
    found = _SIZE.fullmatch(text.strip())
    if not found:
        raise ValueError(f'"{text}" is not a size: write a number and a unit, like "200 MB"')
    unit = "kB" if found["unit"] == "KB" else found["unit"]
    if unit not in UNITS:
        known = ", ".join(UNITS)
        said = f'unknown unit "{unit}"' if unit else "a unit is missing"
        raise ValueError(f'"{text}": {said}; write one of {known}')
    size = int(Fraction(found["number"]) * UNITS[unit])
    if size < 1:
        raise ValueError(f'"{text}" is less than a byte')
    return size
