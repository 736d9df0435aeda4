"""Files from elsewhere: HTTP(S) and ``file:``, with retries, over the standard library.

Proxies come from the environment (``https_proxy``, ``no_proxy``) or from :class:`Connection`;
certificates from ``SSL_CERT_FILE`` or from :class:`Connection`. No host is known here.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import netrc
import socket
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

from harness.core.errors import NetworkUnavailable

CHUNK = 1 << 20
STREAMS = 8
"""How many files are downloaded at once."""

_AGAIN = (408, 425, 429, 500, 502, 503, 504)
_GONE = (404, 410)

Item = TypeVar("Item")
Progress = Callable[[str, int, int], None]
"""Called with a finished file's name, how many are done, and how many there are."""


class NotFound(Exception):
    """The source answers, and has no such file; the caller knows what that means."""

    def __init__(self, url: str) -> None:
        super().__init__(public(url))
        self.url = public(url)


@dataclass(frozen=True, kw_only=True, slots=True)
class Connection:
    """How sources are reached. *certificates* is a PEM bundle, *client* a PEM with its key.

    *timeout* is in seconds, for each read; *pause* waits that many seconds between attempts.
    """

    proxy: str | None = None
    certificates: str | None = None
    client: str | None = None
    trusted: tuple[str, ...] = ()
    timeout: float = 60.0
    attempts: int = 4
    pause: Callable[[float], None] = time.sleep


DIRECT = Connection()


def get(url: str, *, using: Connection = DIRECT, headers: Mapping[str, str] | None = None) -> bytes:
    """Return the bytes at *url*; raises NotFound, NetworkUnavailable."""
    return b"".join(stream(url, using=using, headers=headers))


def stream(
    url: str, *, using: Connection = DIRECT, headers: Mapping[str, str] | None = None
) -> Iterator[bytes]:
    """Yield the bytes at *url* in order, each once.

    A broken transfer goes on where it stopped (RFC 9110 §14, ranges); a server without ranges is
    read again from the start and what came before is dropped. Raises NotFound when the source has
    no such file, NetworkUnavailable when it can't be reached or refuses.
    """
    if urllib.parse.urlsplit(url).scheme == "file":
        yield from _local(url)
        return
    received, failures = 0, 0
    while True:
        try:
            for chunk in _attempt(url, using, headers or {}, received):
                received += len(chunk)
                yield chunk
            return
        except urllib.error.HTTPError as answer:
            answer.close()
            if answer.code in _GONE:
                raise NotFound(url) from None
            if answer.code not in _AGAIN:
                raise _unavailable(url, f"it answers {answer.code} {answer.reason}") from answer
            reason: Exception = answer
        except (OSError, http.client.HTTPException) as broken:
            if isinstance(getattr(broken, "reason", None), ssl.SSLCertVerificationError):
                raise _unavailable(url, str(broken)) from broken
            reason = broken
        failures += 1
        nameless = isinstance(getattr(reason, "reason", None), socket.gaierror)
        if failures >= (min(2, using.attempts) if nameless else using.attempts):
            raise _unavailable(url, str(reason) or type(reason).__name__) from reason
        using.pause(0.25 * 2**failures)


def in_parallel(
    work: Callable[[Item], None],
    items: Sequence[Item],
    *,
    streams: int = STREAMS,
    name: Callable[[Item], str] = str,
    progress: Progress | None = None,
) -> None:
    """Call *work* on every item, *streams* at a time; the first failure stops what hasn't begun.

    Raises what the first failing call raised, the earliest in the order of *items*.
    """
    done = 0
    pool = ThreadPoolExecutor(max_workers=max(1, min(streams, len(items))))
    try:
        futures = {pool.submit(work, item): item for item in items}
        pending = set(futures)
        while pending:
            finished, pending = wait(pending, return_when=FIRST_COMPLETED)
            if any(future.exception() for future in finished):
                break
            for future in finished:
                done += 1
                if progress is not None:
                    progress(name(futures[future]), done, len(items))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    for future in futures:
        if not future.cancelled():
            future.result()


