"""A registry's bytes go and come back as they are; logins are Docker's own."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from registries import USERS, certificate, registry

from harness.core import canonical
from harness.core.digest import hexadecimal, of_bytes
from harness.core.errors import (
    AccessRefused,
    HashMismatch,
    NetworkUnavailable,
    RegistryRefused,
    SpecInvalid,
)
from harness.world import registry as room
from harness.world import registry_login
from harness.world.http import NotFound
from harness.world.registry import MANIFEST, Registry
from harness.world.registry_login import Login
from harness.world.registry_session import LARGEST

pytest.importorskip("httpx2", reason="httpx2 is not installed")
real = pytest.mark.requires_tool("docker-registry")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("registry")


@pytest.fixture(scope="module")
def host(folder: Path) -> Iterator[str]:
    with registry(folder) as found:
        yield found


@pytest.fixture(autouse=True)
def docker_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Docker's configuration of nobody: that of whoever runs the tests is not read."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    (tmp_path / "docker").mkdir()
    return tmp_path / "docker" / "config.json"


def manifest(*digests: str, **more: object) -> bytes:
    layers = [{"mediaType": "text/plain", "digest": d, "size": 5} for d in digests]
    config = {
        "mediaType": "application/vnd.oci.empty.v1+json",
        "digest": of_bytes(b"{}"),
        "size": 2,
    }
    document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers}
    # not canonical on purpose: a registry keeps bytes, not values
    return json.dumps({**document, **more}, indent=3).encode()


@real
def test_a_manifest_comes_back_byte_for_byte(host: str) -> None:
    with Registry(host) as door:
        digests = [door.push_blob("a/b", b"{}"), door.push_blob("a/b", b"hello")]
        data = manifest(digests[1], artifactType="application/vnd.example")
        pushed = door.push_manifest("a/b", "1", data)

        by_tag, by_digest = door.manifest("a/b", "1"), door.manifest("a/b", pushed)

    assert by_tag == by_digest
    assert (data, MANIFEST, of_bytes(data)) == (by_tag.data, by_tag.media_type, pushed)


@real
@pytest.mark.parametrize("data", [b"", b"hello", bytes(range(256)) * 9000], ids=len)
def test_a_blob_comes_back_and_is_not_pushed_twice(host: str, folder: Path, data: bytes) -> None:
    with Registry(host) as door:
        first = door.push_blob("blobs", data)
        uploads = len(list(folder.rglob("_uploads/*")))
        again = door.push_blob("blobs", data)

        assert data == door.blob("blobs", first)
    assert first == again == of_bytes(data)
    assert uploads == len(list(folder.rglob("_uploads/*")))


@real
def test_a_blob_whose_bytes_changed_in_the_registry_is_refused(host: str, folder: Path) -> None:
    with Registry(host) as door:
        digest = door.push_blob("spoilt", b"as it was")
        (kept,) = folder.rglob(f"{hexadecimal(digest)}/data")
        kept.write_bytes(b"as it is!")

        with pytest.raises(HashMismatch, match="other bytes") as failed:
            door.blob("spoilt", digest)

    assert digest in failed.value.message


@real
def test_tags_are_sorted_and_what_is_not_there_is_not_found(host: str) -> None:
    with Registry(host) as door:
        door.push_blob("tags", b"{}")
        for tag in ("2", "1", "latest"):
            door.push_manifest("tags", tag, manifest())

        assert ("1", "2", "latest") == door.tags("tags")
        with pytest.raises(NotFound):
            door.manifest("tags", "3")
        with pytest.raises(NotFound):
            door.tags("nothing")
        with pytest.raises(NotFound):
            door.blob("tags", of_bytes(b"nothing"))


@real
def test_a_login_is_taken_from_dockers_file_and_a_wrong_one_is_refused(
    tmp_path: Path, docker_config: Path
) -> None:
    (tmp_path / "users").write_text(USERS)
    with registry(tmp_path / "r", htpasswd=tmp_path / "users") as host:
        with Registry(host) as door, pytest.raises(AccessRefused) as refused:
            door.push_blob("a", b"{}")
        auth = base64.b64encode(b"user:secret").decode()
        docker_config.write_text(json.dumps({"auths": {host: {"auth": auth}}}))
        with Registry(host) as door:
            door.push_blob("a", b"{}")
        wrong = Login(name="user", password="guess")
        with Registry(host, login=wrong) as door, pytest.raises(AccessRefused) as guessed:
            door.push_blob("a", b"other")

    for error in (refused, guessed):
        assert f"docker login {host}" == error.value.hint
        assert "secret" not in error.value.message and "guess" not in error.value.message


class Scripted:
    """A registry that wants tokens and answers as it is told: what a real one rarely does."""

    def __init__(self) -> None:
        self.failures = 0
        self.endless = False
        self.asked: list[tuple[str, str, str]] = []
        self.forms: list[str] = []
        self.pages: dict[str, object] = {"/v2/a/tags/list": ["1"], "/v2/a/tags/list?last=1": ["2"]}


@contextmanager
def scripted() -> Iterator[tuple[str, Scripted]]:
    state = Scripted()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            authorization = self.headers.get("Authorization", "")
            state.asked.append((self.command, self.path, authorization))
            if state.failures:
                state.failures -= 1
                self.answer(503, {})
            elif self.path.startswith("/token"):
                self.answer(200, {"token": "fresh"})
            elif authorization != "Bearer fresh":
                realm = f'Bearer realm="http://{self.headers["Host"]}/token",service="tests"'
                self.answer(401, {}, **{"WWW-Authenticate": realm})
            elif self.path in state.pages:
                more = state.endless or "?" not in self.path
                link = f'<{self.path.partition("?")[0]}?last=1>; rel="next"' if more else ""
                page = state.pages[self.path]
                self.answer(200, {"tags": page} if isinstance(page, list) else page, Link=link)
            else:
                self.answer(404, {})

        def do_POST(self) -> None:
            state.forms.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.answer(200, {"access_token": "fresh"})

        def answer(self, code: int, body: object, **headers: str) -> None:
            data = canonical.dumps(body)
            self.send_response(code)
            for name, value in {**headers, "Content-Length": str(len(data))}.items():
                if value:
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_token_is_asked_for_once_and_pages_are_followed() -> None:
    login = Login(name="user", password="secret")
    with scripted() as (host, state), Registry(host, login=login) as door:
        found = door.tags("a")

    assert ("1", "2") == found
    tokens = [(path, who) for _, path, who in state.asked if path.startswith("/token")]
    assert [("/token?service=tests&scope=repository%3Aa%3Apull", tokens[0][1])] == tokens
    assert base64.b64decode(tokens[0][1].removeprefix("Basic ")) == b"user:secret"


def test_an_identity_token_is_exchanged() -> None:
    with scripted() as (host, state), Registry(host, login=Login(token="kept")) as door:
        assert ("1", "2") == door.tags("a")

    assert "refresh_token=kept" in state.forms[0]


def test_a_registry_that_stumbles_is_asked_again_and_one_that_is_down_is_told() -> None:
    waits: list[float] = []
    with scripted() as (host, state):
        state.failures = 2
        with Registry(host, pause=waits.append, jitter=lambda: 1.0) as door:
            assert ("1", "2") == door.tags("a")
    with (
        Registry("127.0.0.1:9", attempts=4, pause=waits.append, jitter=lambda: 1.0) as door,
        pytest.raises(NetworkUnavailable, match=r"127\.0\.0\.1:9 could not be reached"),
    ):
        door.tags("a")

    assert [0.5, 1.0, 0.5, 1.0, 2.0] == waits


def test_a_helper_keeps_the_login(
    tmp_path: Path, docker_config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper = tmp_path / "docker-credential-tests"
    helper.write_text(
        '#!/bin/sh\nread host\necho "{\\"Username\\": \\"of $host\\", \\"Secret\\": \\"s\\"}"\n'
    )
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    docker_config.write_text('{"credsStore": "none", "credHelpers": {"r.example": "tests"}}')

    assert Login(name="of r.example", password="s") == registry_login.of_host("r.example")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", SpecInvalid),
        ("[]", SpecInvalid),
        ('{"auths": {"r.example": {"auth": "?"}}}', SpecInvalid),
    ],
)
def test_a_broken_file_is_named(docker_config: Path, text: str, error: type[Exception]) -> None:
    docker_config.write_text(text)

    with pytest.raises(error, match=str(docker_config)):
        registry_login.of_host("r.example")


def test_a_login_is_never_shown() -> None:
    assert "secret" not in repr(Login(name="user", password="secret", token="secret"))


@pytest.mark.parametrize(
    ("page", "told"),
    [("x" * LARGEST, "answers with more than 16 MiB"), ("tags", "answers what is no JSON object")],
)
def test_an_answer_that_is_no_document_is_refused_and_not_held(page: str, told: str) -> None:
    with scripted() as (host, state), Registry(host) as door:
        state.pages["/v2/a/tags/list"] = page
        with pytest.raises(RegistryRefused, match=told):
            door.tags("a")


def test_pages_that_do_not_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "PAGES", 3)
    with scripted() as (host, state), Registry(host) as door:
        assert ("1", "2") == door.tags("a")
        state.endless = True
        with pytest.raises(RegistryRefused, match="a next page after 3 of them"):
            door.tags("a")


class Secured(ThreadingHTTPServer):
    """A registry over TLS whose uploads go on at an address in the clear, as it is told by a proxy
    that it doesn't know of; *clear* is what arrived without TLS."""

    def __init__(self, handler: type[BaseHTTPRequestHandler], context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.context, self.clear = context, b""

    def get_request(self) -> tuple[socket.socket, object]:
        taken, address = super().get_request()
        if taken.recv(1, socket.MSG_PEEK) != b"\x16":  # RFC 8446 §5.1, a handshake
            self.clear += taken.recv(1 << 16)
            taken.close()
            raise OSError("it does not speak TLS")
        return self.context.wrap_socket(taken, server_side=True), address


def test_a_login_stays_on_tls_where_the_registry_names_itself_in_the_clear(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, asked = certificate(tmp_path / "tls"), []
    monkeypatch.setenv("SSL_CERT_FILE", str(made.authority))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.certificate, made.key)

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            who = self.headers.get("Authorization", "")
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked.append((self.command, self.path, who))
            code = {"HEAD": 404, "POST": 202, "PUT": 201}[self.command] if who else 401
            self.send_response(code)
            if code == 401:
                self.send_header("WWW-Authenticate", 'Basic realm="tests"')
            if code == 202:
                self.send_header("Location", f"http://{self.headers['Host']}/v2/a/up/1")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_POST = do_PUT = handle_any

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = Secured(Handler, context)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    login = Login(name="user", password="secret")
    try:
        with Registry(f"127.0.0.1:{server.server_port}", login=login) as door:
            door.push_blob("a", b"hello")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

    assert b"authorization" not in server.clear.lower()
    assert b"HEAD" == server.clear[:4] and 1 == server.clear.count(b"HTTP/1.1")
    assert ("PUT", "Basic") == (asked[-1][0], asked[-1][2][:5])
