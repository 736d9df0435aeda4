"""A store read through: each blob against its name, each tree against its seal, each record
against its digest. What is damaged is named, with its likely cause, and removed on request.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.core import canonical
from harness.core.digest import hexadecimal, of_hex
from harness.world import seal, store_copies, use
from harness.world.store import SEAL, Store, opened, remove

IMAGES = ("environment", "image")
"""The records that are images: their layers name trees."""
MADE = (*IMAGES, "layer", "packed")
"""The records whose blobs are made here, and so can be made again."""
Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Damage:
    """One thing that isn't what it was: a ``blob``, a ``tree`` or a ``record``.

    *file* is the first path inside that differs, *offset* its first other byte, where they can
    be told.
    """

    kind: str
    path: str
    file: str = ""
    what: str
    cause: str
    remedy: str
    offset: int | None = None
    removed: bool = False


@dataclass(kw_only=True, slots=True)
class Checked:
    """What was read, in numbers, and what of it is damaged."""

    blobs: int = 0
    trees: int = 0
    records: int = 0
    bytes: int = 0
    sealed: int = 0
    damages: list[Damage] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Checking:
    store: Store
    progress: Progress
    done: Checked
    values: dict[tuple[str, str], Any] = field(default_factory=dict)
    digests: dict[tuple[int, int], str] = field(default_factory=dict)

    def digest(self, place: str, status: os.stat_result) -> str:
        """Return the file's digest; a file of several names is read once."""
        inode = (status.st_dev, status.st_ino)
        known = self.digests.get(inode)
        if known is None:
            known = seal.read_digest(place, status)
            self.done.bytes += status.st_size
            if status.st_nlink > 1:
                self.digests[inode] = known
        return known


def check(
    store: Store,
    *,
    repair: Callable[[Damage], bool] = lambda _: False,
    progress: Progress = lambda _: None,
) -> Checked:
    """Read all of *store*; return what was found. What *repair* says yes to is removed, and with
    it what was made of it."""
    on = _Checking(store, progress, Checked())
    damages = [*_records(on), *_blobs(on), *_trees(on)]
    damages += _images(on, {Path(d.path).name for d in damages if d.kind == "tree"})
    on.done.damages = [_repaired(on, damage, repair) for damage in damages]
    return on.done


def _records(on: _Checking) -> Iterator[Damage]:
    for path in sorted((on.store.root / "d").glob("*/*.json")):
        on.done.records += 1
        with suppress(FileNotFoundError):
            data = seal.read(path)
            on.done.bytes += len(data)
            if _kept(on, path, data):
                continue
            yield Damage(
                kind="record",
                path=str(path),
                what="is not the record that was written, or one of an earlier version",
                cause="the disk, the memory or an edit",
                remedy=_AGAIN,
            )


def _kept(on: _Checking, path: Path, data: bytes) -> bool:
    """Keep the value of a record's bytes for what is judged by it; tell whether they are whole."""
    try:
        value = opened(data)
        whole = canonical.dumps({"sha256": hexadecimal(canonical.digest(value)), "value": value})
    except ValueError:
        return False
    if whole == data:
        on.values[path.parent.name, path.stem] = value
    return whole == data


_AGAIN = "it is made again when it is needed"


def _blobs(on: _Checking) -> list[Damage]:
    made = {digest for (kind, _), v in on.values.items() if kind in MADE for digest in strings(v)}
    paths = sorted((on.store.root / "blobs" / "sha256").glob("[0-9a-f]*"))
    count = len(paths)

    def one(item: tuple[int, Path]) -> Damage | None:
        number, path = item
        on.progress(f"reading blob {number} of {count}")
        with suppress(FileNotFoundError):
            status = path.stat()
            found = on.digest(os.path.realpath(path), status)
            if found != path.name:
                again = of_hex(path.name) in made
                return _blob(path, status, again=again)
        return None

    on.done.blobs = count
    return _all(one, list(enumerate(paths, 1)))


def _blob(path: Path, status: os.stat_result, *, again: bool) -> Damage:
    member, cause = "", "the disk, the memory or an edit"
    try:
        with zipfile.ZipFile(path) as archive:
            member = archive.testzip() or ""
    except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, ValueError):
        if not status.st_size:
            cause = "cut short: the disk was full, or power was lost, while it was written"
    return Damage(
        kind="blob",
        path=str(path),
        file=member,
        what="does not hold the bytes of its name",
        cause=cause,
        remedy=_AGAIN
        if again
        else "harness fetch gets it again, where the index, the archive or a bundle still has it",
    )


def _trees(on: _Checking) -> Iterator[Damage]:
    """Yield damaged trees: first those with files of their own, then those that link them."""
    keys = sorted(path.name for path in (on.store.root / "t").glob("*") if path.is_dir())
    on.done.trees = len(keys)
    whole: dict[str, Any] = {key: _seal(on, key) for key in keys}
    own = [key for key in keys if (body := whole[key]) is None or "of" not in body]
    found = _all(lambda key: _tree(on, key, whole[key]), own)
    yield from found
    bad = {Path(damage.path).name for damage in found}
    for key in sorted(set(keys) - set(own)):
        if damage := _planted(on, key, whole[key]["of"], bad):
            bad.add(key)
            yield damage


