"""Logging in to a registry: the header that answers its challenge.

RFC 6750 and RFC 7617, and the token protocol of the distribution project ("Token Authentication
Specification", with OAuth 2 refresh tokens). Tokens are kept for the session, one a scope.
"""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Callable, Mapping

from harness.world.registry_answer import Answer
from harness.world.registry_login import Login

Ask = Callable[[str, str, Mapping[str, str], Mapping[str, str]], Answer]
"""Sends a method to an address with parameters (or a form, with POST) and headers."""


def scope(repository: str, actions: str, *, reading: str = "") -> str:
    """Return the scope of *actions* on a repository, and of pulling from another one."""
    more = f" repository:{reading}:pull" if reading else ""
    return f"repository:{repository}:{actions}{more}"


class Auth:
    """Who we are to one registry; for many threads at once."""

    def __init__(self, login: Login | None, ask: Ask) -> None:
        self._login, self._ask = login, ask
        self._kept: dict[str, str] = {}
        self._lock = threading.Lock()

    def header(self, scope: str) -> dict[str, str]:
        """Return the Authorization header for *scope*, as far as one is known."""
        kept = self._kept.get(scope)
        return {"Authorization": kept} if kept else {}

    def renew(self, scope: str, challenge: str, used: Mapping[str, str]) -> None:
        """Answer *challenge*, unless another thread did since *used* was refused."""
        with self._lock:
            if self.header(scope) == used:
                self._kept[scope] = self._answered(challenge, scope)

    def _answered(self, challenge: str, scope: str) -> str:
        kind, _, rest = challenge.partition(" ")
        if kind.lower() != "bearer":
            return self._basic()
        said = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        realm, service = said.get("realm", ""), said.get("service", "")
        if self._login is not None and self._login.token:
            form = {"grant_type": "refresh_token", "refresh_token": self._login.token}
            form |= {"service": service, "client_id": "harness", "scope": scope}
            got = self._ask("POST", realm, form, {})
        else:
            basic = self._basic()
            told = {"Authorization": basic} if basic else {}
            got = self._ask("GET", realm, {"service": service, "scope": scope}, told)
        body = got.json()
        return f"Bearer {body.get('token') or body.get('access_token') or ''}"

    def _basic(self) -> str:
        if self._login is None or not self._login.name:
            return ""
        pair = f"{self._login.name}:{self._login.password}".encode()
        return "Basic " + base64.b64encode(pair).decode()
