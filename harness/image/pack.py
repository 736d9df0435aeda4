"""What leaves the machine: an image's layers compressed, and the manifest that names them.

Formats: OCI image specification 1.1, ``manifest.md`` and ``layer.md``. The compressor is pinned: it
is the zlib that the image itself holds, run by the interpreter that ships, so that the same image
is the same manifest everywhere. Nothing on the machine itself needs a compressed layer.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from harness.content.interpreter import Interpreter
from harness.content.union import merge
from harness.core import canonical
from harness.core.digest import Digest, hexadecimal, of_bytes, of_hex
from harness.core.errors import BuildFailed, StoreDamaged
from harness.image import roots, tar
from harness.image.image import CONFIG, Blob, Image, Layer
from harness.image.key import key
from harness.world.store import REPAIR, Store

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
LEVEL = 6

Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Packed:
    """An image and its compressed layers, a *blob* each, from the lowest up."""

    image: Image
    blobs: tuple[Blob, ...]

    @property
    def manifest_bytes(self) -> bytes:
        """The OCI manifest."""
        config = self.image.config_bytes
        return canonical.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {
                    "mediaType": CONFIG,
                    "digest": self.image.config,
                    "size": len(config),
                },
                "layers": [
                    {"mediaType": x.media_type, "digest": x.digest, "size": x.size}
                    for x in self.blobs
                ],
            }
        )

    @property
    def digest(self) -> Digest:
        """The manifest's digest: what a registry calls the image."""
        return of_bytes(self.manifest_bytes)

    @property
    def digests(self) -> tuple[Digest, ...]:
        """What it consists of: config, manifest and every blob, sorted, each once."""
        return tuple(
            sorted({self.image.config, self.digest, *(blob.digest for blob in self.blobs)})
        )


def packed(
    image: Image, store: Store, *, workers: int = 0, progress: Progress = lambda _: None
) -> Packed:
    """Return *image* packed, compressing the layers that the store has no blob of yet.

    Config and manifest are put among the blobs too. Raises StoreDamaged when a layer's files are
    not any more what the image was built from.
    """
    known: dict[str, Blob | None] = {
        layer.diff_id: layer.blob or _known(layer, image, store) for layer in image.layers
    }
    missing = [layer for layer in image.layers if known[layer.diff_id] is None]
    if missing:
        progress(f"compressing {len(missing)} layers")
        missing.sort(key=lambda layer: -layer.size)
        shipped = roots.interpreter(image, store)
        with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
            made = list(pool.map(lambda layer: _compress(layer, shipped, store), missing))
        for layer, packed_layer in zip(missing, made, strict=True):
            store.remember("packed", _key(layer, image), asdict(packed_layer))
            known[layer.diff_id] = packed_layer
    blobs = tuple(blob for layer in image.layers if (blob := known[layer.diff_id]))
    whole = Packed(image=image, blobs=blobs)
    store.add(image.config_bytes)
    store.add(whole.manifest_bytes)
    store.remember("manifest", hexadecimal(whole.digest), {"image": image.config})
    return whole


def named(digest: Digest, store: Store) -> Digest | None:
    """Return the config digest of the image that was packed under a manifest's *digest*."""
    body: Mapping[str, Any] | None = store.recall("manifest", hexadecimal(digest))
    return None if body is None else Digest(body["image"])


def tarred(layer: Layer, store: Store) -> Iterator[bytes]:
    """Yield the tar of a *layer* of ours, in chunks; raises StoreDamaged when it has changed."""
    hasher = hashlib.sha256()
    for chunk in tar.stream(merge({tree: store.root / "t" / tree for tree in layer.trees})):
        hasher.update(chunk)
        yield chunk
    if (found := of_hex(hasher.hexdigest())) != layer.diff_id:
        store.sound(layer.trees)  # which names the file
        raise StoreDamaged(
            f"the files of layer {layer.title!r} are not those it was built from: "
            f"expected {layer.diff_id}, found {found}",
            hint=REPAIR,
        )


def _key(layer: Layer, image: Image) -> str:
    return key("packed", layer.diff_id, compressor(image))


def compressor(image: Image) -> str:
    """Return what compresses the layers of *image*, by its label: zlib's bytes and the level."""
    return dict(image.settings.labels)["harness.compressor"]


def _known(layer: Layer, image: Image, store: Store) -> Blob | None:
    body = store.recall("packed", _key(layer, image))
    return Blob(**body) if body is not None and store.has(body["digest"]) else None


def _compress(layer: Layer, shipped: Interpreter, store: Store) -> Blob:
    with store.scratch() as folder:
        made = folder / "layer"
        with made.open("wb") as out:
            deflater = shipped.deflater(LEVEL, out.fileno())
            assert deflater.stdin is not None
            try:
                with deflater.stdin as pipe:
                    for chunk in tarred(layer, store):
                        pipe.write(chunk)
            except BrokenPipeError:
                pass  # its exit code tells
            except BaseException:
                deflater.kill()
                deflater.wait()
                raise
            if deflater.wait():
                raise BuildFailed(
                    "the compressor, which the image's own interpreter runs, failed or was killed",
                    hint="run the same command again; if it fails again: harness store check",
                )
            out.flush()
            os.fsync(out.fileno())
        size = made.stat().st_size
        return Blob(digest=store.take(made), size=size)
