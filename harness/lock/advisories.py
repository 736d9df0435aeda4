"""A dated snapshot of advisories, on this machine: a door to files in OSV's format.

A folder, a ``.zip`` as OSV publishes one for each ecosystem, a ``.json`` file or one with a record
a line (``.jsonl``). Nothing is asked of a network.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from harness.core.errors import AdvisoriesInvalid, AdvisoriesMissing
from harness.lock.lock import Lock
from harness.lock.osv import DEBIAN, PYPI, Advisory, Affected, read
from harness.lock.severity import Rating, rated

SUFFIXES = (".json", ".jsonl", ".zip")
_FIRST = ("CVE-", "GHSA-", "PYSEC-")


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """A flaw that a version of a package has. *id* is its best known name and *aliases* are the
    others; *fixed* is the lowest version without it, empty where none is known."""

    id: str
    aliases: tuple[str, ...]
    ecosystem: str
    package: str
    version: str
    fixed: str
    summary: str
    vectors: tuple[tuple[str, str], ...] = ()
    words: tuple[str, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """All its names."""
        return frozenset({self.id, *self.aliases})

    @property
    def rating(self) -> Rating:
        """How bad it is; raises ToolMissing where a vector can't be read."""
        return rated(self.vectors, self.words)


class Advisories:
    """The advisories of a snapshot that are in force. *taken* is the day of its newest record."""

    def __init__(self, records: Iterable[Advisory]) -> None:
        self._by: dict[tuple[str, str], list[tuple[Advisory, Affected]]] = {}
        self._all: list[Advisory] = []
        dates = []
        for record in records:
            dates.append(record.modified)
            if record.withdrawn:
                continue
            self._all.append(record)
            for affected in record.affected:
                place = (affected.ecosystem, affected.package)
                self._by.setdefault(place, []).append((record, affected))
        self.taken: datetime | None = max(dates, default=None)
        self.ecosystems = frozenset(ecosystem for ecosystem, _ in self._by)

    def __len__(self) -> int:
        return len(self._all)

    def of(self, name: str, version: str, *, ecosystem: str = PYPI) -> tuple[Finding, ...]:
        """Return the flaws of *version* of a package, each once whatever its names, sorted by id.

        A Debian package is asked for by its source package and that one's version. Nothing comes
        back for an ecosystem that the snapshot doesn't have: see `ecosystems`.
        """
        name = canonicalize_name(name) if ecosystem == PYPI else name
        hits = [
            (record, affected)
            for record, affected in self._by.get((ecosystem, name), ())
            if affected.covers(version)
        ]
        groups = _folded(_joined(hits))
        found = [_finding(group, ecosystem, name, version) for group in groups]
        return tuple(sorted(found, key=lambda one: one.id))

    def named(self, name: str) -> frozenset[str]:
        """Return every name of the flaw that *name* names; nothing where the snapshot has none."""
        found = {name}
        while True:
            more = {n for record in self._all if record.names & found for n in record.names}
            gathered = {n for r in self._all if name == r.id for n in r.gathers}
            if more | gathered <= found:
                return frozenset(found) if more else frozenset()
            found |= more | gathered

    def touched(self, names: frozenset[str]) -> frozenset[tuple[str, str]]:
        """Return the packages, by ecosystem and name, that advisories of these *names* speak of."""
        return frozenset(
            (one.ecosystem, one.package)
            for record in self._all
            if record.names & names
            for one in record.affected
        )


def load(places: Sequence[Path]) -> Advisories:
    """Return the snapshot that lies in *places*.

    Raises AdvisoriesMissing when one is not there or no place holds a record, AdvisoriesInvalid
    for a file that is not OSV's.
    """
    if not places:
        raise AdvisoriesMissing(
            "no data: no snapshot of advisories is named, so nothing can be said of flaws",
            hint='--advisories PATH, or advisories = "…" under [sources] in your configuration',
        )
    found = Advisories(record for place in places for record in _records(place))
    if found.taken is None:
        raise AdvisoriesMissing(
            f"no data: {', '.join(map(str, places))} holds no advisory",
            hint="name a folder, a .zip or a .json file in OSV's format",
        )
    return found


