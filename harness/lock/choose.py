"""From pins to files: the wheel of each package that an interpreter on a platform would choose.

The index's page of the package (PEP 503, PEP 691) names files and digests; tags are ranked as pip
ranks them (PEP 425, PEP 600): those of the interpreter's own platform first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from harness.core.digest import of_hex
from harness.core.errors import ResolutionFailed
from harness.lock.lock import Wheel
from harness.lock.pylock_reading import MACHINES
from harness.lock.resolver import Pin, dependencies
from harness.lock.wheel_index import Offered, WheelIndex, wheel_version
from harness.world import http

LIBC = {"3.11": 36, "3.13": 41}
"""The minor version of glibc 2 in the suite that ships a Python."""

_LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


def wheels(
    pins: tuple[Pin, ...],
    *,
    python: str,
    architecture: str,
    index: WheelIndex,
    built: Mapping[str, Wheel] | None = None,
    known: Iterable[Wheel] = (),
    platform: str = "",
) -> tuple[Wheel, ...]:
    """Return the wheel of each of *pins*, sorted by name; of *known* ones the same file; *built*
    are those that no index has. *platform* is the best tag that the system takes, if it isn't that
    of the suite with this Python.

    Raises ResolutionFailed when the index has no fitting one with a SHA-256, or the built one
    doesn't fit, and NetworkUnavailable.
    """
    built = built or {}
    pages: dict[str, tuple[Offered, ...]] = {}

    def ask(pin: Pin) -> None:
        pages[pin.name] = index.offers(pin.name, Version(pin.version))

    there = {(wheel.name, wheel.version): wheel for wheel in known if wheel.built is None}
    unknown = [p for p in pins if p.name not in built and (p.name, p.version) not in there]
    http.in_parallel(ask, unknown, name=lambda pin: pin.name)
    needs = dependencies(pins)
    return tuple(
        replace(_usable(built[pin.name], python, architecture), dependencies=needs[pin.name])
        if pin.name in built
        else replace(there[pin.name, pin.version], dependencies=needs[pin.name])
        if pin.name not in pages
        else _wheel(
            pin, best(pages[pin.name], pin, python, architecture, platform), needs[pin.name]
        )
        for pin in pins
    )


def best(
    offers: tuple[Offered, ...], pin: Pin, python: str, architecture: str, platform: str = ""
) -> Offered:
    """Return that of *offers* which is *pin*'s and ranks first; raises ResolutionFailed."""
    of_version = list(_ranked(offers, python, architecture, Version(pin.version), platform))
    seen = [offer.filename for _, _, offer in of_version]
    found = [(rank, offer.filename, offer) for _, rank, offer in of_version if rank is not None]
    if not found:
        there = f"only {', '.join(sorted(seen)[:3])}" if seen else "no wheel at all"
        raise ResolutionFailed(
            f"{pin.name} {pin.version} has no wheel for Python {python} on "
            f"{MACHINES[architecture]}: the index offers {there}",
            hint=f'build = ["{pin.name}"] in environment.toml builds it from its source',
        )
    return checked(min(found)[2], pin)


def checked(chosen: Offered, pin: Pin) -> Offered:
    """Return *chosen*; raises ResolutionFailed where it has no SHA-256 or was withdrawn."""
    if chosen.sha256 is None:
        raise ResolutionFailed(
            f"{chosen.filename} is offered without a SHA-256", hint="use an index that names them"
        )
    if chosen.yanked is not None:
        raise ResolutionFailed(
            f"{pin.name} {pin.version} was withdrawn from the index (yanked): {chosen.yanked}",
            hint=f"harness lock NAME --upgrade-package {pin.name}, or require another version",
        )
    return chosen


def with_wheels(offers: tuple[Offered, ...], python: str, architecture: str) -> set[Version]:
    """Return the versions of which *offers* hold a wheel that fits and was not withdrawn."""
    return {
        version
        for version, rank, offer in _ranked(offers, python, architecture)
        if rank is not None and offer.yanked is None
    }


def allowed(offer: Offered, python: str) -> bool:
    """Tell whether *offer* is for *python* at all (``Requires-Python``)."""
    try:
        return SpecifierSet(offer.requires_python or "").contains(python, prereleases=True)
    except InvalidSpecifier:  # as pip: a broken one forbids nothing
        return True


_Rank = tuple[int, tuple[int, ...]]


def _ranked(
    offers: Iterable[Offered],
    python: str,
    architecture: str,
    only: Version | None = None,
    platform: str = "",
) -> Iterator[tuple[Version, _Rank | None, Offered]]:
    """Yield the version and the rank (the least is best; None: it doesn't fit) of each wheel; of
    *only* one version where it is given."""
    known = ranks(python, architecture, platform)
    for offer in offers:
        if only is not None and wheel_version(offer.filename) != only:
            continue
        try:
            _, version, build, tags = parse_wheel_filename(offer.filename)
        except InvalidWheelFilename:
            continue
        if allowed(offer, python):
            fitting = [known[tag] for tag in tags if tag in known]
            numbers = tuple(-n for n in build[:1])
            yield version, (min(fitting), numbers) if fitting else None, offer


def _usable(wheel: Wheel, python: str, architecture: str) -> Wheel:
    """Return *wheel*, which was built here; raises ResolutionFailed where it doesn't fit."""
    if not parse_wheel_filename(wheel.filename)[3] & ranks(python, architecture).keys():
        raise ResolutionFailed(
            f"the source of {wheel.name} {wheel.version} builds {wheel.filename}, which is no "
            f"wheel for {MACHINES[architecture]}",
            hint="it can be locked for the machine that builds it, not for others beside it: "
            "platforms in environment.toml",
        )
    return wheel


@cache
def ranks(python: str, architecture: str, platform: str = "") -> Mapping[Tag, int]:
    """Return how good each tag is, 0 the best; *platform* is the best one that the system takes."""
    version = tuple(int(part) for part in python.split(".")[:2])
    platforms = list(_platforms(platform or f"manylinux_2_{LIBC[minor_of(python)]}", architecture))
    interpreter = f"cp{''.join(map(str, version))}"
    tags = [
        *cpython_tags(version, platforms=platforms),
        *compatible_tags(version, interpreter=interpreter, platforms=platforms),
    ]
    return {tag: rank for rank, tag in reversed(list(enumerate(tags)))}


def _platforms(best: str, architecture: str) -> Iterator[str]:
    """Yield the tags of a system that takes *best*, that first (PEP 600, PEP 656)."""
    machine = MACHINES[architecture]
    kind, major, newest = best.rsplit("_", 2)
    lowest = 4 if kind == "manylinux" else -1
    for minor in range(int(newest), lowest, -1):
        yield f"{kind}_{major}_{minor}_{machine}"
        if kind == "manylinux" and minor in _LEGACY and (minor == 17 or machine == "x86_64"):
            yield f"{_LEGACY[minor]}_{machine}"
    yield f"linux_{machine}"


def minor_of(python: str) -> str:
    """Return ``3.11`` of ``3.11.2``."""
    return ".".join(python.split(".")[:2])


def _wheel(pin: Pin, offer: Offered, needs: tuple[str, ...]) -> Wheel:
    assert offer.sha256 is not None
    return Wheel(
        name=pin.name,
        version=pin.version,
        filename=offer.filename,
        digest=of_hex(offer.sha256),
        size=offer.size,
        dependencies=needs,
    )
