"""What advisories say of a lock: its flaws, those that are allowed, and where data are missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from harness.lock.advisories import Advisories, Finding, packages
from harness.lock.allowed import Allowed
from harness.lock.lock import Lock
from harness.lock.osv import DEBIAN, PYPI
from harness.lock.severity import Level

STALE = 14
"""After how many days a snapshot is said to be old."""

KINDS = ("python", "os")
"""What is looked at: Python packages, Debian packages."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A flaw in a lock. *packages* are those of the lock that have it: a Debian source package
    makes several. *allowed* is the entry that speaks of it, *expired* whether its time is over."""

    finding: Finding
    packages: tuple[str, ...]
    allowed: Allowed | None = None
    expired: bool = False

    def counts(self, severity: Level, *, fixable: bool) -> bool:
        """Tell whether it makes an audit fail: at or above *severity*, not allowed, and with a fix
        where only *fixable* ones count."""
        return (
            (self.allowed is None or self.expired)
            and self.finding.rating.level >= severity
            and bool(self.finding.fixed or not fixable)
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Audit:
    """What was found in the lock *reference*, the worst first; *blind* are ecosystems that the
    snapshot says nothing of, *checked* how many packages were looked up."""

    reference: str
    found: tuple[Found, ...]
    checked: int
    blind: tuple[str, ...]


def audit(
    locks: Sequence[Lock],
    advisories: Advisories,
    *,
    allowed: Iterable[Allowed] = (),
    kinds: Iterable[str] = KINDS,
    today: date,
) -> Audit:
    """Return what *advisories* say of an environment's *locks*, one for each platform."""
    entries = tuple(allowed)
    suite = _system(locks[0])
    wanted = {place for kind, place in zip(KINDS, (PYPI, suite), strict=True) if kind in kinds}
    flaws: dict[tuple[str, str, str], tuple[Finding, set[str]]] = {}
    checked: set[tuple[str, str, str]] = set()
    for lock in locks:
        for ecosystem, package, version, name in packages(lock):
            if ecosystem not in wanted:
                continue
            checked.add((ecosystem, package, version))
            for finding in advisories.of(package, version, ecosystem=ecosystem):
                key = (finding.id, package, version)
                flaws.setdefault(key, (finding, set()))[1].add(name)
    found = [_judged(flaw, sorted(names), entries, today) for flaw, names in flaws.values()]
    found.sort(key=lambda one: (-one.finding.rating.level, one.finding.package, one.finding.id))
    return Audit(
        reference=locks[0].reference,
        found=tuple(found),
        checked=sum(one[0] in advisories.ecosystems for one in checked),
        blind=tuple(sorted(wanted - advisories.ecosystems)),
    )


def _system(lock: Lock) -> str:
    """Return the ecosystem of the OS packages; words that no snapshot has where there is none."""
    suite = lock.suite or (lock.base.suite if lock.base else "")
    return DEBIAN.get(suite, "the OS packages of the base image")


def unused(allowed: Iterable[Allowed], audits: Iterable[Audit]) -> tuple[Allowed, ...]:
    """Return the entries that speak of no flaw that was found."""
    everything = [one.finding for audit in audits for one in audit.found]
    return tuple(one for one in allowed if not any(one.covers(finding) for finding in everything))


def _judged(finding: Finding, names: list[str], entries: tuple[Allowed, ...], today: date) -> Found:
    mine = [entry for entry in entries if entry.covers(finding)]
    allowed = max(mine, key=lambda entry: entry.expires, default=None)
    return Found(
        finding=finding,
        packages=tuple(names),
        allowed=allowed,
        expired=allowed is not None and allowed.expired(today),
    )
