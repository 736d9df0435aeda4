"""Two locks that grew from one, merged package by package. Pure.

What both sides moved to different versions is a conflict: the merged lock holds ours, and says so
in comments that make it unusable. A lock that mixes two sides was resolved by nobody, so its
specification's digest is UNRESOLVED: it is out of date until ``harness lock`` has seen it.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from harness.core.digest import Digest, of_hex
from harness.lock.lock import Base, Deb, Lock, Parent, Wheel

UNRESOLVED: Digest = of_hex("0" * 64)
"""Stands for the specification of a lock that was merged; nothing has this digest."""

CONFLICT = "# CONFLICT "
"""Begins a line of a lock that tells of a conflict."""

T = TypeVar("T", bound=Hashable)
P = TypeVar("P", Wheel, Deb)


@dataclass(frozen=True, kw_only=True, slots=True)
class Merged:
    """The *locks*, one for each platform; *conflicts* in words; packages that came *back* because
    the other side needs them."""

    locks: tuple[Lock, ...]
    conflicts: tuple[str, ...] = ()
    back: tuple[str, ...] = ()

    @property
    def unresolved(self) -> bool:
        """Tell whether the locks must be resolved before they can be used."""
        return self.locks[0].spec == UNRESOLVED


def is_lock(name: str) -> bool:
    """Tell whether a file's name is that of a lock of ours."""
    return bool(re.fullmatch(r"pylock\.\d+\.toml", name))


def merge(base: Sequence[Lock], ours: Sequence[Lock], theirs: Sequence[Lock]) -> Merged:
    """Return *ours* and *theirs* merged, which both grew from *base*.

    A side that is the other's base, or equal to it, is answered as it is.
    """
    if ours == theirs or theirs == base:
        return Merged(locks=tuple(ours))
    if ours == base:
        return Merged(locks=tuple(theirs))
    merging = _Merging()
    first = merging.settings(base[0], ours[0], theirs[0])
    old, mine, other = ({one.architecture: one for one in side} for side in (base, ours, theirs))
    locks = []
    for name in sorted({*old, *mine, *other}):
        three = old.get(name), mine.get(name), other.get(name)
        if (found := merging.platform(name, *three)) is not None:
            locks.append(replace(found, **first))
    if not merging.conflicts:
        for side in (ours, theirs):  # one that has all of the other's changes is the answer
            if [replace(one, spec=UNRESOLVED) for one in side] == locks:
                return Merged(locks=tuple(side))
    return Merged(
        locks=tuple(locks),
        conflicts=tuple(dict.fromkeys(merging.conflicts)),
        back=tuple(sorted(merging.back)),
    )


def conflicts(text: str) -> tuple[str, ...]:
    """Return the conflicts that a lock's text tells of, and those that git marked in it."""
    lines = text.splitlines()
    found = [line.removeprefix(CONFLICT) for line in lines if line.startswith(CONFLICT)]
    if any(line.startswith("<<<<<<< ") for line in lines):
        found.append("git's own marks (<<<<<<<)")
    return tuple(found)


def marked(text: str, told: Sequence[str]) -> str:
    """Return a lock's *text* with conflicts *told* in it, after its first line."""
    first, _, rest = text.partition("\n")
    lines = [first, *(f"{CONFLICT}{one}" for one in told), rest]
    return "\n".join(lines)


class _Merging:
    """One merge: values come back, conflicts are collected."""

    def __init__(self) -> None:
        self.conflicts: list[str] = []
        self.back: set[str] = set()

    def settings(self, base: Lock, ours: Lock, theirs: Lock) -> dict[str, Any]:
        """Return what all platforms share."""
        found: dict[str, Any] = {"spec": UNRESOLVED}
        for field in ("name", "version", "python", "suite", "layout"):
            three = (getattr(side, field) for side in (base, ours, theirs))
            found[field] = self.value(field, *three)
        parents = (side.parent for side in (base, ours, theirs))
        found["parent"] = self.value("from", *parents)
        bases = (side.base for side in (base, ours, theirs))
        found["base"] = self.value("base", *bases)
        for field in ("requirements", "os"):
            old, mine, other = (_by_name(getattr(side, field)) for side in (base, ours, theirs))
            merged = [
                self.value(f"{field}: {name}", *(x.get(name, ()) for x in (old, mine, other)))
                for name in sorted({*old, *mine, *other})
            ]
            found[field] = tuple(sorted(text for texts in merged for text in texts))
        return found

    def platform(
        self, name: str, base: Lock | None, ours: Lock | None, theirs: Lock | None
    ) -> Lock | None:
        """Return one platform; None where a side dropped it and the other left it as it was."""
        if ours is None or theirs is None:
            kept = ours or theirs
            if base is None or kept is None:
                return kept
            if _files(kept) == _files(base):
                return None
            self.conflicts.append(f"{name}: one side dropped this platform, the other changed it")
            return kept
        old = base or replace(ours, packages=(), debs=())
        return replace(
            ours,
            packages=self.packages(old.packages, ours.packages, theirs.packages),
            debs=self.packages(old.debs, ours.debs, theirs.debs),
            released=max(ours.released, theirs.released),
        )

    def packages(self, base: Sequence[P], ours: Sequence[P], theirs: Sequence[P]) -> tuple[P, ...]:
        """Return the packages of one kind. What one side removed and another needs comes back."""
        old: dict[str, P] = _named(base)
        mine: dict[str, P] = _named(ours)
        other: dict[str, P] = _named(theirs)
        found: dict[str, P] = {}
        for name in sorted({*old, *mine, *other}):
            one = self.value(name, old.get(name), mine.get(name), other.get(name))
            if one is not None:
                found[name] = one
        waiting = list(found.values())
        while waiting:
            for name in waiting.pop().dependencies:
                if name not in found:
                    found[name] = mine.get(name) or other[name]
                    waiting.append(found[name])
                    self.back.add(name)
        return tuple(found[name] for name in sorted(found))

    def value(self, what: str, base: T, ours: T, theirs: T) -> T:
        """Return what a three-way merge gives; ours for a conflict, which is collected."""
        if ours == theirs or theirs == base:
            return ours
        if ours == base:
            return theirs
        words = [_said(one) for one in (base, ours, theirs)]
        if words[1] == words[2]:
            words = [words[0], f"{words[1]} (another file)", f"{words[2]} (another file)"]
        self.conflicts.append(f"{what}: was {words[0]}, ours {words[1]}, theirs {words[2]}")
        return ours


def _said(value: object) -> str:
    match value:
        case None | ():
            return "absent"
        case Wheel() | Deb():
            return value.version
        case Base():
            return value.manifest
        case Parent():
            return value.reference
        case tuple():
            return " and ".join(value)
    return str(value)


def _named(packages: Sequence[P]) -> dict[str, P]:
    return {one.name: one for one in packages}


def _files(lock: Lock) -> object:
    return lock.packages, lock.debs


def _by_name(texts: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for text in sorted(texts):
        try:
            name = str(canonicalize_name(Requirement(text).name))
        except InvalidRequirement:
            name = text
        found[name] = (*found.get(name, ()), text)
    return found
