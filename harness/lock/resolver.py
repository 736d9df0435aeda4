"""What a resolver is asked and what it answers: pins. Which files they are is `choose`'s business.

Two doors speak this protocol, `pip_tools` and `uv`; neither ever runs the code of a package.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from harness.core.errors import ResolutionFailed


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What is wanted: *requirements* (PEP 508) within *constraints* for a Python (``3.11.2``) on an
    architecture (Debian's name). *keep* pins stay unless something excludes them; *links* is a
    folder with wheels that no index has. *platform* is the best tag of wheels that the system takes
    (``manylinux_2_36``); empty: that of the Debian suite with this Python."""

    requirements: tuple[str, ...]
    python: str
    architecture: str
    constraints: tuple[str, ...] = ()
    keep: Mapping[str, str] = field(default_factory=dict)
    links: Path | None = None
    platform: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pin:
    """A package's version, and the names of the packages of the answer that need it."""

    name: str
    version: str
    via: tuple[str, ...] = ()


class Resolver(Protocol):
    """Answers questions; the same sources and question give the same answer."""

    def pins(self, question: Question) -> tuple[Pin, ...]:
        """Return one pin for each package needed, sorted by name.

        Raises Unsolvable when nothing meets the question, ResolutionFailed when it can't be asked,
        NetworkUnavailable, ToolMissing.
        """


class Unsolvable(ResolutionFailed):
    """No set of versions meets the question; *said* is what the resolver says of it."""

    def __init__(self, message: str, *, hint: str = "", said: str = "") -> None:
        super().__init__(message, hint=hint)
        self.said = said


def dependencies(pins: tuple[Pin, ...]) -> dict[str, tuple[str, ...]]:
    """Return which packages of *pins* each one of them needs, sorted."""
    needs: dict[str, set[str]] = {pin.name: set() for pin in pins}
    for pin in pins:
        for parent in pin.via:
            if parent in needs and parent != pin.name:
                needs[parent].add(pin.name)
    return {name: tuple(sorted(found)) for name, found in needs.items()}


def parse_pins(text: str) -> tuple[Pin, ...]:
    """Return the pins of a requirements file that is annotated in the style ``line``:
    ``numpy==2.4.6  # via pandas, scikit-learn``."""
    found: dict[str, Pin] = {}
    for line in text.splitlines():
        match = re.match(r"([A-Za-z0-9][\w.-]*)==([^\s;]+)[^#]*(?:# via (.*))?$", line)
        if match:
            parents = [name.strip() for name in (match[3] or "").split(",")]
            name = canonicalize_name(match[1])
            found[name] = Pin(
                name=name,
                version=str(Version(match[2])),
                via=tuple(
                    sorted({canonicalize_name(p) for p in parents if p and not p.startswith("-")})
                ),
            )
    return tuple(found[name] for name in sorted(found))


def requirement(text: str) -> Requirement:
    """Return the requirement in *text*; raises ResolutionFailed for none, or one with a place."""
    try:
        found = Requirement(text)
    except InvalidRequirement as broken:
        raise ResolutionFailed(
            f"requirements: {text!r} is no requirement: {broken}",
            hint="write NAME, NAME~=1.2 or NAME[extra]>=1",
        ) from broken
    if found.url is not None:
        raise ResolutionFailed(
            f"requirements: {found.name} names a place, and a lock names none",
            hint="put the wheel into an index, and require it by name",
        )
    return found
