"""What is installed: the distributions that an interpreter sees, as its own metadata tell."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from packaging.markers import UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from harness.core.errors import SpecInvalid
from harness.lock.adopt import TOOLS, Found, Left, compatible, plain_version
from harness.world import process

_ASK = """
import importlib.metadata as m, json, sys, sysconfig
home = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
out = []
for d in m.distributions(path=[p for p in sys.path if p in home]):
    if d.metadata["Name"]:
        url = d.read_text("direct_url.json")
        out.append([d.metadata["Name"], d.version, d.requires or [], url])
json.dump({"python": "%d.%d.%d" % sys.version_info[:3], "platform": sys.platform, "found": out},
          sys.stdout)
"""


def read(python: Path) -> Found:
    """Return what is installed for the interpreter *python*: its packages as pins, those that no
    other needs as requirements. Raises SpecInvalid when the interpreter can't tell."""
    answer = process.run([python, "-I", "-c", _ASK], timeout=120)
    if answer.code != 0:
        raise SpecInvalid(
            f"{python} could not list its packages: {answer.tail}",
            hint="name an interpreter: --python PATH/bin/python",
        )
    said = json.loads(answer.stdout)
    return found(said["found"], python=said["python"])


def found(listed: Iterable[tuple[str, str, list[str], str | None]], *, python: str) -> Found:
    """Return what the *listed* distributions (name, version, requirements, direct_url.json) are."""
    versions: dict[str, str] = {}
    needs: dict[str, list[Requirement]] = {}
    left: list[Left] = []
    for name, version, requires, direct in listed:
        canonical = canonicalize_name(name)
        needs.setdefault(canonical, _requirements(requires))
        if canonical in TOOLS:
            continue
        if direct and (reason := _direct(canonical, json.loads(direct))):
            left.append(reason)
            del needs[canonical]  # what it needs is then asked for by nobody else
        elif (plain := plain_version(version)) is None:
            left.append(
                Left(
                    what=f"{name} {version}",
                    why="its version is none of PEP 440",
                    todo="pin another release",
                )
            )
        else:
            if "+" in version:
                left.append(
                    Left(
                        what=f"{name} {version}",
                        why="a build with a local version is in no plain index; images are CPU",
                        todo=f"kept as {plain}; check that this build does what you need",
                    )
                )
            versions.setdefault(canonical, plain)
    roots = top_level(needs, python=python)
    pins = {name: version for name, version in versions.items() if name not in TOOLS}
    return Found(
        python=".".join(python.split(".")[:2]),
        requirements=tuple(compatible(n, pins[n]) for n in sorted(roots) if n in pins),
        pins=pins,
        left=tuple(left),
    )


def top_level(needs: Mapping[str, list[Requirement]], *, python: str) -> set[str]:
    """Return the names that no other name needs; of a ring that nothing else needs, the first.

    An extra counts when somebody installed asks for it.
    """
    asked: dict[str, set[str]] = {name: {""} for name in needs}
    while True:
        edges: dict[str, set[str]] = {name: set() for name in needs}
        before = {name: set(extras) for name, extras in asked.items()}
        for name, requirements in needs.items():
            for one in requirements:
                other = canonicalize_name(one.name)
                if other in needs and other != name and _holds(one, asked[name], python):
                    edges[name].add(other)
                    asked[other] |= one.extras
        if asked == before:
            break
    needed = {other for others in edges.values() for other in others}
    roots = set(needs) - needed - TOOLS
    tools = (set(needs) - needed) & TOOLS
    reached = _reached(roots | tools, edges)
    # What only a tool needs is the tool's; what nobody reaches is a ring.
    while rest := sorted(set(needs) - reached - TOOLS):
        roots.add(rest[0])
        reached |= _reached({rest[0]}, edges)
    return roots


def _reached(start: set[str], edges: Mapping[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    todo = list(start)
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += edges[name]
    return seen


def _holds(one: Requirement, extras: set[str], python: str) -> bool:
    if one.marker is None:
        return True
    said = {"python_version": ".".join(python.split(".")[:2]), "python_full_version": python}
    try:
        return any(one.marker.evaluate({**said, "extra": extra}) for extra in sorted(extras))
    except UndefinedEnvironmentName:
        return False


def _requirements(texts: Iterable[str]) -> list[Requirement]:
    read: list[Requirement] = []
    for text in texts:
        try:
            read.append(Requirement(text))
        except InvalidRequirement:  # metadata of old packages hold what they like
            continue
    return read


def _direct(name: str, url: Mapping[str, Any]) -> Left | None:
    """Return why a package with a ``direct_url.json`` (PEP 610) is left, or None."""
    if (url.get("dir_info") or {}).get("editable"):
        why, todo = (
            "an editable install is a folder of one machine",
            f"a model's own code is no part of it; else build a wheel of {name} for your index",
        )
    elif "vcs_info" in url:
        why, todo = (
            f"installed from a repository, commit {url['vcs_info'].get('commit_id', '?')[:12]}",
            f"build a wheel of that commit for your index, and require {name} by name",
        )
    else:
        why, todo = (
            "installed from a file or a folder, not from an index",
            f"put the wheel into your index, and require {name} by name",
        )
    return Left(what=name, why=why, todo=todo, where="direct_url.json")