def _seal(on: _Checking, key: str) -> Any:
    """Return the seal of a tree, also of one that was made since the records were read."""
    if (SEAL, key) not in on.values:
        path = on.store.record_path(SEAL, key)
        with suppress(FileNotFoundError):
            _kept(on, path, seal.read(path))
    return on.values.get((SEAL, key))


def _tree(on: _Checking, key: str, body: Mapping[str, Any] | None) -> Damage | None:
    root = on.store.root / "t" / key
    record = on.store.record_path(SEAL, key)
    if body is None and record.exists():
        return _spoilt(root, "", "can't be checked: the record of what it held is damaged", "")
    on.progress(f"reading tree {key}")
    with suppress(FileNotFoundError):
        if body is None:
            on.done.sealed += 1
            on.store.remember(SEAL, key, seal.of(root))
        elif found := seal.first_difference(root, body["nodes"], on.digest):
            at = _offset(on, root / found.path, body["nodes"].get(found.path))
            return replace(_spoilt(root, found.path, found.what, found.cause), offset=at)
    return None


def _planted(on: _Checking, key: str, parts: list[str], bad: set[str]) -> Damage | None:
    root = on.store.root / "t" / key
    expected: dict[str, seal.Entry] = {}
    left = list(parts)
    while left:
        part = left.pop()
        body = _seal(on, part)
        if body is None or part in bad or not (on.store.root / "t" / part).is_dir():
            if not root.exists():
                return None  # both were collected meanwhile
            return _spoilt(
                root, "", f"links files of the tree {part}, which is damaged or gone", ""
            )
        left += body.get("of", ())
        expected |= body.get("nodes", {})
    on.progress(f"reading tree {key}")
    with suppress(FileNotFoundError):
        if found := seal.first_difference(root, expected, on.digest):
            return _spoilt(root, found.path, found.what, found.cause)
    return None


def _spoilt(root: Path, file: str, what: str, cause: str) -> Damage:
    cause = cause or "see there"
    return Damage(kind="tree", path=str(root), file=file, what=what, cause=cause, remedy=_AGAIN)


def _offset(on: _Checking, place: Path, known: seal.Entry | None) -> int | None:
    """Return the first byte of a damaged file that differs from a copy, if the store has one."""
    if known is None or known[0] != "file" or not place.is_file():
        return None
    seals = {key: body for (kind, key), body in on.values.items() if kind == SEAL}
    copy = store_copies.find(on.store, seals, digest=known[3], size=known[2], name=place.name)
    return None if copy is None else store_copies.first_difference(place.read_bytes(), copy)


def _images(on: _Checking, bad: set[str]) -> Iterator[Damage]:
    """Yield images whose layers name trees that are gone or damaged."""
    for (kind, key), value in sorted(on.values.items(), key=lambda item: item[0]):
        trees = trees_of(value) if kind in IMAGES else ()
        gone = [t for t in trees if t in bad or not (on.store.root / "t" / t).is_dir()]
        path = on.store.record_path(kind, key)
        if gone and path.exists():  # or it was collected meanwhile, with its trees
            yield Damage(
                kind="record",
                path=str(path),
                what=f"names the tree {gone[0]}, which is damaged or gone",
                cause="see there",
                remedy=_AGAIN,
            )


def trees_of(value: Any) -> tuple[str, ...]:
    """Return the trees that an image's record names."""
    return tuple(tree for layer in value.get("layers", ()) for tree in layer.get("trees", ()))


def strings(value: Any) -> Iterator[str]:
    """Yield every text in a JSON value."""
    match value:
        case str():
            yield value
        case list():
            for one in value:
                yield from strings(one)
        case dict():
            for one in value.values():
                yield from strings(one)


def _repaired(on: _Checking, damage: Damage, repair: Callable[[Damage], bool]) -> Damage:
    if not repair(damage):
        return damage
    path = Path(damage.path)
    also = [on.store.record_path(SEAL, path.name)] if damage.kind == "tree" else []
    discard(on.store, [path, *also])
    return replace(damage, removed=True)


def discard(store: Store, paths: list[Path]) -> None:
    """Remove files and folders of *store*, each of them whole or not at all."""
    with store.scratch() as folder:
        with use.alone(store.root):
            for number, path in enumerate(paths):
                with suppress(FileNotFoundError):
                    os.replace(path, folder / str(number))
        remove(folder)


def _all(one: Callable[[Any], Damage | None], items: list[Any]) -> list[Damage]:
    """Return what *one* finds in *items*, several at once: hashing needs no interpreter lock."""
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        return [found for found in pool.map(one, items) if found is not None]
