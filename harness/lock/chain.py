"""Who asks for a package of a lock: the shortest chain from what was asked for."""

from __future__ import annotations

from collections import deque

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from harness.lock.lock import Lock


def chain(lock: Lock, name: str) -> tuple[str, ...]:
    """Return the names from *name* up to the requirement that was asked for; the shortest chain,
    of equal ones the first by name. Nothing where the lock has no such package."""
    asked = {canonicalize_name(Requirement(text).name) for text in lock.requirements}
    needs = {wheel.name: wheel.dependencies for wheel in lock.packages}
    parents: dict[str, list[str]] = {}
    for parent in sorted(needs):
        for child in needs[parent]:
            parents.setdefault(child, []).append(parent)
    queue: deque[tuple[str, ...]] = deque([(name,)] if name in needs else [])
    seen = {name}
    while queue:
        way = queue.popleft()
        if way[-1] in asked:
            return way
        for parent in parents.get(way[-1], ()):
            if parent not in seen:
                seen.add(parent)
                queue.append((*way, parent))
    return ()


def told(lock: Lock, name: str) -> str:
    """Return the chain as a person reads it: ``scipy 1.16.0 ← scikit-learn ← asked for``."""
    way, named = chain(lock, name), f"{name} {lock.pins.get(name, '')}".strip()
    if lock.base is not None and name in lock.base.kept:
        return f"{name} {lock.base.kept[name]}, which the base image has"
    if not way:
        return f"{named}, which nothing of the lock asks for"
    return " ← ".join([named, *way[1:], "asked for"])
