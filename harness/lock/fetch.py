"""Every file of a lock into the blob store; what is there is never asked for again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from harness.core.digest import Digest
from harness.lock import debian, wheel_index
from harness.lock.lock import Deb, Lock, Wheel
from harness.lock.pylock_reading import SDISTS
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
    """Put every deb, wheel and source of *lock* into *store*, several at once. What is built from
    a source is left to whoever has an engine; what its build needs is fetched.

    A source is looked for only when a file is absent: a filled store needs no network and no
    configuration. Raises HashMismatch, LockedFileGone, NetworkUnavailable, SourceMissing.
    """
    offered = offered_files(lock)
    wheels = [wheel for wheel in offered if not store.has(wheel.digest)]
    debs = [deb for deb in (*lock.debs, *lock.build_debs) if not store.has(deb.digest)]
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


def offered_files(lock: Lock) -> tuple[Wheel, ...]:
    """Return what of *lock* an index offers: wheels, sources (under the names of their packages)
    and what their builds need; each file once."""
    found: dict[str, Wheel] = {}
    for wheel in lock.packages:
        found |= {one.digest: one for one in ([wheel] if wheel.built is None else _parts(wheel))}
    return tuple(found.values())


def _parts(wheel: Wheel) -> list[Wheel]:
    assert wheel.built is not None
    made_of = wheel.built
    source = replace(
        wheel, filename=made_of.filename, digest=made_of.digest, size=made_of.size, built=None
    )
    return [source, *made_of.requires]


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
    """Make *folder*, the lock's ``wheels/``, hold the wheels of *lock* and no others, and
    ``sdists/`` beside it what some of them are built from.

    Linked where the store is on the same file system, copied elsewhere. Their blobs must be in
    the store; raises StoreDamaged when one's bytes are not its own.
    """
    _link({one.filename: one.digest for one in lock.packages}, store, folder)
    sources = {s.filename: s.digest for w in lock.packages if (s := w.built)}
    beside = folder.with_name(SDISTS)
    if sources or beside.is_dir():
        _link(sources, store, beside)


def _link(wanted: Mapping[str, Digest], store: Store, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in sorted(os.listdir(folder)):
        if name.endswith((".whl", ".tar.gz", ".zip")) and name not in wanted:
            (folder / name).unlink()
    for name, digest in sorted(wanted.items()):
        target = folder / name
        if target.exists() and target.samefile(store.path(digest)):
            continue
        blob = store.whole(digest)
        temporary = folder / f".{name}.{os.getpid()}"
        temporary.unlink(missing_ok=True)  # of a killed process that had the same number
        try:
            os.link(blob, temporary)
        except OSError:
            shutil.copyfile(blob, temporary)
        os.replace(temporary, target)
