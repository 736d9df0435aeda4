"""Environments as those see them who maintain them: listed, checked, released, published."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from harness.core.digest import Digest
from harness.core.errors import (
    HarnessError,
    LockInvalid,
    LockMissing,
    LockOutOfDate,
    ReleaseBroken,
    SpecInvalid,
    SpecMissing,
)
from harness.flows.environment import one_at_a_time
from harness.lock import parent, pylock, releases, resolved
from harness.lock import source as place
from harness.lock.releases import Release
from harness.lock.resolved import Resolved
from harness.spec import parse
from harness.spec.environment import About, Environment
from harness.world.store import Store

_STATES = {
    LockMissing: "not locked",
    LockOutOfDate: "lock out of date",
    LockInvalid: "lock damaged",
    ReleaseBroken: "release broken",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """An environment and where it stands. *state* is ``released``, ``not released``, or what is
    wrong; *why* says more of it; *ended*: its end of life has passed."""

    reference: str
    about: About
    state: str
    why: str = ""
    release: Release | None = None
    ended: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What a check found wrong in a folder: the error, or None."""

    folder: Path
    name: str
    error: HarnessError | None


def listed(folder: Path, today: date) -> tuple[Listed, ...]:
    """Return the environments in *folder*, by name; a broken one is listed with what is wrong.

    Raises SpecMissing when there is no such folder.
    """
    if not folder.is_dir():
        raise SpecMissing(f"there is no folder {folder}", hint="name it: --envs FOLDER")
    found = []
    for file in sorted(folder.glob(f"*/{parse.ENVIRONMENT_FILE}")):
        try:
            found.append(standing(parse.environment(file.parent), today))
        except HarnessError as broken:
            said = broken.message.splitlines()[0]
            one = Listed(reference=file.parent.name, about=About(), state="broken", why=said)
            found.append(one)
    return tuple(found)


def standing(environment: Environment, today: date) -> Listed:
    """Return where *environment* stands."""
    about = environment.about or About()
    state, why, release = "not released", "", None
    try:
        releases.verify(environment.folder, environment.name)
        release = releases.of(environment)
        releases.refuse_change(environment)
        pylock.read_all(environment)
        state = "released" if release else state
    except HarnessError as wrong:
        state, why = _STATES.get(type(wrong), "broken"), wrong.message
    end = about.end_of_life
    return Listed(
        reference=environment.reference,
        about=about,
        state=state,
        why=why,
        release=release,
        ended=end is not None and end < today,
    )


def checked(folder: Path, store: Store) -> Iterator[Found]:
    """Yield what is wrong with the environment, the model, or both in *folder*, without resolving.

    An environment: its lock is that of its specification, its releases are untouched, its parent
    is the recorded one. A model: each environment that it names is the recorded one.
    """
    if (folder / parse.ENVIRONMENT_FILE).is_file():
        yield _tried(folder, lambda: check_environment(parse.environment(folder), store))
    if (folder / parse.PROJECT_FILE).is_file():
        yield _tried(folder, lambda: _check_model(folder, store))


def check_environment(environment: Environment, store: Store) -> None:
    """Raise the first thing that is wrong with *environment*; nothing is resolved or written."""
    releases.verify(environment.folder, environment.name)
    releases.refuse_change(environment)
    locks = pylock.read_all(environment)
    smoke = environment.about.smoke if environment.about else None
    if smoke is not None and not smoke.is_file():
        raise SpecMissing(f"{smoke} is not there", hint="write it, or take smoke out")
    above = {lock.architecture: lock.digest for lock in parent.locks(environment, store)}
    for lock in locks:
        if lock.parent is not None and lock.parent.lock != above.get(lock.architecture):
            raise LockOutOfDate(
                f"{environment.lock_path} was made from another lock of {lock.parent.reference}",
                hint=f"harness lock {environment.name}",
            )


def released(environment: Environment, today: date, store: Store) -> Release:
    """Write *environment*'s version down as released, and return the release; one that is released
    already comes back as it was. Raises what a check raises, and ReleaseFinal."""
    with one_at_a_time(environment, store):
        check_environment(environment, store)
        return releases.record(environment, today)


def published(environment: Environment, to: str) -> Digest:
    """Push the released *environment* into the registry *to*; return the artifact's digest."""
    if not place.is_registry(to):
        raise SpecInvalid(f'"{to}" is no registry', hint="--to oci://host/envs")
    return place.publish(environment, to)


def accepted(folder: Path, store: Store) -> tuple[tuple[Digest | None, Resolved], ...]:
    """Record in *folder*'s environment.lock what its names stand for now, whatever they stood for.

    Returns each with the digest that was recorded before. *folder* holds a model, or a customized
    environment. Raises SpecMissing for neither.
    """
    if (folder / parse.ENVIRONMENT_FILE).is_file():
        own = parse.environment(folder)
        if own.change is None:
            raise SpecInvalid(f"{own.reference} has no parent", hint="nothing is to be accepted")
        where = place.folder(own.change.source, own.change.parent, store)
        parent.found(own.change.parent, where)
        new = [parent.identity(own, where)]
    else:
        project = parse.project(folder)
        folder = project.folder
        new = []
        for reference in project.wanted:
            found = parse.find(reference, place.folder(project.source, reference, store))
            pylock.read_all(found)
            new.append(place.resolved(found, project.source, folder))
    before = {one.name: one.lock for one in resolved.read(folder)}
    resolved.accept(folder, *new, among=())
    return tuple((before.get(one.name), one) for one in new)


def _check_model(folder: Path, store: Store) -> None:
    project = parse.project(folder)
    for reference in project.wanted:
        known = resolved.recorded(project.folder, reference)
        where = place.folder(project.source, reference, store, known=known)
        environment = parse.find(reference, where)
        pylock.read_all(environment)
        found = place.resolved(environment, project.source, project.folder)
        resolved.verify(project.folder, found)


def _tried(folder: Path, work: Callable[[], None]) -> Found:
    try:
        work()
        error = None
    except HarnessError as wrong:
        error = wrong
    return Found(folder=folder, name=folder.resolve().name, error=error)
