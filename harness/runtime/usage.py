"""What the process uses: its memory now and at most, its processor time."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys
import time

_STATUS, _RESET = "/proc/self/status", "/proc/self/clear_refs"


def usage(*, collect: bool = False) -> dict[str, float | None]:
    """Return ``cpu`` (seconds of processor time, all threads), ``rss`` and ``peak`` (bytes of
    memory held now, and the most since ``reset_peak``), each None where the system doesn't say.

    With *collect* garbage is collected before, so that what is held is what somebody refers to.
    Source: proc(5), VmRSS and VmHWM of ``/proc/self/status``.
    """
    if collect:
        gc.collect()
    found: dict[str, float | None] = {"cpu": time.process_time(), "rss": None, "peak": None}
    try:
        with open(_STATUS) as status:
            lines = dict(line.split(":", 1) for line in status if ":" in line)
    except OSError:
        return found | {"peak": _peak()}
    for name, word in (("rss", "VmRSS"), ("peak", "VmHWM")):
        if word in lines:
            found[name] = float(lines[word].split()[0]) * 1024
    return found


def _peak() -> float | None:
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(most if sys.platform == "darwin" else most * 1024)


def reset_peak() -> bool:
    """Let the peak of memory start anew from what is held now; return whether that was possible.

    What glibc keeps for later is given back before (malloc_trim(3)), or it would hide as much of
    what comes next.
    Source: proc(5), writing 5 to ``/proc/self/clear_refs`` (Linux 4.0).
    """
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
    try:
        with open(_RESET, "w") as reset:
            reset.write("5")
    except OSError:
        return False
    return True


def told(*, collect: bool = False) -> dict[str, float | bool | None]:
    """Return what is used, ``peak`` being the most since this was asked last; from here on it
    starts anew, from ``rss``. ``reset`` says whether that was possible."""
    peak = usage(collect=collect)["peak"]
    reset = reset_peak()
    return {**usage(), "peak": peak, "reset": reset}
