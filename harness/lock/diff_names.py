"""Names that a model uses and that its packages had before, and no longer have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from harness.lock import surface
from harness.lock.diff import PYTHON, Difference, Item
from harness.lock.diff_facts import BROKEN, Shelf
from harness.lock.model_usage import Use
from harness.lock.surface import NO, YES, Surface


@dataclass(frozen=True, kw_only=True, slots=True)
class Gone:
    """A *name* that is gone with a *package*, and where the model uses it. Not *certain*: the new
    version no longer defines it in its source, and may still answer to it at run time."""

    name: str
    package: str
    before: str
    after: str
    certain: bool
    uses: tuple[Use, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Names:
    """What was found for the model in *folder*: *gone* names, how many *looked* at, and the
    packages that it uses whose files are *missing* here."""

    folder: str
    gone: tuple[Gone, ...] = ()
    looked: int = 0
    missing: tuple[str, ...] = ()


def gone(difference: Difference, uses: Sequence[Use], shelf: Shelf, *, folder: str) -> Names:
    """Return which of *uses* the side after doesn't have any more.

    Looked for in the packages that changed, and in those that the side after adds.
    """
    found: dict[str, Gone] = {}
    missing: set[str] = set()
    looked: set[str] = set()
    changed = [c for c in difference.changes if c.room == PYTHON]
    new = [c.after for c in changed if c.after is not None]
    seen: set[tuple[str, str]] = set()
    for change in changed:
        old = change.before
        if old is None or (old.name, old.version) in seen:
            continue
        seen.add((old.name, old.version))
        if shelf.path(old) is None:
            missing |= _maybe(old, uses)
            continue
        facts = shelf.facts(old)
        tops = facts.modules if facts else ()
        mine = [use for use in uses if any(_within(use.name, top) for top in tops)]
        if not mine:
            continue
        if change.after is not None and shelf.path(change.after) is None:
            missing.add(change.after.name)
            continue
        with ExitStack() as stack:
            before = _surface([old], shelf, stack)
            after = _surface(_successors(new, mine, shelf), shelf, stack)
            for name in sorted({use.name for use in mine}):
                looked.add(name)
                if before.has(name) != YES:
                    continue
                answer = after.has(name)
                if answer == YES:
                    continue
                found[name] = Gone(
                    name=name,
                    package=old.name,
                    before=old.version,
                    after=change.after.version if change.after else "",
                    certain=answer == NO,
                    uses=tuple(use for use in mine if use.name == name),
                )
    return Names(
        folder=folder,
        gone=tuple(found[name] for name in _outermost(found)),
        looked=len(looked),
        missing=tuple(sorted(missing)),
    )


def _outermost(names: Iterable[str]) -> list[str]:
    """Return the names without those that lie below another of them."""
    kept: list[str] = []
    for name in sorted(names):
        if not any(_within(name, above) for above in kept):
            kept.append(name)
    return kept


def _within(name: str, top: str) -> bool:
    return name == top or name.startswith(f"{top}.")


def _maybe(item: Item, uses: Sequence[Use]) -> set[str]:
    """Return the package's name when the model may use it, as far as names go."""
    spelled = item.name.replace("-", "_").lower()
    tops = {use.name.split(".")[0].lower() for use in uses}
    return {item.name} if spelled in tops else set()


def _successors(new: Sequence[Item], mine: Sequence[Use], shelf: Shelf) -> list[Item]:
    """Return the packages after that have a top-level module of what is used."""
    tops = {use.name.split(".")[0] for use in mine}
    found = []
    for item in new:
        facts = shelf.facts(item)
        if facts and tops & {module.split(".")[0] for module in facts.modules}:
            found.append(item)
    return found


def _surface(items: Sequence[Item], shelf: Shelf, stack: ExitStack) -> Surface:
    paths = [path for item in items if (path := shelf.path(item)) is not None]
    try:
        if any(path.is_dir() for path in paths):
            return surface.of_folders([site for path in paths for site in _sites(path)])
        found, archives = surface.of_wheels(paths)
    except BROKEN:
        return Surface({})
    for archive in archives:
        stack.enter_context(archive)
    return found


def _sites(tree: Path) -> list[Path]:
    return sorted(tree.glob("usr/local/lib/python3*/dist-packages"))
