"""What a tree held when it appeared: every path with its kind, mode, size, digest and time.

A tree that links the files of others (a root file system) is sealed by their names alone: its
files are theirs.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHUNK = 1 << 20
Body = dict[str, Any]
"""A seal as its record holds it: ``{"nodes": {path: [...]}}`` or ``{"of": [keys]}``."""
Entry = list[Any]
"""``["file", mode, size, sha256, mtime in ns]``, ``["link", target]`` or ``["folder"]``."""
Digester = Callable[[str, os.stat_result], str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """The first thing of a tree that isn't as it was sealed."""

    path: str
    what: str
    cause: str = ""


def of(root: Path, known: Mapping[str, str] | None = None) -> Body:
    """Return the seal of the tree at *root*; files whose digests are *known*, by their places,
    aren't read for that."""
    told = known or {}
    return {
        "nodes": {
            path: _entry(place, status, told.get(place)) for path, place, status in walk(root)
        }
    }


def walk(root: Path) -> Iterator[tuple[str, str, os.stat_result]]:
    """Yield every relative path below *root* with its place and status, in no order."""
    base = os.fspath(root)
    stack = [base]
    while stack:
        with os.scandir(stack.pop()) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                yield _text(entry.path[len(base) + 1 :]), entry.path, status
                if stat.S_ISDIR(status.st_mode):
                    stack.append(entry.path)


def read_digest(place: str, status: os.stat_result) -> str:
    """Return the sha256 of the file's bytes, in hexadecimal, without marking it as used."""
    handle = _quietly(place)
    try:
        hasher = hashlib.sha256()
        while chunk := os.read(handle, min(CHUNK, status.st_size + 1)):
            hasher.update(chunk)
        return hasher.hexdigest()
    finally:
        os.close(handle)


def read(path: Path, count: int = -1) -> bytes:
    """Return the file's bytes, or its first *count*, without marking it as used."""
    with os.fdopen(_quietly(os.fspath(path)), "rb") as file:
        return file.read(count)


def first_difference(
    root: Path, expected: Mapping[str, Entry], digest: Digester = read_digest
) -> Difference | None:
    """Return the first path, in order, that isn't as *expected* says, or None."""
    here = {path: (place, status) for path, place, status in walk(root)}
    for path in sorted(here.keys() | expected.keys()):
        if path not in here:
            return Difference(path=path, what="is gone", cause="removed since")
        if path not in expected:
            return Difference(path=path, what="was not there", cause="added since")
        if found := _differs(path, *here[path], expected[path], digest):
            return found
    return None


def _differs(
    path: str, place: str, status: os.stat_result, known: Entry, digest: Digester
) -> Difference | None:
    kind, *facts = known
    if _kind(status.st_mode) != kind:
        return Difference(
            path=path, what=f"is a {_kind(status.st_mode)}, was a {kind}", cause="replaced since"
        )
    if kind == "link" and (target := _text(os.readlink(place))) != facts[0]:
        return Difference(
            path=path, what=f"leads to {target}, led to {facts[0]}", cause="edited since"
        )
    if kind != "file":
        return None
    mode, size, known_digest, time = facts
    if status.st_size != size:
        return Difference(
            path=path,
            what=f"has {status.st_size} bytes, had {size}",
            cause=cause(status, size, time),
        )
    if digest(place, status) != known_digest:
        return Difference(path=path, what="has other bytes", cause=cause(status, size, time))
    if stat.S_IMODE(status.st_mode) != mode:
        what = f"has mode {stat.S_IMODE(status.st_mode):o}, had {mode:o}"
        return Difference(path=path, what=what, cause="chmod since")
    return None


def cause(status: os.stat_result, size: int | None, time: int | None) -> str:
    """Return the likely cause of other bytes, from what the file's status says."""
    if time is not None and status.st_mtime_ns != time:
        return "written to since: its time has changed"
    if size is not None and status.st_size < size:
        return "cut short: the disk was full, or power was lost, while it was written"
    return "the disk or the memory: neither its size nor its time has changed"


def _entry(place: str, status: os.stat_result, known: str | None) -> Entry:
    match _kind(status.st_mode):
        case "file":
            mode = stat.S_IMODE(status.st_mode)
            digest = known or read_digest(place, status)
            return ["file", mode, status.st_size, digest, status.st_mtime_ns]
        case "link":
            return ["link", _text(os.readlink(place))]
        case other:
            return [other]


def _text(name: str) -> str:
    """Return a name on disk as text that is the same in every locale."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _kind(mode: int) -> str:
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISLNK(mode):
        return "link"
    return "folder" if stat.S_ISDIR(mode) else "special file"


def _quietly(place: str) -> int:
    try:  # the time of the last use is the garbage collector's, and looking is no use
        return os.open(place, os.O_RDONLY | os.O_NOFOLLOW | getattr(os, "O_NOATIME", 0))
    except PermissionError:
        return os.open(place, os.O_RDONLY | os.O_NOFOLLOW)
