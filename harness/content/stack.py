"""Layers that others made, applied one over another: the tree of a base image.

Format: OCI image specification 1.1, ``layer.md``. The layers themselves ship as they are; the tree
is what jobs on this machine see of them. In it nobody owns anything, setuid bits are gone and there
are no devices. Times stay, by which bytecode is found to be that of its source.
"""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from harness.content.members import Hashed, members, reading, zstd
from harness.content.tree import inner, native, pointed, told
from harness.core.digest import Digest
from harness.core.errors import HashMismatch, PackageRefused, ToolMissing
from harness.world import rooted
from harness.world.store import remove

RULES = 2
"""Version of how layers become a tree; part of its key."""
WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"


@dataclass(frozen=True, kw_only=True, slots=True)
class Packed:
    """A compressed layer at *path* and the digest of its tar; *name* is for messages."""

    path: Path
    diff_id: Digest
    media_type: str
    name: str


def apply(layer: Packed, root: Path) -> int:
    """Apply *layer* over the tree at *root*; return the size of its tar in bytes.

    Raises PackageRefused for paths and hard links that lead outside, for names that are not UTF-8,
    for sparse files and for a layer that can't be read; HashMismatch when its tar is not that of
    its diff_id; ToolMissing where this Python can't decompress it.
    """
    over = _Over(root, layer.name)
    with reading(layer.name), _opened(layer) as stream:
        for member, data in members(stream):
            over.one(member, data)
        found = stream.rest()
    if found != layer.diff_id:
        raise HashMismatch(
            f"{layer.name} unpacks to other bytes than the image's config names: "
            f"expected {layer.diff_id}, found {found}",
            hint="the image is broken, or was tampered with; take it from another source",
        )
    return stream.size


def size(layer: Packed) -> int:
    """Return the size of the layer's tar in bytes; raises what :func:`apply` raises."""
    with reading(layer.name), _opened(layer) as stream:
        stream.rest()
    return stream.size


@contextmanager
def _opened(layer: Packed) -> Iterator[Hashed]:
    kind = layer.media_type.rpartition("+")[2].rpartition(".")[2]
    with layer.path.open("rb") as file:
        opened: Any = file
        if kind == "gzip":
            opened = gzip.open(file)  # noqa: SIM115 - closed below
        elif kind == "zstd":
            opened = _zstd(layer.name)(file)
        with opened:
            yield Hashed(cast(IO[bytes], opened), layer.name)


def _zstd(name: str) -> Any:
    if zstd is None:
        raise ToolMissing(
            f"{name} is compressed by zstd, which this Python can't read",
            hint="run harness with Python 3.14 or newer, or copy the image with gzip layers: "
            "skopeo copy --dest-compress-format gzip",
        )
    return zstd.ZstdFile


class _Over:
    """One layer on its way over a tree: what it adds itself, its whiteouts leave."""

    def __init__(self, root: Path, name: str) -> None:
        self.root, self.name = root, name
        self.added: set[str] = set()

    def one(self, member: tarfile.TarInfo, data: IO[bytes] | None) -> None:
        """Apply one member; *data* is a regular file's."""
        path = native(inner(member.name.lstrip("/"), self.name))
        if not path:
            return
        above, _, last = path.rpartition("/")
        parent = self._inside(above)
        if last == OPAQUE:
            self._hide_all(parent)
        elif last.startswith(WHITEOUT):
            if not last.startswith(WHITEOUT * 2):  # those are AUFS's own
                hidden = last.removeprefix(WHITEOUT)
                if hidden in ("", ".", ".."):
                    raise PackageRefused(f"{self.name}: {member.name} hides what holds it")
                self._hide(f"{parent}/{hidden}".lstrip("/"))
        else:
            self._put(member, data, f"{parent}/{last}".lstrip("/"))

    def _put(self, member: tarfile.TarInfo, data: IO[bytes] | None, path: str) -> None:
        place = self.root / path
        parts = path.split("/")
        self.added.update("/".join(parts[:n]) for n in range(1, len(parts)))
        if member.isdir():
            if place.is_symlink() or not place.is_dir():
                self._clear(place)
                place.mkdir(mode=0o755, parents=True)
            self.added.add(path)
            return
        if data is None and not (member.issym() or member.islnk()):
            return  # a device or a pipe: an engine makes those that a job may have
        first = self._linked(member, place) if member.islnk() else None
        target = pointed(member.name, member.linkname, self.name) if member.issym() else ""
        self._clear(place)
        place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.added.add(path)
        if first is not None:
            os.link(first, place, follow_symlinks=False)
        elif data is None:
            os.symlink(target, place)
        else:
            self._write(member, data, place)
        if not member.islnk():
            moment = max(0, int(member.mtime))
            os.utime(place, (moment, moment), follow_symlinks=False)

    def _write(self, member: tarfile.TarInfo, data: IO[bytes], place: Path) -> None:
        handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "wb") as file:
            shutil.copyfileobj(data, file, 1 << 20)
            os.fchmod(file.fileno(), 0o755 if member.mode & 0o111 else 0o644)

    def _linked(self, member: tarfile.TarInfo, place: Path) -> Path:
        """Return the file that *member*, which takes *place*, is another name of."""
        above, _, last = native(inner(member.linkname.lstrip("/"), self.name)).rpartition("/")
        first = self.root / self._inside(above) / last
        itself = place in (first, *first.parents)
        if itself or not (first.is_symlink() or first.is_file()):
            raise PackageRefused(
                f"{self.name}: {member.name} is a hard link to {member.linkname}, which is no "
                "other file of the image"
            )
        return first

    def _inside(self, folder: str) -> str:
        found = rooted.real(self.root, folder)
        if found is None:
            raise PackageRefused(f"{self.name}: {told(folder)} is a link that leads to itself")
        return found

    def _hide_all(self, folder: str) -> None:
        place = self.root / folder
        if place.is_dir():
            for name in sorted(os.listdir(place)):
                self._hide(f"{folder}/{name}".lstrip("/"))

    def _hide(self, path: str) -> None:
        """Remove what lower layers have at *path*."""
        place = self.root / path
        if path not in self.added:
            self._clear(place)
        elif place.is_dir() and not place.is_symlink():
            for name in sorted(os.listdir(place)):
                self._hide(f"{path}/{name}")

    def _clear(self, place: Path) -> None:
        if place.is_dir() and not place.is_symlink():
            remove(place)
        else:
            place.unlink(missing_ok=True)
