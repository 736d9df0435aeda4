"""What the sources know of what the clean room finds missing: asked only when something is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime

from harness.core.errors import HarnessError
from harness.flows.environment import Opened
from harness.lock import deb_contents, earlier
from harness.lock.deb_contents import Holder
from harness.lock.wheel_index import WheelIndex
from harness.stages.import_advice import Outside
from harness.world import clock, sources
from harness.world.store import Store


def outside(opened: Opened, store: Store, *, now: Callable[[], datetime] = clock.now) -> Outside:
    """Return what is known of *opened* beyond its image. A source that can't be asked is told,
    and costs the advice alone: what is missing is missing all the same."""
    lock = opened.lock

    def holds(libraries: Collection[str]) -> tuple[Mapping[str, Holder], str]:
        if lock.base is not None:
            return {}, "the OS packages are those of the base image"
        try:
            found = deb_contents.holders(
                libraries,
                suite=lock.suite,
                architecture=lock.architecture,
                source=sources.debian(lock.suite),
                store=store,
                now=now(),
            )
        except HarnessError as unknown:
            return {}, unknown.message
        return found, ""

    def last(package: str, module: str, name: str) -> str:
        wheel = next((one for one in lock.packages if one.name == package), None)
        if wheel is None:
            return ""
        try:
            return earlier.last_with(
                wheel,
                module,
                name,
                python=lock.python,
                architecture=lock.architecture,
                index=WheelIndex(sources.python()),
                store=store,
            )
        except HarnessError:
            return ""

    return Outside(lock=lock, without=opened.without, holds=holds, last=last)
