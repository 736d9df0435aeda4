"""Trees laid out below one folder by hard links: as fast as the names alone.

    planting.py ROOT

does it beside a build, in a process of its own, as two threads of Python would wait for each other
at every name. Its stdin names the trees as they come to be, ``PACKAGE NUL FOLDER NUL`` each. When
that ends it is done, or says what was in the way: ``clash``, two packages and a path, or ``error``,
its number and a path, each with a NUL. Standard library only, and nothing of ours: it starts
without site-packages.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator

CHUNK = 1 << 20


class Clash(Exception):
    """The packages *one* and *other* have a *path* with different bytes, modes or kinds."""

    def __init__(self, one: str, other: str, path: str) -> None:
        super().__init__(f"{one} and {other}: {path}")
        self.one, self.other = sorted((one, other))
        self.path = path


class Planted:
    """The folder *root*, into which trees are laid out one after the other."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._folders: set[str] = set()
        self._trees: list[tuple[str, str]] = []

    def add(self, package: str, tree: str) -> None:
        """Lay out *tree*, a folder that holds what is of *package*; raises Clash."""
        root, folders = self._root, self._folders
        stack = [tree]
        while stack:
            with os.scandir(stack.pop()) as entries:
                for entry in entries:
                    path = entry.path[len(tree) :]
                    target = root + path
                    folder = entry.is_dir(follow_symlinks=False)
                    try:
                        if not folder:
                            os.link(entry.path, target, follow_symlinks=False)
                        elif target not in folders:
                            os.mkdir(target, 0o755)
                            folders.add(target)
                    except FileExistsError:
                        if not alike(entry.path, target):
                            raise Clash(self._owner(path), package, path[1:]) from None
                    if folder:
                        stack.append(entry.path)
        self._trees.append((package, tree))

    def _owner(self, path: str) -> str:
        return next(package for package, tree in self._trees if os.path.lexists(tree + path))


def alike(one: str, other: str) -> bool:
    """Tell whether two paths are of one kind; links, of one target; files, of one mode and
    content."""
    first, second = os.lstat(one), os.lstat(other)
    kind = stat.S_IFMT(first.st_mode)
    if kind != stat.S_IFMT(second.st_mode):
        return False
    if kind == stat.S_IFLNK:
        return os.readlink(one) == os.readlink(other)
    if kind != stat.S_IFREG or os.path.samestat(first, second):
        return True
    if first.st_size != second.st_size or (first.st_mode ^ second.st_mode) & stat.S_IXUSR:
        return False
    with open(one, "rb") as left, open(other, "rb") as right:
        while chunk := left.read(CHUNK):
            if chunk != right.read(CHUNK):
                return False
    return True


def words() -> Iterator[str]:
    """Yield the words of stdin, each as soon as it is there."""
    rest = b""
    while chunk := os.read(0, CHUNK):
        *whole, rest = (rest + chunk).split(b"\0")
        yield from map(os.fsdecode, whole)


def told(*said: str) -> int:
    """Say what was in the way."""
    os.write(1, b"".join(os.fsencode(word) + b"\0" for word in said))
    return 1


def main(root: str) -> int:
    """Lay out below *root* what stdin names; return the exit status."""
    planted, named = Planted(root), words()
    try:
        for package in named:
            planted.add(package, next(named))
    except Clash as clash:
        return told("clash", clash.one, clash.other, clash.path)
    except OSError as error:
        return told("error", str(error.errno), error.filename or root)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
