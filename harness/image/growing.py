"""A root that is laid out while its trees are still being made."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import PIPE, Popen
from typing import BinaryIO, cast

from harness.content import planting
from harness.content.union import merge
from harness.core.errors import BuildFailed
from harness.image import roots
from harness.world import process
from harness.world.store import Store


class Growing:
    """A root in *folder*, and the process that lays it out."""

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._folder = folder
        self._trees: dict[str, Path] = {}
        self._planter: Popen[bytes] = process.start(
            (sys.executable, "-I", "-S", planting.__file__, folder), stdin=PIPE, stdout=PIPE
        )
        self._stdin = cast(BinaryIO, self._planter.stdin)
        self._stdout = cast(BinaryIO, self._planter.stdout)

    def add(self, name: str, tree: str) -> None:
        """Have a *tree* of the store laid out, called by its *name* in errors."""
        self._trees[name] = place = self._store.root / "t" / tree
        with suppress(BrokenPipeError):  # something was in its way: whole says what
            self._stdin.write(os.fsencode(place) + b"\0")
            self._stdin.flush()

    def whole(self) -> None:
        """Wait until all is laid out.

        Raises PackageConflict, OSError, and BuildFailed when the process was killed.
        """
        with suppress(BrokenPipeError):
            self._stdin.close()
        said = os.fsdecode(self._stdout.read())
        match self._planter.wait():
            case 0:
                return
            case planting.CLASH:
                merge(self._trees)  # sees what clashes, and says it
            case planting.ERROR:
                number, _, path = said.partition(" ")
                raise OSError(int(number), os.strerror(int(number)), path)
        raise BuildFailed(
            f"the process that laid out the root file system ended with {self._planter.returncode}",
            hint="run the same command again: it goes on from here",
        )

    def keep(self, trees: Iterable[str]) -> Path:
        """Return what was laid out as the root that *trees* make; raises what ``whole`` raises."""
        self.whole()
        listed = tuple(trees)
        return self._store.tree(
            roots.name(listed), lambda root: os.rename(self._folder, root), of=listed
        )

    def end(self) -> None:
        """Leave no process."""
        self._planter.kill()
        with suppress(BrokenPipeError):
            self._stdin.close()
        self._stdout.close()
        self._planter.wait()


@contextmanager
def growing(store: Store) -> Iterator[Growing]:
    """Give a root that grows; what isn't kept of it at the end is gone."""
    with store.scratch() as scratch:
        folder = scratch / "root"
        folder.mkdir(mode=0o755)
        root = Growing(store, folder)
        try:
            yield root
        finally:
            root.end()
