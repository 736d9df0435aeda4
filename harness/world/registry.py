"""A door to a registry: raw bytes by digest (OCI distribution specification v1.1).

Pull and push of blobs and manifests, and the list of tags. What the bytes mean is the caller's
business: a manifest comes back as it was sent, so that its digest stays what it was. Needs httpx2
(extra ``registry``). Loopback addresses are spoken to in the clear, all others over TLS, as
Docker does; proxies and certificates come from the environment.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from harness.core.digest import Digest, of_bytes
from harness.core.errors import AccessRefused, HashMismatch, NetworkUnavailable, ToolMissing
from harness.world import registry_login
from harness.world.http import NotFound
from harness.world.registry_login import Login

if TYPE_CHECKING:
    from httpx2 import Client, Response

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_AGAIN = (408, 425, 429, 500, 502, 503, 504)


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """A manifest as the registry keeps it: its very bytes, and their digest."""

    data: bytes
    media_type: str
    digest: Digest


class Registry:
    """A session with the registry at *host* (``registry.example:5000``); a context manager.

    *login* is what Docker's configuration keeps for it, unless given. Every method raises
    NetworkUnavailable when the registry can't be reached, AccessRefused when it wants another
    login, and ``http.NotFound`` when it has no such thing.
    """

    def __init__(
        self,
        host: str,
        *,
        login: Login | None = None,
        attempts: int = 4,
        timeout: float = 60.0,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.host = host
        self._login = login or registry_login.of_host(host)
        self._attempts, self._pause = attempts, pause
        self._tokens: dict[str, str] = {}
        scheme = "http" if _loopback(host) else "https"
        self._client: Client = _httpx().Client(
            base_url=f"{scheme}://{host}/v2/",
            headers={"User-Agent": "harness"},
            timeout=timeout,
            follow_redirects=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def manifest(self, repository: str, reference: str) -> Manifest:
        """Return the manifest that a tag or digest names; raises HashMismatch for other bytes."""
        accepted = ", ".join((MANIFEST, INDEX, *DOCKER))
        path = f"{repository}/manifests/{reference}"
        got = self._ask("GET", path, "pull", headers={"Accept": accepted})
        digest = of_bytes(got.content)
        if reference.startswith("sha256:") and reference != digest:
            raise self._other_bytes(path, reference, digest)
        return Manifest(
            data=got.content,
            media_type=got.headers.get("Content-Type", "").partition(";")[0],
            digest=digest,
        )

    def blob(self, repository: str, digest: Digest) -> bytes:
        """Return the blob of *digest*, which its bytes have; raises HashMismatch."""
        path = f"{repository}/blobs/{digest}"
        data = self._ask("GET", path, "pull").content
        if (found := of_bytes(data)) != digest:
            raise self._other_bytes(path, digest, found)
        return data

    def has_blob(self, repository: str, digest: Digest) -> bool:
        """Tell whether the repository has that blob."""
        try:
            self._ask("HEAD", f"{repository}/blobs/{digest}", "pull,push")
        except NotFound:
            return False
        return True

    def push_blob(self, repository: str, data: bytes) -> Digest:
        """Put *data* into the repository, unless it is there; return its digest."""
        digest = of_bytes(data)
        if not self.has_blob(repository, digest):
            begun = self._ask("POST", f"{repository}/blobs/uploads/", "pull,push")
            place = begun.url.join(begun.headers["Location"]).copy_merge_params({"digest": digest})
            kind = {"Content-Type": "application/octet-stream"}
            self._ask("PUT", str(place), "pull,push", repository, content=data, headers=kind)
        return digest

    def push_manifest(
        self, repository: str, reference: str, data: bytes, *, media_type: str = MANIFEST
    ) -> Digest:
        """Put a manifest, whose blobs are there already, under a tag; return its digest."""
        path = f"{repository}/manifests/{reference}"
        self._ask("PUT", path, "pull,push", content=data, headers={"Content-Type": media_type})
        return of_bytes(data)

    def tags(self, repository: str) -> tuple[str, ...]:
        """Return the repository's tags, sorted, over however many pages."""
        found: list[str] = []
        path = f"{repository}/tags/list"
        while path:
            got = self._ask("GET", path, "pull", repository)
            found += got.json().get("tags") or []
            after = got.links.get("next", {}).get("url")
            path = str(got.url.join(after)) if after else ""
        return tuple(sorted(found))

    def _ask(
        self,
        method: str,
        path: str,
        actions: str,
        repository: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> Response:
        """Return the answer to one request, after a login where the registry asks for one."""
        repository = repository or re.split(r"/(?:manifests|blobs|tags)/", path)[0]
        scope = f"repository:{repository}:{actions}"
        for _ in range(2):
            told = {**(headers or {}), **self._authorization(scope)}
            got = self._send(method, path, headers=told, content=content)
            if got.status_code != 401 or scope in self._tokens:
                break
            self._tokens[scope] = self._log_in(got.headers.get("WWW-Authenticate", ""), scope)
        return self._judged(got)

    def _authorization(self, scope: str) -> dict[str, str]:
        return {"Authorization": self._tokens[scope]} if self._tokens.get(scope) else {}

    def _log_in(self, challenge: str, scope: str) -> str:
        """Return the Authorization header that answers *challenge* (RFC 6750, RFC 7617, and the
        registry's token protocol); nothing when there is no answer."""
        kind, _, rest = challenge.partition(" ")
        basic = self._basic()
        if kind.lower() != "bearer":
            return basic
        said = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        if self._login is not None and self._login.token:
            form = {"grant_type": "refresh_token", "refresh_token": self._login.token}
            form |= {"service": said.get("service", ""), "client_id": "harness", "scope": scope}
            got = self._send("POST", said.get("realm", ""), data=form)
        else:
            asked = {"service": said.get("service", ""), "scope": scope}
            told = {"Authorization": basic} if basic else {}
            got = self._send("GET", said.get("realm", ""), params=asked, headers=told)
        body = self._judged(got).json()
        return f"Bearer {body.get('token') or body.get('access_token') or ''}"

    def _basic(self) -> str:
        if self._login is None or not self._login.name:
            return ""
        request = _httpx().Request("GET", "http://localhost/")
        auth = _httpx().BasicAuth(self._login.name, self._login.password)
        return str(next(auth.auth_flow(request)).headers["Authorization"])

    def _send(self, method: str, url: str, **options: Any) -> Response:
        for attempt in range(1, self._attempts + 1):
            try:
                got: Response = self._client.request(method, url, **options)
                if got.status_code not in _AGAIN:
                    return got
                reason = f"it answers {got.status_code} {got.reason_phrase}"
            except (_httpx().HTTPError, _httpx().InvalidURL) as broken:
                reason = str(broken) or type(broken).__name__
            if attempt < self._attempts:
                self._pause(0.25 * 2**attempt)
        raise NetworkUnavailable(
            f"the registry {self.host} could not be reached: {reason}",
            hint="connect to the network, or name another registry",
        )

    def _judged(self, got: Response) -> Response:
        if got.is_success:
            return got
        where = got.url.path.removeprefix("/v2/")
        if got.status_code == 404:
            raise NotFound(str(got.url.copy_with(query=None)))
        if got.status_code in (401, 403):
            raise AccessRefused(
                f"the registry {self.host} refuses {got.request.method} {where}: {_said(got)}",
                hint=f"docker login {self.host}",
            )
        raise NetworkUnavailable(
            f"the registry {self.host} refuses {got.request.method} {where}: {_said(got)}",
            hint="look at the registry's own log",
        )

    def _other_bytes(self, path: str, wanted: str, found: Digest) -> HashMismatch:
        return HashMismatch(
            f"{self.host}/{path} has other bytes: expected {wanted}, received {found}",
            hint="find out who changed the registry's content before you use it",
        )


def _said(got: Response) -> str:
    """Return what the registry says of a failure (distribution specification, "Error codes")."""
    try:
        errors = got.json()["errors"]
        return "; ".join(f"{e.get('code', '')} {e.get('message', '')}".strip() for e in errors)
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"{got.status_code} {got.reason_phrase}"


def _loopback(host: str) -> bool:
    return re.match(r"(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$", host) is not None


def _httpx() -> Any:
    try:
        import httpx2
    except ImportError as missing:
        raise ToolMissing(
            "a registry needs httpx2, which is not installed",
            hint="pip install 'model-harness[registry]'",
        ) from missing
    return httpx2
