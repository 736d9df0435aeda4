"""All that is told of a difference: of each change why it is, what it weighs and what it brings.

What can't be known here (a file that was never fetched, advisories that nobody has) is unknown,
and never "none".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from harness.lock import diff_names
from harness.lock.diff import DEBIAN, RECORD, Change, Difference, Item, Side
from harness.lock.diff_facts import Facts, Shelf
from harness.lock.diff_names import Names
from harness.lock.diff_why import Graph, Why, explain
from harness.lock.model_usage import Use

Advisories = Callable[[str, str, str], Sequence[str]]
"""Returns the ids of the advisories that a room (``python``, ``debian``), a name and a version
have. Debian's speak of source packages, and are asked about those."""

T = TypeVar("T")

Sets = tuple[tuple[str, ...], tuple[str, ...]]
"""What came, and what went."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """One change, told. Each pair is before and after, on the first of the change's platforms;
    *sizes* are bytes to download. *advisories* that came and went; None: no data."""

    change: Change
    why: Why
    facts: tuple[Facts | None, Facts | None] = (None, None)
    sizes: tuple[int | None, int | None] = (None, None)
    advisories: Sets | None = None

    @property
    def known(self) -> bool:
        """Tell whether the files of every side that has the package were read."""
        sides = (self.change.before, self.change.after)
        return all(f is not None for s, f in zip(sides, self.facts, strict=True) if s is not None)

    def moved(self, field: str) -> Sets | None:
        """Return what of the facts' *field* came and what went; None when that isn't known."""
        if not self.known:
            return None
        old, new = (set(getattr(one, field)) if one else set() for one in self.facts)
        return tuple(sorted(new - old)), tuple(sorted(old - new))


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """A whole difference, told. *downloads* is the platform and the bytes before and after (None:
    not all sizes are known), *unread* the changed packages whose files are not here. *names* is
    None when there was no model to look at, *advised* tells whether there were advisories."""

    difference: Difference
    told: tuple[Told, ...]
    downloads: tuple[tuple[str, int | None, int | None], ...] = ()
    unread: tuple[str, ...] = ()
    names: Names | None = None
    advised: bool = False


def tell(
    difference: Difference,
    *,
    shelf: Shelf | None,
    uses: Sequence[Use] | None = None,
    folder: str = "",
    advisories: Advisories | None = None,
) -> Account:
    """Return the account of *difference*.

    *shelf* None: no package is opened. *uses* are what the model in *folder* takes from packages.
    """
    opened = [c for c in difference.changes if c.kind != RECORD] if shelf else []
    if shelf is not None:
        shelf.gather(i for c in opened for i in (c.before, c.after) if i is not None)

    @cache
    def requires(item: Item) -> tuple[str, ...] | None:
        return shelf.requires(item) if shelf else None

    graphs: dict[str, tuple[Graph, Graph]] = {}
    told = []
    for change in difference.changes:
        graph = graphs.setdefault(change.platforms[0], _graphs(difference, change, requires))
        told.append(
            Told(
                change=change,
                why=explain(change, *graph),
                facts=_pair(change, shelf.facts) if shelf and change in opened else (None, None),
                sizes=_pair(change, lambda item: size(item, shelf)),
                advisories=None if advisories is None else _advised(change, advisories),
            )
        )
    unread = {
        f"{item.name} {item.version}"
        for one in told
        if one.change.kind != RECORD
        for item, facts in zip((one.change.before, one.change.after), one.facts, strict=True)
        if item is not None and facts is None
    }
    found = None
    if shelf is not None and uses is not None:
        found = diff_names.gone(difference, uses, shelf, folder=folder)
    return Account(
        difference=difference,
        told=tuple(told),
        downloads=_downloads(difference, shelf),
        unread=tuple(sorted(unread)),
        names=found,
        advised=advisories is not None,
    )


def size(item: Item, shelf: Shelf | None) -> int | None:
    """Return the bytes of a package's file: as its lock says, else as it is stored; or None."""
    if item.size is not None:
        return item.size
    path = shelf.path(item) if shelf else None
    return path.stat().st_size if path is not None and path.is_file() else None


def _graphs(
    difference: Difference, change: Change, requires: Callable[[Item], tuple[str, ...] | None]
) -> tuple[Graph, Graph]:
    platform = change.platforms[0]
    old, _, new = platform.partition(" → ")
    return (
        Graph(difference.before, old, requires),
        Graph(difference.after, new or old, requires),
    )


def _pair(change: Change, ask: Callable[[Item], T]) -> tuple[T | None, T | None]:
    old, new = change.before, change.after
    return (None if old is None else ask(old), None if new is None else ask(new))


def _advised(change: Change, advisories: Advisories) -> Sets:
    old, new = (
        set() if item is None else set(advisories(item.room, *_subject(item)))
        for item in (change.before, change.after)
    )
    return tuple(sorted(new - old)), tuple(sorted(old - new))


def _subject(item: Item) -> tuple[str, str]:
    if item.room == DEBIAN and item.source:
        return item.source, item.source_version
    return item.name, item.version


def _downloads(
    difference: Difference, shelf: Shelf | None
) -> tuple[tuple[str, int | None, int | None], ...]:
    old, new = difference.before, difference.after
    shared = sorted(old.platforms.keys() & new.platforms.keys())
    return tuple((name, _weight(old, name, shelf), _weight(new, name, shelf)) for name in shared)


def _weight(side: Side, platform: str, shelf: Shelf | None) -> int | None:
    sizes = [size(item, shelf) for item in side.platforms[platform]]
    return None if None in sizes else sum(one for one in sizes if one is not None)
