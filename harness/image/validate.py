"""The image checks itself before anyone calls it built: every shared library that is needed is
there (the ELF closure), and these are the modules that must import."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.content.scheme import below_site
from harness.image import elf
from harness.image.installed import Distribution

DEFAULT = (
    *("usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib64", "usr/lib"),
    *("lib/x86_64-linux-gnu", "lib/aarch64-linux-gnu", "lib64", "lib", "usr/local/lib"),
)
"""Where ld.so looks; the second line on systems whose /lib is a folder of its own."""


@dataclass(frozen=True, slots=True)
class Missing:
    """An object in the image needs a library that is not in the image; or, where *version* is
    set, a version of symbols (``GLIBC_2.38``) that the library in the image does not have."""

    object: str
    library: str
    version: str = ""


def missing_libraries(root: Path) -> tuple[Missing, ...]:
    """Return every library, or version of its symbols, that an object below *root* lacks.

    Looked for where ld.so(8) looks (RPATH and RUNPATH with $ORIGIN, the default folders), then
    anywhere in the object's own distribution, whose ``__init__`` may load it first. Objects for
    another kind of machine than the image's libc are not looked at.
    """
    objects = dict(_objects(root))
    machine = next((o.machine for p, o in objects.items() if p.endswith("/libc.so.6")), None)
    if machine is not None:
        objects = {path: one for path, one in objects.items() if one.machine == machine}
    present = {path: path for path in objects} | _links(root)
    homes: dict[str, dict[str, str]] = {}
    for path in present:
        homes.setdefault(os.path.basename(path), {})[_distribution(path)] = path
    for path, parsed in objects.items():
        if parsed.soname:
            homes.setdefault(parsed.soname, {}).setdefault(_distribution(path), path)
    missing = []
    for path, parsed in sorted(objects.items()):
        folders = [_expand(p, path) for p in parsed.paths] + list(DEFAULT)
        own = _distribution(path)
        for library in parsed.needed:
            if library.startswith("ld-linux") or "/" in library:
                continue
            places = (f"{folder}/{library}" for folder in folders)
            found = next((place for place in places if place in present), None)
            found = found or homes.get(library, {}).get(own)
            if found is None:
                missing.append(Missing(path, library))
                continue
            provider = objects.get(present[found])
            if provider is not None and provider.defines:
                lacked = (v for of, v in parsed.wants if of == library)
                missing += [Missing(path, library, v) for v in lacked if v not in provider.defines]
    return tuple(missing)


def modules(wheels: Iterable[Distribution]) -> dict[str, str]:
    """Return the top-level modules that *wheels* installed, each with its distribution."""
    found: dict[str, str] = {}
    for one in wheels:
        for path in one.files:
            name = _module(path)
            if name is not None:
                found.setdefault(name, one.info.name.removesuffix(".dist-info"))
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
            with (root / path).open("rb") as file:
                if os.fstat(file.fileno()).st_size < 64:
                    continue
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                    parsed = elf.parse(data)
            if parsed is not None:
                yield path, parsed


def _walk(root: Path) -> Iterator[str]:
    cut = len(str(root)) + 1
    for folder, _, names in os.walk(root):
        for name in names:
            path = f"{folder}/{name}"
            if not os.path.islink(path):
                yield path[cut:]


def _links(root: Path) -> dict[str, str]:
    """Return the links to libraries, each with the file that it leads to."""
    found = {}
    base = os.path.realpath(root)
    for folder, _, names in os.walk(base):
        for name in names:
            path = f"{folder}/{name}"
            if ".so" in name and os.path.islink(path):
                found[path[len(base) + 1 :]] = _target(path, base)
    return found


def _target(path: str, base: str) -> str:
    """Return what a link leads to below *base*, as a relative path; absolute links start there."""
    for _ in range(16):
        if not os.path.islink(path):
            break
        to = os.readlink(path)
        path = base + to if to.startswith("/") else os.path.join(os.path.dirname(path), to)
        path = os.path.normpath(path)
    return path[len(base) + 1 :]


def _expand(path: str, holder: str) -> str:
    folder = os.path.dirname("/" + holder)
    for origin in ("$ORIGIN", "${ORIGIN}"):
        path = path.replace(origin, folder)
    return os.path.normpath(path).lstrip("/")


def _distribution(path: str) -> str:
    """Return what a file belongs to: its top-level folder among the libraries, or the system."""
    inside = below_site(path)
    return "" if inside is None else inside.split("/")[0].removesuffix(".libs")
