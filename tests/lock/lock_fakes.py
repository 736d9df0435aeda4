"""A small outside world: an archive of Debian packages, an index of wheels, a server for both."""

from __future__ import annotations

import base64
import gzip
import hashlib
import lzma
import threading
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pysequoia

from harness.core.digest import of_bytes
from harness.lock.lock import Deb, Wheel
from harness.world import machine, process, sources
from harness.world.http import Connection
from harness.world.process import Finished

ARCHITECTURE = machine.architecture()
IMPATIENT = Connection(timeout=5.0, attempts=3, pause=lambda seconds: None)
KEY = pysequoia.Tsk.generate("Archive <archive@example.org>")
STRANGER = pysequoia.Tsk.generate("Stranger <stranger@example.org>")


class Archive:
    """A Debian archive in a folder, signed with a key of its own."""

    def __init__(self, folder: Path, *, suite: str = "bookworm") -> None:
        self.folder = folder
        self.suite = suite
        self.stanzas: list[str] = []
        self.contents: list[str] = []
        self.keyring = folder / "keyring.gpg"
        folder.mkdir(parents=True, exist_ok=True)
        self.keyring.write_bytes(bytes(KEY.extract_certificate()))

    def add(self, name: str, version: str = "1.0", **fields: str) -> Deb:
        """Put a package into the pool and the index; returns what a lock says of it."""
        data = f"{name} {version}\n".encode() * 50
        plain = version.rpartition(":")[2]
        path = f"pool/main/{name[0]}/{name}/{name}_{plain}_{ARCHITECTURE}.deb"
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_bytes(data)
        stanza = {
            "Package": name,
            "Version": version,
            "Architecture": ARCHITECTURE,
            **fields,
            "Filename": path,
            "Size": str(len(data)),
            "SHA256": hashlib.sha256(data).hexdigest(),
        }
        self.stanzas.append("".join(f"{key}: {value}\n" for key, value in stanza.items()))
        return Deb(
            name=name,
            version=version,
            architecture=ARCHITECTURE,
            filename=path,
            digest=of_bytes(data),
            size=len(data),
        )

    def publish(
        self, *, key: pysequoia.Tsk | None = KEY, by_hash: bool = True, **more: str
    ) -> None:
        """Write the index and its signed release; *key* None leaves it unsigned."""
        packed = lzma.compress("\n".join(self.stanzas).encode())
        digest = hashlib.sha256(packed).hexdigest()
        base = self.folder / "dists" / self.suite
        folder = base / f"main/binary-{ARCHITECTURE}"
        index = folder / "by-hash/SHA256" / digest if by_hash else folder / "Packages.xz"
        index.parent.mkdir(parents=True, exist_ok=True)
        index.write_bytes(packed)
        fields = {
            "Origin": "Debian",
            "Codename": self.suite,
            "Suite": "stable",
            "Date": "Sat, 11 Jul 2026 10:16:37 UTC",
            "Acquire-By-Hash": "yes" if by_hash else "no",
            **{name.replace("_", "-"): value for name, value in more.items()},
        }
        text = "".join(f"{name}: {value}\n" for name, value in fields.items())
        text += f"SHA256:\n {digest} {len(packed)} main/binary-{ARCHITECTURE}/Packages.xz\n"
        text += self._publish_contents(base)
        signed = text.encode()
        if key is not None:
            mode = pysequoia.SignatureMode.CLEAR
            signed = pysequoia.sign(key.signer(), signed, mode=mode)
        (base / "InRelease").write_bytes(signed)

    def _publish_contents(self, base: Path) -> str:
        """Write the index of files, if there is one, under both names; returns its line."""
        if not self.contents:
            return ""
        packed = gzip.compress("".join(f"{line}\n" for line in self.contents).encode(), mtime=0)
        digest = hashlib.sha256(packed).hexdigest()
        name = f"main/Contents-{ARCHITECTURE}.gz"
        for path in (name, f"main/by-hash/SHA256/{digest}"):
            (base / path).parent.mkdir(parents=True, exist_ok=True)
            (base / path).write_bytes(packed)
        return f" {digest} {len(packed)} {name}\n"

    @property
    def source(self) -> sources.Debian:
        return sources.Debian(
            mirror=self.folder.as_uri(), keyring=self.keyring, connection=IMPATIENT
        )


