"""Released versions, which never change: ``releases.toml`` in an environment's folder.

For each version the digests of its lock's bytes and of the specification that it was made from.
The file is written by ``harness env release`` and lies in version control, as the locks do.
"""

from __future__ import annotations

import datetime
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.digest import Digest
from harness.core.errors import ReleaseBroken, ReleaseFinal, SpecInvalid
from harness.lock import pylock, toml
from harness.spec import document
from harness.spec.environment import Environment
from harness.world import files

FILE = "releases.toml"
_HEADER = (
    "# Written by `harness env release`. A released version never changes: the next one has\n"
    "# another number in environment.toml.\n\n"
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """A released version: *lock* is the digest of the file's bytes, *spec* that of the
    environment (`Environment.digest`)."""

    version: int
    date: datetime.date
    lock: Digest
    spec: Digest
    end_of_life: datetime.date | None = None


def read(folder: Path) -> tuple[Release, ...]:
    """Return the releases of the environment in *folder*, the earliest first.

    Raises SpecInvalid with every problem of the file.
    """
    path = folder / FILE
    if not path.is_file():
        return ()
    tables = document.toml(path).get("releases", [])
    problems = []
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        tables, problems = [], ["releases: expected tables"]
    problems += [text for i, table in enumerate(tables) for text in _wrong(table, f"releases[{i}]")]
    found = [table.get("version") for table in tables]
    problems += [f"version {v} is there twice" for v in {*found} if found.count(v) > 1]
    if problems:
        raise SpecInvalid(
            f"{path}: " + "; ".join(problems), hint="take it from version control again"
        )
    return tuple(sorted((Release(**table) for table in tables), key=lambda one: one.version))


def of(environment: Environment) -> Release | None:
    """Return the release of *environment*'s version, or None before it is released."""
    found = [r for r in read(environment.folder) if r.version == environment.version]
    return found[0] if found else None


def verify(folder: Path, name: str, *, version: int | None = None) -> tuple[Release, ...]:
    """Return the releases in *folder* (that of *version* alone where it is given), untouched.

    Raises ReleaseBroken, which names every lock that is gone or isn't what was released.
    """
    chosen = tuple(r for r in read(folder) if version in (None, r.version))
    broken = [said for release in chosen for said in _broken(folder, release)]
    if broken:
        raise ReleaseBroken(
            f"{name} is not what was released: " + "; ".join(broken),
            hint=f"take it from version control again: git log -- {folder}",
        )
    return chosen


def refuse_change(environment: Environment, *, wish: str = "") -> None:
    """Raise ReleaseFinal when *environment*'s version is released and its specification is another
    now, or when there is a *wish* to move its pins."""
    release = of(environment)
    if release is None:
        return
    what = wish
    if environment.digest != release.spec:
        what = "environment.toml says something else now, which would change its lock"
    if what:
        raise ReleaseFinal(
            f"{environment.reference} was released on {release.date} and is final: {what}",
            hint=f"version = {following(environment.folder)} in "
            f"{environment.folder / 'environment.toml'}, then harness lock {environment.name}",
        )


def following(folder: Path) -> int:
    """Return the version that comes after the last released one."""
    return max((release.version for release in read(folder)), default=0) + 1


def record(environment: Environment, today: datetime.date) -> Release:
    """Write down *environment*'s version, whose lock is there, as released; return the release.

    One that is released already comes back as it was. Raises LockMissing, LockInvalid,
    LockOutOfDate, ReleaseBroken; ReleaseFinal for a version before the last one.
    """
    known = verify(environment.folder, environment.name)
    refuse_change(environment)
    if (already := of(environment)) is not None:
        return already
    if known and environment.version < known[-1].version:
        raise ReleaseFinal(
            f"{environment.reference} comes before {environment.name}:{known[-1].version}, "
            f"which was released on {known[-1].date}",
            hint=f"version = {following(environment.folder)} in environment.toml",
        )
    locks = pylock.read_all(environment)
    new = Release(
        version=environment.version,
        date=today,
        lock=files.digest_of(environment.lock_path),
        spec=locks[0].spec,
        end_of_life=environment.about.end_of_life if environment.about else None,
    )
    _write(environment.folder / FILE, (*known, new))
    return new


def _write(path: Path, releases: tuple[Release, ...]) -> None:
    tables: list[dict[str, Any]] = []
    for one in releases:
        table: dict[str, Any] = {"version": one.version, "date": one.date}
        if one.end_of_life is not None:
            table["end_of_life"] = one.end_of_life
        tables.append(table | {"lock": one.lock, "spec": one.spec})
    files.write_atomic(path, (_HEADER + toml.dumps({"releases": tables})).encode())


def _broken(folder: Path, release: Release) -> Iterator[str]:
    path = folder / f"pylock.{release.version}.toml"
    if not path.is_file():
        yield f"{path.name} is gone"
    elif files.digest_of(path) != release.lock:
        yield f"{path.name} has other bytes"
    else:
        said = tomllib.loads(path.read_text(encoding="utf-8"))["tool"]["harness"]["spec"]
        if said != release.spec:
            yield f"{FILE} names another specification than {path.name}"


def _wrong(table: dict[str, Any], at: str) -> Iterator[str]:
    """Yield what is wrong with one release's table."""
    kinds = {"version": int, "date": datetime.date, "lock": str, "spec": str}
    for key, kind in kinds.items():
        if type(table.get(key)) is not kind:
            yield f"{at}.{key}: expected {'a date' if kind is datetime.date else kind.__name__}"
        elif kind is str and not _DIGEST.fullmatch(table[key]):
            yield f"{at}.{key}: expected sha256: and 64 digits"
    if type(table.get("end_of_life", datetime.date.min)) is not datetime.date:
        yield f"{at}.end_of_life: expected a date"
    for key in sorted({*table} - {*kinds, "end_of_life"}):
        yield f"{at}.{key}: unknown key"
