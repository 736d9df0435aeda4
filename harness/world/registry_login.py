"""Who we are to a registry: what ``docker login`` (or a helper) has kept.

``$DOCKER_CONFIG/config.json``, else ``~/.docker/config.json``: ``credHelpers`` of the host, then
``credsStore``, then ``auths`` (docker-credential-helpers' protocol: ``get`` with the host on
standard input). Nothing is written, and no password is ever shown.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core.errors import SpecInvalid, ToolMissing
from harness.world import process

_TOKEN = "<token>"
"""The user name with which a helper says that its secret is an identity token."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Login:
    """A name and a password, or an identity *token* (OAuth 2 refresh token) in their place."""

    name: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)


def of_host(host: str, *, file: Path | None = None) -> Login | None:
    """Return the login kept for *host* (``registry.example:5000``), or None.

    Raises SpecInvalid for a broken file, ToolMissing for a helper that isn't installed.
    """
    file = file or _file()
    try:
        settings = json.loads(file.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as broken:
        raise SpecInvalid(f"{file}: {broken}", hint="mend the file, or docker login") from broken
    if not isinstance(settings, Mapping):
        raise SpecInvalid(f"{file}: expected an object", hint="mend the file, or docker login")
    helpers = settings.get("credHelpers") or {}
    helper = helpers.get(host) or settings.get("credsStore")
    if helper:
        return _from_helper(str(helper), host)
    kept = settings.get("auths") or {}
    entry = kept.get(host) or kept.get(f"https://{host}") or kept.get(f"https://{host}/")
    return _from_file(entry, host, file) if entry else None


def _file() -> Path:
    folder = os.environ.get("DOCKER_CONFIG")
    return (Path(folder) if folder else Path.home() / ".docker") / "config.json"


def _from_helper(helper: str, host: str) -> Login | None:
    program = f"docker-credential-{helper}"
    try:
        asked = process.run([program, "get"], stdin=host.encode(), timeout=60)
    except ToolMissing as missing:
        raise ToolMissing(
            f"the login of {host} is kept by {program}, which is not installed",
            hint=f"install it, or docker login {host} without it",
        ) from missing
    if asked.code != 0:
        return None  # it knows no login: the registry may answer without one
    try:
        said = dict(json.loads(asked.stdout))
    except (ValueError, TypeError) as broken:
        raise ToolMissing(
            f"{program} answers what is no login", hint=f"mend it, or docker login {host} anew"
        ) from broken
    if said.get("Username") == _TOKEN:
        return Login(token=said.get("Secret", ""))
    return Login(name=said.get("Username", ""), password=said.get("Secret", ""))


def _from_file(entry: Mapping[str, Any], host: str, file: Path) -> Login:
    if token := entry.get("identitytoken"):
        return Login(token=str(token))
    if "auth" not in entry:
        return Login(name=entry.get("username", ""), password=entry.get("password", ""))
    try:
        name, _, password = base64.b64decode(entry["auth"], validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, TypeError) as broken:
        raise SpecInvalid(
            f"{file}: auths.{host}.auth is not base64 of name:password", hint=f"docker login {host}"
        ) from broken
    return Login(name=name, password=password)
