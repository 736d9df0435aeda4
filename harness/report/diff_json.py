"""A difference as JSON: ``harness.diff/1``. What isn't known is null."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from harness.lock import diff
from harness.lock.diff import Item, Side
from harness.lock.diff_facts import bodies
from harness.lock.diff_settings import listed
from harness.lock.diff_told import Account, Sets, Told
from harness.lock.pylock_reading import MACHINES

SCHEMA = "harness.diff/1"


def body(accounts: Sequence[Account]) -> dict[str, Any]:
    """Return *accounts* as JSON. Sizes are bytes; ``differs`` tells whether any of them does."""
    return {
        "schema": SCHEMA,
        "differs": any(bool(one.difference) for one in accounts),
        "diffs": [_account(one) for one in accounts],
    }


def _account(account: Account) -> dict[str, Any]:
    found = account.difference
    names = account.names
    return {
        "before": _side(found.before),
        "after": _side(found.after),
        "differs": bool(found),
        "settings": [_setting(*one) for one in found.settings],
        "platforms": {"added": _machines(found.came), "removed": _machines(found.went)},
        "packages": [_told(one) for one in account.told],
        "same": dict(found.same),
        "download": {
            MACHINES.get(name, name): {"before": old, "after": new}
            for name, old, new in account.downloads
        },
        "names": names
        and {
            "folder": names.folder,
            "looked": names.looked,
            "missing": list(names.missing),
            "gone": [asdict(one) for one in names.gone],
        },
        "unread": list(account.unread),
        "advisories": "asked" if account.advised else "no data",
    }


def _side(side: Side) -> dict[str, Any]:
    return {
        "label": side.label,
        "kind": side.kind,
        "reference": side.reference,
        "notes": list(side.notes),
    }


def _setting(name: str, before: diff.Setting, after: diff.Setting) -> dict[str, Any]:
    told: dict[str, Any] = {"name": name, "before": before, "after": after}
    if not isinstance(before, str) and not isinstance(after, str):
        found = listed(before, after)
        told |= {
            "added": list(found.added),
            "removed": list(found.removed),
            "changed": [list(pair) for pair in found.changed],
        }
    return told


def _told(told: Told) -> dict[str, Any]:
    change = told.change
    return {
        "room": change.room,
        "name": change.name,
        "change": change.kind,
        "platforms": _machines(change.platforms),
        "before": _item(change.before, told, 0),
        "after": _item(change.after, told, 1),
        "why": {
            "cause": list(told.why.cause),
            "chain": list(told.why.chain),
            "unknown": told.why.unknown,
        },
        "recorded": [
            {"field": field, "before": before, "after": after}
            for field, before, after in diff.recorded(change)
        ],
        "needs": _sets(change.needs),
        "libraries": _sets(told.moved("libraries")),
        "scripts": _sets(told.moved("scripts")),
        "modules": _sets(told.moved("modules")),
        "advisories": told.advisories
        and {"introduced": list(told.advisories[0]), "fixed": list(told.advisories[1])},
    }


def _item(item: Item | None, told: Told, end: int) -> dict[str, Any] | None:
    if item is None:
        return None
    return {
        "version": item.version,
        "file": item.filename,
        "digest": item.digest,
        "size": told.sizes[end],
        "facts": bodies(told.facts[end]),
    }


def _sets(sets: Sets | None) -> dict[str, list[str]] | None:
    return None if sets is None else {"added": list(sets[0]), "removed": list(sets[1])}


def _machines(names: Sequence[str]) -> list[str]:
    return [MACHINES.get(name, name) for name in names]
