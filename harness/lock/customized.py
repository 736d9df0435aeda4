"""A customized environment: its parent's requirements with a change, and its parent's pins but for
those that the change forces to move.

Which pins are forced is found by asking the resolver with all of them fixed. Where that can't
hold, those that a free resolution moves are tried one by one: each that can be held, is. What is
left is minimal: none of it can be held while the others move (a minimal correction set; Liffiton
and Sakallah, 2008).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from harness.core.errors import SpecInvalid
from harness.lock import metadata
from harness.lock.conflict import smallest
from harness.lock.lock import Lock, Move, Wheel
from harness.lock.resolver import Pin, Question, Resolver, Unsolvable
from harness.lock.wheel_index import WheelIndex
from harness.spec.environment import Environment
from harness.world.store import Store


def effective(environment: Environment, parent: Sequence[Lock]) -> Environment:
    """Return *environment* with what its *parent*'s locks say filled in; itself without a parent.

    Raises SpecInvalid when it removes or replaces what the parent doesn't ask for, or adds OS
    packages or builds to one on an image of others.
    """
    change = environment.change
    if change is None:
        return environment
    above = parent[0]
    if above.base is not None and (environment.os or environment.build or environment.build_os):
        raise SpecInvalid(
            f"{environment.folder / 'environment.toml'}: {above.reference} stands on an image of "
            "others, which is not added to by Debian packages or builds",
            hint="choose an image that has them, and packages that have wheels",
        )
    asked = {canonicalize_name(Requirement(text).name): text for text in above.requirements}
    swapped = {canonicalize_name(Requirement(text).name): text for text in change.replace}
    for key, names in (("remove", change.remove), ("replace", swapped)):
        for name in names:
            if name not in asked:
                kept = above.base is not None and name in above.base.kept
                raise SpecInvalid(
                    f"{environment.folder / 'environment.toml'}: {key}: {above.reference} does not "
                    f"ask for {name}" + (", which its base image has" if kept else ""),
                    hint=f"it asks for {', '.join(sorted(asked))}",
                )
    stay = [text for name, text in asked.items() if name not in {*change.remove, *swapped}]
    return replace(
        environment,
        python=above.python,
        suite=above.suite,
        image=above.base.image if above.base else "",
        platforms=tuple(sorted(lock.architecture for lock in parent)),
        requirements=tuple(sorted({*stay, *swapped.values(), *change.add})),
        os=tuple(sorted({*above.os, *environment.os})),
        build=tuple(sorted({*environment.build, *(wheel.name for wheel in above.built)})),
        build_os=tuple(sorted({*above.build_os, *environment.build_os})),
    )


def asked_by(environment: Environment, parent: Lock | None) -> dict[str, str]:
    """Return who asks for each requirement of an effective *environment*: a key, or the parent."""
    change = environment.change
    if change is None or parent is None:
        return dict.fromkeys(environment.requirements, "requirements")
    found = dict.fromkeys(parent.requirements, parent.reference)
    return found | dict.fromkeys(change.replace, "replace") | dict.fromkeys(change.add, "add")


def least(
    question: Question,
    resolver: Resolver,
    parent: Mapping[str, str],
    *,
    free: Set[str] | None = None,
) -> tuple[tuple[Pin, ...], tuple[str, ...]]:
    """Return the answer to *question* that moves the fewest of *parent*'s pins, and their names.

    *free* pins may move though nothing excludes them; without it those that the question puts
    bounds on. Where a pin moves, the one to keep is what the question says, if it can be had.
    Raises Unsolvable when no versions meet the question at all.
    """

    def ask(held: Mapping[str, str]) -> tuple[Pin, ...]:
        fixed = tuple(f"{name}=={version}" for name, version in sorted(held.items()))
        wished = {**stay, **question.keep} if held else {**question.keep, **stay}
        keep = {name: version for name, version in wished.items() if name not in held}
        return resolver.pins(
            replace(question, constraints=(*question.constraints, *fixed), keep=keep)
        )

    stay = {name: version for name, version in parent.items() if name not in (free or ())}
    free = _bounded(question) if free is None else free
    held = {name: version for name, version in parent.items() if name not in free}
    try:
        return ask(held), tuple(sorted(set(parent) - set(held)))
    except Unsolvable:
        pass
    pins = ask({})
    got = {pin.name: pin.version for pin in pins}
    moved = sorted(name for name in held if got.get(name, held[name]) != held[name])
    held = {name: version for name, version in held.items() if name not in moved}
    for name in moved:
        tried = held | {name: parent[name]}
        try:
            ask(tried)
        except Unsolvable:
            continue
        held = tried
    return ask(held), tuple(name for name in moved if name not in held)


def _bounded(question: Question) -> set[str]:
    """Return the packages that the question itself puts bounds on: they move on purpose."""
    return {canonicalize_name(Requirement(text).name) for text in question.constraints}


def explained(
    moved: Sequence[str],
    pins: tuple[Pin, ...],
    wheels: Sequence[Wheel],
    question: Question,
    resolver: Resolver,
    parent: Lock,
    *,
    index: WheelIndex,
    store: Store,
) -> tuple[Move, ...]:
    """Return each of *moved* with the chain that forces it: from what was asked for, over what that
    needs, to the requirement that excludes the parent's version; where no single one does, the
    smallest set that excludes it together."""
    got = {pin.name: pin.version for pin in pins}
    by_name = {wheel.name: wheel for wheel in wheels}
    before = parent.pins
    moves = []
    for name in moved:
        if got.get(name) == before[name]:
            continue
        why = _chain(name, before[name], pins, by_name, question, index=index, store=store)
        if not why:
            held = {n: v for n, v in before.items() if n not in moved}
            together = smallest(
                replace(question, keep={}), resolver, {**held, name: before[name]}, needed=name
            )
            own = _own(name, parent, got, question, index=index, store=store)
            why = (*together, *own)
        moves.append(Move(name=name, before=before[name], after=got.get(name, ""), why=tuple(why)))
    return tuple(moves)


def _chain(
    name: str,
    before: str,
    pins: tuple[Pin, ...],
    wheels: Mapping[str, Wheel],
    question: Question,
    *,
    index: WheelIndex,
    store: Store,
) -> tuple[str, ...]:
    """Return the shortest chain to a requirement on *name* that excludes *before*; empty: none."""
    via = {pin.name: pin.via for pin in pins}
    asked: dict[str, list[str]] = {}
    for text in (*question.requirements, *question.constraints):
        asked.setdefault(canonicalize_name(Requirement(text).name), []).append(text)
    for text in asked.get(name, ()):
        if not Requirement(text).specifier.contains(before, prereleases=True):
            return (f"{text} is asked for",)
    queue: deque[tuple[str, tuple[str, ...]]] = deque()

    def needs(parent: str, child: str) -> Iterator[Requirement]:
        for need in metadata.requires(wheels[parent], index=index, store=store):
            if canonicalize_name(need.name) == child and metadata.applies(need, question):
                yield need

    for parent in via.get(name, ()):
        for need in needs(parent, name):
            if not need.specifier.contains(before, prereleases=True):
                queue.append(
                    (parent, (f"{parent} {wheels[parent].version} requires {_plain(need)}",))
                )
    seen = {parent for parent, _ in queue}
    while queue:
        child, told = queue.popleft()
        if child in asked:
            return (f"{asked[child][0]} is asked for", *told)
        for parent in via.get(child, ()):
            if parent not in seen:
                seen.add(parent)
                found = next(needs(parent, child), None)
                text = _plain(found) if found else child
                queue.append(
                    (parent, (f"{parent} {wheels[parent].version} requires {text}", *told))
                )
    return ()


def _own(
    name: str,
    parent: Lock,
    got: Mapping[str, str],
    question: Question,
    *,
    index: WheelIndex,
    store: Store,
) -> tuple[str, ...]:
    """Return what the parent's version of *name* itself requires and the new pins don't meet."""
    wheel = next(wheel for wheel in parent.packages if wheel.name == name)
    return tuple(
        f"{name} {wheel.version} requires {_plain(need)}"
        for need in metadata.requires(wheel, index=index, store=store)
        if (version := got.get(canonicalize_name(need.name))) is not None
        and metadata.applies(need, question)
        and not need.specifier.contains(version, prereleases=True)
    )


def _plain(need: Requirement) -> str:
    return f"{need.name}{need.specifier}"
