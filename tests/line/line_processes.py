"""Processes as the kernel tells of them: whose child is whose, what they have used, what is left.

Markers for a kill are what anybody can see from outside: the label of a job in the process list,
the time that its processes have used, files that appear.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER, prctl(2)
TICKS = os.sysconf("SC_CLK_TCK")


class Missed(Exception):
    """The process ended before what was waited for was seen."""


def _stat(process: int) -> list[str] | None:
    """Return the fields of proc(5) ``stat`` from the state on; None when there is no such one."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def family(process: int) -> set[int]:
    """Return *process* and all that descend from it, the dead that nobody has reaped left out."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (stat := _stat(int(name))) and stat[0] not in "ZX":
            children.setdefault(int(stat[1]), []).append(int(name))
    found = [process]
    for member in found:
        found += children.get(member, [])
    return set(found)


def used(process: int) -> float:
    """Return the seconds of processor time of *process* and its descendants so far."""
    stats = [_stat(member) for member in family(process)]
    return sum(sum(map(int, stat[11:15])) for stat in stats if stat) / TICKS


def job(owner: int, label: str) -> int | None:
    """Return the process that guards the job of *label* which *owner* has started, if any."""
    for name in os.listdir("/proc"):
        with suppress(OSError):
            words = Path(f"/proc/{name}/cmdline").read_bytes().split(b"\0")
            ours = len(words) > 7 and words[3].endswith(b"/guard.py")
            if ours and words[4] == str(owner).encode() and words[7] == label.encode():
                return int(name)
    return None


def awaited(
    process: subprocess.Popen[bytes], seen: Callable[[], T | None], *, seconds: float = 120.0
) -> T:
    """Return what *seen* returns once that is true; raises Missed when *process* ends first."""
    deadline = time.monotonic() + seconds
    while not (found := seen()):
        assert time.monotonic() < deadline, "what was waited for never came"
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.02)
            raise Missed(f"it ended with {process.returncode}")
    return found


def at(label: str, seconds: float) -> Callable[[int], bool]:
    """Return what tells that the job of *label* has used *seconds* of processor time.

    Once the job was seen, its end counts too: the moment after it is as good as any.
    """
    begun: list[int] = []

    def seen(owner: int) -> bool:
        guard = job(owner, label)
        if guard is None:
            return bool(begun)
        begun.append(guard)
        return used(guard) >= seconds

    return seen


@contextmanager
def no_orphans(*, seconds: float = 20.0) -> Iterator[None]:
    """Check that nothing which is started within outlives it, whoever its parent was.

    The kernel gives every orphan below us to us (prctl(2), PR_SET_CHILD_SUBREAPER).
    """
    prctl = ctypes.CDLL(None).prctl
    assert 0 == prctl(SUBREAPER, 1, 0, 0, 0)
    before = family(os.getpid())
    try:
        yield
        deadline = time.monotonic() + seconds
        while left := family(os.getpid()) - before:
            assert time.monotonic() < deadline, _named(left)
            for process in left:
                with suppress(ChildProcessError):
                    os.waitpid(process, os.WNOHANG)
    finally:
        prctl(SUBREAPER, 0, 0, 0, 0)


def _named(processes: set[int]) -> list[str]:
    named = []
    for process in processes:
        with suppress(OSError):
            words = Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ")
            named.append(f"{process}: {words.decode('utf-8', 'replace')}")
    return named
