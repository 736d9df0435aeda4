"""The closure of wanted Debian packages over what they need; pure.

Depends and Pre-Depends count, Recommends don't. The answer is a function of the set of wanted
names and of the index: their order changes nothing. Rules, in order:

- an alternative that a wanted package meets is taken as met;
- else the first alternative that can be installed at all is taken, real packages before providers
  of a virtual name, the highest version, then the provider whose name sorts first;
- a package of :data:`PRUNED` counts as present for those who only use it in maintainer scripts,
  unless it is wanted by name.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping

from harness.core.errors import ResolutionFailed
from harness.lock import deb_version
from harness.lock.deb_index import Clause, Index, Package, Relation

ANY = "*"
PRUNED: Mapping[tuple[str, str], str] = {
    (ANY, "debconf"): "asks questions while maintainer scripts run; none run in an image",
    (ANY, "cdebconf"): "another debconf",
    (ANY, "dpkg"): "installs packages, and an image is final",
    (ANY, "install-info"): "updates the directory of Info pages after an installation",
    ("base-files", "mawk"): "its postinst alone uses awk",
    ("base-files", "gawk"): "its postinst alone uses awk",
    ("base-files", "original-awk"): "its postinst alone uses awk",
    ("ca-certificates", "openssl"): "its postinst hashes a folder; the bundle is written without",
}
"""Who may do without which package, each with why that is safe; :data:`ANY` is everybody."""


def resolve(index: Index, wanted: Iterable[str]) -> tuple[Package, ...]:
    """Return every package needed, sorted by name; raises ResolutionFailed.

    Complete but for conflicts: where any choice of alternatives meets every dependency, one is
    found. A package that conflicts with another of the answer is an error that names both.
    """
    names = sorted(set(wanted))
    for name in names:
        if not index.named(name) and not any(index.providing(name)):
            raise _unknown(index, name)
    dead: dict[tuple[str, str], str] = {}
    while True:
        chosen = _attempt(index, names, dead)
        if chosen is not None:
            break
    _refuse_conflicts(chosen)
    return tuple(chosen[name] for name in sorted(chosen))


def meets(package: Package, relation: Relation) -> bool:
    """Tell whether *package*, by its name or by what it provides, meets *relation*.

    An unversioned Provides meets unversioned relations only (Debian Policy §7.5).
    """
    if package.name == relation.name:
        if not relation.operator or deb_version.satisfies(
            package.version, relation.operator, relation.version
        ):
            return True
    return any(
        provided.name == relation.name
        and (
            not relation.operator
            or (
                provided.operator == "="
                and deb_version.satisfies(provided.version, relation.operator, relation.version)
            )
        )
        for provided in package.provides
    )


def _attempt(
    index: Index, names: list[str], dead: dict[tuple[str, str], str]
) -> dict[str, Package] | None:
    """Return a closure that avoids *dead* packages; None after adding one more to them."""
    roots: list[Package] = []
    for name in names:
        candidate = next(_candidates(index, Relation(name), dead), None)
        if candidate is None:
            why = next((w for (n, _), w in dead.items() if n == name), "nothing offers it")
            raise ResolutionFailed(
                f"{name} can't be installed: {why}",
                hint="choose another package under os, or another suite",
            )
        roots.append(candidate)
    chosen = {root.name: root for root in roots}
    queue = list(chosen.values())
    while queue:
        package = queue.pop()
        for clause in package.depends:
            present = (package, *roots)
            if any(meets(one, relation) for relation in clause for one in present):
                continue
            if _pruned(index, package.name, clause):
                continue
            found = next((c for r in clause for c in _candidates(index, r, dead)), None)
            if found is None:
                said = " | ".join(str(relation) for relation in clause)
                dead[package.name, package.version] = (
                    f"{package.name} {package.version} needs {said}"
                )
                return None
            if found.name not in chosen:
                chosen[found.name] = found
                queue.append(found)
    return chosen


def _pruned(index: Index, name: str, clause: Clause) -> bool:
    """Tell whether a package that *name* may do without would meet *clause*."""
    return any(
        (dependant, possible) in PRUNED
        for relation in clause
        for possible in (relation.name, *index.providers.get(relation.name, ()))
        for dependant in (ANY, name)
    )


def _candidates(
    index: Index, relation: Relation, dead: Mapping[tuple[str, str], str]
) -> Iterator[Package]:
    """Yield what can meet *relation*: its own package, highest version first, then providers."""

    def by_version(packages: Iterable[Package]) -> list[Package]:
        return sorted(packages, key=lambda p: deb_version.key(p.version), reverse=True)

    for package in (*by_version(index.named(relation.name)), *index.providing(relation.name)):
        if (package.name, package.version) not in dead and meets(package, relation):
            yield package


def _refuse_conflicts(chosen: Mapping[str, Package]) -> None:
    for name in sorted(chosen):
        for relation in chosen[name].conflicts:
            for other in chosen.values():
                if other.name != name and meets(other, relation):
                    raise ResolutionFailed(
                        f"{name} {chosen[name].version} and {other.name} {other.version} exclude "
                        f"each other ({name} conflicts with {relation})",
                        hint="leave one of them out of os",
                    )


def _unknown(index: Index, name: str) -> ResolutionFailed:
    near = difflib.get_close_matches(name, index.stanzas, n=3, cutoff=0.75)
    guess = f"did you mean {' or '.join(near)}?" if near else "mend os in environment.toml"
    return ResolutionFailed(f"the suite has no package {name}", hint=guess)
