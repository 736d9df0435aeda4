"""Which names the modules of a wheel have, found by reading them; nothing is imported or run.

Python source is parsed; a stub (``.pyi``) beside a module counts too, and is all that is known of
an extension module. The answer has three values, because source doesn't always say.
"""

from __future__ import annotations

import ast
import re
import warnings
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from harness.lock.surface_reading import Names, Reading

YES, NO, PERHAPS = "yes", "no", "perhaps"

_DEEPEST = 20
"""How many modules a name is followed through."""

_LARGEST = 8 << 20
"""Bytes of source; what is larger is generated, and not read."""


@dataclass
class Surface:
    """The modules of a set of packages, parsed when they are asked for."""

    files: Mapping[str, Callable[[], bytes]]
    _known: dict[str, Names | None] = field(default_factory=dict)
    _busy: set[str] = field(default_factory=set)

    def has(self, dotted: str) -> str:
        """Tell whether ``package.module.name`` is there: ``yes``, ``no`` or ``perhaps``.

        What lies below a class or a function is not looked at.
        """
        parts = dotted.split(".")
        return self._has(parts, 0)

    def _has(self, parts: list[str], depth: int) -> str:
        module = parts[0]
        if not self.is_module(module):
            return NO
        for number, name in enumerate(parts[1:], start=1):
            if self.is_module(f"{module}.{name}"):
                module = f"{module}.{name}"
                continue
            found = self.names(module)
            if found is None:
                return PERHAPS
            rest = parts[number + 1 :]
            target, attribute = found.aliases.get(name, ("", ""))
            if rest and not attribute and self.is_module(target) and depth < _DEEPEST:
                return self._has([*target.split("."), *rest], depth + 1)
            if name in found.bound:
                return YES
            return PERHAPS if found.open and not found.stub else NO
        return YES

    def names(self, module: str) -> Names | None:
        """Return what *module* binds; None for what can't be read (an extension, say)."""
        if module not in self._known:
            if module in self._busy:
                return Names(frozenset(), {}, None, True)  # a circle of star imports
            self._busy.add(module)
            try:
                self._known[module] = self._read(module)
            finally:
                self._busy.discard(module)
        return self._known[module]

    def exported(self, module: str) -> tuple[frozenset[str], bool]:
        """Return what ``from module import *`` binds, and whether it may be more."""
        found = self.names(module)
        if found is None:
            return frozenset(), True
        if found.exports is not None:
            return frozenset(found.exports), False
        public = frozenset(name for name in found.bound if not name.startswith("_"))
        return public, found.open

    def is_module(self, name: str) -> bool:
        """Tell whether a module, a package or a namespace of that name is here."""
        return name in self._modules

    @property
    def _modules(self) -> Mapping[str, list[str]]:
        if "modules" not in self.__dict__:
            self.__dict__["modules"] = _modules(self.files)
        found: Mapping[str, list[str]] = self.__dict__["modules"]
        return found

    def _read(self, module: str) -> Names | None:
        source = stub = None
        package = False
        for path in self._modules.get(module, ()):
            package = package or path.rpartition("/")[2].startswith("__init__.")
            if path.endswith(".py"):
                source = self._parse(path)
            elif path.endswith(".pyi"):
                stub = self._parse(path)
        if not self._modules.get(module):
            return Names(frozenset(), {}, None, False)  # a namespace: submodules alone
        parsed = [Reading(self, module, package=package).read(one) for one in (source, stub) if one]
        if not parsed:
            return None
        last = parsed[-1]
        return Names(
            bound=frozenset().union(*(one.bound for one in parsed)),
            aliases={**last.aliases, **parsed[0].aliases},
            exports=next((one.exports for one in parsed if one.exports is not None), None),
            open=any(one.open for one in parsed) or (source is None and stub is None),
            stub=stub is not None and not last.open,
        )

    def _parse(self, path: str) -> ast.Module | None:
        try:
            data = self.files[path]()
            if len(data) > _LARGEST:
                return None
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the packages' own escapes and comparisons
                return ast.parse(data)
        except (SyntaxError, ValueError, RecursionError, MemoryError, OSError, zipfile.BadZipFile):
            return None


def of_wheels(paths: Iterable[Path]) -> tuple[Surface, list[zipfile.ZipFile]]:
    """Return the surface of wheels, and the archives to close when it is done with."""
    files: dict[str, Callable[[], bytes]] = {}
    archives = []
    for path in paths:
        archive = zipfile.ZipFile(path)
        archives.append(archive)
        for name in archive.namelist():
            inner = re.sub(r"^[^/]+\.data/(purelib|platlib)/", "", name)
            if inner.endswith((".py", ".pyi", ".so")):
                files[inner] = partial(archive.read, name)
    return Surface(files), archives


def of_folders(folders: Iterable[Path]) -> Surface:
    """Return the surface of library folders on disk."""
    found = {
        path.relative_to(folder).as_posix(): path.read_bytes
        for folder in folders
        for suffix in ("py", "pyi", "so")
        for path in folder.rglob(f"*.{suffix}")
    }
    return Surface(found)


def _modules(files: Iterable[str]) -> dict[str, list[str]]:
    """Return the files of each module; a folder without any of its own has none."""
    found: dict[str, list[str]] = {}
    for path in files:
        folders, _, base = path.rpartition("/")
        stem = base.split(".")[0]
        parts = [*filter(None, folders.split("/"))]
        if not all(part.isidentifier() for part in (*parts, stem)):
            continue
        own = parts if stem == "__init__" else [*parts, stem]
        if own:
            found.setdefault(".".join(own), []).append(path)
        for length in range(1, len(parts) + 1):
            found.setdefault(".".join(parts[:length]), [])
    return found
