"""An advisory as OSV writes it (OSV schema 1.7): which versions of which packages it speaks of.

PyPI versions are compared by PEP 440, Debian's by Debian Policy; other ecosystems are passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from harness.lock import deb_version

PYPI = "PyPI"
DEBIAN: Mapping[str, str] = {"bookworm": "Debian:12", "trixie": "Debian:13"}
"""What OSV calls a suite."""

Event = tuple[str, str]
"""``introduced``, ``fixed``, ``last_affected`` or ``limit``, and the version."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Affected:
    """The versions of one package that an advisory speaks of: ranges of events, and a list."""

    ecosystem: str
    package: str
    ranges: tuple[tuple[Event, ...], ...] = ()
    versions: frozenset[str] = frozenset()
    urgency: str = ""

    def covers(self, version: str) -> bool:
        """Tell whether *version* is affected (the evaluation algorithm of the OSV schema)."""
        if version in self.versions or _public(self.ecosystem, version) in self.versions:
            return True
        return any(self._within(events, version) for events in self.ranges)

    def fixed(self, version: str) -> str:
        """Return the lowest version above *version* that a range covering it calls fixed; else
        nothing."""
        order = _order(self.ecosystem)
        found = [
            bound
            for events in self.ranges
            if self._within(events, version)
            for kind, bound in events
            if kind == "fixed" and _known(order, bound) and order(bound) > order(version)
        ]
        return min(found, key=order, default="")

    def highest(self, versions: list[str]) -> str:
        """Return the highest of *versions* in this ecosystem's order; nothing of none."""
        return max(versions, key=_order(self.ecosystem), default="")

    def _within(self, events: tuple[Event, ...], version: str) -> bool:
        order = _order(self.ecosystem)
        if not _known(order, version):
            return False
        at = order(version)
        told = [
            (bound == "0", order(bound) if bound != "0" else None, kind)
            for kind, bound in events
            if bound == "0" or (bound != "*" and _known(order, bound))
        ]
        limits = [where for _, where, kind in told if kind == "limit"]
        if limits and all(where is not None and at >= where for where in limits):
            return False
        inside = any(zero and kind == "introduced" for zero, _, kind in told)
        steps = [(where, kind) for zero, where, kind in told if not zero]
        for where, kind in sorted(steps, key=lambda step: (step[0], step[1] == "introduced")):
            if kind == "introduced" and at >= where:
                inside = True
            elif (kind == "fixed" and at >= where) or (kind == "last_affected" and at > where):
                inside = False
        return inside


@dataclass(frozen=True, kw_only=True, slots=True)
class Advisory:
    """One record. *names* are its id and all others of the same flaw; *gathers* are the flaws that
    one notice is about (a DSA's CVEs); *vectors* are CVSS, *words* what its publisher calls it."""

    id: str
    names: frozenset[str]
    modified: datetime
    affected: tuple[Affected, ...]
    gathers: frozenset[str] = frozenset()
    summary: str = ""
    vectors: tuple[tuple[str, str], ...] = ()
    words: tuple[str, ...] = ()
    withdrawn: bool = False


def read(raw: Any) -> Advisory:
    """Return the advisory that the JSON value *raw* is; raises ValueError for what is none."""
    if not isinstance(raw, dict) or not isinstance(raw.get("id"), str):
        raise ValueError("no OSV record: it has no id")
    try:
        modified = datetime.fromisoformat(raw["modified"])
    except (KeyError, TypeError, ValueError) as broken:
        raise ValueError(f"{raw['id']}: modified is no date") from broken
    try:
        return _read(raw, modified if modified.tzinfo else modified.replace(tzinfo=UTC))
    except (AttributeError, KeyError, TypeError) as broken:
        raise ValueError(f"{raw['id']}: not of OSV's form") from broken


def _read(raw: Mapping[str, Any], modified: datetime) -> Advisory:
    upstream = frozenset(raw.get("upstream") or ())
    names = {raw["id"], *(raw.get("aliases") or ())}
    if raw["id"].startswith("DEBIAN-"):
        names.add(raw["id"].removeprefix("DEBIAN-"))
    if len(upstream) == 1:
        names |= upstream
    own = raw.get("database_specific") or {}
    severities = [*(raw.get("severity") or ())]
    for one in raw.get("affected") or ():
        severities += one.get("severity") or ()
    return Advisory(
        id=raw["id"],
        names=frozenset(names),
        modified=modified,
        affected=tuple(_affected(raw)),
        gathers=upstream if len(upstream) > 1 else frozenset(),
        summary=str(raw.get("summary") or _first_line(raw.get("details"))),
        vectors=tuple(sorted({(str(s["type"]), str(s["score"])) for s in severities})),
        words=(str(own["severity"]),) if own.get("severity") else (),
        withdrawn=raw.get("withdrawn") is not None,
    )


def _affected(raw: Mapping[str, Any]) -> Iterator[Affected]:
    for one in raw.get("affected") or ():
        package = one.get("package") or {}
        ecosystem = package.get("ecosystem", "")
        if ecosystem != PYPI and not ecosystem.startswith("Debian:"):
            continue
        name = package["name"]
        ranges = [r for r in one.get("ranges") or () if r["type"] == "ECOSYSTEM"]
        yield Affected(
            ecosystem=ecosystem,
            package=canonicalize_name(name) if ecosystem == PYPI else name,
            ranges=tuple(
                tuple((kind, str(at)) for event in r["events"] for kind, at in event.items())
                for r in ranges
            ),
            versions=frozenset(one.get("versions") or ()),
            urgency=str((one.get("ecosystem_specific") or {}).get("urgency", "")),
        )


def _first_line(text: Any) -> str:
    lines = str(text or "").strip().splitlines()
    return lines[0][:200] if lines else ""


def _order(ecosystem: str) -> Callable[[str], Any]:
    if ecosystem == PYPI:
        return lambda version: Version(Version(version).public)
    return deb_version.key


def _known(order: Callable[[str], Any], version: str) -> bool:
    try:
        order(version)
    except (InvalidVersion, ValueError):
        return False
    return True


def _public(ecosystem: str, version: str) -> str:
    """Return *version* as PEP 440 writes it, without a local part: ``2.1`` of ``2.1+cpu``."""
    if ecosystem != PYPI:
        return version
    try:
        return Version(version).public
    except InvalidVersion:
        return version
