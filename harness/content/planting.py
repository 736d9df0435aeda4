"""Trees laid out below one folder by hard links: as fast as the names alone.

    planting.py ROOT

does it beside a build, in a process of its own, as two threads of Python would wait for each other
at every name. Its stdin names the trees as they come to be, each with a NUL at its end, and an
empty one at last. Then all is done (exit status 0), two trees clash (CLASH), or it has said the
number of an error and a path (ERROR). Standard library only, and nothing of ours: it starts without
site-packages.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterator

CHUNK = 1 << 20
CLASH, ERROR = 3, 4
"""Exit statuses."""


class Clash(Exception):
    """Two trees have one path with different bytes, modes or kinds."""


class Planted:
    """The folder *root*, into which trees are laid out one after the other."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._folders: set[str] = set()

    def add(self, tree: str) -> None:
        """Lay out the folder *tree*; raises Clash."""
        root, folders = self._root, self._folders
        stack = [tree]
        while stack:
            with os.scandir(stack.pop()) as entries:
                for entry in entries:
                    target = root + entry.path[len(tree) :]
                    folder = entry.is_dir(follow_symlinks=False)
                    try:
                        if not folder:
                            os.link(entry.path, target, follow_symlinks=False)
                        elif target not in folders:
                            os.mkdir(target, 0o755)
                            folders.add(target)
                    except FileExistsError:
                        if not alike(entry.path, target):
                            raise Clash(target) from None
                    if folder:
                        stack.append(entry.path)


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
    """Yield the words of stdin, each as soon as it is there, until there is an empty one."""
    rest = b""
    while chunk := os.read(0, CHUNK):
        *whole, rest = (rest + chunk).split(b"\0")
        for word in whole:
            if not word:
                return
            yield os.fsdecode(word)


def main(root: str) -> int:
    """Lay out below *root* what stdin names; return the exit status."""
    planted = Planted(root)
    try:
        for tree in words():
            planted.add(tree)
    except Clash:
        return CLASH
    except OSError as error:
        os.write(1, f"{error.errno or errno.EIO} ".encode() + os.fsencode(error.filename or root))
        return ERROR
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
