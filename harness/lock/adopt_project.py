"""A Python project: ``pyproject.toml`` or ``Pipfile``, and the pins of a lock beside it.

Formats: PEP 621, PEP 735, PEP 751; Poetry's, uv's, PDM's and Pipenv's own documentation.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from harness.core.errors import SpecInvalid, SpecMissing
from harness.lock.adopt import Found, Left, one_version, pinned, requirement
from harness.lock.adopt_poetry import requirements as poetry
from harness.lock.adopt_poetry import specifier

LOCKS = ("uv.lock", "poetry.lock", "pdm.lock", "pylock.toml")
"""Locks that may lie beside a ``pyproject.toml``; the first that is there gives the pins."""


def read(path: Path, *, chosen: Sequence[str] = ()) -> Found:
    """Return what a ``pyproject.toml`` asks for, with the optional dependencies and groups that
    *chosen* names, and the pins of the lock beside it. Raises SpecMissing, SpecInvalid."""
    document = _toml(path)
    project = _table(document, "project", path)
    old = _table(_table(_table(document, "tool", path), "poetry", path), "dependencies", path)
    if not project and not old:
        raise SpecInvalid(
            f"{path.name} has neither [project] nor [tool.poetry.dependencies]",
            hint="name the file that lists the packages",
        )
    texts: list[tuple[str, str]] = []
    left: list[Left] = []
    texts += [(t, f"{path.name}: dependencies") for t in _list(project, "dependencies", path)]
    for item in poetry(old, "tool.poetry.dependencies") if not texts else ():
        if isinstance(item, Left):
            left.append(item)
        else:
            texts.append((item, path.name))
    python = str(project.get("requires-python", ""))
    if not python and "python" in old:
        python = specifier(str(old["python"]), f"{path.name}: python")
    known = set()
    chosen = _with_own(chosen, project)
    for group, items, kind in _groups(document, path):
        known.add(canonicalize_name(group))
        if canonicalize_name(group) in {canonicalize_name(c) for c in chosen}:
            for item in items:
                if isinstance(item, Left):
                    left.append(item)
                elif not _is_own(item, canonicalize_name(str(project.get("name", "")))):
                    texts.append((item, f"{path.name}: {group}"))
        elif items:
            left.append(
                Left(
                    what=f"{kind} {group} ({len(items)})",
                    why="it is optional, and an image holds what the model needs",
                    todo=f"--with {group} adds it",
                    where=path.name,
                )
            )
    if unknown := [c for c in chosen if canonicalize_name(c) not in known]:
        raise SpecInvalid(
            f"{path.name} has no optional group {unknown[0]!r}",
            hint=f"there are: {', '.join(sorted(known)) or 'none'}",
        )
    lock = next((path.parent / n for n in LOCKS if (path.parent / n).is_file()), None)
    return _found(texts, left, python, lock)


def read_pipfile(path: Path) -> Found:
    """Return what a ``Pipfile`` asks for, and the pins of the ``Pipfile.lock`` beside it."""
    document = _toml(path)
    texts: list[tuple[str, str]] = []
    left: list[Left] = []
    for item in poetry(_table(document, "packages", path), "packages"):
        if isinstance(item, Left):
            left.append(item)
        else:
            texts.append((item, path.name))
    if count := len(_table(document, "dev-packages", path)):
        left.append(
            Left(
                what=f"dev-packages ({count})",
                why="an image holds what the model needs",
                todo="add to requirements what it does",
                where=path.name,
            )
        )
    wants = _table(document, "requires", path)
    python = str(wants.get("python_full_version") or wants.get("python_version") or "")
    lock = path.with_name("Pipfile.lock")
    return _found(texts, left, python, lock if lock.is_file() else None)


def read_lock(path: Path) -> Found:
    """Return what a lock that stands alone pins: those that no other of its packages needs are the
    requirements. With a ``pyproject.toml`` or ``Pipfile`` beside it, read that instead."""
    if path.name == "Pipfile.lock":
        packages = _pipfile_lock(path)
        python = ""
    else:
        document = _toml(path)
        packages = [p for p in _packages(document) if not _local(p)]
        python = str(document.get("requires-python", ""))
    pins, left = one_version(_pairs(packages), path.name)
    needed = {
        canonicalize_name(str(d["name"] if isinstance(d, dict) else d))
        for p in packages
        for d in p.get("dependencies", ())
        if not isinstance(d, dict) or "name" in d
    }
    if not any(p.get("dependencies") for p in packages) and len(packages) > 1:
        left.append(
            Left(
                what="which packages were asked for",
                why=f"{path.name} does not tell",
                todo="remove from requirements what only other packages need",
                where=path.name,
            )
        )
    roots = [f"{name}=={version}" for name, version in sorted(pins.items()) if name not in needed]
    return Found(python=python, requirements=tuple(roots), pins=pins, left=tuple(left))


def _found(
    texts: Sequence[tuple[str, str]], left: list[Left], python: str, lock: Path | None
) -> Found:
    kept: list[str] = []
    pins: dict[str, str] = {}
    for text, where in texts:
        for one in requirement(text, where):
            if isinstance(one, Left):
                left.append(one)
                continue
            kept.append(str(one))
            if version := pinned(one):
                pins[canonicalize_name(one.name)] = version
    if lock is not None:
        packages = (
            _pipfile_lock(lock)
            if lock.suffix == ".lock" and lock.name.startswith("Pip")
            else [p for p in _packages(_toml(lock)) if not _local(p)]
        )
        more, several = one_version(_pairs(packages), lock.name)
        pins = more | pins
        left += several
    return Found(python=python, requirements=tuple(kept), pins=pins, left=tuple(left))


def _with_own(chosen: Sequence[str], project: Mapping[str, Any]) -> list[str]:
    """Return *chosen* and the extras that they mean by the project's own name: ``p[plots]``."""
    extras = {canonicalize_name(k): v for k, v in project.get("optional-dependencies", {}).items()}
    own = canonicalize_name(str(project.get("name", "")))
    found = list(chosen)
    for group in found:
        for text in extras.get(canonicalize_name(group), ()):
            if isinstance(text, str) and _is_own(text, own):
                found += [e for e in sorted(Requirement(text).extras) if e not in found]
    return found


