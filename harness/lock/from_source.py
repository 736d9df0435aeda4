"""A resolver that may choose what has a source and no wheel.

Resolvers are shown wheels only, so that they never run a package's code. In place of each source
they see a stand-in: a wheel with metadata and nothing else. It asks for nothing at first; when one
is chosen, its source is built (in a sandbox, by whoever is passed in as *make*), the stand-in gets
the metadata that came out, and the question is asked again, until all that is chosen is built. A
stand-in only ever asks for more, so no better answer is passed over.
"""

from __future__ import annotations

import re
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import (
    InvalidSdistFilename,
    canonicalize_name,
    parse_sdist_filename,
)
from packaging.version import InvalidVersion, Version

from harness.core.digest import of_hex
from harness.core.errors import ResolutionFailed
from harness.lock import choose, metadata
from harness.lock.lock import Source, Wheel
from harness.lock.resolver import Pin, Question, Resolver, Unsolvable
from harness.lock.wheel_index import Offered, WheelIndex
from harness.world.store import Store

Resolved = Callable[[tuple[str, ...]], tuple[Wheel, ...]]
"""Requirements → wheels, locked and in the store."""

Make = Callable[[Source, Resolved], Wheel]
"""Builds the wheel of a source whose file is in the store, with what it needs; keeps it there."""

_MISSED = re.compile(r"Wheels are required for `([\w.-]+)`|satisfies the requirement ([\w.-]+)")
"""What uv and pip say of a package of which they found no wheel."""