def packages(lock: Lock) -> Iterator[tuple[str, str, str, str]]:
    """Yield of each package of *lock* its ecosystem, name and version as advisories know them, and
    its name in the lock: Debian's advisories speak of source packages."""
    for wheel in lock.packages:
        yield PYPI, wheel.name, wheel.version, wheel.name
    if lock.base is not None:
        for name, version in sorted(lock.base.kept.items()):
            yield PYPI, name, version, name
        for one in lock.base.os:
            yield DEBIAN[lock.base.suite], one.source, one.source_version, one.name
    for deb in lock.debs:
        yield (
            DEBIAN[lock.suite],
            deb.source or deb.name,
            deb.source_version or deb.version,
            deb.name,
        )


def _records(place: Path) -> Iterator[Advisory]:
    if not place.exists():
        raise AdvisoriesMissing(
            f"no data: there is no snapshot of advisories at {place}",
            hint="copy one there, or name another place",
        )
    paths = [place]
    if place.is_dir():
        paths = sorted(p for p in place.rglob("*") if p.suffix in SUFFIXES and p.is_file())
    for path in paths:
        for where, text in _texts(path):
            try:
                for raw in _values(path.suffix, text):
                    yield read(raw)
            except (ValueError, RecursionError) as broken:  # of JSON, of text, of OSV's form
                raise _invalid(where, broken) from broken


def _texts(path: Path) -> Iterator[tuple[str, bytes]]:
    if path.suffix != ".zip":
        yield str(path), path.read_bytes()
        return
    try:
        with zipfile.ZipFile(path) as archive:
            for name in sorted(archive.namelist()):
                if name.endswith(".json"):
                    yield f"{path}: {name}", archive.read(name)
    except zipfile.BadZipFile as broken:
        raise _invalid(str(path), broken) from broken


def _values(suffix: str, text: bytes) -> Iterator[Any]:
    if suffix == ".jsonl":
        yield from (json.loads(line) for line in text.splitlines() if line.strip())
        return
    value = json.loads(text)
    yield from value if isinstance(value, list) else [value]


def _joined(hits: Iterable[tuple[Advisory, Affected]]) -> list[list[tuple[Advisory, Affected]]]:
    """Return *hits* in groups: two records with a name in common speak of one flaw."""
    groups: list[tuple[set[str], list[tuple[Advisory, Affected]]]] = []
    for hit in hits:
        names, members = set(hit[0].names), [hit]
        apart = []
        for group in groups:
            if group[0] & names:
                names |= group[0]
                members = group[1] + members
            else:
                apart.append(group)
        groups = [*apart, (names, members)]
    return [members for _, members in groups]


def _folded(
    groups: list[list[tuple[Advisory, Affected]]],
) -> list[list[tuple[Advisory, Affected]]]:
    """Return *groups* without the notices whose flaws are all there one by one (a DSA's CVEs)."""
    names = {
        n for group in groups for record, _ in group if not record.gathers for n in record.names
    }
    return [
        group
        for group in groups
        if not all(record.gathers and record.gathers <= names for record, _ in group)
    ]


def _finding(
    group: list[tuple[Advisory, Affected]], ecosystem: str, name: str, version: str
) -> Finding:
    names = {n for record, _ in group for n in (*record.names, *record.gathers)}
    best = min(
        {n for record, _ in group for n in record.names},
        key=lambda n: (next((i for i, p in enumerate(_FIRST) if n.startswith(p)), 9), n),
    )
    fixes = [fix for _, affected in group if (fix := affected.fixed(version))]
    bound = Affected(ecosystem=ecosystem, package=name)
    words = [*(w for r, _ in group for w in r.words), *(a.urgency for _, a in group if a.urgency)]
    return Finding(
        id=best,
        aliases=tuple(sorted(names - {best})),
        ecosystem=ecosystem,
        package=name,
        version=version,
        fixed=bound.highest(fixes),
        summary=next((r.summary for r, _ in group if r.summary), ""),
        vectors=tuple(sorted({v for record, _ in group for v in record.vectors})),
        words=tuple(sorted(set(words))),
    )


def _invalid(where: str, why: Exception) -> AdvisoriesInvalid:
    return AdvisoriesInvalid(
        f"{where} is no advisory in OSV's format: {why}",
        hint="copy the snapshot again, whole",
    )
