"""A tree: a package's files, normalised, in a folder of the store.

Normalised means: files 0644 or 0755, folders 0755, one fixed time, no owners of their own,
no devices, no setuid bits, no name that leads outside. What is refused is refused by name.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from harness.core.errors import PackageRefused

RULES = 2
"""Version of how packages become trees; part of every tree's key."""

MOMENT = 315_532_800
"""1980-01-01, the first moment that a zip archive can name: every file's modification time."""


LONGEST = 1024
"""Bytes that a path may have: what every system takes, below folders of its own."""
MOST = 250_000
"""Files that a package may hold; the largest known have a tenth of that."""
RATIO = 200
"""How many times larger than its archive a package may be, past 64 MiB; honest ones reach 20."""


@dataclass(frozen=True, slots=True)
class Node:
    """A path in a tree: ``file``, ``link`` or ``folder``; *source* is where it lies on disk.

    What else is known of it is looked up when it is asked for, which takes longer than the listing.
    """

    path: str
    kind: str
    source: str
    entry: os.DirEntry[str] | None = field(default=None, compare=False, repr=False)

    @property
    def executable(self) -> bool:
        """Whether its owner may execute the file."""
        return self.kind == "file" and bool(self._status.st_mode & 0o100)

    @property
    def size(self) -> int:
        """The bytes of the file; none for the others."""
        return self._status.st_size if self.kind == "file" else 0

    @property
    def target(self) -> str:
        """Where the link leads; nowhere for the others."""
        return told(os.readlink(self.source)) if self.kind == "link" else ""

    @property
    def _status(self) -> os.stat_result:
        return (
            self.entry.stat(follow_symlinks=False)
            if self.entry is not None
            else os.lstat(self.source)
        )


def inner(name: str, package: str) -> str:
    """Return *name* as a clean relative path.

    Raises PackageRefused when it leads outside, is not UTF-8, holds a control character, or is
    longer than file systems take.
    """
    framed = f"/{name}/"
    plain = len(name) < 256 and name.isascii() and name.isprintable()
    if plain and not any(odd in framed for odd in ("//", "/./", "/../")):
        return name  # as nearly all are
    try:
        size = len(name.encode())
    except UnicodeEncodeError as bad:
        raw = name.encode("utf-8", "surrogateescape")
        raise PackageRefused(f"{package}: a name is not UTF-8: {raw!r}", hint=_REPORT) from bad
    parts = [part for part in PurePosixPath(name).parts if part != "."]
    if name.startswith("/") or ".." in parts:
        raise PackageRefused(f"{package}: {name!r} leads outside of the package", hint=_REPORT)
    if _CONTROL.search(name):
        raise PackageRefused(f"{package}: {name!r} holds a control character", hint=_REPORT)
    if size > LONGEST or any(len(part.encode()) > 255 for part in parts):
        raise PackageRefused(f"{package}: a name is too long: {name[:60]!r}…", hint=_REPORT)
    return "/".join(parts)


def native(name: str) -> str:
    """Return *name* as this process must say it to have its UTF-8 on disk, in any locale."""
    return name if name.isascii() else os.fsdecode(name.encode())


def told(name: str) -> str:
    """Return a name on disk as the text that its UTF-8 is: undoes :func:`native`."""
    return name if name.isascii() else os.fsencode(name).decode()


def named(path: Path) -> str:
    """Return a user's own relative *path* as text; raises PackageRefused where it is not UTF-8."""
    try:
        return told(str(path))
    except UnicodeDecodeError as bad:
        raise PackageRefused(
            f"a file's name is not UTF-8: {os.fsencode(path)!r}",
            hint="give the file another name",
        ) from bad


_REPORT = (
    "no honest package holds this; get the file from another source or report it to its author"
)


_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


