"""What a column of dates is taken for, and between which years."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from harness.contract.cells import Cells, moment

_YEARS = 10
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NANOSECONDS = (1678, 2261)
"""Whole years that 64 bits of nanoseconds since 1970 reach."""

_DAY, _MONTH, _YEAR = r"(0?[1-9]|[12]\d|3[01])", r"(0?[1-9]|1[0-2])", r"(1[5-9]|20|21)\d\d"
_CLOCK = r"([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d+)?)?"
_OTHER = (
    (rf"^{_YEAR}-{_MONTH}-{_DAY}[ T]{_CLOCK}$", "moments without a time zone"),
    (rf"^{_YEAR}/{_MONTH}/{_DAY}( {_CLOCK})?$", "dates like 2013/12/31"),
    (rf"^{_DAY}\.{_MONTH}\.{_YEAR}( {_CLOCK})?$", "dates like 31.12.2013"),
    (rf"^{_DAY}/{_MONTH}/{_YEAR}( {_CLOCK})?$", "dates like 31/12/2013"),
    (rf"^{_MONTH}/{_DAY}/{_YEAR}( {_CLOCK})?$", "dates like 12/31/2013"),
    (rf"^{_DAY}-{_MONTH}-{_YEAR}( {_CLOCK})?$", "dates like 31-12-2013"),
    (rf"^{_DAY}[ -][A-Za-z]{{3,9}}[ -]{_YEAR}$", "dates like 31 Dec 2013"),
    (rf"^[A-Za-z]{{3,9}} {_DAY}, {_YEAR}$", "dates like Dec 31, 2013"),
    (rf"^{_YEAR}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])$", "dates like 20131231"),
    (rf"^{_CLOCK}$", "times of day"),
)


def dates(column: Cells, form: str) -> tuple[dict[str, Any], str]:
    """Return a column of moments, or of RFC 3339 text, as JSON Schema, and the guess in words.

    *form* is ``date`` or ``date-time``. The years may lie ten outside the data, or as many as
    these span where that is more.
    """
    there = column.values[~column.absent]
    if column.kind == "datetime":
        ends = [_year(int(there.min())), _year(int(there.max()))] if len(there) else [2000, 2000]
    else:
        years = [_year(moment(text)) for text in set(there.tolist())]
        ends = [min(years), max(years)]
    margin = max(_YEARS, ends[1] - ends[0])
    least, most = _NANOSECONDS if "[ns" in column.dtype else (1, 9999)
    first = min(ends[0], max(ends[0] - margin, least))
    last = max(ends[1], min(ends[1] + margin, most))
    low, high = f"{first:04d}-01-01", f"{last:04d}-12-31"
    if form == "date-time":
        low, high = f"{low}T00:00:00Z", f"{high}T23:59:59Z"
    described = {
        "type": "string",
        "format": form,
        "formatMinimum": low,
        "formatMaximum": high,
    }
    text = " as text" if column.kind == "string" else ""
    return described, f"{form}{text} in the years {first} to {last}"


def other_form(texts: Sequence[str]) -> tuple[str, str] | None:
    """Return the pattern that all *texts* match as dates of another form, and the form in words.

    None where they are no such dates. A day and a month that can't be told apart are told so.
    """
    found = [
        (pattern, words)
        for pattern, words in _OTHER
        if re.search(pattern, texts[0]) and all(re.search(pattern, text) for text in texts)
    ]
    if not found:
        return None
    pattern, words = found[0]
    if len(found) > 1:
        words += " (or month first: no day in the data is above 12)"
    return pattern, words


def _year(microseconds: int) -> int:
    try:
        return (_EPOCH + timedelta(microseconds=microseconds)).year
    except OverflowError:
        return 9999 if microseconds > 0 else 1
