"""The files that a model is loaded from, and whether somebody changed them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

MOST_FILES = 5000
_READ = 16 * 2**20


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """A file as it is: *written* in nanoseconds since 1970, *digest* of all but large files."""

    size: int
    written: int
    digest: str


Files = Mapping[str, State]


def files(artifact: Path) -> Files | None:
    """Return the state of the file *artifact*, or of the files below that folder by relative path.

    Hidden ones and compiled Python are left out. None when it isn't there or holds too many files.
    """
    if artifact.is_file():
        return {artifact.name: _state(artifact)}
    if not artifact.is_dir():
        return None
    found: dict[str, State] = {}
    for path in sorted(artifact.rglob("*")):
        parts = path.relative_to(artifact).parts
        if any(part.startswith(".") or part == "__pycache__" for part in parts):
            continue
        if path.is_file():
            found["/".join(parts)] = _state(path)
        if len(found) > MOST_FILES:
            return None
    return found


def _state(path: Path) -> State:
    stat = path.stat()
    digest = ""
    if stat.st_size <= _READ:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return State(size=stat.st_size, written=stat.st_mtime_ns, digest=digest)


def changed(before: Files, after: Files) -> tuple[str, ...]:
    """Return, for a reader, what became of the files: ``added``, ``removed``, ``changed``.

    A file that was written anew with the same bytes is unchanged, as far as they were read.
    """
    told = []
    for name in sorted({*before, *after}):
        if name not in before:
            told.append(f"{name} added")
        elif name not in after:
            told.append(f"{name} removed")
        elif _other(before[name], after[name]):
            told.append(f"{name} changed")
    return tuple(told)


def _other(one: State, other: State) -> bool:
    if one.digest or other.digest:
        return one.digest != other.digest
    return (one.size, one.written) != (other.size, other.written)
