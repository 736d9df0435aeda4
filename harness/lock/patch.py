"""What a patch is about, and the least that it moves of a lock.

A target says of any version of a package whether it must go. From the index's versions the nearest
one that need not is aimed at; `resolve` then holds every other pin that can be held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from harness.core.errors import AdvisoriesMissing, ResolutionFailed, SpecInvalid
from harness.lock import choose
from harness.lock.advisories import Advisories, packages
from harness.lock.freedom import Fix
from harness.lock.lock import Lock, Move
from harness.lock.osv import DEBIAN, PYPI
from harness.lock.resolve import micro
from harness.lock.resolver import Pin
from harness.lock.wheel_index import Offered

ADVISORY = ("CVE-", "GHSA-", "PYSEC-", "DSA-", "DLA-", "DEBIAN-", "OSV-", "MAL-")
"""How the names of advisories begin."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """What must go: versions of one Python package that *wanted* excludes (without a bound: all
    but the newest that moves nothing else), or what the advisory of these *names* speaks of.
    *text* is how it was asked."""

    text: str
    wanted: Requirement | None = None
    names: frozenset[str] = frozenset()
    advisories: Advisories = field(default_factory=lambda: Advisories(()))

    def speaks_of(self, lock: Lock) -> frozenset[tuple[str, str]]:
        """Return the packages of *lock* that it is about, at whatever version."""
        there = {one[:2] for one in packages(lock)}
        if self.wanted is not None:
            return frozenset(there & {(PYPI, self.wanted.name)})
        return frozenset(there & self.advisories.touched(self.names))

    def excludes(self, ecosystem: str, name: str, version: str) -> bool:
        """Tell whether *version* must go."""
        if self.wanted is None:
            found = self.advisories.of(name, version, ecosystem=ecosystem)
            return any(self.names & one.names for one in found)
        if ecosystem != PYPI or name != self.wanted.name or not self.wanted.specifier:
            return False
        return not self.wanted.specifier.contains(version, prereleases=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Hit:
    """A package of a lock that must move."""

    ecosystem: str
    name: str
    version: str


def target(text: str, advisories: Callable[[], Advisories]) -> Target:
    """Return the target that *text* names: ``urllib3``, ``urllib3>=2.6`` or ``CVE-2026-1``.

    *advisories* is asked for the snapshot only when it is needed. Raises AdvisoriesMissing when it
    has no such advisory, SpecInvalid for what is neither.
    """
    if text.upper().startswith(ADVISORY):
        data = advisories()
        name = text if text.upper().startswith("GHSA-") else text.upper()
        name = f"GHSA-{text[5:].lower()}" if name.upper().startswith("GHSA-") else name
        names = data.named(name)
        if not names:
            date = data.taken.date() if data.taken else "no date"
            raise AdvisoriesMissing(
                f"no data: the snapshot of {date} has no advisory {name} in force",
                hint="take a newer snapshot, or patch by package: harness patch 'NAME>=VERSION'",
            )
        return Target(text=name, names=names, advisories=data)
    try:
        wanted = Requirement(text)
    except InvalidRequirement as broken:
        raise SpecInvalid(
            f"{text!r} is neither an advisory nor a package: {broken}",
            hint="harness patch CVE-2026-1234, or harness patch 'urllib3>=2.6'",
        ) from broken
    if wanted.url or wanted.extras or wanted.marker:
        raise SpecInvalid(
            f"{text!r}: name a package and a bound only", hint=f"harness patch {wanted.name}"
        )
    wanted.name = canonicalize_name(wanted.name)
    return Target(text=str(wanted), wanted=wanted)


def hits(target: Target, locks: Sequence[Lock]) -> tuple[Hit, ...]:
    """Return what of *locks* must move, sorted by ecosystem and name."""
    bare = target.wanted.name if target.wanted and not target.wanted.specifier else ""
    found = {
        one[:3]
        for lock in locks
        for one in packages(lock)
        if one[:2] == (PYPI, bare) or target.excludes(*one[:3])
    }
    return tuple(Hit(ecosystem=e, name=n, version=v) for e, n, v in sorted(found))


def fix(
    target: Target,
    found: Sequence[Hit],
    locks: Sequence[Lock],
    offers: Callable[[str], Sequence[Offered]],
) -> Fix:
    """Return what must move, and what it comes nearest to; *offers* are an index's files by name.

    Raises ResolutionFailed when no version that the index has will do.
    """
    aims: dict[str, str] = {}
    bounds: list[str] = []
    for hit in found:
        if hit.ecosystem != PYPI:
            continue
        if target.wanted is not None and not target.wanted.specifier:
            aims[hit.name] = ""
            bounds.append(f"{hit.name}>={hit.version}")
            continue
        above = _above(hit, locks, offers(hit.name))
        good = [v for v in above if not target.excludes(PYPI, hit.name, str(v))]
        if not good:
            raise ResolutionFailed(
                f"the index has no version of {hit.name} after {hit.version} that {target.text} "
                "does not name",
                hint=f"do without {hit.name}, or live with it: [[allow]] in audit.toml",
            )
        clean = [v for v in good if not target.advisories.of(hit.name, str(v))]
        aim = min(clean or good)
        aims[hit.name] = str(max(aim, Version(aims.get(hit.name, "0"))))
        bounds += _bounds(hit, aim, [v for v in above if v > aim and v not in good], target)
    return Fix(
        aims=aims, bounds=tuple(sorted(set(bounds))), os=any(h.ecosystem != PYPI for h in found)
    )


def _bounds(hit: Hit, aim: Version, bad: Sequence[Version], target: Target) -> Iterator[str]:
    if target.wanted is not None:
        yield str(target.wanted)
    else:
        yield f"{hit.name}>={aim}"
        yield from (f"{hit.name}!={version}" for version in bad)


def _above(hit: Hit, locks: Sequence[Lock], offers: Sequence[Offered]) -> list[Version]:
    """Return the versions above *hit*'s that every platform has a wheel of."""
    current = Version(hit.version)
    versions = set()
    for offer in offers:
        try:
            _, version, _, _ = parse_wheel_filename(offer.filename)
        except InvalidWheelFilename:
            continue
        if version > current and (current.is_prerelease or not version.is_prerelease):
            versions.add(version)
    return [version for version in sorted(versions) if _fits(hit.name, version, locks, offers)]