def public(url: str) -> str:
    """Return *url* without a user's name and password: what may be shown."""
    parts = urllib.parse.urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _local(url: str) -> Iterator[bytes]:
    path = urllib.request.url2pathname(urllib.parse.urlsplit(url).path)
    try:
        with open(path, "rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise NotFound(url) from None
    except OSError as denied:
        raise NetworkUnavailable(
            f"{path} can't be read: {denied.strerror}", hint="mend its permissions"
        ) from denied


def _attempt(
    url: str, using: Connection, headers: Mapping[str, str], start: int
) -> Iterator[bytes]:
    """Yield what follows the first *start* bytes; raises OSError when the transfer is cut."""
    request = _request(url, headers, start)
    with _opener(url, using).open(request, timeout=using.timeout) as response:
        skip = start if response.status != 206 else 0
        promised = response.headers.get("Content-Length")
        read = 0
        while chunk := response.read(CHUNK):
            read += len(chunk)
            if kept := chunk[skip:]:
                yield kept
            skip = max(0, skip - len(chunk))
    if promised is not None and read < int(promised):
        raise ConnectionError(f"the transfer stopped after {read} of {promised} bytes")


def _request(url: str, headers: Mapping[str, str], start: int) -> urllib.request.Request:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise NetworkUnavailable(
            f"{public(url)} is neither http, https nor file", hint="mend the source's address"
        )
    request = urllib.request.Request(public(url), headers=dict(headers))
    request.add_header("User-Agent", "harness")
    if start:
        request.add_header("Range", f"bytes={start}-")
    if user := _user(parts):
        token = base64.b64encode(user.encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {token}")
    return request


def _user(parts: urllib.parse.SplitResult) -> str | None:
    """Return ``name:password`` from the address, else from the user's netrc file."""
    if parts.username is not None:
        name, password = parts.username, parts.password or ""
        return f"{urllib.parse.unquote(name)}:{urllib.parse.unquote(password)}"
    try:
        known = netrc.netrc().hosts.get(parts.hostname or "")
    except (OSError, netrc.NetrcParseError):
        return None
    return f"{known[0]}:{known[2]}" if known else None


def _opener(url: str, using: Connection) -> urllib.request.OpenerDirector:
    parts = urllib.parse.urlsplit(url)
    trusted = parts.hostname in using.trusted or f"{parts.hostname}:{parts.port}" in using.trusted
    tls = _tls(using.certificates, using.client, trusted)
    proxies = None if using.proxy is None else {"http": using.proxy, "https": using.proxy}
    return urllib.request.build_opener(_Http(), _Https(tls), urllib.request.ProxyHandler(proxies))


class _Http(urllib.request.HTTPHandler):
    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Plain, request)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(context=context)
        self._tls = context

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Secure, request, context=self._tls)


class _Plain(http.client.HTTPConnection):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._create_connection = _connect


class _Secure(http.client.HTTPSConnection):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._create_connection = _connect


def _connect(address: tuple[str, int], *others: Any) -> socket.socket:
    """Connect as ``socket.create_connection`` does, asking for each name once and one at a time.

    Many resolvers drop one of two queries that arrive together, and then glibc waits 5 seconds:
    measured at 3 % of the look-ups behind one such resolver.
    """
    host, port = address
    with _resolving:
        numbers = _numbers(host)
    for number in numbers[:-1]:
        with contextlib.suppress(OSError):
            return socket.create_connection((number, port), *others)
    return socket.create_connection((numbers[-1], port), *others)


_resolving = threading.Lock()


@lru_cache(maxsize=64)
def _numbers(host: str) -> tuple[str, ...]:
    """Return the addresses of *host*, each once, in the order in which to try them."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


@lru_cache(maxsize=8)
def _tls(certificates: str | None, client: str | None, trusted: bool) -> ssl.SSLContext:
    """Return a context; kept, since reading a bundle of authorities takes longer than a request."""
    context = ssl.create_default_context(cafile=certificates)
    if client is not None:
        context.load_cert_chain(client)
    if trusted:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _unavailable(url: str, reason: str) -> NetworkUnavailable:
    host = urllib.parse.urlsplit(public(url)).netloc
    return NetworkUnavailable(
        f"{host} could not be reached for {public(url)}: {reason}",
        hint="connect to the network, or set another source: harness doctor",
    )
