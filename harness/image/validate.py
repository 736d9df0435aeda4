"""The image checks itself before anyone calls it built: every shared library that is needed is
there (the ELF closure), and these are the modules that must import."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.content.wheel import site
from harness.image import elf

DEFAULT = ("usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib64", "usr/lib")


@dataclass(frozen=True, slots=True)
class Missing:
    """An object in the image needs a library that is not in the image."""

    object: str
    library: str


def missing_libraries(root: Path) -> tuple[Missing, ...]:
    """Return every library that an object below *root* needs and can't find.

    Looked for where ld.so(8) looks (RPATH and RUNPATH with $ORIGIN, the default folders), then
    anywhere in the object's own distribution, whose ``__init__`` may load it first.
    """
    objects = {path: parsed for path, parsed in _objects(root)}
    present = {path for path in objects} | _links(root)
    homes: dict[str, set[str]] = {}
    for path in present:
        homes.setdefault(os.path.basename(path), set()).add(_distribution(path))
    for path, parsed in objects.items():
        if parsed.soname:
            homes.setdefault(parsed.soname, set()).add(_distribution(path))
    missing = []
    for path, parsed in sorted(objects.items()):
        folders = [_expand(p, path) for p in parsed.paths] + list(DEFAULT)
        for library in parsed.needed:
            if library.startswith("ld-linux") or "/" in library:
                continue
            if any(f"{folder}/{library}" in present for folder in folders):
                continue
            if _distribution(path) in homes.get(library, ()):
                continue
            missing.append(Missing(path, library))
    return tuple(missing)


def modules(root: Path, python: str) -> dict[str, str]:
    """Return the top-level modules that the wheels installed, each with its distribution."""
    library = root / site(python)
    found: dict[str, str] = {}
    for record in sorted(library.glob("*.dist-info/RECORD")):
        distribution = record.parent.name.removesuffix(".dist-info")
        with record.open(encoding="utf-8", newline="") as rows:
            for path, *_ in csv.reader(rows):
                name = _module(path)
                if name is not None:
                    found.setdefault(name, distribution)
    return dict(sorted(found.items()))


def _module(path: str) -> str | None:
    first, _, rest = path.partition("/")
    if rest == "__init__.py" and first.isidentifier():
        return first
    if not rest and first.endswith((".py", ".so")):
        name = first.split(".")[0]
        return name if name.isidentifier() else None
    return None


def _objects(root: Path) -> Iterator[tuple[str, elf.Object]]:
    for path in _walk(root):
        name = os.path.basename(path)
        if ".so" in name or path.startswith(("usr/bin/", "usr/local/bin/")):
            parsed = elf.parse((root / path).read_bytes())
            if parsed is not None:
                yield path, parsed


def _walk(root: Path) -> Iterator[str]:
    cut = len(str(root)) + 1
    for folder, _, names in os.walk(root):
        for name in names:
            path = f"{folder}/{name}"
            if not os.path.islink(path):
                yield path[cut:]


def _links(root: Path) -> set[str]:
    found = set()
    cut = len(str(root)) + 1
    for folder, _, names in os.walk(root / "usr"):
        for name in names:
            path = f"{folder}/{name}"
            if ".so" in name and os.path.islink(path):
                found.add(path[cut:])
    return found


def _expand(path: str, holder: str) -> str:
    folder = os.path.dirname("/" + holder)
    for origin in ("$ORIGIN", "${ORIGIN}"):
        path = path.replace(origin, folder)
    return os.path.normpath(path).lstrip("/")


def _distribution(path: str) -> str:
    """Return what a file belongs to: its top-level folder among the libraries, or the system."""
    _, found, rest = path.partition("/dist-packages/")
    return rest.split("/")[0].removesuffix(".libs") if found else ""
