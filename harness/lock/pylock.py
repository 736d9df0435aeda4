"""A lock as a file: ``pylock.<version>.toml``, valid PEP 751.

What PEP 751 has no words for lies under ``[tool.harness]``. Files are named relative to the lock
(``wheels/…``, filled by ``harness fetch``) or to a Debian archive (``pool/…``), never by a host.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from packaging.pylock import Pylock, PylockUnsupportedVersionError, PylockValidationError
from packaging.utils import canonicalize_name

from harness.core import canonical
from harness.core.digest import Digest, hexadecimal, of_hex
from harness.core.errors import LockInvalid, LockMissing, LockOutOfDate
from harness.lock import toml
from harness.lock.lock import LAYOUT, Deb, Lock, Wheel
from harness.spec.environment import Environment
from harness.world import files

WHEELS = "wheels"
"""The folder beside the lock where ``harness fetch`` puts the wheels."""

MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}

_HEADER = "# Written by `harness lock {name}`. To change it, change environment.toml.\n\n"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_DEB = re.compile(r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9+._~/-]*\.deb")


def dumps(lock: Lock) -> str:
    """Return *lock* as text: a function of its values, whatever order they came in."""
    document = _document(lock)
    return _HEADER.format(name=lock.name) + toml.dumps(document)


def loads(text: str, *, where: str = "the lock") -> Lock:
    """Return the lock that *text* holds; raises LockInvalid with every problem found."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as broken:
        raise _invalid(where, [str(broken)]) from broken
    try:
        Pylock.from_dict(document).validate()
    except (PylockValidationError, PylockUnsupportedVersionError) as broken:
        raise _invalid(where, [str(broken)]) from broken
    reading = _Reading()
    lock = reading.lock(document)
    if lock is None or reading.problems:
        raise _invalid(where, reading.problems)
    if document["tool"]["harness"]["seal"] != _seal(document) or _document(lock) != document:
        raise _invalid(where, ["its content is not what was written: it was changed by hand"])
    return lock


def read(environment: Environment) -> Lock:
    """Return the lock of *environment*.

    Raises LockMissing, LockInvalid, and LockOutOfDate when the specification changed since.
    """
    path = environment.lock_path
    again = f"harness lock {environment.name}"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as missing:
        raise LockMissing(f"{environment.reference} has no lock at {path}", hint=again) from missing
    except UnicodeDecodeError as broken:
        raise _invalid(str(path), ["it is not UTF-8"]) from broken
    lock = loads(text, where=str(path))
    if lock.spec != environment.digest:
        raise LockOutOfDate(
            f"{environment.folder / 'environment.toml'} changed after {path.name} was written",
            hint=again,
        )
    return lock


def write(lock: Lock, path: Path) -> None:
    """Write *lock* to *path*, whole or not at all."""
    files.write_atomic(path, dumps(lock).encode())


def _document(lock: Lock) -> dict[str, Any]:
    machine = MACHINES[lock.architecture]
    document: dict[str, Any] = {
        "lock-version": "1.0",
        "environments": [
            f"implementation_name == 'cpython' and platform_machine == '{machine}' "
            f"and python_version == '{lock.python}' and sys_platform == 'linux'"
        ],
        "requires-python": f"=={lock.python}.*",
        "created-by": "harness",
        "packages": [_wheel(wheel) for wheel in sorted(lock.packages, key=lambda w: w.name)],
        "tool": {
            "harness": {
                "name": lock.name,
                "version": lock.version,
                "spec": lock.spec,
                "requirements": sorted(lock.requirements),
                "python": lock.python,
                "layout": lock.layout,
                "suite": lock.suite,
                "architecture": lock.architecture,
                "released": lock.released,
                "debs": [_deb(deb) for deb in sorted(lock.debs, key=lambda d: d.name)],
            }
        },
    }
    document["tool"]["harness"]["seal"] = _seal(document)
    return document


def _wheel(wheel: Wheel) -> dict[str, Any]:
    file: dict[str, Any] = {"name": wheel.filename, "path": f"{WHEELS}/{wheel.filename}"}
    if wheel.size is not None:
        file["size"] = wheel.size
    package: dict[str, Any] = {"name": wheel.name, "version": wheel.version}
    if wheel.dependencies:
        package["dependencies"] = [{"name": name} for name in sorted(wheel.dependencies)]
    package["wheels"] = [{**file, "hashes": {"sha256": hexadecimal(wheel.digest)}}]
    return package


def _deb(deb: Deb) -> dict[str, Any]:
    return {
        "name": deb.name,
        "version": deb.version,
        "architecture": deb.architecture,
        "path": deb.filename,
        "size": deb.size,
        "sha256": hexadecimal(deb.digest),
        "dependencies": sorted(deb.dependencies),
    }


def _seal(document: Mapping[str, Any]) -> Digest:
    """Return the digest of all that *document* says but the seal: it tells an edit by hand."""
    harness = {k: v for k, v in document["tool"]["harness"].items() if k != "seal"}
    harness["released"] = harness["released"].isoformat()
    return canonical.digest({**document, "tool": {**document["tool"], "harness": harness}})


