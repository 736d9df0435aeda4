"""What a registry's answers mean: done, not there, refused, or worth another attempt.

OCI distribution specification 1.1, "Error codes"; RFC 9110 §10.2.3 (Retry-After), RFC 6585
(429). Nothing here sends anything.
"""

from __future__ import annotations

import email.utils
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.core.errors import AccessRefused, HarnessError, NetworkUnavailable, RegistryRefused
from harness.world.http import NotFound

if TYPE_CHECKING:
    from httpx2 import URL

AGAIN = (408, 425, 429, 500, 502, 503, 504)
"""The statuses after which the same request may yet succeed."""

LONGEST = 120.0
"""Seconds that a registry may make us wait before the next attempt."""


class Broken(Exception):
    """One attempt failed, and the next may not; *after* is the wait in seconds that was asked."""

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.after = reason, after


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """An answer, read whole: its status, headers, bytes, and the address that gave it."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    url: URL
    links: Mapping[str | None, Mapping[str, str]]

    def json(self) -> Mapping[str, Any]:
        """Return the bytes as a JSON object; raises RegistryRefused for what is none."""
        return an_object(self.content, str(self.url.copy_with(query=None)))

    @property
    def location(self) -> URL:
        """The address in the Location header, absolute; raises RegistryRefused without one."""
        if "location" not in self.headers:
            raise RegistryRefused(
                f"{self.url.copy_with(query=None)} begins an upload and does not say where",
                hint="is this the address of a registry?",
            )
        return self.url.join(self.headers["location"])

    @property
    def next(self) -> str:
        """The address of the next page (RFC 8288), or nothing."""
        after = self.links.get("next", {}).get("url")
        return str(self.url.join(after)) if after else ""


def an_object(data: bytes, where: str) -> Mapping[str, Any]:
    """Return *data* as a JSON object; raises RegistryRefused with *where* it is from."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as broken:
        raise RegistryRefused(
            f"{where} answers what is no JSON: {broken}", hint="is this the address of a registry?"
        ) from broken
    if not isinstance(found, dict):
        raise RegistryRefused(
            f"{where} answers what is no JSON object", hint="is this the address of a registry?"
        )
    return found


def wait_asked(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds that Retry-After asks for, at most LONGEST; None where it asks nothing."""
    asked = headers.get("Retry-After", "").strip()
    if asked.isdecimal():
        return min(float(asked), LONGEST)
    try:
        moment = email.utils.parsedate_to_datetime(asked)
    except (ValueError, TypeError):
        return None
    return min(max(0.0, moment.timestamp() - now), LONGEST)


def failure(host: str, method: str, url: URL, status: int, content: bytes) -> Exception:
    """Return the error that an answer without success stands for."""
    where = url.path.removeprefix("/v2/")
    if status == 404:
        return NotFound(str(url.copy_with(query=None)))
    said = _said(status, content)
    told = f"the registry {host} refuses {method} {where}: {said}"
    if status in (401, 403):
        return AccessRefused(told, hint=f"docker login {host}")
    if status == 405:
        return RegistryRefused(told, hint="its operator has to allow this, as with deletion")
    if status == 413:
        return RegistryRefused(told, hint="it takes no file of that size: ask its operator")
    if status >= 500:
        return NetworkUnavailable(told, hint="look at the registry's own log")
    return RegistryRefused(told, hint="look at the registry's own log")


def unreachable(host: str, reason: str) -> HarnessError:
    """Return the error of a registry that gave no answer we could use; *reason* is the last."""
    hint = "connect to the network, or name another registry"
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        hint = "set SSL_CERT_FILE to a file with the certificate of the registry's authority"
    elif "WRONG_VERSION_NUMBER" in reason:
        hint = "it does not speak TLS, and only a loopback address is spoken to in the clear"
    return NetworkUnavailable(f"the registry {host} could not be reached: {reason}", hint=hint)


def _said(status: int, content: bytes) -> str:
    """Return what the registry says of a failure, in its words."""
    try:
        errors = json.loads(content)["errors"]
        told = "; ".join(f"{e.get('code', '')} {e.get('message', '')}".strip() for e in errors)
    except (ValueError, KeyError, TypeError, AttributeError):
        told = ""
    return told or f"it answers {status}"
