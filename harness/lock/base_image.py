"""A base image in the store: what its manifest and its config say (``image.base_pull`` brings it).

Formats: OCI image specification 1.1 (``manifest.md``, ``config.md``) and Docker's image manifest
version 2, schema 2.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from harness.core.digest import Digest, is_digest
from harness.core.errors import PackageRefused
from harness.world.store import Store

_LAYER = re.compile(r"(?:rootfs\.diff|layer\.v1)\.tar(?:[.+](?P<packer>gzip|zstd))?$")
TAR = "application/vnd.oci.image.layer.v1.tar"
MOMENT = datetime(1980, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class BaseLayer:
    """A layer as others made it; *media_type* is OCI's name for its kind."""

    digest: Digest
    size: int
    media_type: str
    diff_id: Digest


@dataclass(frozen=True, kw_only=True, slots=True)
class Pulled:
    """An image in the store, for one architecture: *manifest* and *config* are the digests of its
    documents; *env*, *labels* and *created* are what its config says."""

    manifest: Digest
    config: Digest
    architecture: str
    layers: tuple[BaseLayer, ...]
    env: tuple[tuple[str, str], ...]
    labels: tuple[tuple[str, str], ...]
    created: datetime

    @property
    def digests(self) -> tuple[Digest, ...]:
        """All blobs that it consists of, each once."""
        return tuple(
            dict.fromkeys((self.manifest, self.config, *(one.digest for one in self.layers)))
        )


def here(manifest: Digest, store: Store) -> bool:
    """Tell whether *store* has every blob of the image."""
    if not store.has(manifest):
        return False
    try:
        said = json.loads(store.read(manifest))
        blobs = [said["config"]["digest"], *(layer["digest"] for layer in said["layers"])]
    except (ValueError, KeyError, TypeError, RecursionError):
        return False  # an index, or no image at all
    return all(is_digest(one) and store.has(one) for one in blobs)


def read(digest: Digest, store: Store, *, text: str = "the base image") -> Pulled:
    """Return the image whose manifest, in *store*, has that *digest*; raises PackageRefused."""
    manifest = _document(store.read(digest), text)
    _check(manifest, text)
    config = _document(store.read(Digest(manifest["config"]["digest"])), text)
    try:
        diff_ids = config["rootfs"]["diff_ids"]
        said = config.get("config") or {}
        layers = [_layer(one, text) for one in manifest["layers"]]
        if len(layers) != len(diff_ids):
            raise _refused(text, f"it has {len(layers)} layers and {len(diff_ids)} diff_ids")
        return Pulled(
            manifest=digest,
            config=Digest(manifest["config"]["digest"]),
            architecture=str(config["architecture"]),
            layers=tuple(
                BaseLayer(
                    digest=Digest(one["digest"]),
                    size=int(one["size"]),
                    media_type=kind,
                    diff_id=Digest(diff_id),
                )
                for (one, kind), diff_id in zip(layers, diff_ids, strict=True)
            ),
            env=tuple(_pair(one) for one in said.get("Env") or ()),
            labels=tuple(sorted((said.get("Labels") or {}).items())),
            created=_moment(config.get("created")),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as broken:
        raise _refused(text, f"its config is broken ({broken!r})") from broken


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


def _moment(text: Any) -> datetime:
    """Return the time that a config names (RFC 3339), to the second; MOMENT where there is none."""
    try:
        found = datetime.fromisoformat(re.sub(r"\.\d+", "", str(text)).replace("Z", "+00:00"))
    except ValueError:
        return MOMENT
    return max(MOMENT, found.astimezone(UTC)) if found.tzinfo else MOMENT


def _layer(layer: Mapping[str, Any], text: str) -> tuple[Mapping[str, Any], str]:
    kind = str(layer.get("mediaType", ""))
    found = _LAYER.search(kind)
    if found is None or "nondistributable" in kind or "foreign" in kind:
        raise _refused(text, f"a layer of it is {kind or 'of no kind'}, which can't be passed on")
    return layer, TAR + (f"+{found['packer']}" if found["packer"] else "")


def _check(manifest: Mapping[str, Any], text: str) -> None:
    kind = str(manifest.get("mediaType", ""))
    try:
        whole = manifest["schemaVersion"] == 2 and manifest["layers"]
        named = (manifest["config"]["digest"], *(one["digest"] for one in manifest["layers"]))
    except (KeyError, TypeError):
        whole, named = False, ()
    if not whole or not all(map(is_digest, named)) or "artifactType" in manifest:
        raise _refused(text, f"it is {kind or 'of no kind'}, not an image with layers")


def _document(data: bytes, text: str) -> dict[str, Any]:
    try:
        return dict(json.loads(data))
    except (ValueError, TypeError, RecursionError) as broken:
        raise _refused(text, f"it holds no JSON ({broken})") from broken


def _refused(text: str, why: str) -> PackageRefused:
    return PackageRefused(f"{text} can't be a base: {why}", hint="name an image of OCI or Docker")
