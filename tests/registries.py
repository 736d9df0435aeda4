"""A real registry of the session's own: Debian's docker-registry on a loopback port."""

from __future__ import annotations

import datetime
import ipaddress
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROGRAM = "docker-registry"
PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


# htpasswd -nbB user secret
USERS = "user:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n"


@contextmanager
def registry(
    folder: Path, *, htpasswd: Path | None = None, tls: Certificate | None = None
) -> Iterator[str]:
    """Give the host of an empty registry that keeps its content in *folder*, while the block runs.

    With *htpasswd* (bcrypt lines) it wants a login, with *tls* it speaks nothing else. It allows
    deletion.
    """
    host = f"127.0.0.1:{_free_port()}"
    settings = {
        "REGISTRY_HTTP_ADDR": host,
        "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(folder),
        "REGISTRY_STORAGE_DELETE_ENABLED": "true",
        "REGISTRY_LOG_LEVEL": "error",
        "OTEL_TRACES_EXPORTER": "none",
    }
    if htpasswd is not None:
        settings |= {
            "REGISTRY_AUTH": "htpasswd",
            "REGISTRY_AUTH_HTPASSWD_REALM": "tests",
            "REGISTRY_AUTH_HTPASSWD_PATH": str(htpasswd),
        }
    if tls is not None:
        settings |= {
            "REGISTRY_HTTP_TLS_CERTIFICATE": str(tls.certificate),
            "REGISTRY_HTTP_TLS_KEY": str(tls.key),
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Certificate:
    """PEM files: a loopback server's certificate with its key, and the authority that signed it."""

    certificate: Path
    key: Path
    authority: Path


def certificate(folder: Path) -> Certificate:
    """Make an authority of the tests' own, and a certificate of 127.0.0.1 and localhost by it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    def named(name: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])

    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    now = datetime.datetime.now(datetime.UTC)
    made = []
    for name, public, authority in (
        ("authority of the tests", authority_key.public_key(), True),
        ("registry of the tests", key.public_key(), False),
    ):
        builder = (
            x509.CertificateBuilder()
            .subject_name(named(name))
            .issuer_name(named("authority of the tests"))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if not authority:
            loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
            names = x509.SubjectAlternativeName([loopback, x509.DNSName("localhost")])
            builder = builder.add_extension(names, critical=False)
        signed = builder.sign(authority_key, hashes.SHA256())
        made.append(signed.public_bytes(serialization.Encoding.PEM))
    folder.mkdir(parents=True, exist_ok=True)
    found = Certificate(
        certificate=folder / "server.pem", key=folder / "key.pem", authority=folder / "ca.pem"
    )
    found.authority.write_bytes(made[0])
    found.certificate.write_bytes(made[1])
    found.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return found


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
