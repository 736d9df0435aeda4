"""Alternatives: several packages offer one path, and the highest priority has it.

On a Debian system maintainer scripts say so (update-alternatives(1)); here they are read, and never
run. Each package's tree keeps what it offers in ``var/lib/dpkg/alternatives.d/<package>``, a line
``priority<TAB>path<TAB>target`` each, and the base tree gets the links. That is how a BLAS and a
LAPACK are found: the packages install them in folders of their own.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

FOLDER = "var/lib/dpkg/alternatives.d"
_SET = re.compile(
    r"""^\s*(\w+)=(?:([\w./+-]+)|'([^'$]*)'|"([^"$]*)")\s*(?:;|\#.*)?$""", re.MULTILINE
)
_LOOP = re.compile(r"^\s*for (\w+) in ([^;\n]*)", re.MULTILINE)
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")


@dataclass(frozen=True, order=True, slots=True)
class Alternative:
    """A file at *target* offers itself as *link*; both are paths below the root."""

    link: str
    priority: int
    target: str


def offered(script: str) -> tuple[Alternative, ...]:
    """Return what a maintainer script offers, slaves included, sorted.

    Understood are variables that are set once to a literal, and loops over literal words; a call
    that computes a name can't be read without a shell, and is left out.
    """
    text = re.sub(r"\\\n", " ", script)
    constants = _constants(text)
    loops = {name: _filled(words, constants).split() for name, words in _LOOP.findall(text)}
    found: set[Alternative] = set()
    for line in text.splitlines():
        if "update-alternatives" in line and not line.lstrip().startswith("#"):
            used = [name for name in _VARIABLE.findall(line) if name in loops]
            for word in loops[used[0]] if used else [""]:
                told = {**constants, used[0]: word} if used else constants
                found |= set(_call(_filled(line, told)))
    return tuple(sorted(found))


def _constants(text: str) -> dict[str, str]:
    """Return the variables that a script sets once to a literal."""
    values: dict[str, set[str]] = {}
    for name, *forms in _SET.findall(text):
        values.setdefault(name, set()).add("".join(forms))
    return {name: value.pop() for name, value in values.items() if len(value) == 1}


def _filled(text: str, values: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda match: values.get(match[1], match[0]), text)


def _call(line: str) -> Iterator[Alternative]:
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        return
    if "--install" not in words:
        return
    start = words.index("--install")
    match words[start + 1 : start + 5]:
        case [link, _, target, priority] if re.fullmatch(r"-?\d+", priority):
            yield from _literal(link, target, int(priority))
            for at in (i for i, word in enumerate(words) if word == "--slave"):
                match words[at + 1 : at + 4]:
                    case [other, _, aim]:
                        yield from _literal(other, aim, int(priority))


def _literal(link: str, target: str, priority: int) -> Iterator[Alternative]:
    if all(re.fullmatch(r"/[\w./+@:~-]+", path) and ".." not in path for path in (link, target)):
        yield Alternative(link.strip("/"), priority, target.strip("/"))


def dumps(alternatives: Iterable[Alternative]) -> bytes:
    """Return the file of a package's alternatives."""
    return "".join(f"{a.priority}\t{a.link}\t{a.target}\n" for a in alternatives).encode()


def chosen(trees: Iterable[Path]) -> dict[str, str]:
    """Return each path that alternatives are offered for, sorted, and the one that has it: the
    highest priority, then the target whose name sorts first. One that no tree has is no choice,
    and a path that a package brings itself stays."""
    present = tuple(trees)
    best: dict[str, tuple[int, str]] = {}
    for tree in present:
        for file in (tree / FOLDER).glob("*"):
            for line in file.read_text(encoding="utf-8").splitlines():
                priority, link, target = line.split("\t")
                if _has(present, target) and not _has(present, link):
                    rank = (-int(priority), target)
                    best[link] = min(best.get(link, rank), rank)
    return {link: best[link][1] for link in sorted(best)}


def _has(trees: tuple[Path, ...], path: str) -> bool:
    return any(os.path.lexists(tree / path) for tree in trees)