def _fits(name: str, version: Version, locks: Sequence[Lock], offers: Sequence[Offered]) -> bool:
    pin = Pin(name=name, version=str(version))
    try:
        for lock in locks:
            choose.best(tuple(offers), pin, micro(lock.debs, lock.python), lock.architecture)
    except ResolutionFailed:
        return False
    return True


def unasked(before: Lock, after: Lock, target: Target) -> tuple[str, ...]:
    """Return the Python packages of both that have another version, though *target* is not about
    them."""
    return tuple(
        name
        for name, a, b in _changed(before.pins, after.pins)
        if a and b and not _about(target, name, a)
    )


def _about(target: Target, name: str, version: str) -> bool:
    named = target.wanted is not None and target.wanted.name == name
    return named or target.excludes(PYPI, name, version)


def unfixed(target: Target, locks: Sequence[Lock]) -> ResolutionFailed | None:
    """Return why *locks*, just made, still have what must go; nothing when they don't."""
    if target.wanted is not None and not target.wanted.specifier:
        return None
    left = hits(target, locks)
    if not left:
        return None
    listed = ", ".join(f"{hit.name} {hit.version}" for hit in left)
    if all(hit.ecosystem != PYPI for hit in left):
        day = max(lock.released for lock in locks).date()
        return ResolutionFailed(
            f"the suite's index of {day} has no fix of {target.text} yet: {listed}",
            hint="again after the suite's next point release; until then [[allow]] in audit.toml",
        )
    return ResolutionFailed(
        f"{target.text} still holds of {listed}", hint="harness lock NAME --upgrade, by hand"
    )


def moves(
    before: Sequence[Lock], after: Sequence[Lock], target: Target, why: dict[str, tuple[str, ...]]
) -> tuple[Move, ...]:
    """Return what has another version in *after*, each with its reason: the target's, *why*'s, or
    what needs it."""
    found: dict[str, Move] = {}
    for old, new in _pairs(before, after):
        suite = DEBIAN[new.suite]
        needs = {n: w.name for w in new.packages for n in w.dependencies}
        for name, a, b in _changed(old.pins, new.pins):
            reason: tuple[str, ...]
            if a and _about(target, name, a):
                reason = (_asked(target, name, a),)
            elif not a:
                reason = (f"{needs[name]} {new.pins[needs[name]]} requires it",)
            elif not b:
                reason = ("nothing requires it any more",)
            else:
                reason = why.get(name, ())
            found.setdefault(name, Move(name=name, before=a, after=b, why=reason))
        sources = {d.name: (d.source or d.name, d.source_version or d.version) for d in old.debs}
        day = f"the suite's index of {new.released.date()} has it"
        versions = ({d.name: d.version for d in lock.debs} for lock in (old, new))
        for name, a, b in _changed(*versions):
            hit = a and target.excludes(suite, *sources[name])
            reason = (_asked(target, *sources[name]),) if hit else (day,)
            found.setdefault(name, Move(name=name, before=a, after=b, why=reason))
    return tuple(found[name] for name in sorted(found))


def _asked(target: Target, name: str, version: str) -> str:
    if target.wanted is not None:
        return f"{target.text} is asked for"
    return f"{target.text} names {name} {version}"


def _pairs(before: Sequence[Lock], after: Sequence[Lock]) -> Iterator[tuple[Lock, Lock]]:
    by = {lock.architecture: lock for lock in before}
    yield from ((by[lock.architecture], lock) for lock in after if lock.architecture in by)


def _changed(a: dict[str, str], b: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    for name in sorted({*a, *b}):
        if a.get(name) != b.get(name):
            yield name, a.get(name, ""), b.get(name, "")
