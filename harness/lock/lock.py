"""A lock: every file that an environment is made of, by name and digest, and by no host."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from harness.content.scheme import Scheme
from harness.core import canonical
from harness.core.digest import Digest

LAYOUT = 1
"""The version of the rules that make an image from a lock; another version, another image."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wheel:
    """A Python package: one wheel. *dependencies* are names of other wheels of the lock.

    *built* is set where no index offers the wheel: it is made from that source, and *digest* is
    that of what comes out.
    """

    name: str
    version: str
    filename: str
    digest: Digest
    size: int | None = None
    dependencies: tuple[str, ...] = ()
    built: Source | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A source distribution (PEP 517), and the wheels that its build needs, sorted by name."""

    filename: str
    digest: Digest
    size: int | None = None
    requires: tuple[Wheel, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Deb:
    """A Debian package. *filename* is its path in the archive, e.g. ``pool/main/…_amd64.deb``.

    *dependencies* are names of other Debian packages of the lock; *source* and *source_version*
    name what it was built from, which is what Debian's advisories speak of.
    """

    name: str
    version: str
    architecture: str
    filename: str
    digest: Digest
    size: int
    dependencies: tuple[str, ...] = ()
    source: str = ""
    source_version: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """A pin of the parent's that a change forced to another version, and the chain that forces it,
    from what was asked for to the requirement that excludes the parent's version."""

    name: str
    before: str
    after: str
    why: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Installed:
    """A Python package that a base image has. *info* is the folder of its metadata, below the
    root; empty where no RECORD in it says what its files are, so that nothing can take it out."""

    name: str
    version: str
    info: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class OsPackage:
    """A Debian package that a base image has, and the source that it was built from."""

    name: str
    version: str
    source: str
    source_version: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Base:
    """An image of others that an environment stands on.

    *image* is its name as it was declared, *manifest* the digest of what it is on this platform.
    *python* is its interpreter's version (``3.11.2``), *scheme* where that lies, *platform* the
    best tag of wheels that its C library takes (``manylinux_2_36``). *packages* are in the order
    of ``sys.path`` where a name is there twice; *moved* are those that the environment puts others
    in the place of, each with the chain that forces it. *suite* is the Debian suite that its OS
    *packages* are of, or empty.
    """

    image: str
    manifest: Digest
    python: str
    scheme: Scheme
    platform: str
    packages: tuple[Installed, ...] = ()
    moved: tuple[Move, ...] = ()
    suite: str = ""
    os: tuple[OsPackage, ...] = ()

    @property
    def pins(self) -> dict[str, str]:
        """The version of each Python package that is imported, by name."""
        return {one.name: one.version for one in reversed(self.packages)}

    @property
    def kept(self) -> dict[str, str]:
        """Those of the pins that the environment leaves as they are."""
        gone = {move.name for move in self.moved}
        return {name: version for name, version in self.pins.items() if name not in gone}


@dataclass(frozen=True, kw_only=True, slots=True)
class Parent:
    """What a customized environment started from: ``tabular:3``, the digest of that lock, and what
    of its pins had to move. An *after* that is empty: the package is gone."""

    reference: str
    lock: Digest
    moved: tuple[Move, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Lock:
    """What was resolved for one version of an environment on one platform.

    *spec* is the digest of the environment it was made from, *released* the date of the Debian
    index, *architecture* Debian's name for it. Wheels and debs are sorted by name. *requirements*
    and *os* are what was asked for. *build_debs* are what builds of sources use besides *debs*, and
    no image holds; *build_os* is what was asked for of them. On a *base* image there are no debs,
    and *packages* are those that it doesn't have.
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
    os: tuple[str, ...] = ()
    packages: tuple[Wheel, ...]
    debs: tuple[Deb, ...]
    build_os: tuple[str, ...] = ()
    build_debs: tuple[Deb, ...] = ()
    parent: Parent | None = None
    base: Base | None = None

    @property
    def reference(self) -> str:
        """The name people write: ``tabular:3``."""
        return f"{self.name}:{self.version}"

    @property
    def digest(self) -> Digest:
        """What the image is a function of: files, interpreter and layout; no names of ours."""
        return canonical.digest(contents(self))

    @property
    def built(self) -> tuple[Wheel, ...]:
        """The wheels that are made from sources."""
        return tuple(wheel for wheel in self.packages if wheel.built is not None)

    @property
    def pins(self) -> dict[str, str]:
        """The version of each Python package, by name."""
        return {wheel.name: wheel.version for wheel in self.packages}


def contents(lock: Lock) -> dict[str, Any]:
    """Return what of *lock* ends up in an image, as a canonical value."""
    base: dict[str, Any] = {}
    if lock.base is not None:
        base["base"] = {
            "manifest": lock.base.manifest,
            "program": lock.base.scheme.program,
            "site": lock.base.scheme.site,
            "scripts": lock.base.scheme.scripts,
            "prefix": lock.base.scheme.prefix,
            "moved": sorted(move.name for move in lock.base.moved),
        }
    return {
        **base,
        "python": lock.python,
        "suite": lock.suite,
        "architecture": lock.architecture,
        "layout": lock.layout,
        "packages": sorted([w.name, w.version, w.filename, w.digest] for w in lock.packages),
        "debs": sorted([d.name, d.version, d.filename, d.digest] for d in lock.debs),
    }
