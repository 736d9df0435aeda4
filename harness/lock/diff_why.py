"""Why a package is there, and what forced one that moved: chains of requirements.

A chain starts at what was asked for. Its steps come from the lock; which versions a step admits
comes from the packages themselves, where their files are here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property, partial
from itertools import pairwise

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion

from harness.lock import deb_index, deb_version
from harness.lock.diff import DEBIAN, PYTHON, REBUILD, Change, Item, Side
from harness.lock.metadata import applies
from harness.lock.pylock_reading import MACHINES
from harness.lock.resolve import BASE
from harness.lock.resolver import Question

Requires = Callable[[Item], tuple[str, ...] | None]
"""What a package says it needs; None when its file is not here."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Why:
    """*chain* leads from what was asked for to the package, on the side that has it. *cause* says
    what made the change, empty where that can't be told; *unknown* why not."""

    chain: tuple[str, ...] = ()
    cause: tuple[str, ...] = ()
    unknown: str = ""


@dataclass(frozen=True)
class Graph:
    """One side on one platform: packages by name, and what was asked for."""

    side: Side
    platform: str
    requires: Requires

    @cached_property
    def items(self) -> dict[tuple[str, str], Item]:
        """The packages, by room and name."""
        known = self.side.platforms
        found = known.get(self.platform) or next(iter(known.values()), ())
        return {(item.room, item.name): item for item in found}

    @cached_property
    def roots(self) -> dict[tuple[str, str], str]:
        """What was asked for: what the first step of a chain says, by room and name."""
        found: dict[tuple[str, str], str] = {}
        for name in (*BASE, f"python{self.side.python}"):
            found[DEBIAN, name] = f"every image has {name}"
        for name in (f"python{self.side.python}-minimal", f"libpython{self.side.python}-stdlib"):
            found[DEBIAN, name] = f"every image has {name}"
        for name in self.side.os:
            found[DEBIAN, name] = f"{name} is asked for"
        for text in self.side.roots:
            found[PYTHON, _name(text)] = f"{text} is asked for"
        return found

    @cached_property
    def _parents(self) -> dict[tuple[str, str], tuple[tuple[str, str], ...]]:
        """The step before each package on a shortest way from a root, breadth first."""
        come: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {}
        queue: deque[tuple[str, str]] = deque()
        for key in sorted(self.roots):
            if key in self.items:
                come[key] = ()
                queue.append(key)
        while queue:
            key = queue.popleft()
            for name in self.items[key].dependencies:
                child = (key[0], name)
                if child in self.items and child not in come:
                    come[child] = (key,)
                    queue.append(child)
        return come

    def path(self, room: str, name: str) -> tuple[tuple[str, str], ...]:
        """Return the packages from a root to this one; nothing when no root leads to it."""
        key = (room, name)
        if key not in self._parents:
            return ()
        found = [key]
        while before := self._parents[found[-1]]:
            found.append(before[0])
        return tuple(reversed(found))

    def step(self, parent: tuple[str, str], child: tuple[str, str]) -> str:
        """Return the step from one package to the next in words, with the versions it admits."""
        item = self.items[parent]
        needs = [text for _, text in self.bounds(item, child[1])]
        return f"{item.name} {item.version} requires {needs[0] if needs else child[1]}"

    def bounds(self, item: Item, name: str) -> Iterator[tuple[Callable[[str], bool], str]]:
        """Yield what *item* itself asks of *name*: whether a version meets it, and its words.

        Nothing when its file is not here.
        """
        for text in self.requires(item) or ():
            yield from _bound(item.room, text, name, self._question)

    @cached_property
    def _question(self) -> Question:
        platform = self.platform.rpartition(" ")[2]
        return Question(requirements=(), python=f"{self.side.python}.0", architecture=platform)

    def excluding(self, room: str, name: str, version: str) -> tuple[list[str], list[str]]:
        """Return what excludes *version* of a package, and who might but has no file here."""
        found, strangers = [], []
        if room == PYTHON:
            for text in self.side.roots:
                need = _requirement(text)
                if need and _name(text) == name and not _contains(need, version):
                    found.append(f"{text} is asked for, which excludes {version}")
        for (other, _), item in sorted(self.items.items()):
            if other != room or name not in item.dependencies:
                continue
            if self.requires(item) is None:
                strangers.append(item.name)
            for meets, text in self.bounds(item, name):
                if not meets(version):
                    told = f"{item.name} {item.version} requires {text}, which excludes {version}"
                    found.append(told)
        return found, strangers


