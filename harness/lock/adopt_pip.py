"""What a requirements file asks for, and what of it no environment can hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from harness.lock.adopt import TOOLS, Found, Left, pinned, requirement
from harness.lock.requirements_file import Line, Option, followed, lines, parse

_SOURCES = {"--index-url", "--extra-index-url", "--find-links", "--trusted-host", "--no-index"}


def read(path: Path) -> Found:
    """Return what the requirements file *path*, and the files that it names, ask for.

    Raises SpecMissing for a file that isn't there, SpecInvalid for a line that pip refuses too.
    """
    return _found(lines(path))


def read_text(text: str, beside: Path, where: str) -> Found:
    """Return what the lines of *text* ask for; files that they name lie beside *beside*."""
    return _found(followed(parse(text, where), beside.absolute(), False, (beside.absolute(),)))


def _found(given: Iterator[Line | Option]) -> Found:
    requirements: list[str] = []
    pins: dict[str, str] = {}
    left: list[Left] = []
    bounds: dict[str, Requirement] = {}
    for line in given:
        if isinstance(line, Option):
            left += _option(line)
            continue
        if line.editable or _is_place(line.text):
            left.append(_place(line))
            continue
        for one in requirement(line.text, line.where):
            if isinstance(one, Left):
                left.append(one)
                continue
            name = canonicalize_name(one.name)
            if version := pinned(one):
                pins.setdefault(name, version)
            if line.constraint:
                if not pinned(one) and one.specifier:
                    bounds[name] = one
            elif name in TOOLS:
                left.append(_tool(name, line.where))
            elif line.root:
                requirements.append(_without_pin(one) if line.compiled else str(one))
    asked: dict[str, int] = {
        canonicalize_name(Requirement(text).name): i for i, text in enumerate(requirements)
    }
    for bounded, bound in sorted(bounds.items()):
        if bounded in asked:
            one = Requirement(requirements[asked[bounded]])
            one.specifier &= bound.specifier
            requirements[asked[bounded]] = str(one)
        else:
            left.append(
                Left(
                    what=f"constraint {bound}",
                    why="it bounds a package that is not required by name",
                    todo=f'add "{bound}" to requirements if it must hold',
                )
            )
    return Found(requirements=tuple(requirements), pins=pins, left=tuple(left))


def _is_place(text: str) -> bool:
    if text.startswith((".", "/", "~")) or re.match(r"[a-z+]+:", text):
        return True
    try:
        Requirement(text)
    except InvalidRequirement:
        return text.split(";")[0].strip().endswith((".whl", ".tar.gz", ".zip"))
    return False


def _place(line: Line) -> Left:
    if line.editable:
        why, todo = (
            "an editable install is a folder of one machine",
            "a model's own code needs none; else build a wheel for your index, and require it",
        )
    else:
        why, todo = (
            "it names a place, and a lock names files and hashes",
            "put the wheel into your index, and require it by name",
        )
    return Left(
        what=("-e " if line.editable else "") + line.text, why=why, todo=todo, where=line.where
    )


def _option(option: Option) -> list[Left]:
    said = f"{option.name} {option.value}".strip()
    if option.name in _SOURCES:
        return [
            Left(
                what=said,
                why="where files come from is a machine's configuration, not an environment's",
                todo="set it in [sources] or pip's settings",
                where=option.where,
            )
        ]
    if option.name in ("--pre", "--no-binary"):
        return [
            Left(
                what=said,
                why="no such choice in an environment",
                todo="pin the release you want, or name it in build",
                where=option.where,
            )
        ]
    return []


def _tool(name: str, where: str) -> Left:
    return Left(
        what=name,
        why="it installs packages, and an image is final",
        todo="add it to requirements if your code imports it",
        where=where,
    )


def _without_pin(one: Requirement) -> str:
    extras = f"[{','.join(sorted(one.extras))}]" if one.extras else ""
    return f"{one.name}{extras}" + (f"; {one.marker}" if one.marker else "")
