"""A blob on its way into the store: kept under its own name until it is whole.

``partial/<hex>`` in the store's root holds the first bytes of the blob with that digest. They
outlive a broken connection and a killed process: whoever wants the blob next goes on from there.
Only bytes that have the digest are ever moved to the blobs. What nobody goes on with is garbage
(``store_gc``).
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from harness.core.digest import Digest, hexadecimal, of_hex
from harness.world import files, use
from harness.world.store import Store

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Partial:
    """The first *size* bytes of a blob, in a file that only we write (it is locked)."""

    def __init__(self, file: IO[bytes], digest: Digest, store: Store) -> None:
        self._file, self._digest, self._store = file, digest, store
        self._hasher, self.size = hashlib.sha256(), 0
        file.seek(0)
        while chunk := file.read(1 << 20):
            self._hasher.update(chunk)
            self.size += len(chunk)

    def append(self, chunk: bytes) -> None:
        """Add what follows."""
        self._file.write(chunk)
        self._hasher.update(chunk)
        self.size += len(chunk)

    def restart(self) -> None:
        """Forget what is here: it was of no use."""
        self._file.seek(0)
        self._file.truncate()
        self._hasher, self.size = hashlib.sha256(), 0

    def finish(self) -> Digest:
        """Return the digest of the bytes; they are a blob from here on, or gone if not wanted."""
        found = of_hex(self._hasher.hexdigest())
        if found != self._digest:
            self.restart()
            return found
        self._file.flush()
        os.fsync(self._file.fileno())
        target = self._store.path(self._digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.chmod(self._file.name, 0o644)
        os.replace(self._file.name, target)
        files.sync_folder(target.parent)
        return found


@contextmanager
def begun(store: Store, digest: Digest) -> Iterator[Partial | None]:
    """Give what the store has of the blob already, for us alone; None if it is whole.

    A full disk gets its room back; after any other failure the bytes stay for the next attempt.
    """
    path = store.root / "partial" / hexadecimal(digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.locked(store.root / "locks" / f"partial-{hexadecimal(digest)[:24]}"):
        if sound(store, digest):  # another process was faster
            path.unlink(missing_ok=True)
            yield None
            return
        use.touched(store.root, path)  # so that no collector takes it from us
        try:
            with path.open("ab+") as file:
                yield Partial(file, digest, store)
        except OSError as full:
            if full.errno in _FULL:
                path.unlink(missing_ok=True)
            raise
        finally:
            if _empty(path):
                path.unlink(missing_ok=True)


def sound(store: Store, digest: Digest) -> bool:
    """Tell whether the store has the blob, and its bytes are its own: read through."""
    return store.has(digest) and files.digest_of(store.path(digest)) == digest


def _empty(path: Path) -> bool:
    return path.is_file() and path.stat().st_size == 0
