"""Environments carried to where no network is: into one archive, and out of it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from harness.core.digest import Digest
from harness.core.errors import BundleInvalid
from harness.flows import base_image
from harness.flows.environment import Progress, counted
from harness.lock import bundle as locked
from harness.lock import parent, pylock
from harness.lock.fetch import fetch
from harness.lock.lock import Lock
from harness.spec.environment import Environment
from harness.world import bundle, files
from harness.world.store import Store


@dataclass(frozen=True, kw_only=True, slots=True)
class Bundled:
    """A bundle on disk: what it is for, and how many files and bytes it holds."""

    references: tuple[str, ...]
    digest: Digest
    files: int
    size: int


def pack(
    environments: Sequence[Environment],
    target: Path,
    store: Store,
    *,
    now: datetime,
    index: bool = True,
    progress: Progress = lambda _: None,
) -> Bundled:
    """Write a bundle of *environments* and of all that they need, fetching what is absent.

    Without *index* it holds no Debian index, and nothing can be locked from it. Raises what reading
    a lock and ``fetch`` raise, LockedFileGone where an index is gone, BundleInvalid, OSError.
    """
    locks: list[Lock] = []
    above: list[Lock] = []
    members = []
    for environment in environments:
        parents = parent.locks(environment, store)
        own = pylock.read_all(environment)
        for lock in own:
            if lock.base is not None:
                base_image.fetched(
                    lock.base,
                    lock.architecture,
                    store,
                    folder=environment.folder,
                    progress=progress,
                )
        locks += own
        above += parents
        members += locked.specifications(
            environment, parents, parent.folder(environment, store) if parents else None
        )
    offered = locked.offered(locks, above)
    for lock in locks:
        fetch(replace(lock, packages=offered), store, progress=counted(progress))
    members += locked.python(offered, store)
    members += locked.os_packages(locks, store)
    members += locked.images(locks, store)
    if index:
        members += locked.os_index(locks, store, now=now)
    members = locked.once(members)
    references = tuple(sorted({lock.reference for lock in locks}))
    progress(f"writing {len(members)} files")
    digest = bundle.write(target, members, {"environments": references, "locks": index})
    return Bundled(
        references=references,
        digest=digest,
        files=len(members),
        size=sum(member.size for member in members),
    )


def unpack(file: Path, envs: Path, store: Store) -> tuple[str, ...]:
    """Put all that the bundle *file* holds into *store* and its specifications and locks below
    *envs*, where they are absent; return what environments it was made of.

    What lies there stays as it is. Raises BundleInvalid, also for a lock there that is another than
    the bundle's, and OSError.
    """
    folder = bundle.unpacked(file, store)
    there = sorted((folder / locked.ENVS).glob("*/*"))
    absent = []
    for source in there:
        target = envs / source.relative_to(folder / locked.ENVS)
        if not target.exists():
            absent.append((source, target))
        elif target.suffix == ".toml" and target.read_bytes() != source.read_bytes():
            raise BundleInvalid(
                f"{target} is another one than that in {file}",
                hint="make the bundle of what lies here, or name another folder: --envs FOLDER",
            )
    for source, target in absent:
        files.write_atomic(target, source.read_bytes())
    references = bundle.contents(file).about.get("environments", ())
    return tuple(str(reference) for reference in references)