KEPT = ("Requires-Dist", "Provides-Extra", "Requires-Python")
"""What of a wheel's metadata a resolver goes by."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FromSource:
    """*resolver*, which may also choose sources of *names*.

    Builds use *requirements* besides what they declare, resolved for *python* (``3.11.2``) on
    *architecture*, where they run; *keep* holds the pins of earlier builds, by what was built.
    *made* is what was built so far, by name and version. Without *make* nothing is built, and a
    source that was not built yet asks for nothing.
    """

    resolver: Resolver
    index: WheelIndex
    store: Store
    names: tuple[str, ...]
    python: str
    architecture: str
    make: Make | None
    requirements: tuple[str, ...] = ()
    keep: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    made: dict[tuple[str, str], Wheel] = field(default_factory=dict)
    pages: dict[str, tuple[Offered, ...]] = field(default_factory=dict)

    def pins(self, question: Question) -> tuple[Pin, ...]:
        """Return the pins that answer *question*; raises as ``Resolver.pins`` does, and what
        *make* raises."""
        offered = {name: self._offered(name, question) for name in self.names}
        while True:
            pins = self._asked(question, offered)
            chosen = [
                pin
                for pin in pins
                if pin.version in offered.get(pin.name, ())
                and (pin.name, pin.version) not in self.made
            ]
            if not chosen or self.make is None:
                return pins
            for pin in chosen:
                self.made[pin.name, pin.version] = self._build(
                    pin, offered[pin.name][pin.version], self.make
                )

    def known(self) -> FromSource:
        """Return the same resolver, which builds nothing more: to find out what is in the way."""
        return replace(self, make=None)

    def built(self, pins: tuple[Pin, ...]) -> dict[str, Wheel]:
        """Return which of *pins* were built, by name."""
        found = ((pin.name, self.made.get((pin.name, pin.version))) for pin in pins)
        return {name: wheel for name, wheel in found if wheel is not None}

    def _offered(self, name: str, question: Question) -> dict[str, Offered]:
        """Return the sources that may be chosen, by version: those without a wheel that fits."""
        if name not in self.pages:
            self.pages[name] = self.index.offers(name)
        wheels = choose.with_wheels(self.pages[name], question.python, question.architecture)
        exact = _exact(name, question)
        found: dict[str, Offered] = {}
        for offer in sorted(
            self.pages[name], key=lambda o: (o.filename.endswith(".zip"), o.filename)
        ):
            version = _version(offer.filename, name)
            if (
                version is not None
                and version not in wheels
                and choose.allowed(offer, question.python)
                and (offer.yanked is None or version in exact)
            ):
                found.setdefault(str(version), offer)
        return found

    def _asked(
        self, question: Question, offered: Mapping[str, Mapping[str, Offered]]
    ) -> tuple[Pin, ...]:
        with tempfile.TemporaryDirectory(prefix="harness-lock-") as folder:
            for name, versions in offered.items():
                for version in versions:
                    self._stand_in(Path(folder), name, version)
            return self.resolver.pins(replace(question, links=Path(folder)))

    def _stand_in(self, folder: Path, name: str, version: str) -> None:
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        if (made := self.made.get((name, version))) is not None:
            said = metadata.read(made, self.store)
            lines += [f"{key}: {value}" for key in KEPT for value in said.get_all(key, ())]
        plain = name.replace("-", "_")
        info = f"{plain}-{version}.dist-info"
        with zipfile.ZipFile(folder / f"{plain}-{version}-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{info}/METADATA", "\n".join(lines) + "\n")
            wheel.writestr(
                f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            wheel.writestr(f"{info}/RECORD", "")

    def _build(self, pin: Pin, offer: Offered, make: Make) -> Wheel:
        digest = of_hex(choose.checked(offer, pin).sha256 or "")
        file = Wheel(name=pin.name, version=pin.version, filename=offer.filename, digest=digest)
        self.index.download(file, store=self.store)
        size = self.store.path(digest).stat().st_size if offer.size is None else offer.size

        def resolved(wanted: tuple[str, ...]) -> tuple[Wheel, ...]:
            return self._needed(pin, wanted)

        return make(Source(filename=offer.filename, digest=digest, size=size), resolved)

    def _needed(self, pin: Pin, wanted: tuple[str, ...]) -> tuple[Wheel, ...]:
        """Return the wheels that a build of *pin* needs, in the store."""
        question = Question(
            requirements=tuple(sorted({*wanted, *self.requirements})),
            python=self.python,
            architecture=self.architecture,
            keep=self.keep.get(pin.name, {}),
        )
        if not question.requirements:
            return ()
        try:
            pins = self.resolver.pins(question)
        except Unsolvable as unsolvable:
            raise ResolutionFailed(
                f"what the build of {pin.name} {pin.version} requires can't be had: "
                f"{', '.join(question.requirements)}\n{unsolvable.said}",
                hint="build requirements must have wheels; require a version that has one itself",
            ) from unsolvable
        wheels = choose.wheels(
            pins, python=self.python, architecture=self.architecture, index=self.index
        )
        for wheel in wheels:
            self.index.download(wheel, store=self.store)
        return tuple(replace(wheel, dependencies=()) for wheel in wheels)


def without_wheels(question: Question, said: str, index: WheelIndex) -> tuple[str, ...]:
    """Return the packages that *question* asks for, or a resolver *said* it misses, of which there
    are sources that meet the question and no such wheels: ``build`` may be what is missing."""
    wanted = [Requirement(text) for text in (*question.requirements, *question.constraints)]
    names = {canonicalize_name(one.name) for one in wanted}
    names |= {canonicalize_name(name) for found in _MISSED.findall(said) for name in found if name}
    found = []
    for name in sorted(names):
        within = SpecifierSet()
        for one in wanted:
            if canonicalize_name(one.name) == name:
                within &= one.specifier
        offers = index.offers(name)
        wheels = choose.with_wheels(offers, question.python, question.architecture)
        sources = {v for offer in offers if (v := _version(offer.filename, name)) is not None}
        if list(within.filter(sources)) and not list(within.filter(wheels)):
            found.append(name)
    return tuple(found)


def _version(filename: str, name: str) -> Version | None:
    try:
        found, version = parse_sdist_filename(filename)
    except (InvalidSdistFilename, InvalidVersion):
        return None
    return version if found == name else None


def _exact(name: str, question: Question) -> set[Version]:
    """Return the versions of *name* that were asked for by ``==`` or stay: a withdrawn one is
    told then (PEP 592), not passed over."""
    found = {Version(question.keep[name])} if name in question.keep else set()
    for text in (*question.requirements, *question.constraints):
        one = Requirement(text)
        if canonicalize_name(one.name) == name:
            for specifier in one.specifier:
                if specifier.operator == "==" and not specifier.version.endswith("*"):
                    found.add(Version(specifier.version))
    return found