def _invalid(where: str, problems: list[str]) -> LockInvalid:
    return LockInvalid(
        f"{where} can't be used: " + "; ".join(problems),
        hint="take it from version control again, or harness lock NAME",
    )


class _Reading:
    """One reading of a document: values come back, problems are collected with their paths."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def lock(self, document: Mapping[str, Any]) -> Lock | None:
        """Return the lock; None when something that everything else needs is absent."""
        harness = document.get("tool", {}).get("harness")
        if not isinstance(harness, Mapping):
            self.problems.append("tool.harness: missing: Harness did not write this lock")
            return None
        at = "tool.harness"
        layout = self.take(harness, "layout", int, at)
        if layout is not None and layout != LAYOUT:
            self.problems.append(f"{at}.layout: {layout}, and this version knows {LAYOUT}")
        architecture = self.take(harness, "architecture", str, at, lambda v: v in MACHINES)
        requirements = self.take(harness, "requirements", list, at, _all_texts)
        self.take(harness, "seal", str, at)
        values: dict[str, Any] = {
            "name": self.take(harness, "name", str, at),
            "version": self.take(harness, "version", int, at),
            "spec": self.take(harness, "spec", str, at, _is_digest),
            "python": self.take(harness, "python", str, at),
            "suite": self.take(harness, "suite", str, at),
            "released": self.take(
                harness, "released", datetime, at, lambda v: v.tzinfo is not None
            ),
            "packages": tuple(self.wheels(document)),
            "debs": tuple(self.debs(harness)),
        }
        if self.problems:
            return None
        return Lock(
            layout=layout, architecture=architecture, requirements=tuple(requirements), **values
        )

    def wheels(self, document: Mapping[str, Any]) -> Iterator[Wheel]:
        """Yield the wheels of a document that PEP 751 allows."""
        known = {package["name"] for package in document["packages"]}
        for index, package in enumerate(document["packages"]):
            at = f"packages[{index}]"
            found = package.get("wheels", [])
            if len(found) != 1:
                self.problems.append(f"{at}.wheels: expected one wheel for {package['name']}")
                continue
            wheel, at = found[0], f"{at}.wheels[0]"
            name = self.take(wheel, "name", str, at, lambda v: v.endswith(".whl") and "/" not in v)
            self.take(wheel, "path", str, at, lambda v, n=name: v == f"{WHEELS}/{n}")  # type: ignore[misc]
            sha256 = self.take(wheel.get("hashes", {}), "sha256", str, f"{at}.hashes", _is_hex)
            version = self.take(package, "version", str, f"packages[{index}]")
            needs = [need.get("name") for need in package.get("dependencies", ())]
            if strangers := [str(need) for need in needs if need not in known]:
                self.problems.append(
                    f"packages[{index}].dependencies: not in the lock: {', '.join(strangers)}"
                )
            if name and sha256 and version:
                yield Wheel(
                    name=canonicalize_name(package["name"]),
                    version=version,
                    filename=name,
                    digest=of_hex(sha256),
                    size=wheel.get("size"),
                    dependencies=tuple(needs),
                )

    def debs(self, harness: Mapping[str, Any]) -> Iterator[Deb]:
        """Yield the Debian packages of ``[tool.harness]``."""
        for index, deb in enumerate(self.take(harness, "debs", list, "tool.harness") or ()):
            at = f"tool.harness.debs[{index}]"
            before = len(self.problems)
            values: dict[str, Any] = {
                "name": self.take(deb, "name", str, at),
                "version": self.take(deb, "version", str, at),
                "architecture": self.take(deb, "architecture", str, at),
                "filename": self.take(deb, "path", str, at, lambda v: bool(_DEB.fullmatch(v))),
                "size": self.take(deb, "size", int, at, lambda v: v >= 0),
            }
            sha256 = self.take(deb, "sha256", str, at, _is_hex)
            needs = self.take(deb, "dependencies", list, at, _all_texts)
            if len(self.problems) == before:
                yield Deb(digest=of_hex(sha256), dependencies=tuple(needs), **values)

    def take(
        self,
        table: Any,
        key: str,
        form: type,
        at: str,
        holds: Callable[[Any], bool] = lambda _: True,
    ) -> Any:
        """Return *table*'s value of *key*, or None and a problem."""
        value = table.get(key) if isinstance(table, Mapping) else None
        if value is None:
            self.problems.append(f"{at}.{key}: missing")
        elif type(value) is not form:
            self.problems.append(f"{at}.{key}: expected {form.__name__}")
        elif not holds(value):
            self.problems.append(f"{at}.{key}: not allowed: {value!r}")
        else:
            return value
        return None


def _is_digest(value: str) -> bool:
    return bool(_DIGEST.fullmatch(value))


def _is_hex(value: str) -> bool:
    return _is_digest(f"sha256:{value}")


def _all_texts(value: list[Any]) -> bool:
    return all(isinstance(item, str) for item in value)
