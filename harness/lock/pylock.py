"""A lock as a file: ``pylock.<version>.toml``, valid PEP 751.

What PEP 751 has no words for lies under ``[tool.harness]``. Files are named relative to the lock
(``wheels/…``, filled by ``harness fetch``) or to a Debian archive (``pool/…``), never by a host.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.pylock import Pylock, PylockUnsupportedVersionError, PylockValidationError
from packaging.version import Version

from harness.core import canonical
from harness.core.digest import Digest, hexadecimal
from harness.core.errors import LockInvalid, LockMissing, LockOutOfDate, PlatformMissing
from harness.lock import merge, pylock_base, pylock_reading, toml
from harness.lock.lock import Deb, Lock, Parent, Source, Wheel
from harness.lock.pylock_reading import MACHINES as MACHINES
from harness.lock.pylock_reading import SDISTS as SDISTS
from harness.lock.pylock_reading import WHEELS as WHEELS
from harness.spec.environment import Environment
from harness.world import files, machine

_HEADER = "# Written by `harness lock {name}`. To change it, change environment.toml.\n\n"


def dumps(*locks: Lock) -> str:
    """Return *locks*, one for each platform of one environment, as text: a function of their
    values, whatever order they came in."""
    return _HEADER.format(name=locks[0].name) + toml.dumps(_document(locks))


def loads_all(text: str, *, where: str = "the lock") -> tuple[Lock, ...]:
    """Return the locks that *text* holds; raises LockInvalid with every problem."""
    if found := merge.conflicts(text):
        raise LockInvalid(
            f"{where} holds a merge conflict: " + "; ".join(found),
            hint="delete its # CONFLICT lines to keep ours, or take theirs with git checkout "
            "--theirs; then harness lock NAME resolves the two together",
        )
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as broken:
        raise _invalid(where, [str(broken)]) from broken
    try:
        Pylock.from_dict(document).validate()
    except (PylockValidationError, PylockUnsupportedVersionError) as broken:
        raise _invalid(where, [str(broken)]) from broken
    reading = pylock_reading.Reading()
    locks = reading.locks(document)
    if reading.problems:
        raise _invalid(where, reading.problems)
    if document["tool"]["harness"]["seal"] != _seal(document) or _document(locks) != document:
        raise _invalid(where, ["its content is not what was written: it was changed by hand"])
    return locks


def loads(text: str, *, architecture: str = "", where: str = "the lock") -> Lock:
    """Return the lock in *text* for *architecture* (empty: the only one, else this machine's).

    Raises LockInvalid, and PlatformMissing when the lock has no such platform.
    """
    return chosen(loads_all(text, where=where), architecture)


def chosen(locks: Sequence[Lock], architecture: str = "") -> Lock:
    """Return that of *locks* which *architecture* names (empty: the only one, else this machine's).

    Raises PlatformMissing.
    """
    if len(locks) == 1 and not architecture:
        return locks[0]
    wanted = architecture or machine.architecture()
    for lock in locks:
        if lock.architecture == wanted:
            return lock
    there = ", ".join(MACHINES[lock.architecture] for lock in locks)
    raise PlatformMissing(
        f"{locks[0].reference} is not locked for {MACHINES[wanted]}, only for {there}",
        hint=f'platforms = ["{MACHINES[wanted]}", …] and resolver = "uv" in environment.toml, '
        f"then harness lock {locks[0].name}",
    )


def read(environment: Environment, architecture: str = "") -> Lock:
    """Return the lock of *environment* for *architecture* (empty: the only one, else this
    machine's).

    Raises LockMissing, LockInvalid, PlatformMissing, and LockOutOfDate when the specification
    changed since.
    """
    return chosen(read_all(environment), architecture)


def read_all(environment: Environment) -> tuple[Lock, ...]:
    """Return the locks of *environment*, one for each platform; raises as ``read`` does."""
    path = environment.lock_path
    again = f"harness lock {environment.name}"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as missing:
        raise LockMissing(f"{environment.reference} has no lock at {path}", hint=again) from missing
    except UnicodeDecodeError as broken:
        raise _invalid(str(path), ["it is not UTF-8"]) from broken
    locks = loads_all(text, where=str(path))
    if locks[0].spec == merge.UNRESOLVED:
        raise LockOutOfDate(
            f"{path} was merged from two sides, and nothing has resolved them together", hint=again
        )
    if locks[0].spec != environment.digest:
        raise LockOutOfDate(
            f"{environment.folder / 'environment.toml'} changed after {path.name} was written",
            hint=again,
        )
    return locks


def write(path: Path, *locks: Lock) -> None:
    """Write *locks* to *path*, whole or not at all."""
    data = dumps(*locks).encode()
    with files.writing(path) as file:
        file.write(data)


def _document(locks: Sequence[Lock]) -> dict[str, Any]:
    ordered = sorted(locks, key=lambda lock: lock.architecture)
    lock = ordered[0]
    own: dict[str, Any] = {
        "name": lock.name,
        "version": lock.version,
        "spec": lock.spec,
        "requirements": sorted(lock.requirements),
        "os": sorted(lock.os),
        "python": lock.python,
        "layout": lock.layout,
        "suite": lock.suite,
    }
    if lock.build_os:
        own["build-os"] = sorted(lock.build_os)
    if lock.parent is not None:
        own["parent"] = _parent(lock.parent)
    if lock.base is not None:
        own["base"] = pylock_base.written(lock.base)
    own["debian"] = {one.architecture: _debian(one) for one in ordered}
    document: dict[str, Any] = {
        "lock-version": "1.0",
        "environments": [
            f"implementation_name == 'cpython' and {_marker(one.architecture)} "
            f"and python_version == '{lock.python}' and sys_platform == 'linux'"
            for one in ordered
        ],
        "requires-python": f"=={lock.python}.*",
        "created-by": "harness",
        "packages": _packages(ordered),
        "tool": {"harness": own},
    }
    own["seal"] = _seal(document)
    return document


def _marker(architecture: str) -> str:
    return f"platform_machine == '{MACHINES[architecture]}'"


def _packages(locks: Sequence[Lock]) -> list[dict[str, Any]]:
    """Return PEP 751's packages: one entry for what is the same on every platform but its file."""
    merged: dict[Any, tuple[list[str], dict[str, Wheel]]] = {}
    for lock in locks:
        for wheel in lock.packages:
            source = wheel.built.filename if wheel.built else ""
            same = (wheel.name, Version(wheel.version), wheel.version, wheel.dependencies, source)
            platforms, found = merged.setdefault(same, ([], {}))
            platforms.append(lock.architecture)
            found[wheel.filename] = wheel
    packages = []
    for same, (platforms, found) in sorted(merged.items()):
        package: dict[str, Any] = {"name": same[0], "version": same[2]}
        if len(platforms) < len(locks):
            package["marker"] = " or ".join(map(_marker, platforms))
        if same[3]:
            package["dependencies"] = [{"name": name} for name in sorted(same[3])]
        sources = [wheel.built for wheel in found.values() if wheel.built is not None]
        if sources:
            package["sdist"] = _file(sources[0].filename, sources[0], SDISTS)
        package["wheels"] = [
            _file(wheel.filename, wheel, WHEELS) for _, wheel in sorted(found.items())
        ]
        if sources:
            built = [
                {"name": need.name, "version": need.version}
                | _file(need.filename, need, WHEELS, key="file")
                for need in sources[0].requires
            ]
            package["tool"] = {"harness": {"build-requires": built}}
        packages.append(package)
    return packages


def _file(name: str, item: Wheel | Source, folder: str, *, key: str = "name") -> dict[str, Any]:
    found: dict[str, Any] = {key: name, "path": f"{folder}/{name}"}
    if item.size is not None:
        found["size"] = item.size
    return {**found, "hashes": {"sha256": hexadecimal(item.digest)}}


def _parent(parent: Parent) -> dict[str, Any]:
    return {
        "reference": parent.reference,
        "lock": parent.lock,
        "moved": pylock_base.moves(parent.moved),
    }


def _debian(lock: Lock) -> dict[str, Any]:
    """Return one platform's Debian packages; those for builds only where there are any."""
    found: dict[str, Any] = {"released": lock.released}
    for key, debs in (("debs", lock.debs), ("build-debs", lock.build_debs)):
        if debs or key == "debs":
            found[key] = [_deb(deb) for deb in sorted(debs, key=lambda d: d.name)]
    return found


def _deb(deb: Deb) -> dict[str, Any]:
    return {
        "name": deb.name,
        "version": deb.version,
        "architecture": deb.architecture,
        "source": deb.source,
        "source-version": deb.source_version,
        "path": deb.filename,
        "size": deb.size,
        "sha256": hexadecimal(deb.digest),
        "dependencies": sorted(deb.dependencies),
    }


def _seal(document: Mapping[str, Any]) -> Digest:
    """Return the digest of all that *document* says but the seal: it tells an edit by hand."""
    harness = {k: v for k, v in document["tool"]["harness"].items() if k != "seal"}
    harness["debian"] = {
        name: {**table, "released": table["released"].isoformat()}
        for name, table in harness["debian"].items()
    }
    return canonical.digest({**document, "tool": {**document["tool"], "harness": harness}})


def _invalid(where: str, problems: list[str]) -> LockInvalid:
    return LockInvalid(
        f"{where} can't be used: " + "; ".join(problems),
        hint="take it from version control again, or remove it and harness lock NAME",
    )
