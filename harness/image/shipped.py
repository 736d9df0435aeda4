"""An image as others have it: its manifest, config and layers, whether they lie in the store, in an
OCI layout or in a registry, and what is attached to it.

Formats: OCI image specification 1.1 (``image-layout.md``, ``manifest.md``), and the distribution
specification's tag for registries without the referrers API.
"""

from __future__ import annotations

import json
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from harness.content import members
from harness.content.union import merge
from harness.core.digest import Digest, of_bytes
from harness.core.errors import HashMismatch, ImageInvalid, NotBuiltYet
from harness.image import layout_read, manifest, remote, tar
from harness.image.gather import Gathered
from harness.image.image import Image
from harness.image.reference import Reference
from harness.world import registry_referrers
from harness.world.http import NotFound
from harness.world.registry import Registry
from harness.world.registry_session import LARGEST
from harness.world.store import Store
from harness.world.transfer import Progress

_CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Attached:
    """A document that is about the image."""

    media_type: str
    data: bytes
    where: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Shipped:
    """An image: *config* and *manifest* by their very bytes (no manifest where it was never
    packed), *titles* and *diff_ids* of its layers, and where the tar of each is read."""

    name: str
    config: bytes
    manifest: bytes | None
    titles: tuple[str, ...]
    diff_ids: tuple[Digest, ...]
    tar: Callable[[int], Iterator[bytes]]
    attached: tuple[Attached, ...] = ()

    @property
    def digest(self) -> Digest | None:
        """The manifest's digest."""
        return None if self.manifest is None else of_bytes(self.manifest)


def of_store(image: Image, store: Store, *, name: str, manifest: bytes | None = None) -> Shipped:
    """Return *image* as it lies in *store*, whatever has become of its files there."""

    def content(index: int) -> Iterator[bytes]:
        layer = image.layers[index]
        if layer.blob is not None:
            yield from _unpacked(_read(store, layer.blob.digest), layer.blob.media_type)
            return
        yield from tar.stream(merge({tree: store.root / "t" / tree for tree in layer.trees}))

    return Shipped(
        name=name,
        config=image.config_bytes,
        manifest=manifest,
        titles=tuple(layer.title for layer in image.layers),
        diff_ids=tuple(layer.diff_id for layer in image.layers),
        tar=content,
    )


def of_layout(
    where: Path, store: Store, *, architecture: str, tag: str = "", name: str = ""
) -> Shipped:
    """Return the image of the OCI layout at *where* (a folder or a tar), with the referrers that
    lie in it.

    Its blobs are read through on their way into *store*, an empty one: what a store has already is
    not read again. Raises what ``layout_read.read`` does.
    """
    with layout_read.source(where) as layout:
        found = layout_read.read(where, store, tag=tag, architecture=architecture)
        attached = tuple(
            Attached(media_type=kind, data=data, where=f"{where}, {digest}")
            for digest, kind, data in layout.referrers(found.digest)
        )
    return _shipped(name or str(where), found, store, attached)


def of_registry(
    named: Reference,
    store: Store,
    *,
    door: Registry,
    architecture: str,
    progress: Progress = lambda done, total: None,
) -> Shipped:
    """Return the image that a tag or digest names, with its referrers.

    Its blobs are pulled into *store*. Raises what ``remote.pull`` does.
    """
    found = remote.pull(named, store, door=door, architecture=architecture, progress=progress)
    attached = tuple(_referred(door, named, found.digest))
    return _shipped(f"{named.place}@{found.digest}", found, store, attached)


def _referred(door: Registry, named: Reference, digest: Digest) -> Iterator[Attached]:
    """Yield the documents beside an image; what is no document about it is passed over, as is one
    that the list has and the registry not."""
    for listed in registry_referrers.find(door, named.repository, digest):
        try:
            found = manifest.artifact(door.manifest(named.repository, listed.digest).data)
            if found is None or found.subject != digest or found.document.size > LARGEST:
                continue
            data = door.blob(named.repository, found.document.digest)
        except NotFound:
            continue
        where = f"{named.place}@{listed.digest}"
        yield Attached(media_type=found.kind, data=data, where=where)


def _shipped(name: str, found: Gathered, store: Store, attached: tuple[Attached, ...]) -> Shipped:
    config, layers = store.read(found.parts.config.digest), found.parts.layers
    try:
        told = json.loads(config)
        diff_ids = tuple(Digest(str(one)) for one in told["rootfs"]["diff_ids"])
        history = [one for one in told.get("history") or () if not one.get("empty_layer")]
        titles = [str(one.get("created_by", "")).removeprefix("harness: ") for one in history]
    except (KeyError, ValueError, TypeError, AttributeError) as broken:
        raise ImageInvalid(
            f"{name} is no image: {type(broken).__name__} {broken}",
            hint="name an image's manifest by its digest",
        ) from broken
    if len(layers) != len(diff_ids):
        raise ImageInvalid(
            f"{name}: its manifest names {len(layers)} layers, its config {len(diff_ids)}",
            hint="get the image from another source; no tool writes this",
        )

    def content(index: int) -> Iterator[bytes]:
        yield from _bounded(
            _unpacked(_read(store, layers[index].digest), layers[index].media_type),
            f"layer {index + 1} of {name}",
        )

    return Shipped(
        name=name,
        config=config,
        manifest=store.read(found.digest),
        titles=tuple(titles) if len(titles) == len(layers) else tuple(map(str, diff_ids)),
        diff_ids=diff_ids,
        tar=content,
        attached=attached,
    )


def _read(store: Store, digest: Digest) -> Iterator[bytes]:
    with store.whole(digest).open("rb") as file:
        yield from iter(lambda: file.read(_CHUNK), b"")


def _bounded(chunks: Iterator[bytes], name: str) -> Iterator[bytes]:
    """Yield *chunks*; raises ImageInvalid beyond the bytes that a layer may unpack to."""
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > members.LARGEST:
            raise ImageInvalid(
                f"{name} unpacks to more than {members.LARGEST >> 30} GiB",
                hint="no model needs that: ask whoever built it",
            )
        yield chunk


def _unpacked(chunks: Iterator[bytes], media_type: str) -> Iterator[bytes]:
    """Yield the tar in a blob; gzip's (RFC 1952) and plain ones are read."""
    if media_type.endswith("zstd"):
        raise NotBuiltYet(f"layers of {media_type} are not read", hint="push it with gzip layers")
    if not media_type.endswith("gzip"):
        yield from chunks
        return
    inflater = zlib.decompressobj(wbits=31)
    for chunk in chunks:
        data = chunk
        while data:
            if inflater.eof:  # RFC 1952, 2.2: a file is a series of members
                inflater = zlib.decompressobj(wbits=31)
            try:
                yield inflater.decompress(data, _CHUNK)
            except zlib.error as broken:
                raise HashMismatch(
                    f"a layer is no gzip stream: {broken}", hint="export or push the image again"
                ) from broken
            data = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
    yield inflater.flush()
    if not inflater.eof:
        raise HashMismatch("a layer's gzip stream ends early", hint="push the image again")


@contextmanager
def spooled(chunks: Iterator[bytes]) -> Iterator[IO[bytes]]:
    """Give *chunks* as a file that can be read anywhere."""
    with tempfile.TemporaryFile() as file:
        for chunk in chunks:
            file.write(chunk)
        file.seek(0)
        yield file
