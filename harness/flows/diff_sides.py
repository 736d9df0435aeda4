"""What a person names in ``harness diff``, read: a lock, a specification, an environment, an image,
or one of the first three at a git revision."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from harness.core.digest import short
from harness.core.errors import (
    HarnessError,
    LockInvalid,
    SpecInvalid,
    SpecMissing,
    ToolMissing,
    UnknownEnvironment,
)
from harness.image import contents
from harness.lock import diff, diff_settings, parent, pylock
from harness.lock.diff import Side
from harness.lock.lock import Lock
from harness.spec import parse
from harness.spec.nearest import did_you_mean
from harness.spec.parse import ENVIRONMENT_FILE
from harness.world import git
from harness.world.store import Store


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where names are looked for: the current *folder*, the folder of environments, the store."""

    folder: Path
    envs: Path
    store: Store


def named(text: str, place: Place) -> Side:
    """Return the side that *text* names.

    In turn: an image (``sha256:…``, ``image:NAME``), a file or folder, ``REVISION:PATH``, an
    environment (``tabular``, ``tabular:3``), an image by its name. Raises UnknownEnvironment for
    none of these, and what reading it raises.
    """
    if text.startswith(("sha256:", "image:")):
        return of_image(text.removeprefix("image:"), place, label=text)
    path = place.folder / text
    if (path / ENVIRONMENT_FILE).is_file():
        return of_folder(path, label=text)
    if path.is_file():
        return of_file(path, label=text)
    revision, colon, inner = text.partition(":")
    declared = (place.envs / revision / ENVIRONMENT_FILE).is_file()
    if colon and inner and not (declared and inner.isdigit()) and commit(revision, place.folder):
        return at(revision, inner, place)
    if declared or (place.envs / revision).is_dir():
        return of_environment(text, place.envs)
    if contents.named(text, place.store):
        return of_image(text, place, label=text)
    there = sorted(p.parent.name for p in place.envs.glob(f"*/{ENVIRONMENT_FILE}"))
    raise UnknownEnvironment(
        f"{text} is no file, git revision, environment of {place.envs} or image of this machine's "
        f"store{did_you_mean(text, there)}",
        hint="name two of: a pylock.*.toml, an environment.toml, NAME, NAME:VERSION, "
        "REVISION:PATH, image:NAME, sha256:…",
    )


def commit(revision: str, folder: Path) -> str | None:
    """Return the commit that a revision names; None also where there is no git."""
    try:
        return git.commit(revision, folder)
    except ToolMissing:
        return None


def of_environment(reference: str, envs: Path) -> Side:
    """Return an environment by its name: as it is now, or the released version that is named."""
    name, _, version = reference.partition(":")
    if version and (envs / name / f"pylock.{version}.toml").is_file():
        locks = parent.found(reference, envs)
        folder = envs / name
        if (folder / ENVIRONMENT_FILE).is_file():
            now = parse.environment(folder)
            if now.reference == reference:
                return of_folder(folder, label=reference)
        return of_locks(locks, label=reference)
    return of_folder(parse.find(reference, envs).folder, label=reference)


def of_folder(folder: Path, *, label: str) -> Side:
    """Return the environment in *folder*: its lock where there is one, else its specification."""
    environment = parse.environment(folder)
    declared = diff_settings.of_environment(environment)
    if not environment.lock_path.is_file():
        return Side(
            label=label,
            kind="specification",
            reference=environment.reference,
            python=environment.python,
            settings=declared,
            roots=tuple(sorted(environment.requirements)),
            os=tuple(sorted(environment.os)),
            notes=(f"{label} has no lock: harness lock {environment.name}",),
        )
    locks = _locks(environment.lock_path)
    side = of_locks(locks, label=label)
    own = {k: v for k, v in declared.items() if k not in side.settings and k != "platforms"}
    notes = side.notes
    if locks[0].spec != environment.digest:
        told = f"{label}: {ENVIRONMENT_FILE} changed after its lock was written"
        notes = (*notes, f"{told}: harness lock {environment.name}")
    return replace(side, settings={**side.settings, **own}, notes=notes)


