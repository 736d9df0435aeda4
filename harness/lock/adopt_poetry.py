"""Poetry's way to write requirements, as PEP 508.

Format: Poetry's documentation, "Dependency specification": ``^1.2``, ``~1.2``, ``1.*``, ``1.2``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from harness.core.errors import SpecInvalid
from harness.lock.adopt import Left


def specifier(text: str, where: str) -> str:
    """Return Poetry's constraint *text* as PEP 440 writes it; raises SpecInvalid for none.

    ``^`` keeps the leftmost number that isn't zero, ``~`` the minor (or the major alone).
    """
    if "||" in text or re.search(r"\s\|\s", text):
        raise SpecInvalid(
            f"{where}: {text!r} holds an alternative, and PEP 440 has none",
            hint="write one range in pyproject.toml, or adopt its lock",
        )
    parts: list[str] = []
    for raw in re.split(r"\s*,\s*|(?<=[\w*])\s+(?=[<>=!~^\d])", text.strip()):
        part = raw.replace(" ", "")
        if part in ("", "*"):
            continue
        try:
            if part[0] == "^":
                parts += [f">={part[1:]}", f"<{_caret(part[1:])}"]
            elif part[0] == "~" and not part.startswith("~="):
                parts += [f">={part[1:]}", f"<{_tilde(part[1:])}"]
            elif part[0] == "=" and not part.startswith("=="):
                parts.append(f"={part}")
            else:
                parts.append(part if part[0] in "<>=!~" else f"=={part}")
            SpecifierSet(",".join(parts))
        except (InvalidVersion, InvalidSpecifier) as broken:
            raise SpecInvalid(f"{where}: {text!r} is no version", hint="write ^1.2") from broken
    return ",".join(parts)


def requirements(table: Mapping[str, Any], where: str) -> Iterator[str | Left]:
    """Yield PEP 508 requirements of a table of Poetry's (or Pipenv's) dependencies, and what can't
    be carried over. ``python`` is not among them."""
    for name, value in table.items():
        if name.lower() == "python":
            continue
        for one in value if isinstance(value, list) else [value]:
            yield from _one(name, one, f"{where}.{name}")


def _one(name: str, value: Any, where: str) -> Iterator[str | Left]:
    if isinstance(value, str):
        yield f"{name}{specifier(value, where)}"
        return
    if not isinstance(value, dict):
        raise SpecInvalid(f"{where} is neither a version nor a table", hint='write "^1.2"')
    for key in ("git", "path", "file", "url"):
        if key in value:
            yield Left(
                what=f"{name} = {value[key]}",
                why="it names a place, and a lock names files",
                todo=f"build a wheel of {name}, put it into your index, and require it by name",
                where=where,
            )
            return
    if value.get("optional") is True:
        yield Left(
            what=name,
            why="it is optional",
            todo=f"add {name} to requirements if the model needs it",
            where=where,
        )
        return
    extras = ",".join(value.get("extras", []))
    text = f"{name}[{extras}]" if extras else name
    text += specifier(str(value.get("version", "*")), where)
    markers = [f"({value['markers']})"] if value.get("markers") else []
    if "python" in value:
        for part in specifier(str(value["python"]), where).split(","):
            if match := re.fullmatch(r"([<>=!~]+)(.+)", part):
                key = "python_full_version" if match[2].count(".") > 1 else "python_version"
                markers.append(f'{key} {match[1]} "{match[2]}"')
    yield f"{text}; {' and '.join(markers)}" if markers else text


def _caret(text: str) -> str:
    release = Version(text).release
    for place, number in enumerate(release):
        if number or place == len(release) - 1:
            return ".".join(str(n) for n in (*release[:place], number + 1))
    raise AssertionError("a version has a number")


def _tilde(text: str) -> str:
    release = Version(text).release
    keep = release[: min(2, len(release))]
    return ".".join(str(n) for n in (*keep[:-1], keep[-1] + 1))
