"""Files on disk, written so that a kill at any moment leaves the old bytes or the new ones."""

from __future__ import annotations

import fcntl
import glob
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from harness.core.digest import Digest, of_hex

_PART = ".part"


def write_atomic(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Make *path* hold *data*: temporary name, fsync, rename, fsync of the folder.

    What can be made again need not be *durable*: then a power failure, and nothing less, may cost
    it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _replacing(path, durable=durable) as file:
        file.write(data)


@contextmanager
def writing(path: Path) -> Iterator[IO[bytes]]:
    """Give a file that is *path* once the block ends well: synced, renamed, its folder synced.

    It is locked (flock) as long as its writer lives, so that what a kill -9 left is known, and
    removed, by the next who writes *path*.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    reap(path.parent, path.name)
    with _replacing(path) as file:
        yield file


@contextmanager
def _replacing(path: Path, *, durable: bool = True) -> Iterator[IO[bytes]]:
    with _temporary(path) as file:
        try:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
            os.chmod(file.name, 0o644)
            os.replace(file.name, path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
    if durable:
        sync_folder(path.parent)


def _temporary(path: Path) -> IO[bytes]:
    """Return a new, locked file beside *path*."""
    while True:
        try:
            file = tempfile.NamedTemporaryFile(  # noqa: SIM115
                prefix=f".{path.name}.", suffix=_PART, dir=path.parent, delete=False
            )
        except OSError as refused:
            refused.filename = os.fspath(path)  # what a person knows, in place of a random name
            raise
        fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink:
            return file
        file.close()  # it was reaped before it was locked


def reap(folder: Path, name: str = "") -> int:
    """Remove what writers of files in *folder* (or of the one of *name*) have left that live no
    more; return how many files."""
    gone = 0
    for left in folder.glob(f".{glob.escape(name)}{'.' if name else ''}*{_PART}"):
        with suppress(FileNotFoundError, BlockingIOError), left.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left.unlink()
            gone += 1
    return gone


def sync_folder(folder: Path) -> None:
    """Make the names in *folder* durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def digest_of(path: Path) -> Digest:
    """Return the digest of the file's bytes."""
    with path.open("rb") as file:
        return of_hex(hashlib.file_digest(file, "sha256").hexdigest())


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on *path* (flock: it ends with its holder, also by kill -9)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def user_cache() -> Path:
    """Return where blobs and unpacked trees live: ``$HARNESS_CACHE``, else the XDG cache folder."""
    if chosen := os.environ.get("HARNESS_CACHE"):
        return Path(chosen).absolute()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "harness"


def user_configuration() -> Path:
    """Return the user's configuration file: ``$HARNESS_CONFIG``, else in the XDG config folder."""
    if chosen := os.environ.get("HARNESS_CONFIG"):
        return Path(chosen).absolute()
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "harness" / "config.toml"
