"""An image on disk for others: an OCI image layout, as a folder or as one archive.

OCI image specification 1.1, ``image-layout.md``. The archive also holds the ``manifest.json`` of
``docker save``, so that Docker 20.10 loads it too.
"""

from __future__ import annotations

import io
import shutil
import tarfile
from pathlib import Path

from harness.content.tree import MOMENT
from harness.core import canonical
from harness.core.digest import Digest, hexadecimal
from harness.image.pack import MANIFEST, Packed
from harness.world import files
from harness.world.store import Store

_PIECE = 1 << 20


def documents(packed: Packed, reference: str) -> dict[str, bytes]:
    """Return the layout's small files by name; *reference* is ``name:tag``."""
    index = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [
            {
                "mediaType": MANIFEST,
                "digest": packed.digest,
                "size": len(packed.manifest_bytes),
                "platform": {"architecture": packed.image.architecture, "os": "linux"},
                "annotations": {
                    "io.containerd.image.name": reference,
                    "org.opencontainers.image.ref.name": reference.rpartition(":")[2],
                },
            }
        ],
    }
    docker = [
        {
            "Config": _blob(packed.image.config),
            "RepoTags": [reference],
            "Layers": [_blob(blob.digest) for blob in packed.blobs],
        }
    ]
    return {
        "oci-layout": canonical.dumps({"imageLayoutVersion": "1.0.0"}),
        "index.json": canonical.dumps(index),
        "manifest.json": canonical.dumps(docker),
    }


def folder(packed: Packed, store: Store, target: Path, *, reference: str) -> None:
    """Write the layout below *target*: blobs first, the index last, so a cut run is no image.

    What is there is read through, and written again where it is damaged.
    """
    blobs = target / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    for digest in packed.digests:
        place = blobs / hexadecimal(digest)
        if place.is_file() and files.digest_of(place) == digest:
            continue
        with store.whole(digest).open("rb") as blob, files.writing(place) as copy:
            shutil.copyfileobj(blob, copy, _PIECE)
    for name, data in documents(packed, reference).items():
        files.write_atomic(target / name, data)


def archive(packed: Packed, store: Store, target: Path, *, reference: str) -> None:
    """Write the layout as one tar, the same bytes every time."""
    with (
        files.writing(target) as file,
        tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for digest in packed.digests:
            path = store.whole(digest)
            header = _header(_blob(digest), path.stat().st_size)
            with path.open("rb") as blob:
                tar.addfile(header, blob)
        for name, data in sorted(documents(packed, reference).items()):
            tar.addfile(_header(name, len(data)), io.BytesIO(data))


def _header(name: str, size: int) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.size = size
    header.mtime = MOMENT
    header.mode = 0o644
    return header


def _blob(digest: Digest) -> str:
    return f"blobs/sha256/{hexadecimal(digest)}"
