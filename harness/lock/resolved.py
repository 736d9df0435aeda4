"""``environment.lock``: which lock a name like ``tabular:3`` stood for when it was first used.

Lies beside ``harness.toml``, or in a customized environment's folder for its parent, and is
committed: the same name means the same bytes for everybody, wherever the source is.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from harness.core.digest import Digest, short
from harness.core.errors import EnvironmentChanged, LockInvalid
from harness.lock import toml
from harness.spec import document
from harness.world import files

FILE = "environment.lock"
_HEADER = (
    "# Written by harness: the lock that each environment's name stands for. Commit it.\n"
    "# Another lock is refused until `harness env accept` takes it.\n\n"
)
_FORMS = {
    "name": r"[a-z0-9][a-z0-9._-]*:[1-9][0-9]*",
    "lock": r"sha256:[0-9a-f]{64}",
    "source": r"(?s).+",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolved:
    """What *name* (``tabular:3``) stands for: the digest of its pylock file's bytes, found in
    *source*, a folder relative to the file or ``oci://…``."""

    name: str
    lock: Digest
    source: str


def read(folder: Path) -> tuple[Resolved, ...]:
    """Return what *folder*'s environment.lock records, sorted; nothing where there is none.

    Raises SpecInvalid for broken TOML, LockInvalid with every problem.
    """
    path = folder / FILE
    if not path.is_file():
        return ()
    tables = document.toml(path).get("environments", [])
    problems = [] if isinstance(tables, list) else ["environments: expected tables"]
    found = []
    for index, table in enumerate(tables if not problems else ()):
        wrong = [
            f"environments[{index}].{key}: not as it was written"
            for key, form in _FORMS.items()
            if not isinstance(table, dict) or not re.fullmatch(form, str(table.get(key)))
        ]
        problems += wrong
        if not wrong:
            found.append(Resolved(**{key: table[key] for key in _FORMS}))
    if problems:
        raise LockInvalid(
            f"{path} can't be used: " + "; ".join(problems),
            hint="take it from version control again, or harness env accept",
        )
    return tuple(sorted(found, key=lambda one: one.name))


def recorded(folder: Path, name: str) -> Digest | None:
    """Return the digest of the lock that *name* stands for in *folder*, or None before its use."""
    return next((one.lock for one in read(folder) if one.name == name), None)


def verify(folder: Path, found: Resolved) -> None:
    """Raise EnvironmentChanged when *found* is not the lock that *folder* records for its name."""
    known = recorded(folder, found.name)
    if known is not None and known != found.lock:
        raise EnvironmentChanged(
            f"{found.name} in {found.source} is another lock than the one recorded in "
            f"{folder / FILE}: expected {short(known)}, found {short(found.lock)}",
            hint=f"find out why; to take it on purpose: harness env accept {folder}",
        )


def hold(folder: Path, found: Resolved, *, among: Collection[str]) -> None:
    """Record *found* in *folder* and keep of the rest what is *among* the names still in use.

    Raises EnvironmentChanged as ``verify`` does; writes nothing when nothing changes.
    """
    verify(folder, found)
    accept(folder, found, among=among)


def accept(folder: Path, *found: Resolved, among: Collection[str]) -> None:
    """Record *found* in *folder*, whatever was recorded; keep of the rest what is *among*."""
    known = read(folder)
    kept = {one.name: one for one in known if one.name in among}
    new = kept | {one.name: one for one in found}
    if tuple(new[name] for name in sorted(new)) == known:
        return
    tables = [
        {"name": one.name, "lock": one.lock, "source": one.source} for _, one in sorted(new.items())
    ]
    text = _HEADER + toml.dumps({"environments": tables})
    files.write_atomic(folder / FILE, text.encode())
