"""A tree: a package's files, normalised, in a folder of the store.

Normalised means: files 0644 or 0755, folders 0755, one fixed time, no owners of their own,
no devices, no setuid bits, no name that leads outside. What is refused is refused by name.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.core.errors import PackageConflict, PackageRefused

RULES = 1
"""Version of how packages become trees; part of every tree's key."""

MOMENT = 315_532_800
"""1980-01-01, the first moment that a zip archive can name: every file's modification time."""


@dataclass(frozen=True, slots=True)
class Node:
    """A path in a tree: ``file``, ``link`` or ``folder``; *source* is where it lies on disk."""

    path: str
    kind: str
    source: str
    executable: bool = False
    target: str = ""
    size: int = 0


def inner(name: str, package: str) -> str:
    """Return *name* as a clean relative path; raises PackageRefused when it leads outside."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError as bad:
        raise PackageRefused(
            f"{package}: a name is not UTF-8: {os.fsencode(name)!r}", hint=_REPORT
        ) from bad
    parts = [part for part in PurePosixPath(name).parts if part != "."]
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise PackageRefused(f"{package}: {name!r} leads outside of the package", hint=_REPORT)
    return "/".join(parts)


_REPORT = (
    "no honest package holds this; get the file from another source or report it to its author"
)


class Writer:
    """Writes one tree into a folder, through no link and over no file of other bytes."""

    def __init__(self, root: Path, package: str) -> None:
        self.root = root
        self.package = package

    def folder(self, name: str) -> None:
        """Make a folder and those above it."""
        path = self._checked(name)
        path.mkdir(mode=0o755, parents=True, exist_ok=True)

    def file(self, name: str, data: bytes, *, executable: bool = False) -> None:
        """Write a file."""
        path = self._checked(name)
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except FileExistsError as twice:
            raise PackageRefused(
                f"{self.package}: {name} is in the package twice", hint=_REPORT
            ) from twice
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), 0o755 if executable else 0o644)
        os.utime(path, (MOMENT, MOMENT))

    def copy(self, name: str, source: Path, *, executable: bool = False) -> None:
        """Write a file of the bytes at *source*, however many they are."""
        self.file(name, b"", executable=executable)
        path = self._checked(name)
        shutil.copyfile(source, path)
        os.utime(path, (MOMENT, MOMENT))

    def link(self, name: str, target: str) -> None:
        """Make a symbolic link."""
        path = self._checked(name)
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        if path.is_symlink() and os.readlink(path) == target:
            return
        os.symlink(target, path)
        os.utime(path, (MOMENT, MOMENT), follow_symlinks=False)

    def _checked(self, name: str) -> Path:
        clean = inner(name, self.package)
        path = self.root / clean
        for parent in path.relative_to(self.root).parents:
            if (self.root / parent).is_symlink():
                raise PackageRefused(
                    f"{self.package}: {name} goes through the link {parent}", hint=_REPORT
                )
        return path


def nodes(root: Path) -> Iterator[Node]:
    """Yield every node below *root*, folders before what they hold, in no particular order."""
    base = os.fspath(root)
    cut = len(base) + 1
    stack = [base]
    while stack:
        with os.scandir(stack.pop()) as entries:
            for entry in entries:
                path = entry.path[cut:]
                if entry.is_symlink():
                    yield Node(path, "link", entry.path, target=os.readlink(entry.path))
                elif entry.is_dir():
                    yield Node(path, "folder", entry.path)
                    stack.append(entry.path)
                else:
                    status = entry.stat()
                    yield Node(
                        path,
                        "file",
                        entry.path,
                        executable=bool(status.st_mode & 0o100),
                        size=status.st_size,
                    )


def merge(roots: dict[str, Path]) -> dict[str, Node]:
    """Return the union of the named trees, by path, sorted by the path's bytes.

    Raises PackageConflict when two of them have one path with different bytes, modes or kinds.
    """
    merged: dict[str, Node] = {}
    owner: dict[str, str] = {}
    for name in sorted(roots):
        for node in nodes(roots[name]):
            known = merged.get(node.path)
            if known is None:
                merged[node.path] = node
                owner[node.path] = name
            elif not _same(known, node):
                raise PackageConflict(
                    f"{owner[node.path]} and {name} both write /{node.path}, with different bytes",
                    hint="remove one of the two packages from the environment",
                )
    return dict(sorted(merged.items(), key=lambda item: item[0].encode()))


def _same(one: Node, other: Node) -> bool:
    if (one.kind, one.target, one.executable) != (other.kind, other.target, other.executable):
        return False
    if one.kind != "file":
        return True
    return (
        one.size == other.size and Path(one.source).read_bytes() == Path(other.source).read_bytes()
    )


def plant(merged: dict[str, Node], root: Path) -> None:
    """Lay *merged* out below *root* by hard links: as fast as the names alone."""
    made = {str(root)}
    for node in merged.values():
        target = f"{root}/{node.path}"
        folder = target if node.kind == "folder" else os.path.dirname(target)
        if folder not in made:
            os.makedirs(folder, mode=0o755, exist_ok=True)
            made.add(folder)
        if node.kind != "folder":
            os.link(node.source, target, follow_symlinks=False)
