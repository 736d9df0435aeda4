"""Evidence as an image's neighbour: a manifest of its own whose ``subject`` is the image's.

Format: OCI image specification 1.1, ``manifest.md`` ("Guidelines for Artifact Usage"), and
``image-layout.md``. The image's own manifest is named and never written.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core import canonical
from harness.core.digest import Digest, hexadecimal, of_bytes
from harness.image.pack import MANIFEST
from harness.world import files

EMPTY = b"{}"
_EMPTY = "application/vnd.oci.empty.v1+json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Referrer:
    """A *manifest*, to be put under its own digest after its *blobs*; *descriptor* is how a list
    of referrers names it."""

    manifest: bytes
    blobs: Mapping[Digest, bytes]
    artifact_type: str
    annotations: Mapping[str, str]

    @property
    def digest(self) -> Digest:
        """The manifest's digest."""
        return of_bytes(self.manifest)

    @property
    def descriptor(self) -> dict[str, Any]:
        """The entry of the referrers list (distribution specification, "Listing Referrers")."""
        return {
            **_descriptor(self.manifest, MANIFEST),
            "artifactType": self.artifact_type,
            "annotations": dict(self.annotations),
        }


def referrer(
    subject: bytes,
    payload: bytes,
    media_type: str,
    annotations: Mapping[str, str],
    *,
    subject_type: str = MANIFEST,
) -> Referrer:
    """Return *payload* as a referrer of the image whose manifest is *subject*."""
    manifest = canonical.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": media_type,
            "config": _descriptor(EMPTY, _EMPTY),
            "layers": [_descriptor(payload, media_type)],
            "subject": _descriptor(subject, subject_type),
            "annotations": dict(annotations),
        }
    )
    return Referrer(
        manifest=manifest,
        blobs={of_bytes(EMPTY): EMPTY, of_bytes(payload): payload},
        artifact_type=media_type,
        annotations=dict(annotations),
    )


def attach(folder: Path, referrers: Iterable[Referrer]) -> None:
    """Add *referrers* to the OCI layout at *folder*: blobs first, the index last."""
    index = json.loads((folder / "index.json").read_bytes())
    known = {entry["digest"] for entry in index["manifests"]}
    for one in referrers:
        for digest, data in (*one.blobs.items(), (one.digest, one.manifest)):
            files.write_atomic(folder / "blobs" / "sha256" / hexadecimal(digest), data)
        if one.digest not in known:
            index["manifests"].append(one.descriptor)
    files.write_atomic(folder / "index.json", canonical.dumps(index))


def _descriptor(data: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": of_bytes(data), "size": len(data)}
