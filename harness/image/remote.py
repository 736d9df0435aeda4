"""Images to and from registries: blobs first and at once, the manifest last, no byte changed.

A push that was cut leaves no image, and the next one skips what is there.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from harness.core.digest import Digest
from harness.core.errors import HashMismatch, ImageMissing, RegistryRefused
from harness.image import manifest
from harness.image.gather import Gathered, gather, here
from harness.image.manifest import Descriptor
from harness.image.reference import Reference
from harness.image.referrers import Referrer
from harness.spec.nearest import nearest
from harness.world import registry_blobs, registry_referrers
from harness.world.http import NotFound
from harness.world.registry import Registry
from harness.world.registry_blobs import Blob
from harness.world.store import Store
from harness.world.transfer import Meter, Progress, together

WAYS = ("sent", "mounted", "there")
"""What can happen to a blob that is pushed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pushed:
    """An image in a registry: its manifest's digest; by their way, how many blobs and bytes."""

    reference: Reference
    digest: Digest
    blobs: tuple[tuple[str, int], ...]
    bytes: tuple[tuple[str, int], ...]


def push(
    digest: Digest,
    to: Reference,
    store: Store,
    *,
    door: Registry,
    progress: Progress = lambda done, total: None,
) -> Pushed:
    """Push the image whose manifest has *digest*, with all that it names, from the store.

    Raises StoreDamaged when the store's bytes are not their own, and what `Registry` raises.
    """
    try:
        return _pushed(digest, to, store, door, progress)
    except NotFound as missing:
        raise RegistryRefused(
            f"{to} can't be pushed: the registry has no {missing.url}",
            hint=f"the registry may want {to.place} to be created first",
        ) from missing


def _pushed(
    digest: Digest, to: Reference, store: Store, door: Registry, progress: Progress
) -> Pushed:
    data = store.read(digest)
    parts = manifest.parts(data, digest)
    meter = Meter(sum(one.size for one in parts.all), progress)
    ways: dict[Digest, str] = {}
    lock = threading.Lock()

    def move(one: Descriptor) -> None:
        blob = Blob(digest=one.digest, size=one.size)
        way = registry_blobs.push(door, to.repository, blob, store, meter)
        with lock:
            ways[one.digest] = way

    together(move, sorted(parts.all, key=lambda one: -one.size), meter)
    if door.has_manifest(to.repository, to.name) != digest:
        got = door.put_manifest(to.repository, to.name, data, media_type=parts.media_type)
        told = got.headers.get("Docker-Content-Digest", digest)
        if told != digest:
            raise HashMismatch(
                f"{to} received other bytes than the manifest {digest}: it names {told}",
                hint="something on the way changes them: look at proxies and the network",
            )
    sizes = {one.digest: one.size for one in parts.all}
    return Pushed(
        reference=to,
        digest=digest,
        blobs=tuple((way, sum(x == way for x in ways.values())) for way in WAYS),
        bytes=tuple((way, sum(sizes[d] for d, x in ways.items() if x == way)) for way in WAYS),
    )


def attach(one: Referrer, to: Reference, *, door: Registry) -> None:
    """Put a document beside the image that it refers to; raises what `Registry` raises."""
    for data in one.blobs.values():
        door.push_blob(to.repository, data)
    registry_referrers.push(door, to.repository, one.manifest)


def pull(
    reference: Reference,
    store: Store,
    *,
    door: Registry,
    architecture: str,
    progress: Progress = lambda done, total: None,
) -> Gathered:
    """Bring the image for linux on *architecture* into the store, byte for byte.

    What is there whole is not asked for; an image that is named by its digest and is all there
    costs no request. Raises ImageMissing with the tags there are, ImageInvalid, PlatformMissing,
    HashMismatch, and what `Registry` raises.
    """
    if reference.digest is not None:
        found = here(reference.digest, store, architecture=architecture)
        if found is not None:
            return found
    try:
        top = door.manifest(reference.repository, reference.name).data
    except NotFound as missing:
        raise _missing(reference, door) from missing
    try:
        return gather(
            _Repository(door, reference.repository),
            top,
            store,
            architecture=architecture,
            where=str(reference),
            progress=progress,
        )
    except NotFound as missing:
        raise ImageMissing(
            f"{reference} is not whole: the registry has no {missing.url}",
            hint="push the image again",
        ) from missing


class _Repository:
    def __init__(self, door: Registry, repository: str) -> None:
        self._door, self._repository = door, repository

    def manifest(self, digest: Digest) -> bytes:
        return self._door.manifest(self._repository, digest).data

    def bring(self, blobs: Sequence[Descriptor], store: Store, meter: Meter) -> None:
        def move(one: Descriptor) -> None:
            blob = Blob(digest=one.digest, size=one.size)
            registry_blobs.pull(self._door, self._repository, blob, store, meter)

        together(move, sorted(blobs, key=lambda one: -one.size), meter)


def _missing(reference: Reference, door: Registry) -> ImageMissing:
    """Return the error of a name that the repository doesn't have, with the ones that it has."""
    try:
        tags = door.tags(reference.repository)
    except NotFound:
        return ImageMissing(
            f"the registry {reference.host} has no repository {reference.repository}",
            hint=f"mend the name, or push first: harness push WHAT {reference.place}:TAG",
        )
    listed = ", ".join(tags[-12:]) or "none"
    close = nearest(reference.tag, tags) if reference.tag else None
    return ImageMissing(
        f"{reference.place} has no {reference.name}; its tags are "
        f"{'… ' if len(tags) > 12 else ''}{listed}",
        hint=f'did you mean "{reference.place}:{close}"?' if close else "name one of its tags",
    )
