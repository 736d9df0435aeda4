"""Image layouts: a folder or an archive that skopeo, podman, buildah, others or we have written.

OCI image specification 1.1, ``image-layout.md``. Nothing in it is believed: every blob is read
through on its way into the store, and must have the digest and size by which it is named.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Iterator, Sequence
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

    Raises ImageMissing when it has no such image, PlatformMissing when it is for another one,
    ImageInvalid when it is no layout, HashMismatch when a blob is not what its name says.
    """
    with source(where) as layout:
        return gather(
            layout,
            layout.manifest(layout.chosen(tag).digest),
            store,
            architecture=architecture,
            where=f"{where}:{tag}" if tag else str(where),
            progress=progress,
        )


@contextmanager
def source(where: Path) -> Iterator[Layout]:
    """Open the layout at *where*; raises ImageMissing and ImageInvalid."""
    with _opened(where) as files:
        _check_version(files, where)
        yield Layout(files, where)


class Layout:
    """An open layout: a source of images, with what is said of them."""

    def __init__(self, files: _Files, where: Path) -> None:
        self._files, self._where = files, where

    def listed(self) -> tuple[Descriptor, ...]:
        """Return what its index names, in that order; raises ImageInvalid."""
        index = _small(self._files, "index.json", self._where)
        return manifest.entries(index, f"{self._where}/index.json")

    def chosen(self, tag: str) -> Descriptor:
        """Return the image *tag*, or the only one, whatever lies beside it; raises ImageMissing."""
        return _named(self.listed(), tag, self._where, self._is_image)

    def has(self, digest: Digest) -> bool:
        """Tell whether there is a blob of that name."""
        try:
            self._files.open(_name(digest)).close()
        except OSError:
            return False
        return True

    def referrers(self, subject: Digest) -> Iterator[tuple[Digest, str, bytes]]:
        """Yield the documents that refer to *subject*: of which manifest, of what kind, the bytes.

        Anybody may have put something there: what is no document about it is passed over.
        """
        for entry in self.listed():
            found = manifest.artifact(self.manifest(entry.digest))
            if found and found.subject == subject and found.document.size <= _LARGEST:
                yield entry.digest, found.kind, self.manifest(found.document.digest)

    def _is_image(self, one: Descriptor) -> bool:
        return not one.artifact_type and manifest.is_image(
            self.manifest(one.digest), f"{self._where}/{_name(one.digest)}"
        )

    def manifest(self, digest: Digest) -> bytes:
        """Return a small blob; raises ImageInvalid and HashMismatch."""
        data = _small(self._files, _name(digest), self._where)
        if (found := of_bytes(data)) != digest:
            raise self._other_bytes(digest, found)
        return data

    def bring(self, blobs: Sequence[Descriptor], store: Store, meter: Meter) -> None:
        """Put the *blobs* into the store; raises ImageInvalid and HashMismatch."""
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
                if part.size > blob.size:
                    part.restart()
                    raise self._other_size(blob, f"more than {blob.size}")
                meter.at(blob.digest, part.size)
        size = part.size
        found = part.finish()
        if found != blob.digest:
            raise self._other_bytes(blob.digest, found)
        if size != blob.size:
            raise self._other_size(blob, str(size))

    def _other_size(self, blob: Descriptor, size: str) -> ImageInvalid:
        return ImageInvalid(
            f"{self._where}/{_name(blob.digest)} has {size} bytes, its manifest says {blob.size}",
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
        self._members = {
            one.name.removeprefix("./"): one
            for one in tar
            if one.isfile() and not one.issparse()  # a file of holes may be of any size
        }

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


def _named(
    listed: Sequence[Descriptor], tag: str, where: Path, is_image: Callable[[Descriptor], bool]
) -> Descriptor:
    """Return the entry whose name is *tag*, or ends with it as in ``name:tag``; without a tag, the
    only image that there is, by whatever names."""
    names = [dict(one.annotations).get(REF_NAME, "") for one in listed]
    if tag:
        for matches in (str.__eq__, lambda name, tag: name.endswith(f":{tag}")):
            for one, name in zip(listed, names, strict=True):
                if matches(name, tag):
                    return one
    images = list({one.digest: one for one in listed}.values())
    if not tag and len(images) > 1:
        images = [one for one in images if is_image(one)]
    if not tag and len(images) == 1:
        return images[0]
    known = sorted({name for name in names if name})
    there = f"it has {', '.join(known) or 'no names'}"
    if not tag and images:
        raise ImageMissing(f"{where} holds {len(images)} images; {there}", hint="name one of them")
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
