"""A real registry of the session's own: Debian's docker-registry on a loopback port."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAM = "docker-registry"
PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


@contextmanager
def registry(folder: Path, *, htpasswd: Path | None = None) -> Iterator[str]:
    """Give the host of an empty registry that keeps its content in *folder*, while the block runs.

    With *htpasswd* (bcrypt lines) it wants a login.
    """
    host = f"127.0.0.1:{_free_port()}"
    settings = {
        "REGISTRY_HTTP_ADDR": host,
        "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(folder),
        "REGISTRY_LOG_LEVEL": "error",
        "OTEL_TRACES_EXPORTER": "none",
    }
    if htpasswd is not None:
        settings |= {
            "REGISTRY_AUTH": "htpasswd",
            "REGISTRY_AUTH_HTPASSWD_REALM": "tests",
            "REGISTRY_AUTH_HTPASSWD_PATH": str(htpasswd),
        }
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "config.yml"
    file.write_text("version: 0.1\nstorage:\n  filesystem: {}\nhttp:\n  addr: localhost:0\n")
    program = shutil.which(PROGRAM, path=PATH)
    assert program is not None
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, "serve", file], env={**os.environ, **settings}, stdout=log, stderr=log
        )
        try:
            _wait(process, host, folder / "log")
            yield host
        finally:
            process.terminate()
            process.wait(30)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait(process: subprocess.Popen[bytes], host: str, log: Path) -> None:
    name, _, port = host.partition(":")
    deadline = time.monotonic() + 60
    while True:
        assert process.poll() is None, log.read_text()[-2000:]
        try:
            socket.create_connection((name, int(port)), 1).close()
            return
        except OSError:
            assert time.monotonic() < deadline, log.read_text()[-2000:]
            time.sleep(0.02)
