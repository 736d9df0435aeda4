"""Two sides, or all that changed since a revision: read, compared, told."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Sequence
from pathlib import Path

from harness.core.errors import SpecMissing
from harness.flows import diff_sides
from harness.flows.diff_sides import Place
from harness.image import contents, elf
from harness.lock import diff, diff_told, model_usage
from harness.lock.advisories import Advisories as Snapshot
from harness.lock.diff import Side
from harness.lock.diff_facts import Shelf
from harness.lock.diff_told import Account, Advisories
from harness.lock.merge import is_lock
from harness.lock.osv import DEBIAN, PYPI
from harness.spec.parse import ENVIRONMENT_FILE
from harness.world import git

Pair = tuple[Side, Side]


def accounts(
    pairs: Sequence[Pair],
    place: Place,
    *,
    model: Path | None = None,
    quick: bool = False,
    snapshot: Snapshot | None = None,
) -> tuple[Account, ...]:
    """Return what is told of each pair.

    *model* is the folder of code whose names are looked for; *quick* opens no package; without a
    *snapshot* of advisories nothing is said of flaws.
    """
    shelf = None if quick else Shelf(place.store, _soname)
    uses = None if model is None else model_usage.of_folder(model)
    return tuple(
        diff_told.tell(
            diff.compare(*_alike(before, after)),
            shelf=shelf,
            uses=uses,
            folder="" if model is None else str(model),
            advisories=None if snapshot is None else _advisories(snapshot, before, after),
        )
        for before, after in pairs
    )


def _advisories(snapshot: Snapshot, *sides: Side) -> Advisories:
    """Return how *snapshot* is asked about the packages of *sides*, each as of its own suite."""
    suites = {
        (item.source or item.name, item.source_version or item.version): side.settings.get("suite")
        for side in sides
        for items in side.platforms.values()
        for item in items
        if item.room == diff.DEBIAN
    }

    def of(room: str, name: str, version: str) -> list[str]:
        kind = PYPI if room == diff.PYTHON else DEBIAN.get(str(suites.get((name, version))))
        return [] if kind is None else [f.id for f in snapshot.of(name, version, ecosystem=kind)]

    return of


def asked(names: Sequence[str], revisions: str, place: Place) -> list[Pair]:
    """Return the pairs to compare.

    Two *names* are two sides; one is compared with what it was at HEAD. *revisions*, ``REV`` or
    ``REV..REV``, say when instead. Revisions alone, or nothing at all, mean every environment and
    lock of the repository that changed. Raises as `diff_sides.named` does.
    """
    if not revisions and 1 <= len(names) <= 2 and all(_is_revision(n, place) for n in names):
        revisions, names = "..".join(names), ()
    if len(names) == 2 and not revisions:
        return [(diff_sides.named(names[0], place), diff_sides.named(names[1], place))]
    before, _, after = (revisions or "HEAD").partition("..")
    for revision in filter(None, (before, after)):
        if not diff_sides.commit(revision, place.folder):
            raise SpecMissing(
                f"git knows no revision {revision} in {place.folder}",
                hint="run it inside a git repository, or name two sides: harness diff A B",
            )
    chosen = names or _changed(before, after, place)
    return [_since(name, before, after, place) for name in chosen]


def _since(name: str, before: str, after: str, place: Place) -> Pair:
    old = diff_sides.at(before, name, place, absent=True)
    if after:
        new = diff_sides.at(after, name, place, absent=old.kind != "absent")
    elif old.kind != "absent" and not _is_here(name, place):
        new = Side(label=name, kind="absent")
    else:
        new = diff_sides.named(name, place)
    return old, new


def _is_here(name: str, place: Place) -> bool:
    path, declared = place.folder / name, place.envs / name.partition(":")[0]
    return path.is_file() or any((x / ENVIRONMENT_FILE).is_file() for x in (path, declared))


def _is_revision(name: str, place: Place) -> bool:
    if (place.folder / name).exists() or (place.envs / name.partition(":")[0]).is_dir():
        return False
    return ".." not in name and ":" not in name and bool(diff_sides.commit(name, place.folder))


def _changed(before: str, after: str, place: Place) -> list[str]:
    """Return the environments and locks that differ, as paths from the current folder.

    A folder stands for its environment's current lock; its other locks come one by one.
    """
    top = git.top(place.folder)
    assert top is not None
    found: list[str] = []
    covered: set[str] = set()
    changed = git.changed(before, after, top)
    for path in changed:
        folder, _, name = path.rpartition("/")
        if name != ENVIRONMENT_FILE and not is_lock(name):
            continue
        current = _current(before, after, folder, top)
        if name != ENVIRONMENT_FILE and name not in current:
            found.append(path)
        elif folder not in covered:
            covered.add(folder)
            found.append(folder or ".")
    return [_from_here(path, top, place.folder) for path in sorted(found)]


def _current(before: str, after: str, folder: str, top: Path) -> set[str]:
    """Return the names of the locks that a folder's environment has at the two ends."""
    found = set()
    for revision in (before, after):
        inner = f"{folder}/{ENVIRONMENT_FILE}" if folder else ENVIRONMENT_FILE
        if revision:
            data = git.read(revision, inner, top)
        else:
            path = top / inner
            data = path.read_bytes() if path.is_file() else None
        if data is not None and (version := _version(data)):
            found.add(f"pylock.{version}.toml")
    return found


def _version(data: bytes) -> str:
    try:
        return str(tomllib.loads(data.decode()).get("version", ""))
    except ValueError:
        return ""


def _from_here(path: str, top: Path, folder: Path) -> str:
    return os.path.relpath(top / path, folder.resolve())


def _alike(before: Side, after: Side) -> Pair:
    """Return two sides whose files are told apart in the same way."""
    if {before.kind, after.kind} != {"lock", "image"}:
        return before, after
    if before.kind == "lock":
        return contents.keyed(before), after
    return before, contents.keyed(after)


def _soname(data: bytes) -> str:
    found = elf.parse(data)
    return found.soname if found else ""
