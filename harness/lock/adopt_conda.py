"""conda's ``environment.yml``: channels, match specifications, and the ``pip:`` section.

Format: conda's documentation, "Creating an environment file manually" and "Package match
specifications". YAML itself is PyYAML's (an optional package, `BaseLoader`: every scalar stays
text): anchors, quotes and block forms are common in these files, and a small reader would read
some of them wrongly without a word.
"""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from harness.core.errors import SpecInvalid, SpecMissing, ToolMissing
from harness.lock import adopt_pip
from harness.lock.adopt import Found, Left, pinned, requirement
from harness.lock.adopt_names import DEBIAN, GPU, NOT_PYPI, PROVIDED, PYPI


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """A match specification taken apart: ``channel::name version build``; *version* is as PEP 440
    writes it, None where PEP 440 has no form for it."""

    name: str
    version: str | None
    written: str
    build: str = ""
    channel: str = ""


def read(path: Path) -> Found:
    """Return what the conda environment in *path* asks for.

    Raises SpecMissing, SpecInvalid, and ToolMissing without PyYAML.
    """
    document = _document(path)
    where = path.name
    python = ""
    requirements: list[str] = []
    pins: dict[str, str] = {}
    os: list[str] = []
    left: list[Left] = []
    listed = document.get("dependencies") or []
    if not isinstance(listed, list):
        raise SpecInvalid(f"{where}: dependencies is no list", hint="write it as conda does")
    for number, item in enumerate(listed):
        at = f"{where}: dependencies[{number}]"
        if isinstance(item, dict):
            found = _pip(item, path, at)
            requirements += found.requirements
            pins |= found.pins
            left += found.left
            continue
        if not isinstance(item, str):
            raise SpecInvalid(f"{at} is no package", hint='write it like "numpy=1.26"')
        match = parse(item, at)
        if match.name == "python":
            python = (match.version or "").removeprefix("==")
            continue
        if reason := _lost(match):
            left.append(Left(what=item, why=reason[0], todo=reason[1], where=at))
            continue
        if match.name in PROVIDED:
            continue
        if match.name in DEBIAN and match.name not in PYPI:
            os.append(DEBIAN[match.name])
            continue
        if match.version is None:
            left.append(
                Left(
                    what=item,
                    why=f"PEP 440 has no form for {match.written}",
                    todo="kept without a version; write the range you mean into requirements",
                    where=at,
                )
            )
        for one in requirement(f"{PYPI.get(match.name, match.name)}{match.version or ''}", at):
            if isinstance(one, Left):
                left.append(one)
                continue
            requirements.append(str(one))
            if version := pinned(one):
                pins[canonicalize_name(one.name)] = version
    for variable in document.get("variables") or {}:
        left.append(
            Left(
                what=f"variables.{variable}",
                why="an environment sets no variables",
                todo="set it where the image runs",
                where=where,
            )
        )
    return Found(
        python=python,
        requirements=tuple(requirements),
        pins=pins,
        os=tuple(os),
        left=tuple(left),
    )


def parse(text: str, where: str) -> Match:
    """Return the match specification in *text*; raises SpecInvalid for none.

    ``name=1.2`` means 1.2 and everything that begins so; ``name==1.2``, ``name 1.2`` and
    ``name=1.2=build`` mean 1.2.
    """
    body = text.split("#")[0].strip()
    channel, found, rest = body.rpartition("::")
    body = rest.strip() if found else body
    keys: dict[str, str] = {}
    if bracket := re.search(r"\[(.*)\]\s*$", body):
        for key, quoted, bare in re.findall(
            r"(\w+)\s*=\s*(?:['\"]([^'\"]*)['\"]|([^,\s]+))", bracket[1]
        ):
            keys[key] = quoted or bare
        body = body[: bracket.start()].strip()
    match = re.fullmatch(r"([A-Za-z0-9_][\w.-]*)\s*(.*)", body)
    if match is None:
        raise SpecInvalid(f"{where}: {text!r} is no package of conda", hint='write "numpy=1.26"')
    name, written = match[1].lower(), match[2].strip()
    build = keys.get("build", "")
    exact = False
    if one := re.fullmatch(r"=?\s*([^=<>!~,|\s]+)\s*[=\s]\s*([^=<>!~,|\s]+)", written):
        written, build, exact = one[1], one[2], True
    elif one := re.fullmatch(r"([^=<>!~,|\s]+)", written):
        exact = True
    written = keys.get("version", written)
    return Match(
        name=name,
        version=_version(written, exact),
        written=written,
        build=build,
        channel=channel,
    )


def _version(written: str, exact: bool) -> str | None:
    if written in ("", "*"):
        return ""
    parts: list[str] = []
    for part in written.replace(" ", "").split(","):
        if part == "*":
            continue
        if re.fullmatch(r"=[^=].*", part):
            part = f"=={part[1:].removesuffix('.*').removesuffix('*')}.*"
        elif part[0] not in "<>=!~":
            ending = part.endswith("*")
            plain = part.removesuffix("*").removesuffix(".")
            part = f"=={plain}.*" if ending or not exact else f"=={plain}"
        elif part.startswith((">=", "<=", ">", "<")):
            part = part.removesuffix(".*").removesuffix("*")
        parts.append(part)
    try:
        return str(SpecifierSet(",".join(parts)))
    except InvalidSpecifier:
        return None


def _lost(match: Match) -> tuple[str, str] | None:
    if match.name.startswith(GPU) or "cuda" in match.build:
        if match.name.startswith(GPU):
            return "a library for GPUs, and images are for CPUs", "nothing, for a model on CPUs"
        return (
            f"the build {match.build} is for GPUs, and images are for CPUs",
            f"add {PYPI.get(match.name, match.name)}{match.version or ''} for its CPU build",
        )
    if match.name in NOT_PYPI:
        return NOT_PYPI[match.name], "leave it, or add a Debian package to os"
    if match.name.startswith(("r-", "__", "vs20", "vc14")):
        return "it is no Python package for Linux", "nothing"
    return None


def _pip(item: dict[str, Any], path: Path, at: str) -> Found:
    lines = item.get("pip")
    if (
        set(item) != {"pip"}
        or not isinstance(lines, list)
        or not all(isinstance(x, str) for x in lines)
    ):
        raise SpecInvalid(f"{at} is neither a package nor a pip section", hint="pip: and a list")
    return adopt_pip.read_text("\n".join(lines), path, f"{at}.pip")


def _document(path: Path) -> dict[str, Any]:
    try:
        yaml = importlib.import_module("yaml")
    except ImportError as missing:
        raise ToolMissing(
            "reading a conda environment needs PyYAML", hint="pip install pyyaml"
        ) from missing
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as missing:
        raise SpecMissing(f"{path} is not there", hint="name a file that exists") from missing
    except UnicodeDecodeError as broken:
        raise SpecInvalid(f"{path} is no UTF-8 text", hint="save it as UTF-8") from broken
    try:
        document = yaml.load(text, Loader=yaml.BaseLoader)
    except yaml.YAMLError as broken:
        raise SpecInvalid(f"{path.name}: {broken}", hint="mend the file") from broken
    if not isinstance(document, dict) or "dependencies" not in document:
        raise SpecInvalid(f"{path.name} has no dependencies", hint="is it an environment.yml?")
    return document
