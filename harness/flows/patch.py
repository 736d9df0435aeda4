"""One fix in every environment: what is affected, and the next version of each; all or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from harness.core.errors import HarnessError, ResolutionFailed, SpecInvalid, UnknownEnvironment
from harness.engine.engine import Engine
from harness.flows import base_image
from harness.flows.environment import Progress, building, preparing
from harness.lock import customized, parent, patch, patch_why, pylock, releases, resolved
from harness.lock.advisories import packages
from harness.lock.lock import Lock, Move
from harness.lock.patch import Target
from harness.lock.resolve import door, resolve
from harness.lock.wheel_index import WheelIndex
from harness.spec import edit, parse
from harness.spec.environment import Environment
from harness.spec.parse import ENVIRONMENT_FILE
from harness.world import files, sources
from harness.world.store import Store


@dataclass(frozen=True, kw_only=True, slots=True)
class Patched:
    """An environment with its fix: *text* is the new specification, *locks* are of its version."""

    before: Environment
    after: Environment
    text: str
    old: tuple[Lock, ...]
    locks: tuple[Lock, ...]
    moves: tuple[Move, ...]

    @property
    def stay(self) -> int:
        """How many packages have the version that they had."""
        wheels = {wheel.name for lock in self.locks for wheel in lock.packages}
        debs = {deb.name for lock in self.locks for deb in lock.debs}
        return len((wheels | debs) - {move.name for move in self.moves})


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a patch does: *patched* in the order in which they were locked, and by reference those
    that are *fine* (why) and those that *failed* (the error)."""

    patched: tuple[Patched, ...]
    fine: Mapping[str, str]
    failed: Mapping[str, HarnessError]


@dataclass(frozen=True, kw_only=True, slots=True)
class Shop:
    """Where a patch works: where files come from and are kept, what builds sources, the moment."""

    store: Store
    engine: Callable[[], Engine]
    now: datetime
    python: sources.Python
    debian: sources.Debian | None = None
    progress: Progress = lambda _: None


def chosen(folders: Sequence[Path], names: Sequence[str] = ()) -> tuple[Environment, ...]:
    """Return the environments of *folders*, parents first: all, or the named ones with the parents
    that they start from and the customized environments that start from them.

    Raises UnknownEnvironment, and what reading a specification raises.
    """
    there = {
        file.parent.resolve(): parse.environment(file.parent)
        for folder in folders
        for file in sorted(folder.glob(f"*/{ENVIRONMENT_FILE}"))
    }
    if not there:
        raise UnknownEnvironment(
            f"there is no environment in {', '.join(map(str, folders))}",
            hint="--envs names the folder of environments",
        )
    wanted = {_named(name, folders) for name in names} if names else set(there)
    while below := {p for p, one in there.items() if p not in wanted and _above(one) in wanted}:
        wanted |= below
    ordered: dict[Path, Environment] = {}

    def add(place: Path, chain: tuple[Path, ...] = ()) -> None:
        if place in ordered or place in chain or not (place / ENVIRONMENT_FILE).is_file():
            return
        one = there.get(place) or parse.environment(place)
        if (above := _above(one)) is not None:
            add(above, (*chain, place))
        ordered[place] = one

    for place in sorted(wanted):
        add(place)
    return tuple(ordered.values())


def patched(target: Target, environments: Iterable[Environment], shop: Shop) -> Outcome:
    """Return the next version of each of *environments* (parents first) that *target* is about.

    Nothing is written, and what fails is part of the outcome.
    """
    done: dict[Path, Patched] = {}
    fine: dict[str, str] = {}
    failed: dict[str, HarnessError] = {}
    for environment in environments:
        shop.progress(f"looking at {environment.reference}")
        try:
            found = _patched(target, environment, done, shop)
        except HarnessError as error:
            failed[environment.reference] = error
            continue
        if isinstance(found, str):
            fine[environment.reference] = found
        else:
            done[environment.folder] = found
    return Outcome(patched=tuple(done.values()), fine=fine, failed=failed)


def write(patches: Sequence[Patched], store: Store) -> None:
    """Write the locks, then the specifications and which parents they start from, of all *patches*;
    on any failure nothing stays."""
    kept: dict[Path, bytes] = {}
    made: list[Path] = []
    try:
        for one in patches:
            pylock.write(one.after.lock_path, *one.locks)
            made.append(one.after.lock_path)
        for one in patches:
            spec = one.before.folder / ENVIRONMENT_FILE
            kept[spec] = spec.read_bytes()
            files.write_atomic(spec, one.text.encode())
        for one in patches:
            record = one.after.folder / resolved.FILE
            if record.is_file():
                kept[record] = record.read_bytes()
            elif one.after.change is not None:
                made.append(record)
            parent.record(one.after, store)
    except BaseException:
        for path, data in kept.items():
            files.write_atomic(path, data)
        for path in made:
            path.unlink(missing_ok=True)
        raise


