"""An image's address in a registry: ``registry.example:5000/team/app:1`` or ``…@sha256:…``.

Grammar: OCI distribution specification 1.1, "Pulling manifests" (names, tags), and the OCI image
specification's ``descriptor.md`` (digests). The host is always written, as nothing is implied.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.core.digest import Digest
from harness.core.errors import SpecInvalid

_HOST = re.compile(r"(localhost|[\w-]+(\.[\w-]+)+|\[[0-9a-fA-F:]+\]|[\w-]+(?=:))(:\d+)?")
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """A repository of a registry, and in it a tag or a digest; the digest counts if both are."""

    host: str
    repository: str
    tag: str = ""
    digest: Digest | None = None

    @property
    def name(self) -> str:
        """What a manifest is asked for by."""
        return self.digest or self.tag

    @property
    def place(self) -> str:
        """The repository with its host."""
        return f"{self.host}/{self.repository}"

    def __str__(self) -> str:
        return f"{self.place}@{self.digest}" if self.digest else f"{self.place}:{self.tag}"


def parse(text: str) -> Reference:
    """Return the reference that *text* is, with the tag ``latest`` where it has none.

    Raises SpecInvalid.
    """
    host, slash, rest = text.removeprefix("oci://").removeprefix("docker://").partition("/")
    if not slash or not _HOST.fullmatch(host):
        raise SpecInvalid(
            f'"{text}" does not begin with the host of a registry',
            hint='write it out, as in "registry.example:5000/team/app:1"',
        )
    rest, at, digest = rest.partition("@")
    repository, _, tag = rest.partition(":")
    problem = ""
    if not _REPOSITORY.fullmatch(repository):
        problem = f'"{repository}" is no name of a repository: a-z, 0-9, and one of . _ - between'
    elif (":" in rest) and not _TAG.fullmatch(tag):
        problem = f'"{tag}" is no tag: at most 128 of a-z, A-Z, 0-9, _, . and -'
    elif at and not is_digest(digest):
        problem = f'"{digest}" is no digest: sha256: and 64 of 0-9, a-f'
    if problem:
        raise SpecInvalid(
            f'"{text}" is no address of an image: {problem}',
            hint='write it as "registry.example:5000/team/app:1" or "…/app@sha256:…"',
        )
    return Reference(
        host=host,
        repository=repository,
        tag=tag or ("" if at else "latest"),
        digest=Digest(digest) if at else None,
    )


def is_digest(text: object) -> bool:
    """Tell whether *text* is a digest of the one algorithm that we know."""
    return isinstance(text, str) and _DIGEST.fullmatch(text) is not None
