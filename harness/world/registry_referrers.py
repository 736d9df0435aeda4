"""What refers to a manifest in a registry: signatures, SBOMs, test evidence beside an image.

Distribution specification 1.1, "Listing Referrers", "Pushing Manifests with Subject" and
"Referrers Tag Schema": where a registry has no referrers API, the list is an image index under
the tag ``sha256-<hex>``, which whoever pushes a referrer keeps up to date.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from harness.core import canonical
from harness.core.digest import Digest, is_digest, of_bytes
from harness.core.errors import NetworkUnavailable
from harness.world.http import NotFound
from harness.world.registry import INDEX, MANIFEST, Registry
from harness.world.registry_answer import Answer, an_object
from harness.world.registry_auth import scope

ATTEMPTS = 8
"""How often the fallback's list is written again when somebody else wrote meanwhile."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Referrer:
    """A manifest that refers to another: what it is of, and what it says of itself."""

    digest: Digest
    media_type: str
    size: int
    artifact_type: str
    annotations: tuple[tuple[str, str], ...] = ()


def find(
    door: Registry, repository: str, subject: Digest, *, artifact_type: str = ""
) -> tuple[Referrer, ...]:
    """Return what refers to *subject*, of one type or of all, in the registry's order."""
    listed = _from_api(door, repository, subject, artifact_type)
    if listed is None:
        listed = _manifests(door, repository, subject)
    found = [_referrer(one) for one in listed]
    return tuple(one for one in found if artifact_type in ("", one.artifact_type))


def push(door: Registry, repository: str, data: bytes, *, media_type: str = MANIFEST) -> Digest:
    """Put a manifest with a ``subject``, whose blobs are there, and list it there; its digest."""
    digest = of_bytes(data)
    got = door.put_manifest(repository, digest, data, media_type=media_type)
    document = json.loads(data)
    subject = Digest(document["subject"]["digest"])
    if got.headers.get("OCI-Subject", "") != subject:
        entry = _descriptor(document, digest, len(data), media_type)

        def added(listed: list[dict[str, Any]]) -> list[dict[str, Any]]:
            return [*(one for one in listed if one.get("digest") != digest), entry]

        _change(door, repository, subject, added, lambda there: entry in there)
    return digest


def delete(door: Registry, repository: str, subject: Digest, referrer: Digest) -> None:
    """Delete a referrer and take it off the fallback's list; RegistryRefused if not allowed."""
    door.delete_manifest(repository, referrer)
    if referrer in {one.get("digest") for one in _manifests(door, repository, subject)}:

        def without(listed: list[dict[str, Any]]) -> list[dict[str, Any]]:
            return [one for one in listed if one.get("digest") != referrer]

        _change(door, repository, subject, without, lambda there: without(there) == there)


def fallback_tag(subject: Digest) -> str:
    """Return the tag of the fallback's list."""
    return subject.replace(":", "-", 1)


def _from_api(
    door: Registry, repository: str, subject: Digest, artifact_type: str
) -> list[dict[str, Any]] | None:
    """Return what the referrers API lists; None where the registry has none."""
    found: list[dict[str, Any]] = []
    asked = f"?{urlencode({'artifactType': artifact_type})}" if artifact_type else ""
    path = f"{repository}/referrers/{subject}{asked}"
    for got in door.pages(path, scope(repository, "pull"), accept=(400, 404, 405)):
        if got.status >= 400 or not _is_index(got):
            return None
        found += _listed(got.json())
    return found


def _is_index(got: Answer) -> bool:
    return got.headers.get("Content-Type", "").partition(";")[0] == INDEX


def _manifests(door: Registry, repository: str, subject: Digest) -> list[dict[str, Any]]:
    try:
        kept = door.manifest(repository, fallback_tag(subject)).data
    except NotFound:
        return []
    where = f"{door.host}/{repository}:{fallback_tag(subject)}"
    return _listed(an_object(kept, where))


def _listed(index: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the entries of a list that name something: anybody may have written it."""
    found = index.get("manifests")
    return [
        one
        for one in (found if isinstance(found, list) else ())
        if isinstance(one, dict) and is_digest(one.get("digest"))
    ]


def _change(
    door: Registry,
    repository: str,
    subject: Digest,
    change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]],
    holds: Callable[[list[dict[str, Any]]], bool],
) -> None:
    """Read, change and write the list until it *holds* after a pause.

    A registry has no compare-and-swap: two who write at the same moment may lose one entry. So
    each looks again after a pause, and writes again if its own is not there.
    """
    for attempt in range(1, ATTEMPTS + 1):
        listed = _manifests(door, repository, subject)
        if not holds(listed):
            index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": change(listed)}
            door.push_manifest(
                repository, fallback_tag(subject), canonical.dumps(index), media_type=INDEX
            )
        door.wait(0.1 * attempt)
        if holds(_manifests(door, repository, subject)):
            return
    raise NetworkUnavailable(
        f"{door.host}/{repository}:{fallback_tag(subject)}, the list of what refers to the image, "
        "is changed by others all the time",
        hint="run the same command again",
    )


def _descriptor(
    document: Mapping[str, Any], digest: Digest, size: int, media_type: str
) -> dict[str, Any]:
    kind = document.get("artifactType") or (document.get("config") or {}).get("mediaType", "")
    found = {"mediaType": media_type, "digest": digest, "size": size, "artifactType": kind}
    annotations = document.get("annotations")
    return {**found, **({"annotations": dict(annotations)} if annotations else {})}


def _referrer(entry: Mapping[str, Any]) -> Referrer:
    annotations, size = entry.get("annotations"), entry.get("size")
    told = annotations.items() if isinstance(annotations, dict) else ()
    return Referrer(
        digest=Digest(entry["digest"]),
        media_type=str(entry.get("mediaType") or ""),
        size=size if isinstance(size, int) else 0,
        artifact_type=str(entry.get("artifactType") or ""),
        annotations=tuple(sorted((name, str(value)) for name, value in told)),
    )
