"""What the process uses: its memory now and at most, what Python holds, its processor time."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys
import time
import tracemalloc

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


def told(*, collect: bool = False, trace: bool | None = None) -> dict[str, float | bool | None]:
    """Return what is used, ``peak`` being the most since this was asked last; from here on it
    starts anew, from ``rss``. ``reset`` says whether that was possible.

    ``blocks`` is how many pieces of memory Python's objects hold, and ``traced`` the bytes of those
    that were taken since *trace* was true; False ends that. Both rise where an object is kept,
    though ``rss`` may not: it goes where memory was freed before. Source: Python's
    ``sys.getallocatedblocks`` and ``tracemalloc``, which numpy tells of its arrays, too.
    """
    peak = usage(collect=collect)["peak"]
    blocks, traced = _blocks(), None
    if tracemalloc.is_tracing():
        traced = float(tracemalloc.get_traced_memory()[0])
    if trace is not None:
        (tracemalloc.start if trace else tracemalloc.stop)()
    reset = reset_peak()
    return {**usage(), "peak": peak, "reset": reset, "blocks": blocks, "traced": traced}


def _blocks() -> int | None:
    count = getattr(sys, "getallocatedblocks", None)  # CPython's own
    return None if count is None else int(count())
