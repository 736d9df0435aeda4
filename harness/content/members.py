"""The members of a layer's tar, read as a stream that is hashed, and within limits.

What others packed may be made to fill a disk or a memory: by sparse files, by more of everything
than any layer has, by headers that are held as a whole.
"""

from __future__ import annotations

import hashlib
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import IO, Any, cast

from harness.content.tree import Budget
from harness.core.digest import Digest, of_hex
from harness.core.errors import PackageRefused

try:
    zstd: Any = import_module("compression.zstd")
except ImportError:  # before Python 3.14
    zstd = None

LARGEST = 64 << 30
"""Bytes that one layer may hold unpacked."""
MOST = 2_000_000
"""Members that one layer may have; the largest base images known have a quarter of that."""
HEADER = 1 << 20
"""Bytes of one extended header (pax, or GNU's long names), which tarfile holds in memory."""

_BROKEN = (
    tarfile.TarError,
    EOFError,
    OSError,
    OverflowError,
    ValueError,
    zlib.error,
    *([zstd.ZstdError] if zstd else []),
)
_EXTENDED = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)


class Hashed:
    """A stream that hashes and counts what is read of it; *name* is for messages."""

    def __init__(self, stream: IO[bytes], name: str) -> None:
        self._stream, self.name = stream, name
        self._hasher = hashlib.sha256()
        self.size = 0

    def read(self, size: int = -1) -> bytes:
        """Return what comes next; raises PackageRefused past the limit."""
        data = self._stream.read(size)
        self._hasher.update(data)
        self.size += len(data)
        if self.size > LARGEST:
            raise PackageRefused(f"{self.name}: more than {LARGEST >> 30} GiB unpacked")
        return data

    def rest(self) -> Digest:
        """Read on to the end; return the digest of all of it."""
        while self.read(1 << 20):
            pass
        return of_hex(self._hasher.hexdigest())


def members(stream: Hashed) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    """Yield each member of the tar that *stream* is, a regular file with its bytes to read.

    Raises PackageRefused for a sparse file and past the limits, and what :func:`reading` knows.
    """
    budget = Budget(stream.name, None, LARGEST, most=MOST)
    raw = cast(IO[bytes], stream)
    with tarfile.open(fileobj=raw, mode="r|", encoding="utf-8", tarinfo=_Member) as tar:
        while (member := tar.next()) is not None:
            # it would hold each of them to the end
            tar.members.clear()  # type: ignore[attr-defined]
            if member.issparse():
                raise _sparse(f"{stream.name}: {member.name}")
            budget.take(member.name, max(0, member.size))
            yield member, tar.extractfile(member) if member.isreg() else None


class _Member(tarfile.TarInfo):
    """A member whose headers are looked at before they are read."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type == tarfile.GNUTYPE_SPARSE:
            raise _sparse(self.name)
        if self.type in _EXTENDED and not 0 <= self.size <= HEADER:
            raise tarfile.ReadError(f"it has an extended header of {self.size} bytes")
        found: tarfile.TarInfo = super()._proc_member(archive)  # type: ignore[misc]
        return found


def _sparse(name: str) -> PackageRefused:
    return PackageRefused(
        f"{name} is a sparse file, which may be larger than all disks",
        hint="whoever built the image has to leave out tar's --sparse",
    )


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Say of bytes that are no layer that they are none: raises PackageRefused, which names it.

    What this machine's disk does is raised as it is.
    """
    try:
        yield
    except _BROKEN as broken:
        here = isinstance(broken, OSError) and broken.errno is not None
        if here and not isinstance(broken, NotADirectoryError | FileExistsError):
            raise
        raise PackageRefused(
            f"{name} can't be read: {broken}", hint="push the image again"
        ) from broken
