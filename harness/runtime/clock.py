"""What the process takes for now: shifted, so that a model that looks at the clock gives itself
away.

``datetime`` is written in C and reads the system's clock itself. Its methods are exchanged within
the classes that are there, not by subclasses: ``isinstance``, ``type(x) is datetime``, pickles and
compiled modules (pandas, pyarrow) see the classes that they know. ``numpy.datetime64("now")`` and
libraries in C that ask the system are not shifted; nor are monotonic clocks, which measure time.
"""

from __future__ import annotations

import ctypes
import gc
import os
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

VARIABLE = "HARNESS_CLOCK"
"""The environment variable that says by how many seconds now is shifted from the start."""

_NANOSECONDS = 10**9
_by = 0.0
_shifted = False
_system, _system_ns = time.time, time.time_ns


class Unshiftable(RuntimeError):
    """This interpreter's clock can't be shifted."""


def start() -> None:
    """Shift now as ``HARNESS_CLOCK`` says, if it does, and name the time zone so that it counts.

    A zone that the C library has no file for would silently be UTC: where the variable is set,
    such a ``TZ`` becomes Kathmandu's as POSIX writes it, 5:45 hours ahead. Raises Unshiftable.
    """
    if not os.environ.get(VARIABLE):
        return
    if "/" in os.environ.get("TZ", "") and time.timezone == 0 and hasattr(time, "tzset"):
        os.environ["TZ"] = "NPT-5:45"
        time.tzset()
    shift(float(os.environ[VARIABLE]))


def shift(seconds: float) -> None:
    """From here on, let now be *seconds* later than the system says; 0 puts it right.

    Raises Unshiftable where the classes of ``datetime`` can't be reached (other interpreters than
    CPython).
    """
    global _by, _shifted
    if not _shifted:
        _exchange()
        _shifted = True
    _by = seconds


def _now() -> float:
    return _system() + _by


def _now_ns() -> int:
    return _system_ns() + int(_by * _NANOSECONDS)


def _exchange() -> None:
    moments = {"now": _datetime_now, "utcnow": _datetime_utcnow}
    dates: dict[str, Callable[..., Any]] = {"today": _date_today}
    for kind, methods in ((datetime, moments), (date, dates)):
        held = [found for found in gc.get_referents(kind.__dict__) if isinstance(found, dict)]
        if len(held) != 1 or "fromtimestamp" not in held[0]:
            raise Unshiftable("the methods of datetime can't be exchanged in this interpreter")
        for name, method in methods.items():
            held[0][name] = classmethod(method)
        ctypes.pythonapi.PyType_Modified(ctypes.py_object(kind))
    time.time, time.time_ns = _now, _now_ns
    for name in ("localtime", "gmtime", "ctime"):
        setattr(time, name, _of_seconds(getattr(time, name)))
    time.strftime, time.asctime = _strftime(time.strftime), _asctime(time.asctime)
    if hasattr(time, "clock_gettime"):
        time.clock_gettime = _clock(time.clock_gettime, _now)
        time.clock_gettime_ns = _clock(time.clock_gettime_ns, _now_ns)


def _datetime_now(cls: type[datetime], tz: Any = None) -> datetime:
    """Return the shifted moment, in *tz* or local time."""
    return datetime.__dict__["fromtimestamp"].__get__(None, cls)(_now(), tz)  # type: ignore[no-any-return]


def _datetime_utcnow(cls: type[datetime]) -> datetime:
    """Return the shifted moment in UTC, without a zone."""
    return _datetime_now(cls, UTC).replace(tzinfo=None)


def _date_today(cls: type[date]) -> date:
    """Return the shifted local day; of datetime, the moment."""
    return cls.fromtimestamp(_now())


def _of_seconds(original: Callable[..., Any]) -> Callable[..., Any]:
    def shifted(seconds: float | None = None, /) -> Any:
        return original(_now() if seconds is None else seconds)

    return shifted


def _strftime(original: Callable[..., str]) -> Callable[..., str]:
    def strftime(form: str, moment: Any = None, /) -> str:
        return original(form, time.localtime() if moment is None else moment)

    return strftime


def _asctime(original: Callable[..., str]) -> Callable[..., str]:
    def asctime(moment: Any = None, /) -> str:
        return original(time.localtime() if moment is None else moment)

    return asctime


def _clock(original: Callable[[int], Any], now: Callable[[], Any]) -> Callable[[int], Any]:
    def clock(which: int, /) -> Any:
        return now() if which == time.CLOCK_REALTIME else original(which)

    return clock
