"""A file that a person wrote, read as TOML or JSON, with the place of what is wrong in it."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from harness.core.errors import SpecInvalid, SpecMissing


def toml(path: Path) -> dict[str, Any]:
    """Return the TOML document at *path*.

    Raises SpecMissing, and SpecInvalid with line and column.
    """
    text = _text(path)
    try:
        return tomllib.loads(text)
    except ValueError as broken:  # TOMLDecodeError, or a number of more digits than Python reads
        said = str(broken)
        what = re.sub(r"\s*\(at .*\)$", "", said)
        place = re.search(r"\(at line (\d+), column (\d+)\)$", said)
        line, column = map(int, place.groups()) if place else _end(text)
        raise _broken(path, "TOML", line, column, what) from broken


def parsed_json(path: Path) -> Any:
    """Return the JSON value at *path* (RFC 8259; a name may appear once in an object).

    Raises SpecMissing, and SpecInvalid with line and column.
    """
    text = _text(path)
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except json.JSONDecodeError as broken:
        raise _broken(path, "JSON", broken.lineno, broken.colno, broken.msg) from broken
    except ValueError as refused:  # _NotJson, or a number of more digits than Python reads
        raise SpecInvalid(
            f"{path}: broken JSON: {refused}", hint=f"correct {path.name}"
        ) from refused


def value_at(document: Any, place: Iterable[str | int]) -> Any:
    """Return what lies at *place* in *document*, or None."""
    for part in place:
        document = document.get(part) if isinstance(document, Mapping) else None
    return document


class _NotJson(ValueError):
    """Something that Python's decoder lets pass and the standard does not."""


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except FileNotFoundError as missing:
        raise SpecMissing(
            f"{path} is not there", hint="write it, or name another place"
        ) from missing
    except OSError as unreadable:
        raise SpecMissing(
            f"{path} can't be read: {unreadable.strerror}",
            hint=f"look at {path.name}'s permissions",
        ) from unreadable
    except UnicodeDecodeError as foreign:
        line = foreign.object.count(b"\n", 0, foreign.start) + 1
        column = foreign.start - (foreign.object.rfind(b"\n", 0, foreign.start) + 1) + 1
        raise _broken(path, "text", line, column, "not UTF-8") from foreign


def _broken(path: Path, language: str, line: int, column: int, what: str) -> SpecInvalid:
    return SpecInvalid(
        f"{path}: broken {language} at line {line}, column {column}: {what}",
        hint=f"correct line {line} of {path.name}",
    )


def _end(text: str) -> tuple[int, int]:
    return text.count("\n") + 1, len(text) - (text.rfind("\n") + 1) + 1


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _NotJson(f'the name "{name}" appears twice in one object')
        found[name] = value
    return found


def _no_constant(name: str) -> Any:
    raise _NotJson(f"{name} is not a JSON number")
