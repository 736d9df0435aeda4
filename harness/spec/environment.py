"""An environment: what is installed, as a person declared it in ``environment.toml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from harness.core import canonical
from harness.core.digest import Digest

PYTHONS: Mapping[str, str] = {"bookworm": "3.11", "trixie": "3.13"}
"""The Debian suites that a base can be, and the Python that each of them ships."""


ARCHITECTURES: Mapping[str, str] = {"x86_64": "amd64", "aarch64": "arm64"}
"""What Debian calls a machine that ``platform_machine`` (PEP 508) names so."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What a customized environment changes of its *parent* (``tabular:3``), which lies in
    *source*: a folder, or ``oci://…``. *replace* requirements stand in for those of their names."""

    parent: str
    source: str
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    replace: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class About:
    """What a curated environment is for, who answers for it, and until when; and the script that
    shows that it works. None of it changes the lock."""

    purpose: str = ""
    owner: str = ""
    end_of_life: date | None = None
    smoke: Path | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Environment:
    """A declared environment. *suite* is the Debian suite of its base, e.g. ``bookworm``,
    *platforms* are Debian's names of architectures. *build* names what may be built from source,
    *build_requirements* bound what such a build uses, *build_os* are Debian packages for it alone.
    *without* names libraries and modules that it may lack; it doesn't change the lock.

    A customized one has a *change*; until its parent is known (`harness.lock.customized`) its
    *python* and *suite* are empty and *requirements* hold nothing.
    """

    folder: Path
    name: str
    version: int
    python: str
    suite: str
    requirements: tuple[str, ...]
    os: tuple[str, ...] = ()
    resolver: str = "pip-tools"
    platforms: tuple[str, ...] = ("amd64",)
    build: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    build_requirements: tuple[str, ...] = ()
    build_os: tuple[str, ...] = ()
    change: Change | None = None
    image: str = ""
    about: About | None = None

    @property
    def reference(self) -> str:
        """The name people write: ``tabular:3``."""
        return f"{self.name}:{self.version}"

    @property
    def lock_path(self) -> Path:
        """Where this version's lock lies: beside the specification."""
        return self.folder / f"pylock.{self.version}.toml"

    @property
    def digest(self) -> Digest:
        """What the lock remembers; independent of the file's comments, order and place."""
        said: dict[str, Any] = {
            "name": self.name,
            "version": self.version,
            "os": sorted(self.os),
            "resolver": self.resolver,
            "build": sorted(self.build),
        }
        for key, values in (
            ("build_requirements", self.build_requirements),
            ("build_os", self.build_os),
        ):
            if values:
                said[key] = sorted(values)
        if self.image:
            said["image"] = self.image
        if self.change is None:
            said |= {
                "python": self.python,
                "suite": self.suite,
                "requirements": sorted(self.requirements),
                "platforms": sorted(self.platforms),
            }
        else:
            said |= {
                "from": self.change.parent,
                "add": sorted(self.change.add),
                "remove": sorted(self.change.remove),
                "replace": sorted(self.change.replace),
            }
        return canonical.digest(said)
