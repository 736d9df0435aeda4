"""An image of others, brought into the store byte for byte, from wherever it lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.core.digest import Digest, of_bytes
from harness.core.errors import ImageInvalid, PlatformMissing, StoreDamaged
from harness.image import manifest
from harness.image.manifest import Descriptor, Parts
from harness.world import partial
from harness.world.store import Store
from harness.world.transfer import Meter, Progress


class Source(Protocol):
    """Where an image lies: a registry's repository, or an image layout."""

    def manifest(self, digest: Digest) -> bytes:
        """Return the manifest of *digest*, which its bytes have."""

    def bring(self, blobs: Sequence[Descriptor], store: Store, meter: Meter) -> None:
        """Put the *blobs* into the store, each unless it is there whole."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Gathered:
    """An image in the store: the manifest's digest and what it names; the index it was chosen from.

    All of it are blobs of the store.
    """

    digest: Digest
    parts: Parts
    index: Digest | None = None

    @property
    def size(self) -> int:
        """The bytes of config and layers."""
        return sum(one.size for one in self.parts.all)


def gather(
    source: Source,
    top: bytes,
    store: Store,
    *,
    architecture: str,
    where: str,
    progress: Progress = lambda done, total: None,
) -> Gathered:
    """Bring the image of *top*, a manifest or an index, for linux on *architecture*.

    Raises ImageInvalid for what is no image, PlatformMissing for one that isn't for that platform,
    and what *source* raises.
    """
    index = None
    chosen = top
    for _ in range(3):
        if not manifest.is_index(chosen, where):
            break
        index = index or _kept(chosen, store)
        chosen = source.manifest(manifest.choose(chosen, architecture, where).digest)
    parts = manifest.parts(chosen, where)
    meter = Meter(sum(one.size for one in parts.all), progress)
    source.bring((parts.config,), store, meter)
    manifest.check_platform(store.read(parts.config.digest), architecture, where)
    source.bring(parts.all[1:], store, meter)
    return Gathered(digest=_kept(chosen, store), parts=parts, index=index)


def _kept(data: bytes, store: Store) -> Digest:
    """Keep *data*, also where the store has it damaged."""
    digest = of_bytes(data)
    if not partial.sound(store, digest):
        store.path(digest).unlink(missing_ok=True)
    return store.add(data)


class _Here:
    """The store as a source: nothing to bring."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def manifest(self, digest: Digest) -> bytes:
        return self._store.read(digest)

    def bring(self, blobs: Sequence[Descriptor], store: Store, meter: Meter) -> None:
        for blob in blobs:
            store.whole(blob.digest)


def here(digest: Digest, store: Store, *, architecture: str) -> Gathered | None:
    """Return the image that *digest* (a manifest's or an index's) names, if all of it is here."""
    try:
        top = store.read(digest)
        return gather(_Here(store), top, store, architecture=architecture, where=digest)
    except (FileNotFoundError, StoreDamaged, ImageInvalid, PlatformMissing):
        return None
