"""From a file (or an interpreter) that lists packages to an environment's folder."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import SpecInvalid, SpecMissing
from harness.lock import adopt, adopt_conda, adopt_installed, adopt_pip, adopt_project
from harness.lock.adopt import Adopted, Found
from harness.world.files import write_atomic

_IN_FOLDER: tuple[str, ...] = (
    "pyproject.toml",
    "Pipfile",
    "environment.yml",
    "environment.yaml",
    "conda.yml",
)
_IN_FOLDER += ("conda.yaml", "requirements.txt")


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """A file to write: *state* is ``new``, ``same``, or ``differs`` (and is then not written)."""

    path: Path
    text: str
    state: str
    diff: str


def read(path: Path, *, chosen: Sequence[str] = ()) -> Found:
    """Return what *path* (a file in a known form, or the folder of one) asks for.

    Raises SpecMissing, SpecInvalid, ToolMissing.
    """
    if path.is_dir():
        there = [path / name for name in _IN_FOLDER if (path / name).is_file()]
        if len(there) != 1:
            said = ", ".join(p.name for p in there) or "no file that lists packages"
            raise SpecInvalid(f"{path} has {said}", hint="name the file to adopt")
        path = there[0]
    if not path.is_file():
        raise SpecMissing(f"{path} is not there", hint="name a file that exists")
    if chosen and path.suffix != ".toml" and path.name not in adopt_project.LOCKS:
        raise SpecInvalid(f"{path.name} has no groups", hint="--with is for pyproject.toml")
    beside = {n: path.with_name(n) for n in ("pyproject.toml", "Pipfile")}
    name = path.name
    if name == "Pipfile.lock" and beside["Pipfile"].is_file():
        return adopt_project.read_pipfile(beside["Pipfile"])
    if name in adopt_project.LOCKS and beside["pyproject.toml"].is_file():
        return adopt_project.read(beside["pyproject.toml"], chosen=chosen)
    if (
        name == "Pipfile.lock"
        or name in adopt_project.LOCKS
        or re.fullmatch(r"pylock\..*toml", name)
    ):
        return adopt_project.read_lock(path)
    if name == "Pipfile":
        return adopt_project.read_pipfile(path)
    if path.suffix == ".toml":
        return adopt_project.read(path, chosen=chosen)
    if path.suffix in (".yml", ".yaml"):
        return adopt_conda.read(path)
    return adopt_pip.read(path)


def read_installed(python: Path) -> Found:
    """Return what is installed for the interpreter *python*."""
    return adopt_installed.read(python)


def planned(adopted: Adopted, folder: Path) -> tuple[Change, ...]:
    """Return what writing *adopted* into *folder* would change."""
    changes = []
    for name, text in adopted.files.items():
        path = folder / name
        old = path.read_text(encoding="utf-8") if path.is_file() else None
        lines = difflib.unified_diff(
            (old or "").splitlines(keepends=True),
            text.splitlines(keepends=True),
            fromfile="/dev/null" if old is None else str(path),
            tofile=str(path),
        )
        state = "new" if old is None else "same" if old == text else "differs"
        changes.append(Change(path=path, text=text, state=state, diff="".join(lines)))
    return tuple(changes)


def write(changes: Sequence[Change]) -> bool:
    """Write the new files if no file differs, and return whether that was so."""
    if any(change.state == "differs" for change in changes):
        return False
    for change in sorted(changes, key=lambda c: c.path.name == "environment.toml"):
        if change.state == "new":
            write_atomic(change.path, change.text.encode())
    return True


adopted = adopt.adopted
