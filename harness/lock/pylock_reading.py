"""A lock's document read back: every value checked, every problem told with its path."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from packaging.utils import canonicalize_name

from harness.core.digest import Digest, of_hex
from harness.lock import pylock_base
from harness.lock.lock import LAYOUT, Deb, Lock, Parent, Source, Wheel

WHEELS, SDISTS = "wheels", "sdists"
"""The folders beside the lock where ``harness fetch`` puts its files."""

MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
"""Debian's names of architectures, and those of ``platform_machine`` (PEP 508)."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_DEB = re.compile(r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9+._~/-]*\.deb")


class Reading:
    """One reading of a document: values come back, problems are collected with their paths."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def locks(self, document: Mapping[str, Any]) -> tuple[Lock, ...]:
        """Return the locks of a document that PEP 751 allows; nothing when there are problems."""
        harness = document.get("tool", {}).get("harness")
        if not isinstance(harness, Mapping):
            self.problems.append("tool.harness: missing: Harness did not write this lock")
            return ()
        at = "tool.harness"
        layout = self.take(harness, "layout", int, at)
        if layout is not None and layout != LAYOUT:
            self.problems.append(f"{at}.layout: {layout}, and this version knows {LAYOUT}")
        self.take(harness, "seal", str, at)
        shared: dict[str, Any] = {
            "name": self.take(harness, "name", str, at),
            "version": self.take(harness, "version", int, at),
            "spec": self.take(harness, "spec", str, at, _is_digest),
            "python": self.take(harness, "python", str, at),
            "suite": self.take(harness, "suite", str, at),
            "layout": layout,
            "requirements": tuple(self.take(harness, "requirements", list, at, _all_texts) or ()),
            "os": tuple(self.take(harness, "os", list, at, _all_texts) or ()),
            "build_os": self.build_os(harness, at) if "build-os" in harness else (),
            "parent": self.parent(harness["parent"]) if "parent" in harness else None,
            "base": pylock_base.read(harness["base"], self.take) if "base" in harness else None,
        }
        packages = list(self.packages(document))
        tables = self.take(harness, "debian", dict, at, bool) or {}
        found = [self.platform(name, table, packages) for name, table in tables.items()]
        return () if self.problems else tuple(Lock(**shared, **one) for one in found)

    def build_os(self, table: Mapping[str, Any], at: str) -> tuple[str, ...]:
        """Return the Debian packages that were asked for to build with."""
        return tuple(self.take(table, "build-os", list, at, _all_texts) or ())

    def platform(
        self, architecture: str, table: Any, packages: list[tuple[str, list[Wheel]]]
    ) -> dict[str, Any]:
        """Return what is one platform's own: its debs and their date, and its wheels."""
        at = f"tool.harness.debian.{architecture}"
        if architecture not in MACHINES:
            self.problems.append(f"{at}: unknown architecture")
            return {}
        machine = MACHINES[architecture]
        chosen = []
        for index, (marker, wheels) in enumerate(packages):
            if marker and f"'{machine}'" not in marker:
                continue
            fitting = [w for w in wheels if _fits(w.filename, machine)]
            native = [w for w in fitting if not w.filename.endswith("-any.whl")]
            if not fitting or len(native) > 1:
                self.problems.append(f"packages[{index}].wheels: expected one wheel for {machine}")
                continue
            chosen.append((native or fitting)[0])
        return {
            "architecture": architecture,
            "released": self.take(table, "released", datetime, at, lambda v: v.tzinfo is not None),
            "packages": tuple(chosen),
            "debs": tuple(self.debs(table, at, "debs")),
            "build_debs": tuple(
                self.debs(table, at, "build-debs") if "build-debs" in table else ()
            ),
        }

    def packages(self, document: Mapping[str, Any]) -> Iterator[tuple[str, list[Wheel]]]:
        """Yield each package's marker and its wheels."""
        known = {package["name"] for package in document["packages"]}
        for index, package in enumerate(document["packages"]):
            at = f"packages[{index}]"
            version = self.take(package, "version", str, at)
            needs = [need.get("name") for need in package.get("dependencies", ())]
            if strangers := [str(need) for need in needs if need not in known]:
                self.problems.append(f"{at}.dependencies: not in the lock: {', '.join(strangers)}")
            built = self.source(package, at) if "sdist" in package else None
            wheels = []
            for number, wheel in enumerate(package.get("wheels", ())):
                filename, digest = self.file(wheel, f"{at}.wheels[{number}]", WHEELS)
                if filename and digest and version:
                    wheels.append(
                        Wheel(
                            name=canonicalize_name(package["name"]),
                            version=version,
                            filename=filename,
                            digest=digest,
                            size=wheel.get("size"),
                            dependencies=tuple(needs),
                            built=built,
                        )
                    )
            if not package.get("wheels"):
                self.problems.append(f"{at}.wheels: expected a wheel for {package['name']}")
            elif wheels:
                yield package.get("marker", ""), wheels

    def source(self, package: Mapping[str, Any], at: str) -> Source | None:
        """Return what a wheel is built from."""
        sdist = package["sdist"]
        filename, digest = self.file(sdist, f"{at}.sdist", SDISTS)
        table = package.get("tool", {}).get("harness", {})
        at = f"{at}.tool.harness"
        requires = []
        for number, need in enumerate(self.take(table, "build-requires", list, at) or ()):
            inner = f"{at}.build-requires[{number}]"
            name = self.take(need, "name", str, inner)
            version = self.take(need, "version", str, inner)
            file, sha256 = self.file(need, inner, WHEELS, key="file")
            if name and version and file and sha256:
                requires.append(
                    Wheel(
                        name=name,
                        version=version,
                        filename=file,
                        digest=sha256,
                        size=need.get("size"),
                    )
                )
        if not filename or not digest:
            return None
        return Source(
            filename=filename, digest=digest, size=sdist.get("size"), requires=tuple(requires)
        )

    def file(
        self, table: Any, at: str, folder: str, *, key: str = "name"
    ) -> tuple[str | None, Digest | None]:
        """Return the name and the digest of a file that lies in *folder* beside the lock."""
        suffixes = (".whl",) if folder == WHEELS else (".tar.gz", ".zip")
        name = self.take(table, key, str, at, lambda v: v.endswith(suffixes) and "/" not in v)
        self.take(table, "path", str, at, lambda v: v == f"{folder}/{name}")
        hashes = table.get("hashes", {}) if isinstance(table, Mapping) else {}
        sha256 = self.take(hashes, "sha256", str, f"{at}.hashes", _is_hex)
        return name, of_hex(sha256) if sha256 else None

    def parent(self, table: Any) -> Parent | None:
        """Return what a customized environment started from."""
        at = "tool.harness.parent"
        reference = self.take(table, "reference", str, at)
        lock = self.take(table, "lock", str, at, _is_digest)
        moved = pylock_base.moved(table, at, self.take)
        if reference is None or lock is None:
            return None
        return Parent(reference=reference, lock=lock, moved=moved)

    def debs(self, table: Mapping[str, Any], where: str, key: str) -> Iterator[Deb]:
        """Yield one platform's Debian packages of *key*."""
        for index, deb in enumerate(self.take(table, key, list, where) or ()):
            at = f"{where}.{key}[{index}]"
            before = len(self.problems)
            values: dict[str, Any] = {
                "name": self.take(deb, "name", str, at),
                "version": self.take(deb, "version", str, at),
                "architecture": self.take(deb, "architecture", str, at),
                "source": self.take(deb, "source", str, at),
                "source_version": self.take(deb, "source-version", str, at),
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


def _fits(filename: str, machine: str) -> bool:
    """Tell whether a wheel of that name is for *machine*, or for any (PEP 425 in PEP 427)."""
    platforms = filename.removesuffix(".whl").rpartition("-")[2]
    return platforms == "any" or machine in platforms
