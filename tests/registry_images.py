"""Images for tests of what moves them: real manifests and configs, layers of random bytes."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable
from typing import Any

from harness.core.digest import Digest, of_bytes
from harness.world.store import Store

OCI = {
    "manifest": "application/vnd.oci.image.manifest.v1+json",
    "index": "application/vnd.oci.image.index.v1+json",
    "config": "application/vnd.oci.image.config.v1+json",
    "layer": "application/vnd.oci.image.layer.v1.tar+gzip",
}
DOCKER = {
    "manifest": "application/vnd.docker.distribution.manifest.v2+json",
    "index": "application/vnd.docker.distribution.manifest.list.v2+json",
    "config": "application/vnd.docker.container.image.v1+json",
    "layer": "application/vnd.docker.image.rootfs.diff.tar.gzip",
}


def image(
    store: Store,
    seed: int,
    *,
    sizes: Iterable[int] = (40_000, 5_000),
    kinds: dict[str, str] = OCI,
    architecture: str = "amd64",
) -> bytes:
    """Put an image of *seed* into the store; its manifest, which isn't canonical JSON."""
    layers = [store.add(random.Random(f"{seed} {n}").randbytes(n)) for n in sizes]
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": layers},
        "history": [{"comment": f"seed {seed}"}],
    }
    described = store.add(json.dumps(config).encode())
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": kinds["manifest"],
            "config": descriptor(described, store, kinds["config"]),
            "layers": [descriptor(layer, store, kinds["layer"]) for layer in layers],
        },
        indent=3,
    ).encode()


def index(manifests: dict[str, bytes], kinds: dict[str, str] = OCI) -> bytes:
    """An index of manifests by their platform (``linux/arm64/v8``)."""
    listed = []
    for platform, data in manifests.items():
        system, architecture, *variant = platform.split("/")
        told: dict[str, Any] = {"os": system, "architecture": architecture}
        told |= {"variant": variant[0]} if variant else {}
        named = {"mediaType": kinds["manifest"], "digest": of_bytes(data), "size": len(data)}
        listed.append({**named, "platform": told})
    document = {"schemaVersion": 2, "mediaType": kinds["index"], "manifests": listed}
    return json.dumps(document, indent=3).encode()


def descriptor(digest: Digest, store: Store, kind: str) -> dict[str, Any]:
    return {"mediaType": kind, "digest": digest, "size": store.path(digest).stat().st_size}


def corrupt(store: Store) -> list[str]:
    """The names of blobs whose bytes are not their own."""
    folder = store.root / "blobs" / "sha256"
    return [
        path.name
        for path in sorted(folder.glob("*"))
        if hashlib.sha256(path.read_bytes()).hexdigest() != path.name
    ]
