"""From an environment to its locks: Debian packages first, then wheels for their interpreter."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from harness.core.errors import ResolutionFailed
from harness.lock import (
    choose,
    conflict,
    customized,
    debian,
    from_source,
    on_base,
    upstream,
)
from harness.lock.freedom import Fix, Freedom
from harness.lock.from_source import FromSource, Make
from harness.lock.lock import Deb, Lock, Parent, Wheel
from harness.lock.on_base import Ground, Looked
from harness.lock.pip_tools import PipTools, RunPython
from harness.lock.pylock_reading import MACHINES
from harness.lock.resolver import Question, Resolver, Unsolvable
from harness.lock.uv import Uv
from harness.lock.wheel_index import WheelIndex
from harness.spec.environment import Environment
from harness.world import machine, sources
from harness.world.store import Store

BASE = (
    "base-files",
    "ca-certificates",
    "libc6",
    "libgcc-s1",
    "libstdc++6",
    "netbase",
    "tzdata",
    "zlib1g",
)
"""What every image has besides its interpreter."""

Prepare = Callable[[tuple[Deb, ...]], RunPython]
"""Fetches and unpacks Debian packages, and returns how to run their interpreter."""

Workshop = Callable[[tuple[Deb, ...]], Make]
"""Where sources are built: takes the Debian packages that a build sees."""


def base_packages(environment: Environment | Lock) -> tuple[str, ...]:
    """Return the Debian packages that *environment*, or its lock, wants by name."""
    python = f"python{environment.python}"
    interpreter = (python, f"{python}-minimal", f"lib{python}-stdlib")
    return tuple(sorted({*BASE, *interpreter, *environment.os}))


def resolve(
    environment: Environment,
    *,
    previous: Sequence[Lock] = (),
    parent: Sequence[Lock] = (),
    free: Freedom | None = None,
    fix: Fix | None = None,
    preferences: Mapping[str, str] | None = None,
    prepare: Prepare,
    workshop: Workshop | None = None,
    store: Store,
    now: datetime,
    debian_source: sources.Debian | None = None,
    python_source: sources.Python | None = None,
    looked: Looked | None = None,
) -> tuple[Lock, ...]:
    """Return a lock of *environment* for each of its platforms; the same sources give the same.

    *previous* pins stay unless the specification excludes them or *free* lets them move; with a
    *fix* nothing of them moves but what it is about, and what that forces, OS packages included;
    *preferences* are pins that a first lock starts from; Debian packages are those that the suite
    offers now. A customized environment comes with its *parent*'s locks, one on an image of others
    with what was found when that was *looked* into. Packages that its
    ``build`` names are built in the *workshop* where no wheel fits. Sources are this machine's
    unless given. Raises Unsolvable, ResolutionFailed, SignatureInvalid, NetworkUnavailable,
    SourceMissing, ToolMissing, and what the workshop raises.
    """
    free = free or Freedom()
    effective = customized.effective(environment, parent)
    ground = None
    if looked is not None:
        effective = replace(effective, python=looked.base.scheme.python)
        ground = on_base.ground(effective, looked, store, above=parent[0] if parent else None)
    python_source = python_source or sources.python()
    before = {lock.architecture: lock for lock in previous}
    above = {lock.architecture: lock for lock in parent}
    locks: list[Lock] = []
    making: FromSource | None = None
    for architecture in _platforms(effective):
        old = before.get(architecture)
        if ground is None:
            debs, tools, released = _debs(
                effective, architecture, old, fix, debian_source, store, now
            )
            python = micro(debs, effective.python)
        else:
            debs, tools, released = (), (), ground.looked.created
            python = ground.looked.base.python
        resolver = door(effective, debs, prepare=prepare, source=python_source, store=store)
        index = WheelIndex(python_source)
        if making is not None:
            making = replace(making, resolver=resolver)
        elif effective.build and workshop is not None:
            making = FromSource(
                resolver=resolver,
                index=index,
                store=store,
                names=effective.build,
                python=python,
                architecture=architecture,
                make=workshop((*debs, *tools)),
                requirements=effective.build_requirements,
                keep=_build_pins(old or above.get(architecture), free),
            )
        kept = free.kept(old.pins if old else dict(preferences or {}))
        if locks:
            kept = locks[0].pins | kept  # platforms differ no more than they must
        question = Question(
            requirements=effective.requirements,
            python=python,
            architecture=architecture,
            constraints=fix.bounds if fix else free.bounds,
            keep=fix.kept(kept) if fix else kept,
        )
        packages, inherited = _packages(
            question,
            making or resolver,
            index,
            store,
            above.get(architecture),
            effective,
            fixing=(fix, old) if fix and old else None,
            ground=ground,
        )
        base = None
        if ground is not None:
            packages, base, inherited = on_base.settled(
                ground, packages, inherited, requirements=effective.requirements
            )
        if fix is None and old is not None and old.spec == environment.digest:
            got = {wheel.name: wheel.version for wheel in packages}  # nothing moves on purpose
            upstream.refuse_withdrawn(free.kept(old.pins), got, index, name=old.name)
        upstream.refuse_changed(old, packages, debs, accepted=free.packages)
        locks.append(
            Lock(
                name=effective.name,
                version=effective.version,
                python=effective.python,
                suite=effective.suite,
                architecture=architecture,
                spec=environment.digest,
                released=released,
                requirements=tuple(sorted(effective.requirements)),
                os=tuple(sorted(effective.os)),
                packages=packages,
                debs=debs,
                build_os=tuple(sorted(effective.build_os)),
                build_debs=tools,
                parent=inherited,
                base=base,
            )
        )
    return tuple(sorted(locks, key=lambda lock: lock.architecture))


def door(
    environment: Environment,
    debs: tuple[Deb, ...],
    *,
    prepare: Prepare,
    source: sources.Python,
    store: Store,
) -> Resolver:
    """Return the resolver that *environment* names, for the interpreter in *debs*."""
    cache = store.root / "resolver"
    if environment.resolver == "uv":
        return Uv(source=source, cache=cache)
    return PipTools(run_python=prepare(debs), source=source, cache=cache)


def _debs(
    environment: Environment,
    architecture: str,
    old: Lock | None,
    fix: Fix | None,
    source: sources.Debian | None,
    store: Store,
    now: datetime,
) -> tuple[tuple[Deb, ...], tuple[Deb, ...], datetime]:
    """Return the Debian packages of the image, those that builds have besides, and the date of
    their index: *old* ones where a fix is not about them and this machine has them (an archive may
    have dropped them), else the suite's."""
    here = (store.has(deb.digest) for deb in (*old.debs, *old.build_debs)) if old else ()
    if old and fix and not fix.os and all(here):
        return old.debs, old.build_debs, old.released

    def closure(*more: str) -> tuple[tuple[Deb, ...], datetime]:
        return debian.resolve(
            (*base_packages(environment), *more),
            suite=environment.suite,
            architecture=architecture,
            source=source or sources.debian(environment.suite),
            store=store,
            now=now,
        )

    debs, released = closure()
    more = closure(*environment.build_os)[0] if environment.build_os else ()
    names = {deb.name for deb in debs}
    tools = tuple(deb for deb in more if deb.name not in names)
    if old is not None and (old.debs, old.build_debs) == (debs, tools):
        released = old.released  # a new date over the same packages is no change
    return debs, tools, released


