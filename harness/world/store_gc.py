"""What nobody has used for a while, removed on request and while others build.

A record that was used lately keeps the trees and blobs that it names; a tree is also kept for its
own use, and a tree that links others goes with the first of them. Blobs that came from elsewhere
(wheels, Debian packages, indices) stay unless they are asked for: they may not be offered again.
A blob that came in part, and that nobody goes on with, is of no use to anyone.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.world import seal, use
from harness.world.store import SEAL, Store, opened
from harness.world.store_check import IMAGES, MADE, strings, trees_of

DAY = 86_400 * 10**9
PLANTED = b'"value":{"of":'


@dataclass(frozen=True, kw_only=True, slots=True)
class Garbage:
    """A ``tree``, ``record``, ``blob`` or ``partial`` blob that nothing in use needs; *bytes* are
    freed with it."""

    kind: str
    path: str
    bytes: int


@dataclass(frozen=True, slots=True)
class _Found:
    """The store as it is while nobody takes a step."""

    values: dict[Path, Any]
    trees: frozenset[str]
    planted: dict[str, tuple[str, ...]]


def collect(
    store: Store,
    *,
    now: int,
    days: float,
    blobs: bool = False,
    keep: Set[str] = frozenset(),
    dry_run: bool = False,
) -> tuple[Garbage, ...]:
    """Remove what was not used for *days* before *now* (ns) nor since the oldest process that
    uses *store* began; return it. With *blobs*, those too that came from elsewhere, but for *keep*
    (hexadecimal digests). With *dry_run* nothing is removed.
    """
    with store.scratch() as folder:
        with use.alone(store.root) as oldest:
            going = _garbage(store, min(now - int(days * DAY), oldest), blobs, keep)
            places = [path for _, path in going]
            if not dry_run:
                places = [folder / str(number) for number in range(len(going))]
                for (_, path), place in zip(going, places, strict=True):
                    os.replace(path, place)
        freed = sizes(places)  # and now others go on
    return tuple(
        Garbage(kind=kind, path=str(path), bytes=size)
        for (kind, path), size in zip(going, freed, strict=True)
    )


def _garbage(store: Store, since: int, blobs: bool, keep: Set[str]) -> list[tuple[str, Path]]:
    """Return kind and path of what goes, a tree before its seal."""
    found = _read(store)
    names = {text for path, v in found.values.items() if _used(path, since) for text in strings(v)}
    live = _live(store, found, names, since)
    dead = found.trees - live
    known = live | {text for text in names if text.startswith("sha256:")}
    out = [("tree", store.root / "t" / key) for key in sorted(dead)]
    gone = [
        path
        for path, value in sorted(found.values.items())
        if not _used(path, since) and not _needed(path, value, dead, live, known)
    ]
    seals = [
        path
        for path in sorted((store.root / "d" / SEAL).glob("*.json"))
        if path.stem in dead or (path.stem not in live and not _used(path, since))
    ]
    out += [("record", path) for path in (*gone, *seals)]
    stay = {text for path, v in found.values.items() if path not in gone for text in strings(v)}
    made = {
        text for path in gone if path.parent.name in MADE for text in strings(found.values[path])
    }
    for path in sorted((store.root / "blobs" / "sha256").glob("[0-9a-f]*")):
        digest = f"sha256:{path.name}"
        if digest in stay or path.name in keep or _used(path, since):
            continue
        if blobs or digest in made:
            out.append(("blob", path))
    for path in sorted((store.root / "partial").glob("*")):
        with suppress(FileNotFoundError):  # it has just become whole
            if not _used(path, since):
                out.append(("partial", path))
    return out


def _read(store: Store) -> _Found:
    values, planted = {}, {}
    for path in (store.root / "d").glob("*/*.json"):
        if path.parent.name != SEAL:
            with suppress(ValueError):  # a damaged one is for the check to find
                values[path] = opened(seal.read(path))
        elif PLANTED in seal.read(path, 120):
            with suppress(ValueError):
                planted[path.stem] = tuple(opened(seal.read(path))["of"])
    trees = frozenset(path.name for path in (store.root / "t").glob("*"))
    return _Found(values, trees, planted)


def _live(store: Store, found: _Found, names: Set[str], since: int) -> frozenset[str]:
    """Return the trees that stay."""
    live = {key for key in found.trees if key in names or _tree_used(store, key, since)}
    before = -1
    while before != len(live):
        before = len(live)
        for key, parts in found.planted.items():
            if key in live:
                live |= set(parts) & found.trees
            elif key in found.trees and live.issuperset(parts):
                live.add(key)
    return frozenset(live)


def _tree_used(store: Store, key: str, since: int) -> bool:
    sealed = store.record_path(SEAL, key)
    if sealed.exists():
        return _used(sealed, since)
    return (store.root / "t" / key).stat().st_mtime_ns >= since


def _used(path: Path, since: int) -> bool:
    """Tell whether the file was used lately; its access time is set by ``use.touched``."""
    status = path.stat()
    return max(status.st_atime_ns, status.st_mtime_ns) >= since


def _needed(path: Path, value: Any, dead: Set[str], live: Set[str], known: Set[str]) -> bool:
    """Tell whether a record that wasn't used lately says something of what stays."""
    said = {path.stem, *strings(value)}
    if path.parent.name in IMAGES and set(trees_of(value or {})) - live:
        return False
    return not said & dead and bool(said & known)


def sizes(paths: list[Path]) -> list[int]:
    """Return the bytes on disk that are free once all *paths* are gone, those of each.

    A file of several names counts where its last one goes.
    """
    links: dict[tuple[int, int], int] = {}
    out = []
    for path in paths:
        total = 0
        for status in _below(path):
            inode = (status.st_dev, status.st_ino)
            links[inode] = links.get(inode, 0) + 1
            if stat.S_ISDIR(status.st_mode) or links[inode] == status.st_nlink:
                total += status.st_blocks * 512
        out.append(total)
    return out


def _below(path: Path) -> Iterator[os.stat_result]:
    status = path.lstat()
    yield status
    if stat.S_ISDIR(status.st_mode):
        with os.scandir(path) as entries:
            for entry in entries:
                yield from _below(Path(entry.path))
