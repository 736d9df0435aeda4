"""A lock: every file that an environment is made of, by name and digest, and by no host."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from harness.core import canonical
from harness.core.digest import Digest

LAYOUT = 1
"""The version of the rules that make an image from a lock; another version, another image."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wheel:
    """A Python package: one wheel. *dependencies* are names of other wheels of the lock."""

    name: str
    version: str
    filename: str
    digest: Digest
    size: int | None = None
    dependencies: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Deb:
    """A Debian package. *filename* is its path in the archive, e.g. ``pool/main/…_amd64.deb``.

    *dependencies* are names of other Debian packages of the lock.
    """

    name: str
    version: str
    architecture: str
    filename: str
    digest: Digest
    size: int
    dependencies: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Lock:
    """What was resolved for one version of an environment.

    *spec* is the digest of the environment it was made from, *released* the date of the Debian
    index, *architecture* Debian's name for it. Wheels and debs are sorted by name.
    """

    name: str
    version: int
    python: str
    suite: str
    architecture: str
    spec: Digest
    released: datetime
    layout: int = LAYOUT
    requirements: tuple[str, ...] = ()
    packages: tuple[Wheel, ...]
    debs: tuple[Deb, ...]

    @property
    def reference(self) -> str:
        """The name people write: ``tabular:3``."""
        return f"{self.name}:{self.version}"

    @property
    def digest(self) -> Digest:
        """What the image is a function of: files, interpreter and layout; no names of ours."""
        return canonical.digest(contents(self))


def contents(lock: Lock) -> dict[str, Any]:
    """Return what of *lock* ends up in an image, as a canonical value."""
    return {
        "python": lock.python,
        "suite": lock.suite,
        "architecture": lock.architecture,
        "layout": lock.layout,
        "packages": sorted([w.name, w.version, w.filename, w.digest] for w in lock.packages),
        "debs": sorted([d.name, d.version, d.filename, d.digest] for d in lock.debs),
    }