def _platforms(environment: Environment) -> tuple[str, ...]:
    """Return the platforms in the order in which they are resolved: what is built, is built on
    this machine, so that its own comes first then. Raises ResolutionFailed without it."""
    if not environment.build:
        return environment.platforms
    here = machine.architecture()
    if here not in environment.platforms:
        raise ResolutionFailed(
            f"build: sources are built on this machine, which is {MACHINES[here]}, and "
            f"{environment.name} is not locked for it",
            hint=f'platforms = ["{MACHINES[here]}", …] in environment.toml, or lock elsewhere',
        )
    return tuple(sorted(environment.platforms, key=lambda one: (one != here, one)))


def _build_pins(old: Lock | None, free: Freedom) -> dict[str, dict[str, str]]:
    """Return the pins of *old*'s build requirements that stay, by what was built."""
    return {
        wheel.name: free.kept({need.name: need.version for need in wheel.built.requires})
        for wheel in (old.packages if old else ())
        if wheel.built is not None
    }


def _packages(
    question: Question,
    resolver: Resolver,
    index: WheelIndex,
    store: Store,
    parent: Lock | None,
    environment: Environment,
    *,
    fixing: tuple[Fix, Lock] | None,
    ground: Ground | None = None,
) -> tuple[tuple[Wheel, ...], Parent | None]:
    own = question
    askers = customized.asked_by(environment, parent)
    if ground is not None:
        question, parent = ground.question(own), ground.pinned
    moved: tuple[str, ...] = ()
    making = resolver if isinstance(resolver, FromSource) else None
    judge = making.known() if making else resolver
    try:
        if fixing is not None:
            fix, old = fixing
            base = fix.base(old, parent)
            pins, _ = customized.least(question, resolver, base, free=fix.freed(base, old))
            if parent is not None:
                got = {pin.name: pin.version for pin in pins}
                moved = tuple(n for n, v in sorted(parent.pins.items()) if got.get(n) != v)
        elif parent is None:
            pins = resolver.pins(question)
        else:
            pins, moved = customized.least(question, resolver, parent.pins)
    except Unsolvable as unsolvable:
        upstream.refuse_unknown(ground.unknown(own) if ground else own, index, askers)
        if ground is not None:
            own = replace(own, links=question.links, platform=question.platform)
            raise conflict.told(unsolvable, own, judge, askers) from unsolvable
        failure = conflict.told(unsolvable, own, judge, askers)
        unbuilt = set(from_source.without_wheels(own, failure.message, index))
        if unbuilt := unbuilt - set(environment.build):
            named = ", ".join(f'"{name}"' for name in sorted(unbuilt))
            failure.hint = f"build = [{named}] in environment.toml builds it from its source"
        raise failure from unsolvable
    known = (*fixing[1].packages, *(parent.packages if parent else ())) if fixing else ()
    if ground is not None:
        known = (*known, *ground.stand_ins)
    wheels = choose.wheels(
        pins,
        python=question.python,
        architecture=question.architecture,
        index=index,
        built=making.built(pins) if making else None,
        known=known,
        platform=question.platform,
    )
    if parent is None:
        return wheels, None
    moves = customized.explained(
        moved, pins, wheels, question, judge, parent, index=index, store=store
    )
    inherited = Parent(reference=parent.reference, lock=parent.digest, moved=moves)
    return wheels, inherited


def micro(debs: Iterable[Deb], python: str) -> str:
    """Return the whole version of the interpreter in *debs*: ``3.11.2``."""
    for deb in debs:
        if deb.name == f"python{python}" and (found := re.match(r"\d+\.\d+\.\d+", deb.version)):
            return found[0]
    raise ResolutionFailed(
        f"the OS packages hold no python{python}", hint="mend base in environment.toml"
    )
