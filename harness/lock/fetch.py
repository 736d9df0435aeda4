"""Every file of a lock into the blob store; what is there is never asked for again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from harness.lock import debian, wheel_index
from harness.lock.lock import Deb, Lock, Wheel
from harness.world import http, sources
from harness.world.http import Progress
from harness.world.store import Store


def fetch(
    lock: Lock,
    store: Store,
    *,
    progress: Progress | None = None,
    debian_source: sources.Debian | None = None,
    python_source: sources.Python | None = None,
) -> None:
    """Put every deb and wheel of *lock* into *store*, several at once.

    A source is looked for only when a file is absent: a filled store needs no network and no
    configuration. Raises HashMismatch, LockedFileGone, NetworkUnavailable, SourceMissing.
    """
    debs = [deb for deb in lock.debs if not store.has(deb.digest)]
    wheels = [wheel for wheel in lock.packages if not store.has(wheel.digest)]
    archive = index = None
    if debs:
        archive = debian_source or sources.debian(lock.suite)
    if wheels:
        index = wheel_index.WheelIndex(python_source or sources.python())

    def one(item: Deb | Wheel) -> None:
        if isinstance(item, Deb):
            assert archive is not None
            debian.download(item, source=archive, store=store)
        else:
            assert index is not None
            index.download(item, store=store)

    items: list[Deb | Wheel] = [*wheels, *sorted(debs, key=lambda deb: -deb.size)]
    http.in_parallel(one, items, name=lambda item: item.name, progress=progress)


def fetch_debs(
    debs: Sequence[Deb],
    store: Store,
    *,
    source: sources.Debian,
    progress: Progress | None = None,
) -> None:
    """Put *debs* into *store*: what a resolution needs before there is a lock."""
    http.in_parallel(
        lambda deb: debian.download(deb, source=source, store=store),
        [deb for deb in debs if not store.has(deb.digest)],
        name=lambda deb: deb.name,
        progress=progress,
    )


def link_wheels(lock: Lock, store: Store, folder: Path) -> None:
    """Make *folder*, the lock's ``wheels/``, hold the wheels of *lock* and no others.

    Linked where the store is on the same file system, copied elsewhere. Their blobs must be in
    the store.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {wheel.filename: store.path(wheel.digest) for wheel in lock.packages}
    for name in sorted(os.listdir(folder)):
        if name.endswith(".whl") and name not in wanted:
            (folder / name).unlink()
    for name, blob in sorted(wanted.items()):
        target = folder / name
        if target.exists() and target.samefile(blob):
            continue
        temporary = folder / f".{name}.{os.getpid()}"
        try:
            os.link(blob, temporary)
        except OSError:
            shutil.copyfile(blob, temporary)
        os.replace(temporary, target)
