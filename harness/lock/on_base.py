"""An environment on a base image: what the image has are pins that stay, like a parent's, and what
stays is not installed again.

A resolver sees wheels only, and what is installed in an image need not be in any index. So each
package of the base is shown to it as a stand-in, a wheel of metadata alone. What a package asks for
and the base doesn't meet today is left out of it: the base as it is, is always an answer.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from harness.core import canonical
from harness.core.digest import hexadecimal
from harness.core.errors import ResolutionFailed
from harness.lock import metadata
from harness.lock.conflict import ASKED
from harness.lock.lock import Base, Lock, Move, Parent, Wheel
from harness.lock.resolver import Question
from harness.spec.environment import Environment
from harness.world.store import Store

ZIPPED = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Looked:
    """What was found in a base image: the *base*, when it was made, and for each of its packages
    the lines of its metadata that a resolver goes by."""

    base: Base
    architecture: str
    created: datetime
    needs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    extras: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ground:
    """A base as a resolver meets it: its packages as *stand_ins* that lie in the folder *links*,
    and what is *pinned*. That is all that it has or, where an environment on it is the parent
    *above*, all that this one has."""

    looked: Looked
    stand_ins: tuple[Wheel, ...]
    links: Path
    pinned: Lock
    above: Lock | None = None

    @property
    def pins(self) -> dict[str, str]:
        """The versions that the base itself has, by name."""
        return {wheel.name: wheel.version for wheel in self.stand_ins}

    def question(self, own: Question) -> Question:
        """Return *own* with all that the base has: it is wanted too, goes on working, and is what
        is best where anything has to move."""
        asked = set(map(_name, own.requirements))
        more = (name for name in sorted(self.pins) if name not in asked)
        return replace(
            own,
            requirements=(*own.requirements, *more),
            keep={**self.pins, **own.keep},
            links=self.links,
            platform=self.looked.base.platform,
        )

    def unknown(self, own: Question) -> Question:
        """Return *own* without what the base has: an index need not."""
        elsewhere = (text for text in own.requirements if _name(text) not in self.pins)
        return replace(own, requirements=tuple(elsewhere))


def _name(requirement: str) -> str:
    return canonicalize_name(Requirement(requirement).name)


def ground(
    environment: Environment, looked: Looked, store: Store, *, above: Lock | None = None
) -> Ground:
    """Return what *environment* stands on, over the parent *above* if it has one; the stand-ins are
    put into *store*."""
    base = looked.base
    pins = {name: version for name, version in base.pins.items() if _valid(version)}
    question = Question(requirements=(), python=base.python, architecture=looked.architecture)
    wheels = []
    for name, version in sorted(pins.items()):
        needs = [
            need for text in looked.needs.get(name, ()) if (need := _met(text, pins, question))
        ]
        wheels.append(_stand_in(name, version, needs, looked.extras.get(name, ()), base, store))
    own = above.packages if above is not None else ()
    theirs = (wheel for wheel in wheels if wheel.name not in {one.name for one in own})
    pinned = Lock(
        name=base.image,
        version=0,
        python=base.scheme.python,
        suite="",
        architecture=looked.architecture,
        spec=environment.digest,
        released=looked.created,
        packages=tuple(sorted((*theirs, *own), key=lambda wheel: wheel.name)),
        debs=(),
    )
    return Ground(
        looked=looked,
        stand_ins=tuple(wheels),
        links=_links(wheels, store),
        pinned=pinned,
        above=above,
    )


def settled(
    ground: Ground,
    wheels: Sequence[Wheel],
    inherited: Parent | None,
    *,
    requirements: Sequence[str],
) -> tuple[tuple[Wheel, ...], Base, Parent | None]:
    """Return what is installed over the base, the base with what had to move, and the parent that
    stands on it with what of its pins had to.

    Raises ResolutionFailed when something has to move that can't be taken out.
    """
    base = ground.looked.base
    there = {(wheel.name, wheel.version) for wheel in ground.stand_ins}
    new = [wheel for wheel in wheels if (wheel.name, wheel.version) not in there]
    names = {wheel.name for wheel in new}
    got = {wheel.name: wheel.version for wheel in wheels}
    found = inherited.moved if inherited is not None else ()
    told = tuple(_told(move, ground, got, requirements) for move in found)
    moves = _of_base(told, ground, got, requirements)
    stuck = [
        move
        for move in moves
        if any(one.name == move.name and not one.info for one in base.packages)
    ]
    if stuck:
        one = stuck[0]
        raise ResolutionFailed(
            f"{one.name} {one.before} of the base image has to become {one.after}, and no RECORD "
            f"says which files it is of: " + "; ".join(one.why),
            hint=f"require what {one.name} {one.before} allows, or name a base with another one",
        )
    packages = tuple(
        replace(wheel, dependencies=tuple(n for n in wheel.dependencies if n in names))
        for wheel in new
    )
    parent = None
    if ground.above is not None:
        own = tuple(move for move in told if move.name in ground.above.pins)
        parent = Parent(reference=ground.above.reference, lock=ground.above.digest, moved=own)
    return packages, replace(base, moved=moves), parent


def _told(move: Move, ground: Ground, got: Mapping[str, str], requirements: Sequence[str]) -> Move:
    """Return *move* with what only the base wants told as that."""

    def told(line: str) -> str:
        name = line.removesuffix(ASKED)
        if name in requirements or name not in ground.pins or line == name:
            return line
        here = "" if got.get(name) == ground.pins[name] else f", here {got.get(name, 'gone')}"
        return f"the base has {name} {ground.pins[name]}{here}"

    return replace(move, why=tuple(map(told, move.why)))


def _of_base(
    told: Sequence[Move], ground: Ground, got: Mapping[str, str], requirements: Sequence[str]
) -> tuple[Move, ...]:
    """Return the moves of what the base itself has: those that were *told* now, and those that the
    parent above has made already, for its own reasons as long as they hold."""
    above = ground.above
    why = {move.name: move.why for move in told}
    for move in above.base.moved if above is not None and above.base is not None else ():
        if all(_holds(line, got, requirements) for line in move.why):
            why.setdefault(move.name, move.why)
    return tuple(
        Move(
            name=name,
            before=version,
            after=got.get(name, ""),
            why=why.get(name) or (f"{above.reference if above else ''} has {name} {got[name]}",),
        )
        for name, version in sorted(ground.pins.items())
        if got.get(name) != version
    )


def _holds(line: str, got: Mapping[str, str], requirements: Sequence[str]) -> bool:
    """Tell whether a link of a chain is still true."""
    if line.endswith(ASKED):
        return line.removesuffix(ASKED) in requirements
    name, version = [*line.removeprefix("the base has ").split(" "), "", ""][:2]
    return got.get(name) == version.rstrip(",")


def _valid(version: str) -> bool:
    try:
        Version(version)
    except InvalidVersion:
        return False
    return True


def _met(text: str, pins: Mapping[str, str], question: Question) -> str:
    """Return the requirement *text* where it is optional or the base meets it, else ""."""
    try:
        need = Requirement(text)
    except InvalidRequirement:
        return ""
    need.url = None
    if need.marker is not None and "extra" in str(need.marker):
        return str(need)
    if not metadata.applies(need, question):
        return ""
    found = pins.get(canonicalize_name(need.name))
    met = found is not None and need.specifier.contains(found, prereleases=True)
    return str(need) if met else ""


def _stand_in(
    name: str, version: str, needs: Sequence[str], extras: Sequence[str], base: Base, store: Store
) -> Wheel:
    plain, version = name.replace("-", "_"), str(Version(version))
    info = f"{plain}-{version}.dist-info"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {need}" for need in needs]
    lines += [f"Provides-Extra: {extra}" for extra in extras]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as wheel:
        for file, text in (
            ("METADATA", "\n".join(lines) + "\n"),
            ("WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
            ("RECORD", ""),
        ):
            wheel.writestr(zipfile.ZipInfo(f"{info}/{file}", ZIPPED), text)
    return Wheel(
        name=name,
        version=version,
        filename=f"{plain}-{version}-99999-py3-none-any.whl",
        digest=store.add(out.getvalue()),
    )


def _links(wheels: Sequence[Wheel], store: Store) -> Path:
    key = hexadecimal(canonical.digest(sorted([w.filename, w.digest] for w in wheels)))

    def fill(folder: Path) -> None:
        for wheel in wheels:
            os.link(store.path(wheel.digest), folder / wheel.filename)

    return store.tree(f"stand-ins-{key[:24]}", fill)
