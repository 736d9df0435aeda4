"""An image as others have it: its manifest, config and layers, whether they lie in the store, in an
OCI layout or in a registry, and what is attached to it.

Formats: OCI image specification 1.1 (``image-layout.md``, ``manifest.md``), and the distribution
specification's tag for registries without the referrers API.
"""

from __future__ import annotations

import json
import re
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from harness.content.tree import merge
from harness.core.digest import Digest, hexadecimal, of_bytes
from harness.core.errors import HashMismatch, NotBuiltYet, SpecInvalid
from harness.image import tar
from harness.image.image import Image
from harness.world import files, registry_blobs, registry_referrers
from harness.world.registry import Registry
from harness.world.registry_blobs import Blob
from harness.world.store import Store
from harness.world.transfer import Meter

_CHUNK = 1 << 20
_LAYER = ("digest", "mediaType", "size")


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
            with store.whole(layer.blob.digest).open("rb") as file:
                yield from _unpacked(iter(lambda: file.read(_CHUNK), b""), layer.blob.media_type)
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


def of_layout(folder: Path, *, name: str = "") -> Shipped:
    """Return the one image of the OCI layout at *folder*, with the referrers that lie in it.

    Raises SpecInvalid where there is none, or more than one, and HashMismatch for a blob that
    hasn't the bytes of its name.
    """

    def path(digest: str) -> Path:
        found = folder / "blobs" / "sha256" / hexadecimal(Digest(digest))
        if not re.fullmatch("sha256:[0-9a-f]{64}", digest) or not found.is_file():
            raise SpecInvalid(f"{folder} has no blob {digest}", hint="export the image again")
        if (real := files.digest_of(found)) != digest:
            raise HashMismatch(
                f"{found} has other bytes: expected {digest}, found {real}",
                hint="copy or export the image again",
            )
        return found

    def chunks(descriptor: Mapping[str, Any]) -> Iterator[bytes]:
        with path(descriptor["digest"]).open("rb") as file:
            yield from iter(lambda: file.read(_CHUNK), b"")

    try:
        index = json.loads((folder / "index.json").read_bytes())
        manifests = [path(entry["digest"]).read_bytes() for entry in index["manifests"]]
    except (FileNotFoundError, ValueError, KeyError, TypeError) as broken:
        raise SpecInvalid(
            f"{folder} is no OCI layout: {type(broken).__name__} {broken}",
            hint="harness image export WHAT --to FOLDER writes one",
        ) from broken
    bodies = [json.loads(data) for data in manifests]
    images = [
        data
        for data, body in zip(manifests, bodies, strict=True)
        if "subject" not in body and "layers" in body
    ]
    if len(images) != 1:
        raise SpecInvalid(
            f"{folder} holds {len(images)} images, and which one is meant is not said",
            hint="harness image export WHAT --to FOLDER writes one",
        )
    digest = of_bytes(images[0])
    attached = [
        Attached(
            media_type=str(body.get("artifactType", "")),
            data=path(body["layers"][0]["digest"]).read_bytes(),
            where=f"{folder}, {of_bytes(data)}",
        )
        for data, body in zip(manifests, bodies, strict=True)
        if body.get("subject", {}).get("digest") == digest
    ]
    config = path(json.loads(images[0])["config"]["digest"]).read_bytes()
    return _shipped(name or str(folder), images[0], config, chunks, tuple(attached))


def unpacked(archive: Path, folder: Path) -> Path:
    """Unpack the OCI layout in the tar *archive* into *folder*; return it. Raises SpecInvalid."""
    try:
        with tarfile.open(archive) as opened:
            opened.extractall(folder, filter="data")
    except tarfile.TarError as broken:
        raise SpecInvalid(
            f"{archive} is no archive of an image: {broken}",
            hint="harness image export WHAT --to FILE.tar writes one",
        ) from broken
    return folder


def of_registry(registry: Registry, repository: str, reference: str, store: Store) -> Shipped:
    """Return the image that a tag or digest names, with its referrers.

    Raises what `Registry` raises; a blob is pulled into *store* when it is read.
    """
    manifest = registry.manifest(repository, reference)
    body = json.loads(manifest.data)
    if "layers" not in body:
        raise SpecInvalid(
            f"{repository}:{reference} is an index of several images, not one",
            hint="name the image of one platform by its digest",
        )

    def chunks(descriptor: Mapping[str, Any]) -> Iterator[bytes]:
        blob = Blob(digest=Digest(descriptor["digest"]), size=int(descriptor["size"]))
        registry_blobs.pull(registry, repository, blob, store, Meter(blob.size))
        with store.whole(blob.digest).open("rb") as file:
            yield from iter(lambda: file.read(_CHUNK), b"")

    config = registry.blob(repository, Digest(body["config"]["digest"]))
    attached = tuple(_referred(registry, repository, manifest.digest))
    name = f"{registry.host}/{repository}@{manifest.digest}"
    return _shipped(name, manifest.data, config, chunks, attached)


def _referred(registry: Registry, repository: str, digest: Digest) -> Iterator[Attached]:
    for found in registry_referrers.find(registry, repository, digest):
        body = json.loads(registry.manifest(repository, found.digest).data)
        if body.get("subject", {}).get("digest") == digest:
            yield Attached(
                media_type=str(body.get("artifactType", "")),
                data=registry.blob(repository, Digest(body["layers"][0]["digest"])),
                where=f"{registry.host}/{repository}@{found.digest}",
            )


def _shipped(
    name: str,
    manifest: bytes,
    config: bytes,
    chunks: Callable[[Mapping[str, Any]], Iterator[bytes]],
    attached: tuple[Attached, ...],
) -> Shipped:
    try:
        layers = [{k: str(one[k]) for k in _LAYER} for one in json.loads(manifest)["layers"]]
        told = json.loads(config)
        diff_ids = tuple(Digest(str(one)) for one in told["rootfs"]["diff_ids"])
        history = [one for one in told.get("history") or () if not one.get("empty_layer")]
        titles = [str(one.get("created_by", "")).removeprefix("harness: ") for one in history]
    except (KeyError, ValueError, TypeError, AttributeError) as broken:
        raise SpecInvalid(
            f"{name} is no image: {type(broken).__name__} {broken}",
            hint="name an image's manifest by its digest",
        ) from broken
    if len(layers) != len(diff_ids):
        raise SpecInvalid(
            f"{name}: its manifest names {len(layers)} layers, its config {len(diff_ids)}",
            hint="get the image from another source; no tool writes this",
        )
    return Shipped(
        name=name,
        config=config,
        manifest=manifest,
        titles=tuple(titles) if len(titles) == len(layers) else tuple(map(str, diff_ids)),
        diff_ids=diff_ids,
        tar=lambda index: _unpacked(chunks(layers[index]), layers[index]["mediaType"]),
        attached=attached,
    )


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
