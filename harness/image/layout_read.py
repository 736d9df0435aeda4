"""Image layouts of others: a folder or an archive that skopeo, podman, buildah or we have written.

OCI image specification 1.1, ``image-layout.md``. Nothing in it is believed: every blob is read
through on its way into the store, and must have the digest and size by which it is named.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

from harness.core.digest import Digest, hexadecimal, of_bytes
from harness.core.errors import HashMismatch, ImageInvalid, ImageMissing
from harness.image import manifest
from harness.image.gather import Gathered, gather
from harness.image.manifest import REF_NAME, Descriptor
from harness.spec.nearest import did_you_mean
from harness.world import partial
from harness.world.store import Store
from harness.world.transfer import Meter, Progress

_PIECE = 1 << 20
_LARGEST = 16 << 20
"""Bytes of a small file, such as the index: more is no layout."""


class _Files(Protocol):
    def open(self, name: str) -> IO[bytes]:
        """Open a file of the layout; raises FileNotFoundError."""


def read(
    where: Path,
    store: Store,
    *,
    tag: str = "",
    architecture: str,
    progress: Progress = lambda done, total: None,
) -> Gathered:
    """Bring the image *tag* of the layout at *where* into the store; no tag means the only one.

    Raises ImageMissing when it has no such image, ImageInvalid when it is no layout, HashMismatch
    when a blob is not what its name says.
    """
    with _opened(where) as files:
        _check_version(files, where)
        source = _Layout(files, where)
        index = _small(files, "index.json", where)
        chosen = _named(manifest.entries(index, f"{where}/index.json"), tag, where)
        return gather(
            source,
            source.manifest(chosen.digest),
            store,
            architecture=architecture,
            where=f"{where}:{tag}" if tag else str(where),
            progress=progress,
        )


class _Layout:
    def __init__(self, files: _Files, where: Path) -> None:
        self._files, self._where = files, where

    def manifest(self, digest: Digest) -> bytes:
        data = _small(self._files, _name(digest), self._where)
        if (found := of_bytes(data)) != digest:
            raise self._other_bytes(digest, found)
        return data

    def bring(self, blobs: Sequence[Descriptor], store: Store, meter: Meter) -> None:
        for blob in blobs:
            if not partial.sound(store, blob.digest):
                with partial.begun(store, blob.digest) as part:
                    if part is not None:
                        self._copied(blob, part, meter)
            meter.at(blob.digest, blob.size)

    def _copied(self, blob: Descriptor, part: partial.Partial, meter: Meter) -> None:
        part.restart()  # what a pull has left helps nobody who has the file
        with _file(self._files, _name(blob.digest), self._where) as file:
            while chunk := file.read(_PIECE):
                part.append(chunk)
                meter.at(blob.digest, min(part.size, blob.size))
        size = part.size
        found = part.finish()
        if found != blob.digest:
            raise self._other_bytes(blob.digest, found)
        if size != blob.size:
            raise ImageInvalid(
                f"{self._where}/{_name(blob.digest)} has {size} bytes, its manifest says "
                f"{blob.size}",
                hint="write the layout again",
            )

    def _other_bytes(self, wanted: Digest, found: Digest) -> HashMismatch:
        return HashMismatch(
            f"{self._where}/{_name(wanted)} has other bytes: expected {wanted}, found {found}",
            hint="write the layout again",
        )


class _Folder:
    def __init__(self, root: Path) -> None:
        self._root = root

    def open(self, name: str) -> IO[bytes]:
        return (self._root / name).open("rb")


class _Archive:
    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._members = {one.name.removeprefix("./"): one for one in tar if one.isfile()}

    def open(self, name: str) -> IO[bytes]:
        member = self._members.get(name)
        file = self._tar.extractfile(member) if member else None
        if file is None:
            raise FileNotFoundError(name)
        return file


@contextmanager
def _opened(where: Path) -> Iterator[_Files]:
    if where.is_dir():
        yield _Folder(where)
        return
    if not where.exists():
        raise ImageMissing(f"there is no image layout {where}", hint="name a folder or a tar file")
    try:
        with tarfile.open(where, "r:") as tar:
            yield _Archive(tar)
    except tarfile.TarError as broken:
        raise ImageInvalid(
            f"{where} is no image layout: {broken}",
            hint="name a folder, or a tar of one that is not compressed",
        ) from broken


def _check_version(files: _Files, where: Path) -> None:
    try:
        version = json.loads(_small(files, "oci-layout", where))["imageLayoutVersion"]
    except (ValueError, KeyError, TypeError) as broken:
        raise ImageInvalid(
            f"{where} says of no version of a layout that it is one", hint="write it again"
        ) from broken
    if version != "1.0.0":
        raise ImageInvalid(
            f"{where} is an image layout of version {version}",
            hint="write it with a tool that knows version 1.0.0",
        )


def _named(listed: Sequence[Descriptor], tag: str, where: Path) -> Descriptor:
    """Return the entry whose name is *tag*, or ends with it as in ``name:tag``."""
    names = {one.digest: dict(one.annotations).get(REF_NAME, "") for one in listed}
    if not tag and len(listed) == 1:
        return listed[0]
    for one in listed:
        if tag and (names[one.digest] == tag or names[one.digest].endswith(f":{tag}")):
            return one
    known = sorted({name for name in names.values() if name})
    there = f"it has {', '.join(known) or 'no names'}"
    if not tag and listed:
        raise ImageMissing(f"{where} holds {len(listed)} images; {there}", hint="name one of them")
    raise ImageMissing(
        f"{where} has no image {tag or 'at all'}; {there}{did_you_mean(tag, known)}",
        hint="name one of them" if known else "write the layout again",
    )


def _small(files: _Files, name: str, where: Path) -> bytes:
    with _file(files, name, where) as file:
        data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise ImageInvalid(f"{where}/{name} is larger than any", hint="write the layout again")
    return data


def _file(files: _Files, name: str, where: Path) -> IO[bytes]:
    try:
        return files.open(name)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise ImageInvalid(
            f"{where} is no whole image layout: it has no {name}",
            hint="write it again; what it lacks can't be made up",
        ) from None


def _name(digest: Digest) -> str:
    return f"blobs/sha256/{hexadecimal(digest)}"
