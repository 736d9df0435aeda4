"""What a suite offers: the fields of a Debian ``Packages`` index that a resolver asks for.

Format: Debian Policy §5 (control fields), §7.1 (relations); the repository format's ``Packages``
indices. Stanzas are parsed when they are asked for: an index holds tens of thousands of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from harness.core.digest import Digest, of_hex
from harness.lock import deb_version

_RELATION = re.compile(
    r"\s*(?P<name>[a-z0-9][a-z0-9+.-]*)(?::(?P<arch>[a-z0-9-]+))?"
    r"\s*(?:\(\s*(?P<op><<|<=|=|>=|>>|<|>)\s*(?P<version>[^\s)]+)\s*\))?\s*"
)


@dataclass(frozen=True, slots=True)
class Relation:
    """One alternative: a name, and how its version must stand to a bound (empty: any)."""

    name: str
    operator: str = ""
    version: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.operator} {self.version})" if self.operator else self.name


Clause = tuple[Relation, ...]
"""Alternatives, of which one is enough."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Package:
    """One version of a package, as the index describes it. *filename* is its path in the pool."""

    name: str
    version: str
    architecture: str = "all"
    filename: str = ""
    digest: Digest | None = None
    size: int = 0
    depends: tuple[Clause, ...] = ()
    conflicts: tuple[Relation, ...] = ()
    provides: tuple[Relation, ...] = ()
    source: str = ""
    source_version: str = ""


@dataclass(frozen=True, slots=True)
class Index:
    """A suite's packages: stanzas by name, and the names that provide a virtual name."""

    stanzas: Mapping[str, tuple[str, ...]]
    providers: Mapping[str, tuple[str, ...]]
    _parsed: dict[str, Package | None] = field(default_factory=dict, compare=False)

    def named(self, name: str) -> Package | None:
        """Return the highest version of the package *name*, the only candidate, as for apt."""
        if name not in self._parsed:
            found = [package(stanza) for stanza in self.stanzas.get(name, ())]
            found.sort(key=lambda one: deb_version.key(one.version))
            self._parsed[name] = found[-1] if found else None
        return self._parsed[name]

    def offering(self, name: str) -> Iterator[Package]:
        """Yield the package *name*, then those that provide it, by their own names."""
        for one in (name, *self.providers.get(name, ())):
            if (found := self.named(one)) is not None:
                yield found


def parse(text: str) -> Index:
    """Return the index that *text*, the content of a ``Packages`` file, describes."""
    stanzas: dict[str, list[str]] = {}
    providers: dict[str, set[str]] = {}
    for stanza in text.split("\n\n"):
        name = _first(stanza, "Package")
        if not name:
            continue
        stanzas.setdefault(name, []).append(stanza)
        if "\nProvides:" in stanza:
            for provided in relations(_first(stanza, "Provides")):
                providers.setdefault(provided.name, set()).add(name)
    return Index(
        {name: tuple(found) for name, found in stanzas.items()},
        {name: tuple(sorted(found)) for name, found in providers.items()},
    )


def package(stanza: str) -> Package:
    """Return what one stanza of the index says."""
    fields = control(stanza)
    source, _, version = fields.get("source", fields["package"]).partition(" ")
    depends = [*clauses(fields.get("pre-depends", "")), *clauses(fields.get("depends", ""))]
    conflicts = [*relations(fields.get("conflicts", "")), *relations(fields.get("breaks", ""))]
    return Package(
        name=fields["package"],
        version=fields["version"],
        architecture=fields.get("architecture", "all"),
        filename=fields.get("filename", ""),
        digest=of_hex(fields["sha256"]) if "sha256" in fields else None,
        size=int(fields.get("size", "0")),
        depends=tuple(depends),
        conflicts=tuple(conflicts),
        provides=tuple(relations(fields.get("provides", ""))),
        source=source,
        source_version=version.strip("()") or fields["version"],
    )


def control(stanza: str) -> dict[str, str]:
    """Return a paragraph's fields, names in lower case; continuation lines joined by newlines."""
    fields: dict[str, str] = {}
    name = ""
    for line in stanza.splitlines():
        if line[:1] in (" ", "\t"):
            if name:
                fields[name] += "\n" + line.strip()
        elif ":" in line and not line.startswith("#"):
            name, _, value = line.partition(":")
            name = name.lower()
            fields[name] = value.strip()
    return fields


def clauses(text: str) -> list[Clause]:
    """Return the clauses of a Depends field, each with its alternatives in order."""
    found = (tuple(_alternatives(clause)) for clause in text.split(","))
    return [clause for clause in found if clause]


def relations(text: str) -> list[Relation]:
    """Return the relations of a field without alternatives (Provides, Conflicts, Breaks)."""
    return [relation for part in text.split(",") for relation in _alternatives(part)]


def _alternatives(clause: str) -> Iterator[Relation]:
    for alternative in clause.split("|"):
        if match := _RELATION.fullmatch(alternative):
            yield Relation(match["name"], match["op"] or "", match["version"] or "")


def _first(stanza: str, name: str) -> str:
    """Return one field of a stanza without parsing the rest."""
    start = 0 if stanza.startswith(f"{name}:") else stanza.find(f"\n{name}:") + 1
    if start == 0 and not stanza.startswith(f"{name}:"):
        return ""
    end = stanza.find("\n", start)
    return stanza[start + len(name) + 1 : end if end >= 0 else None].strip()
