"""An image's address in a registry: ``registry.example:5000/team/app:1`` or ``…@sha256:…``.

The grammar is that of ``spec.image_name``. An image layout on disk has a name too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from harness.core.digest import Digest, is_digest
from harness.core.errors import SpecInvalid
from harness.spec import image_name

_HOST = re.compile(image_name.HOST)
_REPOSITORY = re.compile(image_name.REPOSITORY)
_TAG = re.compile(image_name.TAG)
LAYOUTS = ("oci:", "oci-archive:")
"""How layouts are named, as skopeo does: ``oci:FOLDER[:TAG]`` and ``oci-archive:FILE[:TAG]``."""
_REGISTRIES = ("oci://", "docker://")


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
    host, slash, rest = _bare(text).partition("/")
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


def is_registry(text: str) -> bool:
    """Tell whether *text* says that it is an address in a registry: ``oci://…``, ``docker://…``."""
    return text.startswith(_REGISTRIES)


def is_layout(text: str) -> bool:
    """Tell whether *text* names an image layout."""
    return text.startswith(LAYOUTS) and not is_registry(text)


def layout(text: str) -> tuple[Path, str]:
    """Return the path and the tag, if there is one, of a layout's name."""
    _, _, rest = text.partition(":")
    path, colon, tag = rest.rpartition(":")
    if not colon or "/" in tag or Path(rest).exists():
        return Path(rest), ""
    return Path(path), tag


def _bare(text: str) -> str:
    for one in _REGISTRIES:
        text = text.removeprefix(one)
    return text
