"""An environment: what is installed, as a person declared it in ``environment.toml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.core import canonical
from harness.core.digest import Digest

PYTHONS: Mapping[str, str] = {"bookworm": "3.11", "trixie": "3.13"}
"""The Debian suites that a base can be, and the Python that each of them ships."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Environment:
    """A declared environment. *suite* is the Debian suite of its base, e.g. ``bookworm``."""

    folder: Path
    name: str
    version: int
    python: str
    suite: str
    requirements: tuple[str, ...]
    os: tuple[str, ...] = ()
    resolver: str = "pip-tools"

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
        return canonical.digest(
            {
                "name": self.name,
                "version": self.version,
                "python": self.python,
                "suite": self.suite,
                "requirements": sorted(self.requirements),
                "os": sorted(self.os),
                "resolver": self.resolver,
            }
        )
