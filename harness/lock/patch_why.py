"""Why a patch moved a pin that it is not about: the chain that forces it, read off two locks."""

from __future__ import annotations

from collections.abc import Sequence

from harness.lock import customized
from harness.lock.conflict import ASKED
from harness.lock.freedom import Fix
from harness.lock.lock import Lock
from harness.lock.patch import Target
from harness.lock.resolve import micro
from harness.lock.resolver import Pin, Question, Resolver
from harness.lock.wheel_index import WheelIndex
from harness.world.store import Store


def forced(
    names: Sequence[str],
    before: Lock,
    after: Lock,
    fix: Fix,
    target: Target,
    resolver: Resolver,
    *,
    index: WheelIndex,
    store: Store,
) -> dict[str, tuple[str, ...]]:
    """Return for each of *names*, pinned in *before* and moved in *after*, the chain that forces
    it; see `customized.explained`, which also says what it raises."""
    via: dict[str, list[str]] = {}
    for wheel in after.packages:
        for need in wheel.dependencies:
            via.setdefault(need, []).append(wheel.name)
    pins = tuple(
        Pin(name=wheel.name, version=wheel.version, via=tuple(sorted(via.get(wheel.name, ()))))
        for wheel in after.packages
    )
    question = Question(
        requirements=after.requirements,
        python=micro(after.debs, after.python),
        architecture=after.architecture,
        constraints=fix.bounds,
    )
    found = customized.explained(
        names, pins, after.packages, question, resolver, before, index=index, store=store
    )
    told = {f"{b}{ASKED}": f"{target.text} asks for {b}" for b in fix.bounds if b != target.text}
    return {move.name: tuple(told.get(line, line) for line in move.why) for move in found}
