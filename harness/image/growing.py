"""A root that is laid out while its trees are still being made."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import PIPE, Popen
from typing import BinaryIO, cast

from harness.content import planting, union
from harness.content.tree import told
from harness.core.errors import BuildFailed
from harness.image import roots
from harness.world import process
from harness.world.store import Store


@dataclass
class Growing:
    """A root in *folder*, and the process that lays it out, once there is something to lay out."""

    store: Store
    folder: Path
    planter: Popen[bytes] | None = field(default=None, init=False)

    def add(self, package: str, tree: str) -> None:
        """Have a *tree* of the store laid out, called by its *package* in errors."""
        if self.planter is None:
            argv = (sys.executable, "-I", "-S", planting.__file__, self.folder)
            self.planter = process.start(argv, stdin=PIPE, stdout=PIPE)
        place = self.store.root / "t" / tree
        with suppress(BrokenPipeError):  # something was in its way: keep says what
            self._named.write(os.fsencode(f"{package}\0{place}\0"))
            self._named.flush()

    def keep(self, trees: Iterable[str]) -> Path:
        """Return the root that *trees* make, which is what was laid out, if anything was.

        Raises PackageConflict, OSError, and BuildFailed when the process was killed.
        """
        listed = tuple(trees)
        if self.planter is None:
            return roots.lay(listed, self.store)
        with suppress(BrokenPipeError):
            self._named.close()
        said = cast(BinaryIO, self.planter.stdout).read()
        match os.fsdecode(said).split("\0"):
            case ["clash", one, other, path, _]:
                raise union.conflict(one, other, told(path))
            case ["error", number, path, _]:
                raise OSError(int(number), os.strerror(int(number)), path)
        if self.planter.wait():
            raise BuildFailed(
                "the process that laid out the image's root was killed",
                hint="run the same command again: it goes on from here",
            )
        return self.store.tree(
            roots.name(listed), lambda root: os.rename(self.folder, root), of=listed
        )

    def end(self) -> None:
        """Leave no process."""
        if self.planter is not None:
            self.planter.kill()
            with suppress(BrokenPipeError):
                self._named.close()
            cast(BinaryIO, self.planter.stdout).close()
            self.planter.wait()

    @property
    def _named(self) -> BinaryIO:
        assert self.planter is not None
        return cast(BinaryIO, self.planter.stdin)


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
