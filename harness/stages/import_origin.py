"""Where something of an image comes from: which wheel has a file or a module, who asked for that
wheel, and which requirement let its version in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from harness.content.scheme import below_site
from harness.image import installed
from harness.image.installed import Distribution
from harness.lock import chain
from harness.lock.lock import Lock

Line = tuple[str, str]
"""One line of a problem: its title and its text."""


@dataclass(kw_only=True, slots=True)
class Origins:
    """The *wheels* of an image with the *lock* they came by; *modules* are the top-level ones,
    each with its wheel's name and version as RECORD's folder has them ("" for a model's own)."""

    wheels: tuple[Distribution, ...]
    modules: Mapping[str, str]
    lock: Lock | None
    owners: Mapping[str, tuple[str, ...]] = field(init=False)

    def __post_init__(self) -> None:
        self.owners = installed.owners(self.wheels)

    def of_file(self, path: str) -> str:
        """Return the wheel that has the file at *path* of the image, or ""."""
        inside = below_site(path)
        return self.owners.get(path if inside is None else inside, ("",))[0]

    def of_module(self, name: str) -> str:
        """Return the wheel that has the top-level module *name*, or ""."""
        folder = self.modules.get(name, "")
        return str(canonicalize_name(folder.partition("-")[0])) if folder else ""

    def beside(self, name: str) -> tuple[str, ...]:
        """Return the modules that come in the wheel of module *name*, itself among them."""
        folder = self.modules.get(name, "")
        return tuple(one for one, other in self.modules.items() if folder and other == folder)

    def versioned(self, wheel: str) -> str:
        """Return *wheel* with its version."""
        version = next((one.version for one in self.wheels if one.name == wheel), "")
        return f"{wheel} {version}".strip()

    def chain(self, wheel: str) -> str:
        """Return *wheel* with its version and who asks for it, as far as the lock says."""
        if self.lock and wheel in self.lock.pins:
            return chain.told(self.lock, wheel)
        return self.versioned(wheel)

    def asked(self, wheel: str) -> list[Line]:
        """Return who asks for *wheel* as a line of a problem; none without a wheel."""
        return [("from", self.chain(wheel))] if wheel else []

    def admitted(self, caller: str, wheel: str) -> list[Line]:
        """Return the requirement of *caller* that let this version of *wheel* in, if it has one."""
        by = next((one for one in self.wheels if one.name == caller), None)
        text = _requirement(by, wheel) if by is not None else ""
        if not text:
            return []
        said = f"{self.versioned(caller)} requires {text}, which admits {self.versioned(wheel)}"
        return [("though", said)]

    def claimed_twice(self) -> list[str]:
        """Return, in words, which files several wheels claim: with different bytes there would be
        no image."""
        twice: dict[tuple[str, ...], list[str]] = {}
        for file, names in self.owners.items():
            if len(names) > 1:
                twice.setdefault(names, []).append(file)
        return [
            f"{' and '.join(names)} both have {files[0]}"
            f"{f' and {len(files) - 1} more' if len(files) > 1 else ''}, of equal bytes"
            for names, files in sorted(twice.items())
        ]


def _requirement(wheel: Distribution, name: str) -> str:
    for text in installed.requires(wheel):
        try:
            need = Requirement(text)
        except InvalidRequirement:
            continue
        if canonicalize_name(need.name) == name:
            return f"{need.name}{need.specifier}"
    return ""