def explain(change: Change, before: Graph, after: Graph) -> Why:
    """Return why *change* is: of what came or moved the chain on the side after, of what went the
    chain that kept it."""
    if change.after is None:
        path = before.path(change.room, change.name)
        chain = _told(path, before, after, "no more")
        return Why(chain=chain, cause=_ends(path, before, after, gone=True))
    path = after.path(change.room, change.name)
    if change.before is None:
        return Why(
            chain=_told(path, after, before, "new"), cause=_ends(path, after, before, gone=False)
        )
    return _moved(change, before, after, _told(path, after, after, ""))


def _moved(change: Change, before: Graph, after: Graph, chain: tuple[str, ...]) -> Why:
    old, new = change.before, change.after
    assert old is not None and new is not None
    if old.version == new.version:
        if change.kind == REBUILD and old.filename != new.filename:
            return Why(chain=chain, cause=(f"another file: {old.filename} → {new.filename}",))
        return Why(chain=chain)
    for move in after.side.moved:
        if change.room == PYTHON and (move.name, move.before) == (old.name, old.version):
            return Why(chain=chain, cause=move.why)
    forced, strangers = after.excluding(change.room, change.name, old.version)
    if forced:
        return Why(chain=chain, cause=tuple(forced))
    if after.side.kind == "image":
        return Why(chain=chain, unknown="an image doesn't say what was asked for")
    if change.room == DEBIAN:
        index = f"Debian index for {_machine(after)}"
        dates = [str(side.settings.get(index, "")) for side in (before.side, after.side)]
        if all(dates) and dates[0] != dates[1]:
            told = f"the suite of {dates[1][:10]} offers it, that of {dates[0][:10]} did not"
            return Why(chain=chain, cause=(told,))
    if strangers:
        listed = ", ".join(strangers[:3]) + (" …" if len(strangers) > 3 else "")
        return Why(chain=chain, unknown=f"what {listed} asks of it: not fetched")
    return Why(chain=chain, cause=(f"free: nothing in the lock excludes {old.version}",))


def _machine(after: Graph) -> str:
    return MACHINES.get(after.platform.rpartition(" ")[2], "")


def _told(
    path: tuple[tuple[str, str], ...], here: Graph, other: Graph, word: str
) -> tuple[str, ...]:
    """Return a path in words; *word* marks the steps that the other side doesn't have."""
    if not path:
        return ()
    lines = [_marked(here.roots[path[0]], _same_root(path[0], here, other), word)]
    for parent, child in pairwise(path):
        there = other.items.get(parent)
        known = there is not None and child[1] in there.dependencies
        lines.append(_marked(here.step(parent, child), known, word))
    return tuple(lines)


def _ends(
    path: tuple[tuple[str, str], ...], here: Graph, other: Graph, *, gone: bool
) -> tuple[str, ...]:
    """Return the first step of a path that the other side doesn't have, in words."""
    if not path:
        return ()
    when = "no more" if gone else "new"
    if not _same_root(path[0], here, other):
        return (f"{here.roots[path[0]]} ({when})",)
    for parent, child in pairwise(path):
        there = other.items.get(parent)
        if there is None or child[1] not in there.dependencies:
            return (f"{here.step(parent, child)} ({when})",)
    return ()


def _same_root(key: tuple[str, str], here: Graph, other: Graph) -> bool:
    return key in other.roots and key in other.items


def _marked(text: str, known: bool, word: str) -> str:
    return text if known or not word else f"{text} ({word})"


def _bound(
    room: str, text: str, name: str, question: Question
) -> Iterator[tuple[Callable[[str], bool], str]]:
    if room == PYTHON:
        need = _requirement(text)
        if need is not None and canonicalize_name(need.name) == name and applies(need, question):
            extras = f"[{','.join(sorted(need.extras))}]" if need.extras else ""
            yield partial(_contains, need), f"{name}{extras}{need.specifier}"
        return
    for clause in deb_index.clauses(text):
        for relation in clause:
            if relation.name == name:
                yield partial(_stands, relation), str(relation)


def _stands(relation: deb_index.Relation, version: str) -> bool:
    try:
        return not relation.operator or deb_version.satisfies(
            version, relation.operator, relation.version
        )
    except ValueError:
        return True


@cache
def _requirement(text: str) -> Requirement | None:
    try:
        return Requirement(text)
    except InvalidRequirement:
        return None


def _contains(need: Requirement, version: str) -> bool:
    try:
        return need.specifier.contains(version, prereleases=True)
    except InvalidVersion:
        return True


def _name(text: str) -> str:
    need = _requirement(text)
    return canonicalize_name(need.name if need else text)
