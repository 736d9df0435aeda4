"""What the wheels of an image say of themselves, held against what is there: files that two of
them claim, metadata that is missing, entry points that lead nowhere, console scripts.

Formats: "Recording installed projects" (PEP 376, PEP 627), core metadata, entry points.
"""

from __future__ import annotations

import configparser
import csv
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path

from packaging.utils import canonicalize_name

from harness.content.wheel import site

SCRIPTS = ("console_scripts", "gui_scripts")


@dataclass(frozen=True, kw_only=True, slots=True)
class Distribution:
    """An installed wheel: its folder *info* (``….dist-info``) and the *files* of its RECORD."""

    name: str
    version: str
    info: Path
    files: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class EntryPoint:
    """An entry point of *distribution*; *extra* is whether it asks for one."""

    distribution: str
    group: str
    name: str
    module: str
    inner: str
    extra: bool


def distributions(root: Path, python: str, library: str = "") -> tuple[Distribution, ...]:
    """Return the wheels installed below *root*, by name: where Debian's *python* finds them, or in
    the folder *library*."""
    found = []
    for record in sorted((root / (library or site(python))).glob("*.dist-info/RECORD")):
        name, _, version = record.parent.name.removesuffix(".dist-info").partition("-")
        with record.open(encoding="utf-8", newline="") as rows:
            files = tuple(row[0] for row in csv.reader(rows) if row)
        found.append(
            Distribution(
                name=canonicalize_name(name), version=version, info=record.parent, files=files
            )
        )
    return tuple(found)


def owners(found: Iterable[Distribution]) -> dict[str, tuple[str, ...]]:
    """Return the names of the distributions that claim each file."""
    claims: dict[str, list[str]] = {}
    for one in found:
        for file in dict.fromkeys(one.files):
            claims.setdefault(file, []).append(one.name)
    return {file: tuple(names) for file, names in claims.items()}


def metadata_problems(one: Distribution) -> Iterator[str]:
    """Yield what is wrong with the metadata of *one*, in words."""
    for name in ("METADATA", "WHEEL"):
        if not (one.info / name).is_file():
            yield f"{one.info.name} has no {name}"
    if not (one.info / "METADATA").is_file():
        return
    said = HeaderParser().parsestr((one.info / "METADATA").read_text("utf-8", "replace"))
    for key, expected in (("Name", one.name), ("Version", one.version)):
        value = said.get(key)
        if value is None:
            yield f"METADATA of {one.name} names no {key}"
        elif key == "Name" and canonicalize_name(value) != expected:
            yield f"METADATA of {one.name} is that of {value}"


def requires(one: Distribution) -> tuple[str, ...]:
    """Return the ``Requires-Dist`` lines of *one*; nothing where it has no metadata."""
    path = one.info / "METADATA"
    if not path.is_file():
        return ()
    said = HeaderParser().parsestr(path.read_text("utf-8", "replace"))
    return tuple(said.get_all("Requires-Dist", ()))


def entry_points(one: Distribution) -> Iterator[EntryPoint]:
    """Yield the entry points of *one*; raises configparser.Error for a file that is none."""
    path = one.info / "entry_points.txt"
    if not path.is_file():
        return
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]  # names keep their case
    parser.read_string(path.read_text("utf-8", "replace"))
    for group in parser.sections():
        for name, value in parser[group].items():
            address, bracket, _ = value.partition("[")
            module, _, inner = address.strip().partition(":")
            yield EntryPoint(
                distribution=one.name,
                group=group,
                name=name,
                module=module.strip(),
                inner=inner.strip(),
                extra=bool(bracket),
            )


def leads_nowhere(entry: EntryPoint, library: Path, modules: Mapping[str, str]) -> bool:
    """Tell whether *entry* names a module that is not in the image's *library*.

    Only modules below the top-level *modules* of the image are looked for as files; another
    top-level name is one of the standard library's, or missing. A group of another project's
    (``fsspec.specs``) may mean a name in a module where an object reference has a colon.
    """
    first, *rest = entry.module.split(".")
    if first not in modules:
        return first not in sys.stdlib_module_names
    if not rest or _is_module(library.joinpath(first, *rest)):
        return False
    *above, _ = rest
    own = entry.group in ("console_scripts", "gui_scripts")
    loose = not own and not entry.inner and (not above or _is_module(library / first, *above))
    return not loose


def _is_module(folder: Path, *rest: str) -> bool:
    path = folder.joinpath(*rest)
    beside = (path.with_name(path.name + ending) for ending in (".py", ".pyc", ".so"))
    return (
        path.is_dir()
        or any(one.is_file() for one in beside)
        or any(path.parent.glob(f"{path.name}.*.so"))
    )
