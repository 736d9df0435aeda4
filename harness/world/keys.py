"""A door to keys: Ed25519 as PEM (PKCS#8, RFC 5958; SubjectPublicKeyInfo, RFC 5280).

``[signing]`` of the user's configuration names files: ``key``, with which evidence is signed, and
``trusted``, the public keys whose signatures count. ``$HARNESS_SIGNING_KEY``, a file or the PEM
text itself, as CI's secrets are, comes first. Needs cryptography (extra ``sign``).
"""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.errors import KeyUnusable, SpecInvalid, ToolMissing
from harness.world import files

VARIABLE = "HARNESS_SIGNING_KEY"
MAKE = "openssl genpkey -algorithm ed25519 -out key.pem"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key; *id* is the sha256 of its DER form, in hexadecimal."""

    key: Any
    id: str

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Tell whether *signature* is this key's, of *data*."""
        from cryptography.exceptions import InvalidSignature

        try:
            self.key.verify(signature, data)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A private key, and the public one that goes with it."""

    key: Any
    public: PublicKey

    def sign(self, data: bytes) -> bytes:
        """Return the 64 bytes that sign *data*."""
        signature: bytes = self.key.sign(data)
        return signature


def private(pem: bytes, *, where: str) -> PrivateKey:
    """Return the private key in *pem*; raises KeyUnusable for another kind, or a protected one."""
    serialization, ed25519 = _cryptography()
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except TypeError as protected:
        raise KeyUnusable(
            f"{where} is protected by a password, which can't be asked for here",
            hint="openssl pkey -in key.pem -out plain.pem, and keep that file where only you read",
        ) from protected
    except ValueError as broken:
        raise KeyUnusable(f"{where} is no private key in PEM form", hint=MAKE) from broken
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise KeyUnusable(f"{where} is no Ed25519 key", hint=MAKE)
    return PrivateKey(key, _public(key.public_key()))


def public(pem: bytes, *, where: str) -> PublicKey:
    """Return the public key in *pem*; raises KeyUnusable for another kind, a private one too."""
    serialization, ed25519 = _cryptography()
    try:
        key = serialization.load_pem_public_key(pem)
    except ValueError as broken:
        raise KeyUnusable(
            f"{where} is no public key in PEM form",
            hint="openssl pkey -in key.pem -pubout -out key.pub",
        ) from broken
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise KeyUnusable(f"{where} is no Ed25519 key", hint=MAKE)
    return _public(key)


def signing(path: Path | None = None, *, env: Mapping[str, str] | None = None) -> PrivateKey | None:
    """Return the key to sign with: of *path*, else of the variable, else of the configuration.

    None where none is set. Raises KeyUnusable, SpecInvalid.
    """
    told = (os.environ if env is None else env).get(VARIABLE, "")
    if path is None and told.lstrip().startswith("-----BEGIN"):
        return private(told.encode(), where=f"${VARIABLE}")
    if path is None and told:
        path = Path(told)
    if path is None and (named := configured().get("key")):
        path = Path(named)
    return None if path is None else private(_read(path), where=str(path))


def trusted(paths: Iterable[Path] = ()) -> tuple[PublicKey, ...]:
    """Return the public keys of *paths*, else those that the configuration trusts."""
    named = tuple(paths) or tuple(map(Path, configured().get("trusted", ())))
    return tuple(public(_read(path), where=str(path)) for path in named)


def configured(file: Path | None = None) -> Mapping[str, Any]:
    """Return ``[signing]`` of the user's configuration, paths relative to its folder resolved.

    Raises SpecInvalid with every problem.
    """
    file = file or files.user_configuration()
    try:
        table = tomllib.loads(file.read_text()).get("signing", {})
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as broken:
        raise SpecInvalid(f"{file}: {broken}", hint="mend the file") from broken
    problems = [] if isinstance(table, dict) else ["signing: expected a table"]
    for name, value in table.items() if not problems else ():
        texts = value if isinstance(value, list) else [None]
        if name == "key" and not isinstance(value, str):
            problems.append("signing.key: expected the path of a file")
        elif name == "trusted" and not all(isinstance(text, str) for text in texts):
            problems.append("signing.trusted: expected a list of paths")
        elif name not in ("key", "trusted"):
            problems.append(f"signing.{name}: unknown setting")
    if problems:
        raise SpecInvalid(f"{file}: " + "; ".join(problems), hint="[signing] holds key, trusted")
    found: dict[str, Any] = {}
    if "key" in table:
        found["key"] = str(file.parent / Path(table["key"]).expanduser())
    if "trusted" in table:
        found["trusted"] = [str(file.parent / Path(p).expanduser()) for p in table["trusted"]]
    return found


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, IsADirectoryError) as missing:
        raise KeyUnusable(f"there is no key {path}", hint=MAKE) from missing


def _public(key: Any) -> PublicKey:
    serialization, _ = _cryptography()
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return PublicKey(key, hashlib.sha256(der).hexdigest())


def _cryptography() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as missing:
        raise ToolMissing(
            "signatures need cryptography, which is not installed",
            hint="pip install 'model-harness[sign]'",
        ) from missing
    return serialization, ed25519