def _patched(
    target: Target, environment: Environment, done: Mapping[Path, Patched], shop: Shop
) -> Patched | str:
    """Return *environment* with the fix, or why it needs none."""
    releases.verify(environment.folder, environment.name)
    old = pylock.read_all(environment)
    found = patch.hits(target, old)
    if not found:
        return _spared(target, old)
    base_image.refuse(old[0].base is not None, "harness patch")
    above, reference = _parent(target, environment, done, shop.store)
    after = _next(environment, reference)
    index = WheelIndex(shop.python)
    fix = patch.fix(target, found, old, index.offers)
    effective = customized.effective(after, above)
    base_image.refuse(bool(effective.image), "harness patch")  # as its parent is now
    prepare = preparing(effective, shop.store, shop.progress)
    shop.progress(f"resolving {after.reference} with {after.resolver}")
    locks = resolve(
        after,
        previous=old,
        parent=above,
        fix=fix,
        prepare=prepare,
        workshop=building(effective, shop.store, shop.engine, shop.progress),
        store=shop.store,
        now=shop.now,
        debian_source=shop.debian,
        python_source=shop.python,
    )
    if (left := patch.unfixed(target, locks)) is not None:
        raise left
    why: dict[str, tuple[str, ...]] = {}
    for before, now in zip(_ordered(old), _ordered(locks), strict=True):
        if names := patch.unasked(before, now, target):
            asked = door(effective, now.debs, prepare=prepare, source=shop.python, store=shop.store)
            why |= patch_why.forced(
                names, before, now, fix, target, asked, index=index, store=shop.store
            )
    moves = patch.moves(old, locks, target, why)
    if not moves:
        return f"{found[0].name} {found[0].version} is the newest that moves nothing else"
    return Patched(
        before=environment,
        after=after,
        text=_text(environment, after),
        old=old,
        locks=locks,
        moves=moves,
    )


def _parent(
    target: Target, environment: Environment, done: Mapping[Path, Patched], store: Store
) -> tuple[tuple[Lock, ...], str]:
    """Return the locks that *environment* starts from now, and their reference: the patched ones
    where what its parent has must go."""
    change = environment.change
    if change is None:
        return (), ""
    locks = parent.locks(environment, store)
    above = done.get(Path(change.source).resolve() / change.parent.partition(":")[0])
    if above is not None and above.before.reference == change.parent:
        return above.locks, above.after.reference
    if any(target.excludes(*one[:3]) for lock in locks for one in packages(lock)):
        if above is not None:
            hint = f'from = "{above.before.reference}", and harness lock {environment.name} first'
            said = f"only {above.before.reference} is patched"
        else:
            hint = "patch the parent where it is maintained, or replace what brings it in"
            said = "that one is not patched"
        raise ResolutionFailed(
            f"{environment.reference} has what {target.text} is about from {change.parent}, and "
            f"{said}",
            hint=hint,
        )
    return locks, change.parent


def _next(environment: Environment, reference: str) -> Environment:
    change = environment.change
    after = replace(
        environment,
        version=environment.version + 1,
        change=change and replace(change, parent=reference),
    )
    if after.lock_path.exists():
        raise SpecInvalid(
            f"{after.lock_path} is there already, and environment.toml says version = "
            f"{environment.version}",
            hint=f"take it away, or write version = {after.version} and patch that",
        )
    return after


def _text(before: Environment, after: Environment) -> str:
    """Return the specification of *before* with *after*'s version and parent, and no other byte
    changed."""
    file = before.folder / ENVIRONMENT_FILE
    values: dict[str, str | int] = {"version": after.version}
    if before.change and after.change and before.change.parent != after.change.parent:
        values["from"] = after.change.parent
    return edit.changed(file.read_bytes().decode(), values, where=str(file))


def _spared(target: Target, locks: Sequence[Lock]) -> str:
    names = {name for lock in locks for _, name in target.speaks_of(lock)}
    if not names:
        return "not affected: it has no such package"
    there = {
        f"{name} {version}" for lock in locks for _, name, version, _ in packages(lock)
        if name in names
    }  # fmt: skip
    return f"fixed already: {', '.join(sorted(there))}"


def _ordered(locks: Sequence[Lock]) -> list[Lock]:
    return sorted(locks, key=lambda lock: lock.architecture)


def _named(name: str, folders: Sequence[Path]) -> Path:
    for folder in folders[:-1]:
        if (folder / name.partition(":")[0] / ENVIRONMENT_FILE).is_file():
            return parse.find(name, folder).folder
    return parse.find(name, folders[-1]).folder


def _above(environment: Environment) -> Path | None:
    change = environment.change
    if change is None or "://" in change.source:
        return None
    return Path(change.source).resolve() / change.parent.partition(":")[0]
