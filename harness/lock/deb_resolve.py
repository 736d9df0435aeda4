"""The closure of wanted Debian packages over what they need; pure.

Depends and Pre-Depends count, Recommends don't. The answer is a function of the set of wanted
names and of the index: their order changes nothing. Rules, in order:

- an alternative that a wanted package meets is taken as met;
- else the first alternative that can be installed at all is taken: the package of that name, else
  the provider whose name sorts first; of each package the highest version is the only candidate;
- a package of :data:`PRUNED` counts as present for those who only use it in maintainer scripts or
  while a system runs, unless it is wanted by name.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping

from harness.core.errors import ResolutionFailed
from harness.lock import deb_version
from harness.lock.deb_index import Clause, Index, Package, Relation

RULES = 2
"""Raised with every change of the answers that this file gives: answers are remembered."""

ANY = "*"
PRUNED: Mapping[tuple[str, str], str] = {
    (ANY, "debconf"): "asks questions while maintainer scripts run; none run in an image",
    (ANY, "cdebconf"): "another debconf",
    (ANY, "dpkg"): "installs packages, and an image is final",
    (ANY, "install-info"): "updates the directory of Info pages after an installation",
    (ANY, "adduser"): "makes users while maintainer scripts run, with passwd's setuid programs",
    (ANY, "init-system-helpers"): "starts services after an installation",
    (ANY, "lsb-base"): "serves init scripts, and an image runs no init",
    (ANY, "systemd"): "an init, and an image runs none",
    (ANY, "libpam-systemd"): "registers logins with systemd",
    (ANY, "udev"): "names the devices of a running system",
    (ANY, "dbus"): "the bus of a running system; libdbus-1-3 stays",
    (ANY, "dbus-user-session"): "the bus of a login, which systemd starts",
    (ANY, "polkitd"): "grants rights on a running system, over its bus",
    ("openmpi-bin", "openssh-client"): "starts processes on other machines",
    ("base-files", "mawk"): "its postinst alone uses awk",
    ("base-files", "gawk"): "its postinst alone uses awk",
    ("base-files", "original-awk"): "its postinst alone uses awk",
    **{
        (f"openjdk-{number}-jre-headless", "util-linux"): "its postinst alone uses mountpoint"
        for number in (11, 17, 21, 25)
    },
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
        if next(index.offering(name), None) is None:
            raise _unknown(index, name)
    dead: dict[str, Clause] = {}
    while (chosen := _attempt(index, names, dead)) is None:
        pass
    _refuse_conflicts(chosen)
    return tuple(chosen[name] for name in sorted(chosen))


def meets(package: Package, relation: Relation) -> bool:
    """Tell whether *package*, by its name or by what it provides, meets *relation*.

    An unversioned Provides meets unversioned relations only (Debian Policy §7.5).
    """
    own = Relation(package.name, "=", package.version)
    return any(
        offered.name == relation.name
        and (
            not relation.operator
            or (
                offered.operator == "="
                and deb_version.satisfies(offered.version, relation.operator, relation.version)
            )
        )
        for offered in (own, *package.provides)
    )


def edges(chosen: Iterable[Package]) -> dict[str, tuple[str, ...]]:
    """Return which packages of a closure each one of them depends on, sorted."""
    present = tuple(chosen)
    return {
        package.name: tuple(
            sorted(
                other.name
                for other in present
                if other.name != package.name
                and any(meets(other, relation) for clause in package.depends for relation in clause)
            )
        )
        for package in present
    }


def _attempt(index: Index, names: list[str], dead: dict[str, Clause]) -> dict[str, Package] | None:
    """Return a closure that avoids *dead* packages; None after adding one more to them.

    *dead* holds packages that can't be installed, each with the clause that nothing can meet.
    """
    roots: list[Package] = []
    for name in names:
        root = next(_candidates(index, Relation(name), dead), None)
        if root is None:
            raise ResolutionFailed(
                f"{name} can't be installed: {'; '.join(_why(name, dead))}",
                hint="choose another package under os, or another suite",
            )
        roots.append(root)
    chosen = {root.name: root for root in roots}
    queue = list(chosen.values())
    while queue:
        package = queue.pop()
        present = (package, *roots)
        for clause in package.depends:
            if any(meets(one, relation) for relation in clause for one in present):
                continue
            if _pruned(index, package.name, clause):
                continue
            found = next((c for r in clause for c in _candidates(index, r, dead)), None)
            if found is None:
                dead[package.name] = clause
                return None
            if found.name not in chosen:
                chosen[found.name] = found
                queue.append(found)
    return chosen


def _why(name: str, dead: Mapping[str, Clause]) -> Iterator[str]:
    """Yield the chain of needs that ends at what the suite doesn't have."""
    seen: set[str] = set()
    while name in dead and name not in seen:
        seen.add(name)
        yield f"{name} needs {' | '.join(map(str, dead[name]))}"
        name = next((r.name for r in dead[name] if r.name in dead), name)
    yield "which the suite does not offer"


def _pruned(index: Index, name: str, clause: Clause) -> bool:
    """Tell whether a package that *name* may do without would meet *clause*."""
    return any(
        (dependant, possible) in PRUNED
        for relation in clause
        for possible in (relation.name, *index.providers.get(relation.name, ()))
        for dependant in (ANY, name)
    )


def _candidates(index: Index, relation: Relation, dead: Mapping[str, Clause]) -> Iterator[Package]:
    for package in index.offering(relation.name):
        if package.name not in dead and meets(package, relation):
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
