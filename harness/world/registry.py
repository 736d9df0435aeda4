"""A door to a registry: raw bytes by digest (OCI distribution specification 1.1).

Manifests, tags and small blobs. Files are moved by ``registry_blobs``, referrers by
``registry_referrers``. What the bytes mean is the caller's business: a manifest comes back as it
was sent, so that its digest stays what it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

from harness.core.digest import Digest, is_digest, of_bytes
from harness.core.errors import HashMismatch, RegistryRefused
from harness.world.http import NotFound
from harness.world.registry_answer import Answer
from harness.world.registry_auth import scope
from harness.world.registry_session import Session

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
PAGES = 1000
"""Pages that a list may have."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """A manifest as the registry keeps it: its very bytes, and their digest."""

    data: bytes
    media_type: str
    digest: Digest


class Registry(Session):
    """A registry's content. Every method raises what `Session` does, and ``http.NotFound`` when
    the registry has no such thing."""

    def manifest(self, repository: str, reference: str) -> Manifest:
        """Return the manifest that a tag or digest names; raises HashMismatch for other bytes."""
        path = f"{repository}/manifests/{reference}"
        accepted = {"Accept": ", ".join((MANIFEST, INDEX, *DOCKER))}
        got = self.ask("GET", path, scope(repository, "pull"), headers=accepted)
        digest = of_bytes(got.content)
        if reference.startswith("sha256:") and reference != digest:
            raise self.other_bytes(path, reference, digest)
        kind = got.headers.get("Content-Type", "").partition(";")[0]
        return Manifest(data=got.content, media_type=kind, digest=digest)

    def has_manifest(self, repository: str, reference: str) -> Digest | None:
        """Return the digest of the manifest that the repository has by that name, or None."""
        path = f"{repository}/manifests/{reference}"
        accepted = {"Accept": ", ".join((MANIFEST, INDEX, *DOCKER))}
        try:
            got = self.ask("HEAD", path, scope(repository, "pull"), headers=accepted)
        except NotFound:
            return None
        told = got.headers.get("Docker-Content-Digest", "")
        return Digest(told) if is_digest(told) else self.manifest(repository, reference).digest

    def push_manifest(
        self, repository: str, reference: str, data: bytes, *, media_type: str = MANIFEST
    ) -> Digest:
        """Put a manifest, whose blobs are there already, under a tag; return its digest."""
        self.put_manifest(repository, reference, data, media_type=media_type)
        return of_bytes(data)

    def put_manifest(
        self, repository: str, reference: str, data: bytes, *, media_type: str
    ) -> Answer:
        """Put a manifest under a tag or digest; return the registry's answer."""
        path, kind = f"{repository}/manifests/{reference}", {"Content-Type": media_type}
        return self.ask("PUT", path, scope(repository, "pull,push"), headers=kind, content=data)

    def delete_manifest(self, repository: str, reference: str) -> None:
        """Delete a manifest by its digest, or a tag by its name; RegistryRefused if not allowed."""
        self.ask(
            "DELETE", f"{repository}/manifests/{reference}", scope(repository, "pull,push,delete")
        )

    def delete_blob(self, repository: str, digest: Digest) -> None:
        """Delete a blob from the repository; RegistryRefused where that is not allowed."""
        self.ask("DELETE", f"{repository}/blobs/{digest}", scope(repository, "pull,push,delete"))

    def blob(self, repository: str, digest: Digest) -> bytes:
        """Return the blob of *digest*, which its bytes have; raises HashMismatch."""
        path = f"{repository}/blobs/{digest}"
        data = self.ask("GET", path, scope(repository, "pull")).content
        if (found := of_bytes(data)) != digest:
            raise self.other_bytes(path, digest, found)
        return data

    def has_blob(self, repository: str, digest: Digest) -> bool:
        """Tell whether the repository has that blob."""
        try:
            self.ask("HEAD", f"{repository}/blobs/{digest}", scope(repository, "pull,push"))
        except NotFound:
            return False
        return True

    def push_blob(self, repository: str, data: bytes) -> Digest:
        """Put *data* into the repository, unless it is there; return its digest."""
        digest, who = of_bytes(data), scope(repository, "pull,push")
        if not self.has_blob(repository, digest):
            begun = self.ask("POST", f"{repository}/blobs/uploads/", who)
            place = str(begun.location.copy_merge_params({"digest": digest}))
            kind = {"Content-Type": "application/octet-stream"}
            self.ask("PUT", place, who, headers=kind, content=data)
        return digest

    def tags(self, repository: str, *, page: int = 0, last: str = "") -> tuple[str, ...]:
        """Return the repository's tags after *last*, sorted, over however many pages of *page*."""
        found: list[str] = []
        asked = {**({"n": str(page)} if page else {}), **({"last": last} if last else {})}
        path = f"{repository}/tags/list" + (f"?{urlencode(asked)}" if asked else "")
        for got in self.pages(path, scope(repository, "pull")):
            found += [tag for tag in got.json().get("tags") or () if isinstance(tag, str)]
        return tuple(sorted({tag for tag in found if tag > last}))  # docker-registry 2.8 lists all

    def pages(self, path: str, scope: str, *, accept: tuple[int, ...] = ()) -> Iterator[Answer]:
        """Yield the answers at *path* and at what each names as the next (RFC 8288)."""
        for _ in range(PAGES):
            got = self.ask("GET", path, scope, accept=accept)
            yield got
            if not (path := got.next):
                return
        raise RegistryRefused(
            f"{self.host} names a next page after {PAGES} of them",
            hint="tell whoever runs the registry: its pages don't end",
        )

    def other_bytes(self, path: str, wanted: str, found: Digest) -> HashMismatch:
        """Return the error of content that is not what its name says."""
        return HashMismatch(
            f"{self.host}/{path} has other bytes: expected {wanted}, received {found}",
            hint="find out who changed the registry's content before you use it",
        )
