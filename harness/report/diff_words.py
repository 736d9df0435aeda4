"""A difference in words: what the text and the Markdown say alike."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from harness.core.digest import Digest, short
from harness.lock import diff
from harness.lock.diff import DEBIAN, PYTHON, RECORD, Change, Difference, Item, Setting, Side
from harness.lock.diff_facts import Facts
from harness.lock.diff_settings import listed
from harness.lock.diff_told import Account, Sets, Told
from harness.lock.pylock_reading import MACHINES

SIGNS = {
    diff.ADDED: "+",
    diff.REMOVED: "-",
    diff.UPGRADE: "↑",
    diff.DOWNGRADE: "↓",
    diff.MOVED: "~",
    diff.REBUILD: "≠",
    diff.RECORD: "·",
}
_KINDS = {
    diff.ADDED: "added",
    diff.REMOVED: "removed",
    diff.UPGRADE: "upgraded",
    diff.DOWNGRADE: "downgraded",
    diff.MOVED: "moved",
    diff.REBUILD: "rebuilt",
    diff.RECORD: "recorded otherwise",
}
ROOMS = {PYTHON: "Python", DEBIAN: "OS"}
_MOST = 12


def plain(text: str) -> str:
    """Return *text* on one line, without what a terminal would obey."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def title(side: Side) -> str:
    """Return the name of a side: as it was given, and what it is where that says more."""
    extra = f" ({side.reference})" if side.reference and side.reference != side.label else ""
    return plain(side.label + extra) + (" (absent)" if side.kind == "absent" else "")


def summary(account: Account) -> str:
    """Return what changed, in one line."""
    found = account.difference
    counts = Counter(change.kind for change in found.changes)
    parts = [f"{counts[kind]} {word}" for kind, word in _KINDS.items() if counts[kind]]
    if found.settings:
        parts.append(f"{len(found.settings)} settings")
    if found.came or found.went:
        parts.append(f"{len(found.came) + len(found.went)} platforms")
    same = ", ".join(f"{count} {ROOMS[room]}" for room, count in found.same.items() if count)
    told = ", ".join(parts) or "no difference"
    return told + (f"; the same: {same}" if same else "")


def versions(change: Change) -> str:
    """Return what became of a package's version."""
    old, new = change.before, change.after
    if old is None or new is None:
        one = new or old
        return plain(one.version) if one else ""
    if old.version == new.version:
        return plain(old.version)
    return f"{plain(old.version)} → {plain(new.version)}"


def word(change: Change) -> str:
    """Return the kind of a change in a word."""
    return _KINDS[change.kind]


def where(change: Change, difference: Difference) -> str:
    """Return the platforms of a change, where it is not on all of them."""
    shared = difference.before.platforms.keys() & difference.after.platforms.keys()
    if len(change.platforms) >= max(len(shared), 1):
        return ""
    return ", ".join(MACHINES.get(name, name) for name in change.platforms)


def why(told: Told) -> list[str]:
    """Return why a change is: what caused it, else that it isn't known. A file that changed under
    an unchanged version has no cause that a lock could tell."""
    found, kind = told.why, told.change.kind
    whole = kind in (diff.ADDED, diff.REMOVED)
    lines = [*((found.chain or found.cause) if whole else found.cause)]
    if not lines and found.unknown:
        lines.append(f"not known: {found.unknown}")
    elif not lines and kind == diff.ADDED:
        lines.append("nothing that is asked for leads to it")
    return [plain(line) for line in lines]


def details(told: Told, difference: Difference) -> Iterator[tuple[str, str]]:
    """Yield what else changed of a package, each with its title; what is unknown isn't here."""
    change = told.change
    old, new = told.facts
    digests = [one.digest for one in (change.before, change.after) if one and one.digest]
    if change.kind == diff.REBUILD and len(digests) > 1:
        yield "digest", " → ".join(map(short, digests))
    for name, before, after in diff.recorded(change) if change.kind == RECORD else ():
        yield plain(name), f"{plain(before) or 'absent'} → {plain(after) or 'absent'}"
    alike = difference.before.kind == difference.after.kind
    if alike and (needs := signed(change.needs)):
        yield "needs", needs
    if change.kind == RECORD:
        return
    if sizes := _sizes(change, told.sizes):
        yield "download", sizes
    if told.known:
        if sizes := _sizes(change, (_unpacked(old), _unpacked(new))):
            yield "unpacked", sizes
        licenses = [
            plain(one.license) or "none that a machine can read"
            for one in (old, new)
            if one is not None
        ]
        if len(set(licenses)) > 1 or len(licenses) == 1:
            yield "licence", " → ".join(licenses)
    if libraries := _libraries(told.moved("libraries") or ((), ())):
        yield "libraries", libraries
    for field in ("scripts", "modules"):
        if moved := signed(told.moved(field) or ((), ())):
            yield field, moved
    if told.advisories is not None:
        introduced, fixed = told.advisories
        if fixed:
            yield "fixes", ", ".join(map(plain, fixed))
        if introduced:
            yield "introduces", ", ".join(map(plain, introduced))


