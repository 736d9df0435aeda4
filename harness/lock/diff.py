"""Two sides compared: which packages came, went and moved, and in which direction. Pure.

What they are for, where they come from and how that reads is said elsewhere (``diff_*``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from packaging.version import InvalidVersion, Version

from harness.content.scheme import Scheme
from harness.core.digest import Digest
from harness.lock import deb_version
from harness.lock.lock import Base, Deb, Lock, Move, Wheel

PYTHON, DEBIAN = "python", "debian"

ADDED, REMOVED = "added", "removed"
UPGRADE, DOWNGRADE, REBUILD = "upgrade", "downgrade", "rebuild"
MOVED = "moved"
"""Another version, where one of the two is no version that has an order."""
RECORD = "record"
"""The same file; what the lock says of it (its dependencies, say) is not the same."""

Setting = str | tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """A package on one side. *room* is ``python`` or ``debian``.

    *identity* tells two files of one version apart; *digest* is that of the file, where known, and
    *tree* the key of the unpacked one. *record* is the rest of what a lock says of it.
    """

    room: str
    name: str
    version: str
    identity: str
    filename: str = ""
    digest: Digest | None = None
    tree: str = ""
    size: int | None = None
    dependencies: tuple[str, ...] = ()
    source: str = ""
    source_version: str = ""
    record: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """One of the two things that are compared, under the *label* that people gave it.

    *kind* is ``lock``, ``image``, ``specification`` (not locked) or ``absent``. *platforms* maps
    Debian's name of an architecture to what is installed there, *settings* what was asked for and
    chosen; a setting that a side doesn't know isn't there. *roots* are the requirements and *os*
    the OS packages asked for by name; *moved* is what a parent's pins had to do; *scheme* is where
    wheels go on a base image.
    """

    label: str
    kind: str
    reference: str = ""
    python: str = ""
    platforms: Mapping[str, tuple[Item, ...]] = field(default_factory=dict)
    settings: Mapping[str, Setting] = field(default_factory=dict)
    roots: tuple[str, ...] = ()
    os: tuple[str, ...] = ()
    moved: tuple[Move, ...] = ()
    notes: tuple[str, ...] = ()
    scheme: Scheme | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """A package that is not the same on both sides; *pairs* holds it before and after for each
    platform where the change is this one."""

    room: str
    name: str
    kind: str
    pairs: tuple[tuple[str, Item | None, Item | None], ...]

    @property
    def platforms(self) -> tuple[str, ...]:
        """Where: Debian's names of architectures."""
        return tuple(platform for platform, _, _ in self.pairs)

    @property
    def before(self) -> Item | None:
        """What it was, on the first of its platforms."""
        return self.pairs[0][1]

    @property
    def after(self) -> Item | None:
        """What it is, on the first of its platforms."""
        return self.pairs[0][2]

    @property
    def needs(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Which dependencies came, and which went; nothing for what isn't on both sides."""
        if self.before is None or self.after is None:
            return (), ()
        old, new = set(self.before.dependencies), set(self.after.dependencies)
        return tuple(sorted(new - old)), tuple(sorted(old - new))


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """What is not the same: *settings* by name, *platforms* that came and went, *changes* of
    packages, sorted; *same* counts packages without a change, by room."""

    before: Side
    after: Side
    settings: tuple[tuple[str, Setting, Setting], ...]
    came: tuple[str, ...]
    went: tuple[str, ...]
    changes: tuple[Change, ...]
    same: Mapping[str, int]

    def __bool__(self) -> bool:
        """Tell whether anything differs."""
        return bool(self.settings or self.came or self.went or self.changes)


def compare(before: Side, after: Side) -> Difference:
    """Return how *after* differs from *before*.

    Packages are compared on the platforms that both have; a platform of one side alone is told as
    a whole. Two sides with one platform each are compared whatever it is.
    """
    pairs = _platforms(before, after)
    found: dict[tuple[object, ...], list[tuple[str, Item | None, Item | None]]] = {}
    same = {PYTHON: 0, DEBIAN: 0}
    recorded = before.kind == after.kind == "lock"
    for platform, old_items, new_items in pairs:
        old = {(item.room, item.name): item for item in old_items}
        new = {(item.room, item.name): item for item in new_items}
        for key in old.keys() | new.keys():
            kind = _kind(old.get(key), new.get(key), recorded)
            if not kind:
                same[key[0]] += 1
                continue
            shape = (*key, kind, _shape(old.get(key)), _shape(new.get(key)))
            found.setdefault(shape, []).append((platform, old.get(key), new.get(key)))
    changes = [
        Change(room=str(shape[0]), name=str(shape[1]), kind=str(shape[2]), pairs=tuple(pairs))
        for shape, pairs in found.items()
    ]
    changes.sort(key=lambda one: (one.room != PYTHON, one.name, one.platforms))
    shared = [pair[0] for pair in pairs]
    whole = "specification" in (before.kind, after.kind) or any("→" in name for name in shared)
    return Difference(
        before=before,
        after=after,
        settings=_settings(before, after),
        came=() if whole else tuple(sorted(after.platforms.keys() - set(shared))),
        went=() if whole else tuple(sorted(before.platforms.keys() - set(shared))),
        changes=tuple(changes),
        same={room: count // max(len(pairs), 1) for room, count in same.items()},
    )


def direction(room: str, before: str, after: str) -> str:
    """Return how a version moved: ``upgrade``, ``downgrade``, ``moved``; empty where the two are
    equal (PEP 440; Debian Policy §5.6.12)."""
    if before == after:
        return ""
    try:
        if room == PYTHON:
            one, other = Version(before), Version(after)
            return "" if one == other else UPGRADE if one < other else DOWNGRADE
        old, new = deb_version.key(before), deb_version.key(after)
        return "" if old == new else UPGRADE if old < new else DOWNGRADE
    except (InvalidVersion, ValueError):
        return MOVED


def side(locks: Sequence[Lock], *, label: str, settings: Mapping[str, Setting]) -> Side:
    """Return the side that *locks*, one for each platform of one environment, are."""
    first = locks[0]
    return Side(
        label=label,
        kind="lock",
        reference=first.reference,
        python=first.python,
        platforms={lock.architecture: items(lock) for lock in locks},
        settings=settings,
        roots=tuple(sorted(first.requirements)),
        os=tuple(sorted(first.os)),
        moved=tuple(
            move for lock in locks for of in (lock.parent, lock.base) if of for move in of.moved
        ),
        scheme=first.base.scheme if first.base else None,
    )


def items(lock: Lock) -> tuple[Item, ...]:
    """Return the packages of *lock*."""
    theirs = of_base(lock.base) if lock.base else ()
    return (*map(of_wheel, lock.packages), *map(of_deb, lock.debs), *theirs)


def of_base(base: Base) -> Iterator[Item]:
    """Yield what a base image has and the environment leaves as it is."""
    for name, version in sorted(base.kept.items()):
        yield of_theirs(PYTHON, name, version)
    for one in base.os:
        item = of_theirs(DEBIAN, one.name, one.version)
        yield replace(item, source=one.source, source_version=one.source_version)


def of_theirs(room: str, name: str, version: str) -> Item:
    """Return a package that others installed: no file of it is known, so its version is what it
    is told apart by."""
    return Item(room=room, name=name, version=version, identity=f"base {version}")


def of_wheel(wheel: Wheel) -> Item:
    """Return what a lock says of a wheel."""
    built = "" if wheel.built is None else f"{wheel.built.filename} {wheel.built.digest}"
    needs = () if wheel.built is None else wheel.built.requires
    return Item(
        room=PYTHON,
        name=wheel.name,
        version=wheel.version,
        identity=f"{wheel.filename} {wheel.digest}",
        filename=wheel.filename,
        digest=wheel.digest,
        size=wheel.size,
        dependencies=tuple(sorted(wheel.dependencies)),
        record=(
            ("size", "" if wheel.size is None else str(wheel.size)),
            ("built from", built),
            ("built with", ", ".join(f"{n.name} {n.version} {n.digest}" for n in needs)),
        ),
    )


def of_deb(deb: Deb) -> Item:
    """Return what a lock says of a Debian package."""
    return Item(
        room=DEBIAN,
        name=deb.name,
        version=deb.version,
        identity=f"{deb.architecture} {deb.digest}",
        filename=deb.filename.rpartition("/")[2],
        digest=deb.digest,
        size=deb.size,
        dependencies=tuple(sorted(deb.dependencies)),
        source=deb.source or deb.name,
        source_version=deb.source_version or deb.version,
        record=(
            ("path", deb.filename),
            ("size", str(deb.size)),
            ("source", f"{deb.source} {deb.source_version}".strip()),
        ),
    )


def recorded(change: Change) -> tuple[tuple[str, str, str], ...]:
    """Return what a lock says otherwise of the same file: a field, before, after."""
    if change.before is None or change.after is None:
        return ()
    new = dict(change.after.record)
    return tuple(
        (name, value, new.get(name, ""))
        for name, value in change.before.record
        if value != new.get(name, "")
    )


def _kind(before: Item | None, after: Item | None, recorded: bool) -> str:
    if before is None:
        return ADDED
    if after is None:
        return REMOVED
    if moved := direction(before.room, before.version, after.version):
        return moved
    if before.identity != after.identity:
        return REBUILD
    if not recorded:
        return ""
    told = (before.version, before.dependencies, before.record)
    return "" if told == (after.version, after.dependencies, after.record) else RECORD


def _shape(item: Item | None) -> object:
    return item and (item.version, item.dependencies)


def _platforms(before: Side, after: Side) -> list[tuple[str, tuple[Item, ...], tuple[Item, ...]]]:
    """Return what to compare, by platform; an absent side has none of anything, everywhere."""
    old, new = before.platforms, after.platforms
    if "specification" in (before.kind, after.kind):
        return []  # what isn't locked has no packages that could be told
    if before.kind == "absent" or after.kind == "absent":
        every = sorted({*old, *new})
        return [(name, tuple(old.get(name, ())), tuple(new.get(name, ()))) for name in every]
    shared = sorted(old.keys() & new.keys())
    if not shared and len(old) == len(new) == 1:
        (one,), (other,) = old.items(), new.items()
        return [(f"{one[0]} → {other[0]}", one[1], other[1])]
    return [(name, old[name], new[name]) for name in shared]


def _settings(before: Side, after: Side) -> tuple[tuple[str, Setting, Setting], ...]:
    if "absent" in (before.kind, after.kind):
        return ()
    return tuple(
        (name, value, after.settings[name])
        for name, value in before.settings.items()
        if name in after.settings and after.settings[name] != value
    )
