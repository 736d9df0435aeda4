"""Days that are special in the calendar, by which code breaks, and others like a given one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from itertools import chain

_FAR = 12  # years
_RUN = 7  # a special day and its neighbours of the same kind lie within so many days
_ONE = timedelta(days=1)


def _ends_month(day: date) -> bool:
    return day == date.max or (day + _ONE).day == 1


SPECIAL: Mapping[str, tuple[str, Callable[[date], bool]]] = {
    "leap day": ("is 29 February", lambda day: (day.month, day.day) == (2, 29)),
    "day 366": ("is the 366th day of its year", lambda day: day.timetuple().tm_yday == 366),
    "week 53": ("is in the 53rd ISO week of a year", lambda day: day.isocalendar().week == 53),
    "year's end": ("is 31 December", lambda day: (day.month, day.day) == (12, 31)),
    "new year": ("is 1 January", lambda day: (day.month, day.day) == (1, 1)),
    "month's end": ("is the last day of a month", _ends_month),
    "month's start": ("is the first day of a month", lambda day: day.day == 1),
}
"""By name: what follows the column's name in a sentence, and which days are such; those that are
part of others come before them."""


def specials(day: date) -> list[str]:
    """Return the names of what *day* is."""
    return [name for name, (_, holds) in SPECIAL.items() if holds(day)]


def alike(name: str, day: date) -> Iterator[date]:
    """Yield other days that are *name*, one a year, of the nearest years first."""
    holds = SPECIAL[name][1]
    for year in _years(day.year):
        found = [other for other in days_of(year) if holds(other)]
        if found:
            other = found[(year * 5) % len(found)]
            if abs((other - day).days) > _RUN:
                yield other


def beside(name: str, day: date) -> Iterator[date]:
    """Yield the nearest days before and after *day* that are not *name*."""
    holds = SPECIAL[name][1]
    for sign in (-1, 1):
        place = day.toordinal() + sign
        while 1 <= place <= date.max.toordinal():
            if not holds(date.fromordinal(place)):
                yield date.fromordinal(place)
                break
            place += sign


def unlike(name: str, day: date) -> Iterator[date]:
    """Yield days that are not *name*, for each thing else that *day* is one that is it, too."""
    holds = SPECIAL[name][1]
    for other in specials(day):
        if other != name:
            found = next((near for near in alike(other, day) if not holds(near)), None)
            if found is not None:
                yield found


def days_of(year: int) -> Iterator[date]:
    """Yield the days of a year."""
    first, last = date(year, 1, 1).toordinal(), date(year, 12, 31).toordinal()
    return map(date.fromordinal, range(first, last + 1))


def _years(year: int) -> Iterator[int]:
    near = chain.from_iterable((year + far, year - far) for far in range(1, _FAR + 1))
    return (other for other in near if date.min.year <= other <= date.max.year)