def signed(sets: Sets) -> str:
    """Return what came and what went, each with its sign; long lists are cut and counted."""
    texts = [f"{sign}{plain(one)}" for sign, names in zip("+-", sets, strict=True) for one in names]
    more = f" and {len(texts) - _MOST} more" if len(texts) > _MOST else ""
    return " ".join(texts[:_MOST]) + more


def _libraries(sets: Sets) -> str:
    """Return native libraries by name; extension modules, which have a folder, are counted."""
    came, went = (tuple(one for one in names if "/" not in one) for names in sets)
    more = [len(names) - len(own) for names, own in zip(sets, (came, went), strict=True)]
    counts = [f"{sign}{count}" for sign, count in zip("+-", more, strict=True) if count]
    told = [signed((came, went))] if came or went else []
    if counts:
        told.append(f"{' '.join(counts)} extension module{'s' if sum(more) > 1 else ''}")
    return ", ".join(told)


def setting(before: Setting, after: Setting) -> list[str]:
    """Return how a setting changed: a line for a value, one for each part of a list."""
    if isinstance(before, str) and isinstance(after, str):
        return [f"{_value(before)} → {_value(after)}"]
    old, new = ((x,) if isinstance(x, str) else x for x in (before, after))
    found = listed(old, new)
    return [
        *(f"+ {plain(text)}" for text in found.added),
        *(f"- {plain(text)}" for text in found.removed),
        *(f"~ {plain(one)} → {plain(other)}" for one, other in found.changed),
    ]


def _value(value: str) -> str:
    """Return a setting's value; of a digest what people compare."""
    text = plain(value) or "none"
    return short(Digest(text)) if re.fullmatch(r"sha256:[0-9a-f]{64}", text) else text


def downloads(account: Account) -> list[str]:
    """Return what all packages of a platform weigh, where that is known and changed."""
    lines = []
    for platform, old, new in account.downloads:
        name = MACHINES.get(platform, platform)
        if old is None or new is None:
            continue
        if old != new:
            lines.append(f"{bytes_of(old)} → {bytes_of(new)} ({change_of(old, new)}) on {name}")
    return lines


def unknown(account: Account) -> Iterator[tuple[str, str]]:
    """Yield what could not be told, each with its title."""
    if account.unread:
        names = ", ".join(map(plain, account.unread[:_MOST]))
        more = f" and {len(account.unread) - _MOST} more" if len(account.unread) > _MOST else ""
        yield (
            "not known",
            f"licence, unpacked size, libraries, scripts and modules of {names}{more}: "
            "their files are not here (harness fetch NAME)",
        )
    names_of = account.names
    if names_of is not None and names_of.missing:
        yield (
            "not known",
            f"names gone from {', '.join(map(plain, names_of.missing))}: their files are not here",
        )
    if account.difference.changes and not account.advised:
        yield "advisories", "no data"


def gone(account: Account) -> list[tuple[str, str, str]]:
    """Return names that the model uses and that are gone: name, with what, where."""
    if account.names is None:
        return []
    return [
        (
            plain(one.name),
            f"{'gone' if one.certain else 'no longer defined in the source'} with "
            + plain(f"{one.package} {one.before} → {one.after or 'removed'}"),
            ", ".join(f"{plain(use.file)}:{use.line}" for use in one.uses[:3])
            + (f" and {len(one.uses) - 3} more" if len(one.uses) > 3 else ""),
        )
        for one in account.names.gone
    ]


def bytes_of(size: int) -> str:
    """Return a size as people read it; decimal units."""
    for unit, power in (("GB", 9), ("MB", 6), ("kB", 3)):
        if abs(size) >= 10**power:
            return f"{size / 10**power:.1f} {unit}"
    return f"{size} B"


def change_of(old: int, new: int) -> str:
    """Return by how much a size changed, with its sign."""
    return f"{'+' if new >= old else '-'}{bytes_of(abs(new - old))}"


def _unpacked(facts: Facts | None) -> int | None:
    return None if facts is None else facts.unpacked


def _sizes(change: Change, sizes: tuple[int | None, int | None]) -> str:
    """Return a size before and after; nothing when one isn't known or nothing changed."""
    sides: tuple[Item | None, Item | None] = (change.before, change.after)
    known = [size for side, size in zip(sides, sizes, strict=True) if side is not None]
    numbers = [one for one in known if one is not None]
    if len(numbers) < len(known) or len(set(numbers)) < len(numbers):
        return ""
    if len(numbers) == 1:
        return bytes_of(numbers[0])
    return f"{bytes_of(numbers[0])} → {bytes_of(numbers[1])} ({change_of(*numbers)})"
