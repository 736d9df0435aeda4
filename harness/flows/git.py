"""What git asks for: a lock as lines, three locks merged, and its settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import LockInvalid, SpecMissing
from harness.lock import lines, pylock
from harness.lock import merge as merging
from harness.world import files
from harness.world import git as door

ATTRIBUTES = "pylock.*.toml diff=harness-lock merge=harness-lock"
SETTINGS: Mapping[str, str] = {
    "diff.harness-lock.textconv": "harness git textconv",
    "merge.harness-lock.name": "locks, package by package",
    "merge.harness-lock.driver": "harness git merge %O %A %B %P",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Setup:
    """Where the *attributes* are, whether they were *written* now, and the *settings* made."""

    attributes: Path
    written: bool
    settings: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How a merge ended: *conflicts* in words, packages that came *back*; *unresolved* when the
    environment *name* must be locked again."""

    name: str = ""
    conflicts: tuple[str, ...] = ()
    back: tuple[str, ...] = ()
    unresolved: bool = False


def readable(data: bytes) -> bytes:
    """Return a lock as lines; what is no lock of ours, or a damaged one, as it is."""
    try:
        locks = pylock.loads_all(data.decode())
    except (LockInvalid, UnicodeDecodeError):
        return data
    return ("\n".join(lines.lines(locks)) + "\n").encode()


def merge(ours: Path, base: Path, theirs: Path) -> Outcome:
    """Merge *theirs* into the file *ours*, which is replaced whole.

    Files that aren't locks of ours are merged as text, by git.
    """
    try:
        three = [
            pylock.loads_all(path.read_text(encoding="utf-8"), where=path.name)
            for path in (base, ours, theirs)
        ]
    except (LockInvalid, UnicodeDecodeError) as damaged:
        if door.merge_text(ours, base, theirs):
            return Outcome(conflicts=(f"merged as text: {damaged}",))
        return Outcome()
    merged = merging.merge(*three)
    text = pylock.dumps(*merged.locks)
    if merged.conflicts:
        text = merging.marked(text, merged.conflicts)
    files.write_atomic(ours, text.encode())
    return Outcome(
        name=merged.locks[0].name,
        conflicts=merged.conflicts,
        back=merged.back,
        unresolved=merged.unresolved,
    )


def setup(folder: Path) -> Setup:
    """Write git's settings of the repository that holds *folder*, and a line of .gitattributes.

    What is there already stays. Raises SpecMissing outside of a repository.
    """
    top = door.top(folder)
    if top is None:
        raise SpecMissing(f"{folder} is in no git repository", hint="git init")
    for name, value in SETTINGS.items():
        door.settled(name, value, top)
    attributes = top / ".gitattributes"
    text = attributes.read_text(encoding="utf-8") if attributes.is_file() else ""
    written = ATTRIBUTES not in text.splitlines()
    if written:
        gap = "" if not text or text.endswith("\n") else "\n"
        files.write_atomic(attributes, f"{text}{gap}{ATTRIBUTES}\n".encode())
    return Setup(attributes=attributes, written=written, settings=SETTINGS)
