"""A bad line to a good registry: a proxy that cuts, flips bits and refuses, as it is told.

It reads a request before it passes it on, as proxies in front of registries do, unless a fault
says that the break comes in its middle.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(kw_only=True)
class Fault:
    """What goes wrong with the next *times* requests of *method* whose path has *part* in it.

    ``answer``: *status* and *headers*, without asking the registry. ``cut answer``: after *at*
    bytes of it. ``lose answer``: the registry did it, and nobody hears so. ``cut request``: after
    *at* bytes of it, which the registry never sees. ``break request``: the same, and it sees them.
    ``flip answer``, ``flip request``: a bit of byte *at*. ``no ranges``: Range is dropped.
    """

    what: str
    method: str
    part: str = ""
    at: int = 0
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    times: int = 1
    skip: int = 0


@dataclass
class Line:
    """The line: its faults still to come, and what was asked (method, path, Range, body's size)."""

    faults: list[Fault] = field(default_factory=list)
    asked: list[tuple[str, str, str, int]] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, method: str, part: str = "") -> list[tuple[str, str, str, int]]:
        """What was asked with that method of paths with *part* in them."""
        return [one for one in self.asked if one[0] == method and part in one[1]]

    def next(self, method: str, path: str) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if fault.times and fault.method == method and fault.part in path:
                    if fault.skip:
                        fault.skip -= 1
                        return None
                    fault.times -= 1
                    return fault
        return None


@contextmanager
def proxy(registry: str, *faults: Fault) -> Iterator[tuple[str, Line]]:
    """Give the host of a proxy to *registry*, and the line, while the block runs."""
    line = Line(list(faults))
    name, _, port = registry.partition(":")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            fault = line.next(self.command, self.path)
            what = fault.what if fault else ""
            asked = self.headers.get("Content-Range") or self.headers.get("Range") or ""
            line.logins.append(self.headers.get("Authorization", ""))
            line.asked.append((self.command, self.path, asked, size))
            if fault and what in ("cut request", "break request"):
                head = self.rfile.read(fault.at)
                if what == "break request":
                    self.break_there(head)
                self.end()
                return
            body = self.rfile.read(size)
            if fault and what == "answer":
                self.send_response(fault.status)
                for header, value in {**fault.headers, "Content-Length": "0"}.items():
                    self.send_header(header, value)
                self.end_headers()
                return
            if fault and what == "flip request":
                body = flipped(body, fault.at)
            self.pass_on(body, fault, what)

        do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = handle_any

        def pass_on(self, body: bytes, fault: Fault | None, what: str) -> None:
            upstream = http.client.HTTPConnection(name, int(port), timeout=60)
            headers = {k: v for k, v in self.headers.items() if k.lower() != "connection"}
            if what == "no ranges":
                headers.pop("Range", None)
            upstream.request(self.command, self.path, body, headers)
            with contextlib.closing(upstream), upstream.getresponse() as got:
                if what == "lose answer":
                    got.read()
                    self.end()
                    return
                self.send_response(got.status)
                for header, value in got.getheaders():
                    if header.lower() not in ("connection", "transfer-encoding", "date"):
                        self.send_header(header, value)
                if got.getheader("Content-Length") is None:
                    self.send_header("Connection", "close")
                    self.close_connection = True
                self.end_headers()
                sent = 0
                while chunk := got.read(1 << 16):
                    if fault and what == "flip answer" and sent <= fault.at < sent + len(chunk):
                        chunk = flipped(chunk, fault.at - sent)
                    if fault and what == "cut answer" and sent + len(chunk) >= fault.at:
                        self.wfile.write(chunk[: fault.at - sent])
                        self.end()
                        return
                    self.wfile.write(chunk)
                    sent += len(chunk)

        def break_there(self, head: bytes) -> None:
            """Let the registry see the first bytes of the body, and then nothing."""
            with socket.create_connection((name, int(port))) as upstream:
                lines = [f"{self.command} {self.path} HTTP/1.1"]
                lines += [f"{header}: {value}" for header, value in self.headers.items()]
                upstream.sendall("\r\n".join([*lines, "", ""]).encode() + head)
                upstream.shutdown(socket.SHUT_WR)
                while upstream.recv(1 << 16):
                    pass

        def end(self) -> None:
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.wfile.flush()
                self.connection.shutdown(socket.SHUT_RDWR)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

        def handle(self) -> None:
            with contextlib.suppress(OSError):
                super().handle()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", line
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def flipped(data: bytes, at: int) -> bytes:
    """Return *data* with one bit of byte *at* turned."""
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