class Budget:
    """What a package may still unpack: bombs are refused before they burst."""

    def __init__(
        self, package: str, packed: int | None, largest: int, *, most: int | None = None
    ) -> None:
        """*packed* is the archive's size; None where an honest one may hold nothing but zeros."""
        self.package = package
        self.most = self.left = most or MOST
        self.size = 0
        self.largest = largest
        self.ratio = largest if packed is None else max(64 << 20, packed * RATIO)

    def take(self, name: str, size: int) -> None:
        """Count a member of *size* bytes; raises PackageRefused, which names it, past the limit."""
        self.left -= 1
        self.size += size
        if self.left < 0:
            raise PackageRefused(
                f"{self.package}: more than {self.most} files, at {name}", hint=_REPORT
            )
        if self.size > self.largest:
            raise PackageRefused(
                f"{self.package}: more than {self.largest >> 30} GiB unpacked, at {name}",
                hint=_REPORT,
            )
        if self.size > self.ratio:
            raise PackageRefused(
                f"{self.package}: {name} is a bomb: unpacked, the archive grows by more than "
                f"{RATIO} times",
                hint=_REPORT,
            )


class Writer:
    """Writes one tree into a folder, through no link and over no file of other bytes.

    *digests* holds the sha256 of what was written, in hexadecimal, by the path on disk.
    """

    def __init__(self, root: Path, package: str) -> None:
        self.root = root
        self.package = package
        self.digests: dict[str, str] = {}
        self._made: set[str] = set()
        self._links: set[str] = set()

    def folder(self, name: str) -> None:
        """Make a folder and those above it."""
        self._folders(self._checked(name), name)

    def file(self, name: str, data: bytes, *, executable: bool = False, digest: str = "") -> None:
        """Write a file; *digest* is its sha256 where that is known already."""
        path = self._checked(name)
        self._folders(os.path.dirname(path), name)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except FileExistsError as twice:
            raise self._twice(name) from twice
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), 0o755 if executable else 0o644)
        os.utime(path, (MOMENT, MOMENT))
        self.digests[path] = digest or hashlib.sha256(data).hexdigest()

    def copy(self, name: str, source: Path, *, executable: bool = False) -> None:
        """Write a file of the bytes at *source*, however many they are."""
        self.file(name, b"", executable=executable)
        path = self._checked(name)
        shutil.copyfile(source, path)
        del self.digests[path]
        os.utime(path, (MOMENT, MOMENT))

    def link(self, name: str, target: str) -> None:
        """Make a symbolic link."""
        path = self._checked(name)
        self._folders(os.path.dirname(path), name)
        target = pointed(name, target, self.package)
        if path in self._links and os.readlink(path) == target:
            return
        try:
            os.symlink(target, path)
        except FileExistsError as twice:
            raise self._twice(name) from twice
        self._links.add(path)
        os.utime(path, (MOMENT, MOMENT), follow_symlinks=False)

    def _folders(self, path: str, name: str) -> None:
        if path in self._made:
            return
        try:
            os.makedirs(path, mode=0o755, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as twice:
            raise self._twice(name) from twice
        self._made.add(path)

    def _twice(self, name: str) -> PackageRefused:
        return PackageRefused(f"{self.package}: {name} is in the package twice", hint=_REPORT)

    def _checked(self, name: str) -> str:
        path = f"{self.root}/{native(inner(name, self.package))}"
        if self._links:
            parent = os.path.dirname(path)
            while len(parent) > len(str(self.root)):
                if parent in self._links:
                    link = os.path.relpath(parent, self.root)
                    raise PackageRefused(
                        f"{self.package}: {name} goes through the link {link}", hint=_REPORT
                    )
                parent = os.path.dirname(parent)
        return path


def pointed(name: str, target: str, package: str) -> str:
    """Return where the link *name* leads as this process must say it on disk; raises PackageRefused
    where that is no path."""
    try:
        fine = 0 < len(target.encode()) <= LONGEST and "\0" not in target
    except UnicodeEncodeError:
        fine = False
    if not fine:
        raise PackageRefused(f"{package}: {name} is a link to no path", hint=_REPORT)
    return native(target)


def nodes(root: Path) -> Iterator[Node]:
    """Yield every node below *root*, folders before what they hold, in no particular order."""
    base = os.fspath(root)
    cut = len(base) + 1
    stack = [base]
    while stack:
        with os.scandir(stack.pop()) as entries:
            for entry in entries:
                path = told(entry.path[cut:])
                if entry.is_symlink():
                    kind = "link"
                elif entry.is_dir():
                    kind = "folder"
                    stack.append(entry.path)
                else:
                    kind = "file"
                yield Node(path, kind, entry.path, entry)
