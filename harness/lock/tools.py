"""The resolver's own packages: a private copy of what the user has installed, for another Python.

The interpreter that ships has no packages, and gets none: it imports these from a folder.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from harness.core import canonical
from harness.core.digest import hexadecimal
from harness.core.errors import ToolMissing

TOOL = "pip-tools"


def folder(cache: Path) -> Path:
    """Return a folder with pip-tools, pip and what they require, and nothing else.

    Kept in *cache* by their versions, so that their bytecode is written once. Raises ToolMissing.
    """
    found = required(TOOL)
    key = canonical.digest(sorted(f"{one.name} {one.version}" for one in found))
    target = cache / "tools" / hexadecimal(key)[:12]
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".", dir=target.parent) as name:
            made = Path(name) / "made"
            for distribution in found:
                _copy(distribution, made)
            with contextlib.suppress(OSError):  # another run was faster: its copy is the same
                os.replace(made, target)
    return target


def required(name: str) -> tuple[metadata.Distribution, ...]:
    """Return the installed distribution *name* and all it requires; raises ToolMissing."""
    queue, found = [name], dict[str, metadata.Distribution]()
    while queue:
        wanted = canonicalize_name(queue.pop())
        if wanted in found:
            continue
        try:
            found[wanted] = metadata.distribution(wanted)
        except metadata.PackageNotFoundError as missing:
            raise ToolMissing(
                f"{wanted} is not installed, and resolving needs it",
                hint="pip install 'model-harness[promote]'",
            ) from missing
        for text in found[wanted].requires or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                queue.append(requirement.name)
    return tuple(found.values())


def _copy(distribution: metadata.Distribution, target: Path) -> None:
    files = distribution.files
    if files is None:
        raise ToolMissing(
            f"the installed {distribution.name} does not list its files",
            hint="use a virtual environment: pip install 'model-harness[promote]'",
        )
    for file in files:
        if file.parts[0] == ".." or file.is_absolute():
            continue  # outside the libraries
        if "__pycache__" in file.parts or file.suffix == ".pyc":
            continue  # bytecode, which some lists name where it is not
        if file.suffix in (".so", ".pyd"):
            raise ToolMissing(
                f"the installed {distribution.name} is not pure Python",
                hint=f"pip install --force-reinstall {distribution.name}",
            )
        copy = target.joinpath(*file.parts)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(str(distribution.locate_file(file)), copy)