def _is_own(text: str, own: str) -> bool:
    match = re.match(r"[A-Za-z0-9._-]+", text)
    return bool(own and match and canonicalize_name(match[0]) == own)


def _groups(document: Mapping[str, Any], path: Path) -> Iterator[tuple[str, list[Any], str]]:
    project = _table(document, "project", path)
    for name, items in _table(project, "optional-dependencies", path).items():
        yield name, list(items), "optional dependencies"
    groups = _table(document, "dependency-groups", path)
    for name in groups:
        yield name, _group(groups, name, path, ()), "group"
    tool = _table(_table(document, "tool", path), "poetry", path)
    for name, table in _table(tool, "group", path).items():
        yield (
            name,
            list(poetry(table.get("dependencies", {}), f"tool.poetry.group.{name}")),
            "group",
        )


def _group(groups: Mapping[str, Any], name: str, path: Path, above: tuple[str, ...]) -> list[Any]:
    known = {canonicalize_name(key): items for key, items in groups.items()}
    key = canonicalize_name(name)
    if key in above or key not in known:
        what = "includes itself" if key in above else "is not there"
        raise SpecInvalid(f"{path.name}: the group {name!r} {what}", hint="mend dependency-groups")
    texts: list[Any] = []
    for item in known[key]:
        if isinstance(item, dict):
            inner = str(item.get("include-group", ""))
            texts += _group(groups, inner, path, (*above, key))
        else:
            texts.append(item)
    return texts


def _packages(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = document.get("package") or document.get("packages") or []
    return [p for p in found if isinstance(p, dict) and "name" in p]


def _local(package: Mapping[str, Any]) -> bool:
    source = package.get("source") or {}
    return any(k in source for k in ("editable", "virtual", "directory", "git", "path")) or any(
        k in package for k in ("vcs", "directory", "archive")
    )


def _pairs(packages: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    return ((str(p["name"]), str(p["version"])) for p in packages if "version" in p)


def _pipfile_lock(path: Path) -> list[dict[str, Any]]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        default = dict(document["default"])
    except (ValueError, KeyError, TypeError) as broken:
        raise SpecInvalid(f"{path.name} is no lock of Pipenv's", hint="lock it again") from broken
    return [
        {"name": name, "version": str(item["version"]).removeprefix("==")}
        for name, item in default.items()
        if isinstance(item, dict) and "version" in item
    ]


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as missing:
        raise SpecMissing(f"{path} is not there", hint="name a file that exists") from missing
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as broken:
        raise SpecInvalid(f"{path.name}: {broken}", hint="mend the file") from broken


def _table(document: Mapping[str, Any], key: str, path: Path) -> dict[str, Any]:
    value = document.get(key, {})
    if not isinstance(value, dict):
        raise SpecInvalid(f"{path.name}: {key} is no table", hint="mend the file")
    return value


def _list(document: Mapping[str, Any], key: str, path: Path) -> list[str]:
    value = document.get(key, [])
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise SpecInvalid(f"{path.name}: {key} is no list of text", hint="mend the file")
    return value
