"""An environment as an OCI artifact: its specification, its lock and its smoke test.

An image manifest with an ``artifactType`` and the empty config, one layer a file, each named by
``org.opencontainers.image.title`` (image specification 1.1, "Guidelines for Artifact Usage").
No time is in it: the same files give the same digest.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any

from harness.core import canonical
from harness.core.digest import Digest, of_bytes
from harness.core.errors import LockInvalid, SpecInvalid
from harness.spec.environment import Environment
from harness.spec.parse import ENVIRONMENT_FILE
from harness.world.registry import MANIFEST

KIND = "application/vnd.harness.environment.v1"
EMPTY = b"{}"
TITLE = "org.opencontainers.image.title"
LARGEST = 64 << 20
"""Bytes of one file; the lock of a thousand packages has about one million."""

_KINDS = {".toml": "application/toml", ".py": "text/x-python"}


def files_of(environment: Environment) -> dict[str, bytes]:
    """Return the files that *environment* is published as, by their name in its folder."""
    paths = [environment.folder / ENVIRONMENT_FILE, environment.lock_path]
    if environment.about and environment.about.smoke:
        paths.append(environment.about.smoke)
    return {path.relative_to(environment.folder).as_posix(): path.read_bytes() for path in paths}


def manifest_of(reference: str, files: Mapping[str, bytes]) -> bytes:
    """Return the manifest of *files*, canonical JSON."""
    return canonical.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": KIND,
            "config": _descriptor("application/vnd.oci.empty.v1+json", EMPTY),
            "layers": [
                _descriptor(_KINDS.get(PurePosixPath(name).suffix, "text/plain"), data)
                | {"annotations": {TITLE: name}}
                for name, data in sorted(files.items())
            ],
            "annotations": {"org.opencontainers.image.ref.name": reference},
        }
    )


def unpacked(manifest: bytes, where: str, blob: Callable[[Digest], bytes]) -> dict[str, bytes]:
    """Return the files of the artifact *manifest*, by their name, asking *blob* for each.

    Raises LockInvalid for another kind of artifact, and for names that leave the folder.
    """
    try:
        said = json.loads(manifest)
        if said.get("artifactType") != KIND:
            raise _invalid(where, f"it is {said.get('artifactType') or said.get('mediaType')}")
        found = {}
        for layer in said["layers"]:
            name, size = layer["annotations"][TITLE], layer["size"]
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or "\\" in name or not path.parts:
                raise _invalid(where, f"{name!r} leaves the environment's folder")
            if size > LARGEST:
                raise _invalid(where, f"{name} has {size} bytes")
            found[path.as_posix()] = blob(Digest(layer["digest"]))
    except (ValueError, KeyError, TypeError, AttributeError) as broken:
        raise _invalid(where, f"its manifest is broken ({broken})") from broken
    return found


def check_name(repository: str) -> None:
    """Raise SpecInvalid when *repository* is no name of a repository."""
    if len(repository) > 255 or repository != repository.lower():
        raise SpecInvalid(
            f"{repository} is no name of a repository", hint="lower case, 255 characters at most"
        )


def _descriptor(kind: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": kind, "digest": of_bytes(data), "size": len(data)}


def _invalid(where: str, what: str) -> LockInvalid:
    return LockInvalid(
        f"{where} is no environment: {what}", hint="name what harness env release --to has written"
    )
