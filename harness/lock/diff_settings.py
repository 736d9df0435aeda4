"""What was asked for and chosen, by name: the settings of a lock and of an ``environment.toml``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from harness.lock.diff import Setting
from harness.lock.lock import Lock
from harness.lock.pylock_reading import MACHINES
from harness.spec.environment import Environment

LISTS = ("requirements", "os", "add", "remove", "replace", "build", "platforms")
"""The settings that hold several: told by what came, went and changed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """How a list changed; *changed* pairs are requirements of one name."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[tuple[str, str], ...] = ()


def of_locks(locks: Sequence[Lock]) -> dict[str, Setting]:
    """Return the settings of an environment's locks, one for each platform."""
    first = locks[0]
    found: dict[str, Setting] = {
        "name": first.name,
        "version": str(first.version),
        "python": first.python,
        "suite": first.suite,
        "layout": str(first.layout),
        "requirements": tuple(sorted(first.requirements)),
        "os": tuple(sorted(first.os)),
        "from": first.parent.reference if first.parent else "",
        "parent's lock": first.parent.lock if first.parent else "",
        "moved of the parent's pins": tuple(
            f"{move.name} {move.before} → {move.after or 'gone'}: {'; '.join(move.why)}"
            for move in (first.parent.moved if first.parent else ())
        ),
        "specification": first.spec,
    }
    if first.base is not None:
        found |= {
            "base image": first.base.image,
            "base image's manifest": first.base.manifest,
            "moved of the base image's pins": tuple(
                f"{move.name} {move.before} → {move.after}: {'; '.join(move.why)}"
                for move in first.base.moved
            ),
        }
        return found
    for lock in locks:
        found[f"Debian index for {MACHINES[lock.architecture]}"] = lock.released.isoformat()
    return found


def of_environment(environment: Environment) -> dict[str, Setting]:
    """Return the settings that ``environment.toml`` holds beyond what its lock repeats."""
    found: dict[str, Setting] = {
        "name": environment.name,
        "version": str(environment.version),
        "resolver": environment.resolver,
        "build": tuple(sorted(environment.build)),
        "specification": environment.digest,
    }
    change = environment.change
    if change is None:
        found |= {
            "python": environment.python,
            "suite": environment.suite,
            **({"base image": environment.image} if environment.image else {}),
            "requirements": tuple(sorted(environment.requirements)),
            "os": tuple(sorted(environment.os)),
            "platforms": tuple(MACHINES[name] for name in sorted(environment.platforms)),
        }
    else:
        found |= {
            "from": change.parent,
            "add": tuple(sorted(change.add)),
            "remove": tuple(sorted(change.remove)),
            "replace": tuple(sorted(change.replace)),
        }
    if about := environment.about:
        found |= {
            "purpose": about.purpose,
            "owner": about.owner,
            "end of life": about.end_of_life.isoformat() if about.end_of_life else "",
            "smoke test": about.smoke.name if about.smoke else "",
        }
    return found


def listed(before: Iterable[str], after: Iterable[str]) -> Listed:
    """Return how one list of requirements or names became another."""
    old, new = set(before), set(after)
    gone, came = _by_name(old - new), _by_name(new - old)
    both = sorted(name for name in gone.keys() & came.keys() if len(gone[name] + came[name]) == 2)
    return Listed(
        added=tuple(sorted(t for name, texts in came.items() if name not in both for t in texts)),
        removed=tuple(sorted(t for name, texts in gone.items() if name not in both for t in texts)),
        changed=tuple((gone[name][0], came[name][0]) for name in both),
    )


def _by_name(texts: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for text in texts:
        try:
            name = canonicalize_name(Requirement(text).name)
        except InvalidRequirement:
            name = canonicalize_name(text)
        found.setdefault(name, []).append(text)
    return found