def of_file(path: Path, *, label: str) -> Side:
    """Return the lock or the specification in the file *path*."""
    if path.name != ENVIRONMENT_FILE:
        return of_locks(_locks(path), label=label)
    environment = parse.environment(path.parent)
    return Side(
        label=label,
        kind="specification",
        reference=environment.reference,
        python=environment.python,
        settings=diff_settings.of_environment(environment),
    )


def of_locks(locks: tuple[Lock, ...], *, label: str) -> Side:
    """Return the side that a lock is."""
    return diff.side(locks, label=label, settings=diff_settings.of_locks(locks))


def of_image(name: str, place: Place, *, label: str) -> Side:
    """Return the image of a digest or a name; raises UnknownEnvironment unless there is one."""
    images = contents.named(name, place.store)
    if len(images) == 1:
        return contents.side(images[0], place.store, label=label)
    if images:
        listed = ", ".join(short(image.config) for image in images)
        raise UnknownEnvironment(
            f"this machine's store has {len(images)} images of {name}: {listed}",
            hint="name one of them by its digest",
        )
    raise UnknownEnvironment(
        f"this machine's store has no image {name}", hint="harness build NAME or FOLDER"
    )


def at(revision: str, path: str, place: Place, *, absent: bool = False) -> Side:
    """Return what *path* was at *revision*: a lock, an ``environment.toml`` or its folder, or the
    name of an environment; looked for from the repository's top, then from the current folder.

    What wasn't there raises SpecMissing, or is an absent side where *absent* allows it.
    """
    label = f"{revision}:{path}"
    top = git.top(place.folder)
    if top is None:
        raise SpecMissing(f"{place.folder} is in no git repository", hint="run it inside of one")
    for inner in _candidates(path, top, place):
        is_folder = ENVIRONMENT_FILE in git.names(revision, inner, top)
        folder = inner if is_folder else inner.rpartition("/")[0]
        if not is_folder and git.read(revision, inner, top) is None:
            continue
        with _checked_out(revision, folder, top, label) as copy:
            if is_folder:
                return of_folder(copy, label=label)
            return of_file(copy / inner.rpartition("/")[2], label=label)
    if absent:
        return Side(label=label, kind="absent")
    raise SpecMissing(
        f"there is no lock, {ENVIRONMENT_FILE} or environment {path} at {revision}",
        hint=f"git ls-tree -r --name-only {revision} lists what there is",
    )


def _candidates(path: str, top: Path, place: Place) -> Iterator[str]:
    """Yield *path* as git takes it, as the shell takes it, and as the name of an environment."""
    yield "" if path == "." else path.strip("/")
    name, _, version = path.partition(":")
    environment = place.envs / name / (f"pylock.{version}.toml" if version else "")
    for found in (place.folder / path, environment):
        absolute = Path(os.path.normpath(place.folder.resolve() / found))
        if absolute.is_relative_to(top):
            inner = absolute.relative_to(top).as_posix()
            yield "" if inner == "." else inner


@contextmanager
def _checked_out(revision: str, folder: str, top: Path, label: str) -> Iterator[Path]:
    """Give a copy of the TOML files that a folder had at a revision; errors name the revision."""
    with tempfile.TemporaryDirectory(prefix="harness-diff-") as place:
        copy = Path(place).resolve()
        for name in git.names(revision, folder, top):
            if name.endswith(".toml"):
                inner = f"{folder}/{name}" if folder else name
                (copy / name).write_bytes(git.read(revision, inner, top) or b"")
        try:
            yield copy
        except HarnessError as error:
            told = f"{revision}:{folder}"
            error.message = error.message.replace(str(copy), told)
            raise


def _locks(path: Path) -> tuple[Lock, ...]:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as broken:
        raise LockInvalid(f"{path} is not UTF-8", hint="name a lock") from broken
    if path.suffix != ".toml":
        raise SpecInvalid(
            f"{path} is no lock and no {ENVIRONMENT_FILE}",
            hint="harness env adopt turns a requirements file into an environment",
        )
    return pylock.loads_all(text, where=str(path))