def make_wheel(
    folder: Path,
    name: str,
    version: str,
    *,
    requires: Sequence[str] = (),
    extras: Sequence[str] = (),
    tag: str = "py3-none-any",
    content: str = "",
) -> Wheel:
    """Write a small wheel; returns what a lock says of it."""
    plain = name.replace("-", "_")
    info = f"{plain}-{version}.dist-info"
    lines = [f"Requires-Dist: {text}\n" for text in requires]
    lines += [f"Provides-Extra: {extra}\n" for extra in extras]
    files = {
        f"{plain}.py": f"VERSION = {version!r}\n{content}",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        + "".join(lines),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    rows = [f"{path},sha256={_record(text)},{len(text.encode())}\n" for path, text in files.items()]
    files[f"{info}/RECORD"] = "".join(rows) + f"{info}/RECORD,,\n"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{plain}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inner, text in files.items():
            archive.writestr(zipfile.ZipInfo(inner), text)
    digest = of_bytes(path.read_bytes())
    return Wheel(name=name, version=version, filename=path.name, digest=digest)


def _record(text: str) -> str:
    raw = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def write_simple_index(folder: Path, files: Path) -> None:
    """Write the pages of a simple index (PEP 503) for every file in *files*."""
    pages: dict[str, list[str]] = {}
    for file in sorted(files.iterdir()):
        name = file.name.partition("-")[0].replace("_", "-").lower()
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        link = f'<a href="../../{files.name}/{file.name}#sha256={digest}">{file.name}</a>\n'
        pages.setdefault(name, []).append(link)
    for name, links in pages.items():
        page = folder / name / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text("<!DOCTYPE html><html><body>\n" + "".join(links) + "</body></html>\n")


class Server:
    """What a served folder was asked for, and how it is told to misbehave.

    *failures* maps a path to the status codes of its next answers; *cuts* maps a path to after
    how many bytes each of its next transfers stops; *pages* answers instead of files.
    """

    def __init__(self, root: Path, address: str, *, ranges: bool) -> None:
        self.root = root
        self.address = address
        self.ranges = ranges
        self.asked: list[str] = []
        self.headers: list[Mapping[str, str]] = []
        self.failures: dict[str, list[int]] = {}
        self.cuts: dict[str, list[int]] = {}
        self.pages: dict[str, tuple[str, bytes]] = {}


@contextmanager
def served(root: Path, *, ranges: bool = True) -> Iterator[Server]:
    """Serve *root* on the loopback interface while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.asked.append(self.path)
            server.headers.append(dict(self.headers))
            if codes := server.failures.get(self.path):
                self.send_error(codes.pop(0))
                return
            kind, data = server.pages.get(self.path, ("", None))
            if data is None:
                file = server.root / self.path.lstrip("/")
                if file.is_dir():
                    file = file / "index.html"
                if not file.is_file():
                    self.send_error(404)
                    return
                kind = "text/html" if file.suffix == ".html" else "application/octet-stream"
                data = file.read_bytes()
            self._answer(kind, data)

        def do_HEAD(self) -> None:
            self.send_error(405)  # as some mirrors do: then a file is read whole

        def _answer(self, kind: str, data: bytes) -> None:
            start = 0
            if server.ranges and (asked := self.headers.get("Range")):
                start = int(asked.removeprefix("bytes=").rstrip("-"))
            self.send_response(206 if start else 200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            body = data[start:]
            if cuts := server.cuts.get(self.path):
                body = body[: cuts.pop(0)]
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: tests read what was asked for."""

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server = Server(root, f"http://127.0.0.1:{listener.server_port}", ranges=ranges)
    thread = threading.Thread(target=listener.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()


def python_source(
    index: str | None, *, extra: Sequence[str] = (), links: Sequence[str] = ()
) -> sources.Python:
    return sources.Python(
        index=index, extra=tuple(extra), links=tuple(links), connection=IMPATIENT, retries=0
    )


def run_this_python(
    argv: Sequence[str], env: Mapping[str, str], cwd: Path, path: Sequence[Path]
) -> Finished:
    """Run the interpreter of the tests as if it were the one that ships: no packages, no paths."""
    import sys

    told = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": ":".join(map(str, path)),
        "PYTHONNOUSERSITE": "1",
        **env,
    }
    return process.run([sys.executable, "-S", *argv], env=told, cwd=cwd, timeout=120)
