"""The moments worth trying in a column of dates: those by which code breaks, near the data."""

from __future__ import annotations

from datetime import date
from itertools import islice
from typing import Any

import numpy as np

from harness.contract.cells import Cells, moment, moment_text
from harness.contract.domain import EARLIEST, LATEST, Domain
from harness.contract.special_days import SPECIAL, days_of
from harness.contract.stamps import FORMS, date_text, stamps

_DAY = 86_400_000_000
_SECOND = 1_000_000
_NEAR = 8  # years: of any eight that follow on each other one is a leap year, and one has 53 weeks
_USUAL = (moment("2000-01-01"), moment("2030-12-31"))
_DATES = (
    *("0001-01-01", "1582-10-15", "1677-09-20", "1677-09-22", "1899-12-31", "1900-02-28"),
    *("1969-12-31", "1970-01-01", "1999-12-31", "2000-02-29", "2024-12-30", "2038-01-19"),
    *("2262-04-11", "2262-04-13", "9999-12-31"),
)  # the calendar's reform, nanoseconds' ends, leap days, ISO weeks, 32-bit time
_MOMENTS = (
    *("2021-03-14T02:30:00-05:00", "2021-10-31T02:30:00+01:00", "2000-01-01T00:00:00+14:00"),
    *("2000-01-01T23:59:59-12:00", "2012-06-30T23:59:59.999999Z", "2020-02-29T12:00:00+05:45"),
)


def moments(domain: Domain, kind: str, seen: Cells) -> list[Any]:
    """Return what is tried in a column of dates, the most telling first: microseconds since 1970
    where *kind* is ``datetime``, else text. *seen* are training values."""
    held = dict.fromkeys(seen.values.tolist())
    known = sorted(held, key=moment) if kind == "string" else sorted(held)
    spread = [known[round(q * (len(known) - 1))] for q in (0.0, 0.5, 1.0) if known]
    ends = [int(domain.low), int(domain.high)]
    near = [ends[0] + _DAY, ends[1] - _DAY]
    edges = [moment(text) for text in _DATES]
    span = [moment(text) for text in spread] if kind == "string" else spread
    odd = _odd(domain, span)
    if kind == "datetime":
        found = [*ends, *spread, *near, *edges, *(moment(text) for text in _MOMENTS), *odd]
        return [at for at in found if EARLIEST <= at <= LATEST]
    if domain.kind == "date":
        texts = [date_text(at) for at in (*ends, *near) if EARLIEST <= at <= LATEST]
        return [*texts[:2], *spread, *texts[2:], *map(date_text, [*odd, *edges]), *known[:32]]
    texts = [moment_text(at) for at in (*ends, *near) if EARLIEST <= at <= LATEST]
    forms = _in_every_form(span[1] if span else sum(_USUAL) // 2)
    rest = [*forms[2:], *map(moment_text, [*odd[3:], *edges]), *_MOMENTS, *known[:32]]
    return [*texts[:2], *spread, *forms[:2], *map(moment_text, odd[:3]), *texts[2:], *rest]


def _in_every_form(at: int) -> list[str]:
    """Return a moment, half a second past a full one, in each form of RFC 3339."""
    held = np.full(len(FORMS), at - at % _SECOND + _SECOND // 2)
    return list(stamps(held, FORMS, np.arange(len(FORMS))))


def _odd(domain: Domain, span: list[int]) -> list[int]:
    """Return the moments by which code breaks, as near to the training data's *span* as *domain*
    has them: a leap day, the 366th day of a year, a day of the 53rd ISO week, then others."""
    least, most = max(int(domain.low), EARLIEST), min(int(domain.high), LATEST)
    first, last = (span[0], span[-1]) if span else (max(least, _USUAL[0]), min(most, _USUAL[1]))
    if first > last:
        first, last = least, most
    years = _years(_year(first), _year(last))

    def some(count: int, name: str, late: int = 0) -> list[int]:
        holds = SPECIAL[name][1]
        made = (_at(day) + late for year in years for day in days_of(year) if holds(day))
        return list(islice((at for at in made if least <= at <= most), count))

    late = 0 if domain.kind == "date" else _DAY - _SECOND
    leap, weeks, ends = some(6, "leap day"), some(4, "week 53"), some(3, "day 366", late)
    rest = [*some(8, "year's end", late), *some(2, "new year"), *some(12, "month's end", late)]
    return [*leap[:1], *ends[:1], *weeks[:1], *ends[1:], *weeks[1:], *leap[1:], *rest]


def _years(first: int, last: int) -> list[int]:
    """Return the years from *first* to *last*, the latest first, then those near them."""
    near = range(max(first - _NEAR, date.min.year), min(last + _NEAR, date.max.year) + 1)
    return sorted(near, key=lambda year: (max(first - year, year - last, 0), -year))


def _at(day: date) -> int:
    return moment(day.isoformat())


def _year(microseconds: int) -> int:
    return int(np.datetime64(microseconds, "us").astype("M8[Y]").astype(int)) + 1970
