"""Where a customized environment's parent is found: a folder of environments, or a registry.

``tabular:3`` is ``SOURCE/tabular/pylock.3.toml``. A released version keeps its lock there, whatever
``environment.toml`` has become since. ``environment.lock`` in the child's folder remembers which
lock that was.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from harness.core.errors import LockInvalid, LockOutOfDate, SpecInvalid, UnknownEnvironment
from harness.lock import pylock, releases, resolved
from harness.lock import source as place
from harness.lock.lock import Lock
from harness.lock.resolved import Resolved
from harness.spec import document, image_name, parse
from harness.spec.environment import Environment
from harness.spec.nearest import nearest
from harness.spec.parse import ENVIRONMENT_FILE
from harness.world import files
from harness.world.store import Store

DEEPEST = 20
"""How many parents a chain may have: more is a mistake."""


def locks(environment: Environment, store: Store) -> tuple[Lock, ...]:
    """Return the locks of *environment*'s parent, one for each platform; nothing without a parent.

    Raises UnknownEnvironment, which lists what there is, also for a parent that is, over its own
    parents, *environment* itself; EnvironmentChanged when it is not the lock that environment.lock
    records; what ``found`` raises, and what a registry raises.
    """
    change = environment.change
    if change is None:
        return ()
    refuse_circle(environment)
    source = folder(environment, store)
    above = found(change.parent, source)
    resolved.verify(environment.folder, identity(environment, source))
    home = source / above[0].name
    return tuple(_seen_from(environment, lock, home, change.source) for lock in above)


def _seen_from(environment: Environment, lock: Lock, home: Path, source: str) -> Lock:
    """Return a parent's *lock*, which lies at *home*, with the way from *environment* to the base
    image, where that is a layout on disk."""
    name = image_name.named(lock.base.image) if lock.base is not None else None
    if lock.base is None or name is None or not name.layout or Path(name.layout).is_absolute():
        return lock
    if place.is_registry(source):
        raise SpecInvalid(
            f"{environment.folder / ENVIRONMENT_FILE}: {lock.reference} of {source} stands on "
            f"{lock.base.image}, a folder of whoever published it",
            hint="choose a parent on an image of a registry",
        )
    way = Path(os.path.relpath(home / name.layout, environment.folder)).as_posix()
    image = f"{image_name.LAYOUT}{way}@{name.digest}"
    return replace(lock, base=replace(lock.base, image=image))


def folder(environment: Environment, store: Store) -> Path:
    """Return the folder of environments in which the parent of a customized *environment* is;
    raises what a registry raises."""
    change = environment.change
    assert change is not None
    known = resolved.recorded(environment.folder, change.parent)
    return place.folder(change.source, change.parent, store, known=known)


def identity(environment: Environment, source: Path) -> Resolved:
    """Return what the parent of a customized *environment*, found in *source*, stands for."""
    assert environment.change is not None
    name, _, version = environment.change.parent.partition(":")
    return Resolved(
        name=environment.change.parent,
        lock=files.digest_of(source / name / f"pylock.{version}.toml"),
        source=place.told(environment.change.source, environment.folder),
    )


def record(environment: Environment, store: Store) -> None:
    """Write down in environment.lock which lock *environment*'s parent is, if it has one."""
    if environment.change is not None:
        found = identity(environment, folder(environment, store))
        resolved.hold(environment.folder, found, among=())


def found(reference: str, source: Path) -> tuple[Lock, ...]:
    """Return the locks of ``NAME:VERSION`` in the folder *source*.

    Raises UnknownEnvironment, LockInvalid, LockOutOfDate for a lock that is older than its own
    specification, ReleaseBroken for one that is not what was released.
    """
    name, _, version = reference.partition(":")
    path = source / name / f"pylock.{version}.toml"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as missing:
        raise _unknown(reference, source) from missing
    except UnicodeDecodeError as broken:
        raise LockInvalid(f"{path} is not UTF-8", hint="take it from version control") from broken
    read = pylock.loads_all(text, where=str(path))
    if read[0].reference != reference:
        raise LockInvalid(
            f"{path} is the lock of {read[0].reference}", hint="take it from version control again"
        )
    file = path.parent / ENVIRONMENT_FILE
    current = file.is_file() and f"{name}:{document.toml(file).get('version')}" == reference
    if current and parse.environment(path.parent).digest != read[0].spec:
        raise LockOutOfDate(
            f"{file} changed after {path.name} was written",
            hint=f"harness lock {name}, where it is maintained",
        )
    releases.verify(path.parent, reference, version=read[0].version)
    return read


def refuse_circle(environment: Environment) -> None:
    """Raise UnknownEnvironment when *environment* is its own parent, over however many others."""
    chain = [environment.reference]
    change = environment.change
    while change is not None and len(chain) < DEEPEST:
        chain.append(change.parent)
        if change.parent == environment.reference:
            raise UnknownEnvironment(
                f"{environment.reference} is its own parent: {' → '.join(chain)}",
                hint="mend from in one of their environment.toml files",
            )
        name = change.parent.partition(":")[0]
        file = Path(change.source) / name / ENVIRONMENT_FILE
        if not file.is_file():
            return
        raw = document.toml(file)
        if not isinstance(raw.get("from"), str) or f"{name}:{raw.get('version')}" != change.parent:
            return
        source = raw.get("source", "..")
        change = type(change)(parent=raw["from"], source=str(file.parent / str(source)))


def _unknown(reference: str, source: Path) -> UnknownEnvironment:
    name = reference.partition(":")[0]
    there = sorted(
        f"{path.parent.name}:{path.name.split('.')[1]}" for path in source.glob("*/pylock.*.toml")
    )
    if not source.is_dir():
        hint = f"there is no folder {source}: source in environment.toml names it"
    elif close := nearest(reference, {one: one for one in there}):
        hint = f'did you mean "{close}"?'
    else:
        hint = f"harness lock {name}, where it is maintained" if not there else "write one of these"
    listed = f"; there are {', '.join(there)}" if there else ""
    return UnknownEnvironment(f"no lock of {reference} in {source}{listed}", hint=hint)
