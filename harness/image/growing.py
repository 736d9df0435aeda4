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

from harness.content import planting
from harness.content.union import merge
from harness.core.errors import BuildFailed
from harness.image import roots
from harness.world import process
from harness.world.store import Store


@dataclass(frozen=True, slots=True)
class Growing:
    """A root in *folder*, the *planter* that lays it out, and what of, each by a name."""

    store: Store
    folder: Path
    planter: Popen[bytes]
    trees: dict[str, Path] = field(default_factory=dict)

    def add(self, name: str, tree: str) -> None:
        """Have a *tree* of the store laid out, called by its *name* in errors."""
        assert name not in self.trees
        self.trees[name] = self.store.root / "t" / tree
        self._say(os.fsencode(self.trees[name]))

    def whole(self) -> None:
        """Wait until all is laid out.

        Raises PackageConflict, OSError, and BuildFailed when the planter was killed.
        """
        self._say(b"")
        said, wrong = self.planter.communicate()
        match self.planter.returncode:
            case 0:
                return
            case planting.CLASH:
                merge(self.trees)  # sees it too, and says what it is
            case planting.ERROR:
                number, _, path = os.fsdecode(said).partition(" ")
                raise OSError(int(number), os.strerror(int(number)), path)
        raise BuildFailed(
            f"the process that lays out the root file system ended with {self.planter.returncode} "
            f"{wrong.decode('utf-8', 'replace')[-2000:]}".rstrip(),
            hint="run the same command again: it goes on from here",
        )

    def keep(self, trees: Iterable[str]) -> Path:
        """Return what was laid out as the root that *trees* make; raises what ``whole`` raises."""
        self.whole()
        listed = tuple(trees)
        return self.store.tree(
            roots.name(listed), lambda root: os.rename(self.folder, root), of=listed
        )

    def _say(self, word: bytes) -> None:
        named = cast(BinaryIO, self.planter.stdin)
        with suppress(BrokenPipeError):  # something was in its way: whole says what
            named.write(word + b"\0")
            named.flush()


@contextmanager
def growing(store: Store) -> Iterator[Growing]:
    """Give a root that grows; what isn't kept of it at the end is gone."""
    with store.scratch() as scratch:
        folder = scratch / "root"
        folder.mkdir(mode=0o755)
        argv = (sys.executable, "-I", "-S", planting.__file__, folder)
        planter = process.start(argv, stdin=PIPE, stdout=PIPE, stderr=PIPE)
        try:
            yield Growing(store, folder, planter)
        finally:
            planter.kill()
            with suppress(BrokenPipeError), planter:
                pass  # which closes its pipes, and waits for its end
