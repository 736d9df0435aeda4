"""Who uses a store, and when what is in it was used last; so that its garbage can be collected
while others build.

The time of last use is a file's access time, set by us (a mount's ``noatime`` doesn't matter).
Each process that uses a store holds a lock on a file of its own below ``locks/users``, whose time
says since when: nothing used since the oldest of them began is garbage. Marking something as used
and finding it there is one step that the collector can't come between (``locks/gc``, shared by
users, exclusive for the collector).
"""

from __future__ import annotations

import atexit
import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

MOST = 32
"""Stores that one process says it uses: a descriptor each. Only tests have more."""

_USED: dict[Path, tuple[int, str, int]] = {}
"""By root: the descriptor that is locked, its file, and the process that made it."""


def touched(root: Path, path: Path) -> bool:
    """Mark *path*, in the store at *root*, as used now; tell whether it is there."""
    begin(root)
    with _held(root, fcntl.LOCK_SH):
        try:
            status = path.stat()
            os.utime(path, ns=(time.time_ns(), status.st_mtime_ns))
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:  # somebody else's store: read, and not ours to mark
            return path.exists()
    return True


def begin(root: Path) -> None:
    """Say that this process uses the store at *root*, until it ends; its forks do too."""
    if root in _USED:
        return
    folder = root / "locks" / "users"
    with suppress(OSError), _held(root, fcntl.LOCK_SH):
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f"{os.getpid()}-", dir=folder)
        fcntl.flock(handle, fcntl.LOCK_EX)
        _USED[root] = (handle, name, os.getpid())
    while len(_USED) > MOST:
        _end(next(iter(_USED)))


def _end(root: Path) -> None:
    handle, name, process = _USED.pop(root)
    if process == os.getpid():
        with suppress(OSError):
            os.unlink(name)
    os.close(handle)


@atexit.register
def _end_all() -> None:
    for root in tuple(_USED):
        _end(root)


@contextmanager
def alone(root: Path) -> Iterator[int]:
    """Hold everyone else's next step; give when the oldest user began (ns; now without any)."""
    with _held(root, fcntl.LOCK_EX):
        yield min(_users(root), default=time.time_ns())


def forget_dead(root: Path) -> None:
    """Remove what users left behind that were killed."""
    if (root / "locks" / "users").is_dir():
        with _held(root, fcntl.LOCK_EX):
            _users(root)


def _users(root: Path) -> list[int]:
    """Return when each living user but this process began; remove the files of the dead."""
    began = []
    mine = _USED.get(root)
    own = os.fstat(mine[0]).st_ino if mine is not None else None
    for path in sorted((root / "locks" / "users").glob("*")):
        with suppress(FileNotFoundError), path.open("rb") as file:
            status = os.fstat(file.fileno())
            if status.st_ino == own:
                continue
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
            except BlockingIOError:
                began.append(status.st_mtime_ns)
    return began


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("ab")
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("ab")


@contextmanager
def _held(root: Path, how: int) -> Iterator[None]:
    path = root.joinpath("locks", "gc")
    try:
        file = _opened(path)
    except OSError:
        if how == fcntl.LOCK_EX:
            raise
        yield  # a store that nobody can write to has no collector either
        return
    with file:
        fcntl.flock(file, how)
        yield
