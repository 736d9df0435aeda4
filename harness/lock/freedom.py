"""What may move when an environment is locked again: for an upgrade, or for a fix and no more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from packaging.utils import canonicalize_name

from harness.lock.lock import Lock
from harness.lock.resolver import requirement


@dataclass(frozen=True, kw_only=True, slots=True)
class Freedom:
    """Which pins of an earlier lock may move though nothing excludes them: all, or the named."""

    everything: bool = False
    packages: frozenset[str] = frozenset()
    bounds: tuple[str, ...] = ()

    def kept(self, pins: Mapping[str, str]) -> dict[str, str]:
        """Return those of *pins* that stay."""
        if self.everything:
            return {}
        return {name: version for name, version in pins.items() if name not in self.packages}


@dataclass(frozen=True, kw_only=True, slots=True)
class Fix:
    """What a patch moves of an earlier lock: *aims* are Python packages and the version that each
    comes nearest to (empty: the newest), within *bounds*; with *os*, OS packages follow the suite.

    Nothing else moves that isn't forced to: other pins are held, not only preferred.
    """

    aims: Mapping[str, str] = field(default_factory=dict)
    bounds: tuple[str, ...] = ()
    os: bool = False

    def kept(self, pins: Mapping[str, str]) -> dict[str, str]:
        """Return *pins* with what is aimed at."""
        wished = {**pins, **self.aims}
        return {name: version for name, version in wished.items() if version}

    def base(self, old: Lock, parent: Lock | None) -> dict[str, str]:
        """Return the pins that stay if they can: those of *old*; of a customized environment those
        of its *parent* as it is now, but for what the change had moved already."""
        if parent is None:
            return old.pins
        moved = {move.name for move in old.parent.moved} if old.parent else set()
        own = {n: v for n, v in old.pins.items() if n in moved or n not in parent.pins}
        return parent.pins | own

    def freed(self, base: Mapping[str, str], old: Lock) -> frozenset[str]:
        """Return the names of *base* whose pins are what the fix is about."""
        bounds = [requirement(text) for text in self.bounds]
        excluded = {
            name
            for name, version in base.items()
            for bound in bounds
            if bound.name == name and not bound.specifier.contains(version, prereleases=True)
        }
        newest = {n for n, aim in self.aims.items() if not aim and base.get(n) == old.pins.get(n)}
        return frozenset(excluded | newest)


def freedom(upgrade: bool, packages: Iterable[str]) -> Freedom:
    """Return what ``--upgrade`` and ``--upgrade-package 'P>=V'`` allow to move, and require of it.

    Raises ResolutionFailed for what is no requirement.
    """
    wanted = [requirement(text) for text in packages]
    return Freedom(
        everything=upgrade,
        packages=frozenset(canonicalize_name(one.name) for one in wanted),
        bounds=tuple(sorted(str(one) for one in wanted if one.specifier)),
    )
