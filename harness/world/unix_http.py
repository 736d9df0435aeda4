"""HTTP/1.1 over a unix socket, for servers that have no network."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: its status, and its body's bytes."""

    status: int
    body: bytes


class Connection(http.client.HTTPConnection):
    """A connection to the server that listens on a socket file."""

    def __init__(self, path: Path, timeout: float = 30.0) -> None:
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        """Connect to the socket file."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))

    def ask(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Send one request and return the whole answer; raises OSError when there is none."""
        self.request(
            method, target, body or None, {"content-type": "application/json", **(headers or {})}
        )
        response = self.getresponse()
        return Response(response.status, response.read())
