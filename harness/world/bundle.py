"""A bundle: many files in one archive, and a table of contents that vouches for each of them.

One tar (POSIX pax, IEEE 1003.1-2001), not compressed, since what it holds is. ``bundle.json``
comes first and names every file after it by path, size and SHA-256; paths are sorted, times and
owners fixed: the same files give the same bytes. What the files are for is not known here.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from harness.core import canonical
from harness.core.digest import Digest, hexadecimal, of_bytes, of_hex
from harness.core.errors import BundleInvalid, HashMismatch, StoreDamaged
from harness.world import files
from harness.world.store import Store

SCHEMA = "harness.bundle/1"
CONTENTS = "bundle.json"
MOMENT = 315_532_800
"""The time of every file, in seconds: 1980, which no unpacker finds implausible."""

LARGEST = 64 << 20
"""Bytes that a table of contents may have."""

_CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """A file of a bundle; *source* holds its bytes, or names the file that does."""

    path: str
    digest: Digest
    size: int
    source: Path | bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """What a bundle says of itself: *about* is its maker's, *files* are path, digest and size.

    *digest* is that of the table of contents, and so of all that it names.
    """

    about: Mapping[str, Any]
    files: tuple[tuple[str, Digest, int], ...]
    digest: Digest


def text(path: str, data: bytes) -> Member:
    """Return the member of *path* that holds *data*."""
    return Member(path=path, digest=of_bytes(data), size=len(data), source=data)


def blob(path: str, digest: Digest, store: Store) -> Member:
    """Return the member of *path* whose bytes lie in *store*."""
    source = store.path(digest)
    return Member(path=path, digest=digest, size=source.stat().st_size, source=source)


def write(target: Path, members: Iterable[Member], about: Mapping[str, Any]) -> Digest:
    """Write *members* to *target*, whole or not at all; return the digest of the archive.

    Raises StoreDamaged when a file's bytes are not those of its digest, OSError.
    """
    ordered = sorted(members, key=lambda member: member.path.encode())
    table = [[m.path, hexadecimal(m.digest), m.size] for m in ordered]
    contents = canonical.dumps({"schema": SCHEMA, "about": about, "files": table})
    hasher = hashlib.sha256()
    with files.writing(target) as out:
        for chunk in _stream([text(CONTENTS, contents), *ordered]):
            hasher.update(chunk)
            out.write(chunk)
    return of_hex(hasher.hexdigest())


def contents(file: Path) -> Contents:
    """Return what *file* says of itself; raises BundleInvalid when it is no bundle."""
    with _opened(file) as archive:
        return _contents(archive, file)


def unpacked(file: Path, store: Store) -> Path:
    """Return a folder that holds the files of the bundle *file*, every byte of them checked.

    They are in *store* by their digests as well, and share their bytes with it. A bundle that was
    unpacked before is not read again. Raises BundleInvalid, OSError.
    """
    with _opened(file) as archive:
        said = _contents(archive, file)

        def fill(folder: Path) -> None:
            for path, digest, size in said.files:
                _take(archive, file, path, digest, size, store)
                _link(store.path(digest), folder / path)
            if _next(archive, file) is not None:
                raise _broken(file, f"it holds more than its {CONTENTS} names")

        return store.tree(f"bundle-{hexadecimal(said.digest)}", fill)


def _stream(members: Iterable[Member]) -> Iterator[bytes]:
    for member in members:
        header = tarfile.TarInfo(member.path)
        header.size, header.mode, header.mtime = member.size, 0o644, MOMENT
        yield header.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")
        hasher = hashlib.sha256()
        for chunk in _bytes(member.source):
            hasher.update(chunk)
            yield chunk
        if of_hex(hasher.hexdigest()) != member.digest:
            raise StoreDamaged(
                f"{member.source!s} does not hold the bytes of its name",
                hint=f"rm {member.source!s}, then run the same command again",
            )
        yield b"\0" * (-member.size % tarfile.BLOCKSIZE)
    yield b"\0" * (2 * tarfile.BLOCKSIZE)


def _bytes(source: Path | bytes) -> Iterator[bytes]:
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _opened(file: Path) -> tarfile.TarFile:
    try:
        return tarfile.open(file, "r:")
    except FileNotFoundError as missing:
        raise BundleInvalid(
            f"there is no bundle {file}", hint="harness bundle NAME -o FILE, where there is network"
        ) from missing
    except (tarfile.TarError, EOFError) as broken:
        raise _broken(file, "it is no tar") from broken


def _contents(archive: tarfile.TarFile, file: Path) -> Contents:
    first = _next(archive, file)
    if first is None or first.name != CONTENTS or not first.isreg() or first.size > LARGEST:
        raise _broken(file, f"it does not begin with {CONTENTS}")
    data = b"".join(_read(archive, first, file))
    try:
        said = json.loads(data)
        if said["schema"] != SCHEMA:
            raise _broken(file, f"it is {said['schema']}, and this version reads {SCHEMA}")
        named = tuple((str(p), of_hex(str(digest)), int(n)) for p, digest, n in said["files"])
        about = dict(said["about"])
    except (ValueError, KeyError, TypeError) as unreadable:
        raise _broken(file, f"its {CONTENTS} can't be read") from unreadable
    paths = [path for path, _, _ in named]
    if paths != sorted(set(paths), key=str.encode) or not all(map(_inside, paths)):
        raise _broken(file, f"its {CONTENTS} names files twice, unsorted or outside of it")
    return Contents(about=about, files=named, digest=of_bytes(data))


def _inside(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return bool(parts) and parts[0] != "/" and ".." not in parts and "/".join(parts) == path


def _take(
    archive: tarfile.TarFile, file: Path, path: str, digest: Digest, size: int, store: Store
) -> None:
    """Put the next file of *archive* into *store*, when it is the one that is named."""
    member = _next(archive, file)
    if member is None or (member.name, member.size) != (path, size) or not member.isreg():
        raise _broken(file, f"{path} is missing or is not the file that its {CONTENTS} names")
    try:
        store.add_stream(_read(archive, member, file), expected=digest, name=path)
    except HashMismatch as other:
        raise _broken(file, f"{path} has other bytes than its {CONTENTS} names") from other


def _next(archive: tarfile.TarFile, file: Path) -> tarfile.TarInfo | None:
    try:
        return archive.next()
    except (tarfile.TarError, EOFError) as broken:
        raise _broken(file, "it is cut short or damaged") from broken


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo, file: Path) -> Iterator[bytes]:
    reader: IO[bytes] | None = archive.extractfile(member)
    assert reader is not None  # it is a regular file
    try:
        while chunk := reader.read(_CHUNK):
            yield chunk
    except (tarfile.TarError, EOFError) as cut:
        raise _broken(file, "it is cut short") from cut


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copyfile(source, target)


def _broken(file: Path, why: str) -> BundleInvalid:
    return BundleInvalid(
        f"{file} can't be used: {why}", hint="copy it again, or make it again: harness bundle NAME"
    )
