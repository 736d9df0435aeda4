"""The name of an image of others: in a registry, or in an OCI layout on disk.

Grammar: OCI distribution specification 1.1, "Pulling manifests" (names, tags). The host is always
written, as nothing is implied.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.core.digest import Digest, is_digest

LAYOUT = "oci:"
HOST = r"(?:localhost|[\w-]+(?:\.[\w-]+)+|\[[0-9a-fA-F:]+\]|[\w-]+(?=:))(?::\d+)?"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
REPOSITORY = rf"{_PART}(?:/{_PART})*"
TAG = r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}"
_FORM = re.compile(
    rf"(?:(?P<host>{HOST})/)?(?P<repository>{REPOSITORY})(?::(?P<tag>{TAG}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Name:
    """A base image's name: *host* and *repository* in a registry, or the folder of a *layout*."""

    text: str
    host: str = ""
    repository: str = ""
    layout: str = ""
    tag: str = ""
    digest: Digest | None = None


def named(text: str) -> Name:
    """Return what the name of a base image says; raises ValueError for what is none."""
    if text.startswith(LAYOUT):
        path, at, digest = text.removeprefix(LAYOUT).partition("@")
        if not path or (at and not is_digest(digest)):
            raise ValueError(f'"{text}" is not like "oci:../layout@sha256:…"')
        return Name(text=text, layout=path, digest=Digest(digest) if digest else None)
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(f'"{text}" is no image, like "registry.example/team/python@sha256:…"')
    host, repository = found["host"] or "", found["repository"]
    if not host:
        raise ValueError(
            f'"{text}" does not begin with the host of a registry, as in '
            '"registry.example/team/python@sha256:…"'
        )
    return Name(
        text=text,
        host=host,
        repository=repository,
        tag=found["tag"] or "",
        digest=Digest(found["digest"]) if found["digest"] else None,
    )
