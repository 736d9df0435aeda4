"""A session with a registry: requests with login, retries and deadlines, and nothing of content.

Needs httpx2 (extra ``registry``). All registries are spoken to over TLS; one on a loopback address
in the clear, unless it wants TLS. Proxies and certificates come from the environment.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from harness.core.errors import RegistryRefused, ToolMissing
from harness.world import registry_login
from harness.world.registry_answer import AGAIN, Answer, Broken, failure, unreachable, wait_asked
from harness.world.registry_auth import Auth
from harness.world.registry_login import Login

if TYPE_CHECKING:
    from httpx2 import URL, Client, Response

SLOWEST = 16 << 10
"""Bytes a second: a transfer that is slower in the mean is cut and begun again."""


LARGEST = 16 << 20
"""Bytes of an answer that is held in memory: files are streamed (``registry_blobs``)."""


class Session:
    """A session with the registry at *host* (``registry.example:5000``); a context manager.

    *login* is what Docker's configuration keeps for it, unless given. A request is tried
    *attempts* times, with a pause that doubles (times *jitter*) or that the registry asks for, and
    may take *timeout* seconds plus what its bytes need at 16 KiB/s. Every method raises
    NetworkUnavailable when the registry can't be reached, AccessRefused when it wants another
    login, RegistryRefused for what it doesn't allow, and ``http.NotFound`` when it has no such
    thing. For many threads at once.
    """

    def __init__(
        self,
        host: str,
        *,
        login: Login | None = None,
        attempts: int = 4,
        timeout: float = 60.0,
        pause: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = lambda: random.uniform(0.75, 1.25),
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.host = host
        self._attempts, self._timeout = attempts, timeout
        self._pause, self._jitter, self._now = pause, jitter, now
        self._auth = Auth(login or registry_login.of_host(host), self._token)
        self._clear = False
        scheme = "http" if loopback(host) else "https"
        self._client: Client = _httpx().Client(
            base_url=f"{scheme}://{host}/v2/",
            headers={"User-Agent": "harness"},
            timeout=timeout,
            follow_redirects=True,
            mounts={f"all://{name}": None for name in ("localhost", "127.0.0.1", "[::1]")},
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

    def ask(
        self,
        method: str,
        path: str,
        scope: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        accept: tuple[int, ...] = (),
    ) -> Answer:
        """Return the answer to a request that may be repeated; *accept* lists what is no error."""
        return self._patiently(
            lambda: self.opened(
                method, path, scope, headers=headers, content=content, accept=accept
            )
        )

    def rest(self, failures: int, broken: Broken) -> None:
        """Wait before the next attempt; raises NetworkUnavailable after the last one."""
        hopeless = "CERTIFICATE_VERIFY_FAILED" in broken.reason
        if failures >= self._attempts or hopeless:
            raise unreachable(self.host, broken.reason) from broken
        backing_off = 0.25 * 2.0**failures * self._jitter()
        self._pause(backing_off if broken.after is None else broken.after + backing_off / 4)

    def wait(self, seconds: float) -> None:
        """Wait, give or take the jitter."""
        self._pause(seconds * self._jitter())

    @contextmanager
    def opened(
        self,
        method: str,
        path: str,
        scope: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | Iterable[bytes] | None = None,
        accept: tuple[int, ...] = (),
    ) -> Iterator[Response]:
        """Give the answer to one attempt, not read yet, after a login where one is asked for.

        Raises Broken, also within the block, for what another attempt may mend.
        """
        with self._guarded(
            method, lambda: self._begun(method, path, scope, headers or {}, content), accept
        ) as response:
            yield response

    def chunks(self, response: Response, expected: int) -> Iterator[bytes]:
        """Yield the raw body; raises Broken when it takes longer than its *expected* bytes may."""
        deadline = self._now() + self._timeout + expected / SLOWEST
        for chunk in response.iter_raw():
            yield chunk
            self.in_time(deadline)

    def deadline(self, size: int) -> float:
        """Return the moment by which a request of *size* bytes must be done."""
        return self._now() + self._timeout + size / SLOWEST

    def in_time(self, deadline: float) -> None:
        """Raise Broken when *deadline* has passed."""
        if self._now() > deadline:
            raise Broken(f"a transfer is slower than {SLOWEST >> 10} KiB/s")

    def _begun(
        self,
        method: str,
        path: str,
        scope: str,
        headers: Mapping[str, str],
        content: bytes | Iterable[bytes] | None,
    ) -> Response:
        for last in (False, True):
            known = self._auth.header(scope)
            request = self._client.build_request(method, path, headers=headers, content=content)
            request.url = self._lifted(request.url)
            if self._ours(request.url):
                request.headers.update(known)
            response = self._sent(request)
            if response.status_code != 401 or last or not self._ours(response.url):
                break
            challenge = response.headers.get("WWW-Authenticate", "")
            response.close()
            self._auth.renew(scope, challenge, known)
        return response

    def _ours(self, url: URL) -> bool:
        """Tell whether *url* is the registry's own: a login goes nowhere else, whoever says so, and
        never in the clear to one that speaks TLS."""
        own = self._client.base_url
        return (url.scheme, url.netloc) == (own.scheme, own.netloc)

    def _lifted(self, url: URL) -> URL:
        """Return *url*, over TLS where the registry speaks it and names itself in the clear, as one
        behind a proxy does."""
        own = self._client.base_url
        if (url.scheme, own.scheme) == ("http", "https") and url.netloc == own.netloc:
            return url.copy_with(scheme="https")
        return url

    def _sent(self, request: Any) -> Response:
        """Send; a loopback registry that gives no good answer in the clear may want TLS."""
        if request.url.scheme == "https" or self._clear:
            return self._client.send(request, stream=True)
        try:
            response: Response = self._client.send(request, stream=True)
        except _httpx().RemoteProtocolError:
            return self._secured(request)
        if response.status_code != 400:
            self._clear = True
            return response
        try:
            secured = self._secured(request)
        except _httpx().TransportError as broken:
            if "CERTIFICATE_VERIFY_FAILED" in str(broken):
                raise
            return response
        response.close()
        return secured

    def _secured(self, request: Any) -> Response:
        request.url = request.url.copy_with(scheme="https")
        response: Response = self._client.send(request, stream=True)
        self._client.base_url = self._client.base_url.copy_with(scheme="https")
        return response

    def _refused(self, method: str, response: Response) -> None:
        status = response.status_code
        if status in AGAIN:
            after = wait_asked(response.headers, time.time())
            raise Broken(f"it answers {status} {response.reason_phrase}", after)
        raise failure(self.host, method, response.url, status, self._read(response).content)

    def _read(self, response: Response) -> Answer:
        deadline, content = self.deadline(0), bytearray()
        for chunk in response.iter_bytes():
            content += chunk
            if len(content) > LARGEST:
                raise RegistryRefused(
                    f"{response.url.copy_with(query=None)} answers with more than "
                    f"{LARGEST >> 20} MiB, where a document is expected",
                    hint="is this the address of a registry?",
                )
            self.in_time(deadline + len(content) / SLOWEST)
        return Answer(
            status=response.status_code,
            headers=response.headers,
            content=bytes(content),
            url=response.url,
            links=response.links,
        )

    def _token(
        self, method: str, url: str, values: Mapping[str, str], headers: Mapping[str, str]
    ) -> Answer:
        """Ask the token service that a challenge names."""
        if not url.startswith(("https://", "http://")) or (
            url.startswith("http://") and not loopback(url.split("/")[2])
        ):
            raise RegistryRefused(
                f"the registry {self.host} asks for a login at {url or 'no address'}",
                hint="a login goes over https only",
            )
        values_as: Any = {"data": values} if method == "POST" else {"params": values}

        def sent() -> Response:
            request = self._client.build_request(method, url, headers=headers, **values_as)
            return self._client.send(request, stream=True)

        return self._patiently(lambda: self._guarded(method, sent))

    def _patiently(self, begin: Callable[[], AbstractContextManager[Response]]) -> Answer:
        failures = 0
        while True:
            try:
                with begin() as response:
                    return self._read(response)
            except Broken as broken:
                failures += 1
                self.rest(failures, broken)

    @contextmanager
    def _guarded(
        self, method: str, send: Callable[[], Response], accept: tuple[int, ...] = ()
    ) -> Iterator[Response]:
        try:
            response = send()
            try:
                if not (response.is_success or response.status_code in accept):
                    self._refused(method, response)
                yield response
            finally:
                response.close()
        except (_httpx().HTTPError, _httpx().StreamError, _httpx().InvalidURL) as broken:
            raise Broken(str(broken) or type(broken).__name__) from broken


def loopback(host: str) -> bool:
    """Tell whether *host* is this machine by its name, so that nobody else can listen in."""
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
