"""What the store remembers of a registry: which repositories had a blob, and uploads in progress.

Hints and no more: a blob may be gone there, an upload forgotten. Whoever uses them asks first.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

from harness.core import canonical
from harness.core.digest import Digest, hexadecimal
from harness.world import files
from harness.world.store import Store

MOST = 8
"""Repositories that are remembered of one blob; the last ones."""


@dataclass(frozen=True, slots=True)
class Memory:
    """The store's memory of the registry at *host*."""

    store: Store
    host: str

    def repositories(self, digest: Digest) -> tuple[str, ...]:
        """Return repositories that had the blob, the one seen last first."""
        return tuple(self.store.recall("registry", self._key(digest)) or ())

    def seen(self, digest: Digest, repository: str) -> None:
        """Remember that the repository has the blob."""
        key = self._key(digest)
        known = self.repositories(digest)
        if known[:1] != (repository,):
            kept = [repository, *(one for one in known if one != repository)]
            self.store.remember("registry", key, kept[:MOST])

    def upload(self, repository: str, digest: Digest) -> str:
        """Return the address of an upload that was begun and not finished, or nothing."""
        return str(self.store.recall("upload", self._key(digest, repository)) or "")

    def uploading(self, repository: str, digest: Digest, place: str) -> None:
        """Remember where the upload goes on."""
        self.store.remember("upload", self._key(digest, repository), place)

    def uploaded(self, repository: str, digest: Digest) -> None:
        """Forget the upload, which is done; its lock is held."""
        folder = self.store.root / "d" / "upload"
        for left in folder.glob(f"*{self._key(digest, repository)}*"):  # also what a kill left
            left.unlink(missing_ok=True)

    def claimed(self, repository: str, digest: Digest) -> AbstractContextManager[None]:
        """Return the lock of uploading that blob there: one process at a time."""
        return files.locked(
            self.store.root / "locks" / f"upload-{self._key(digest, repository)[:24]}"
        )

    def _key(self, digest: Digest, repository: str = "") -> str:
        return hexadecimal(canonical.digest([self.host, repository, digest]))
