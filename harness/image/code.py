"""Which files of a model's repository are its code, and so go into its image."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from harness.content.tree import named
from harness.core.errors import ToolMissing
from harness.spec.project import Project
from harness.world import process

LEFT_OUT = ("harness.toml", "environment.lock", "noxfile.py", "prepare.py", "conftest.py")
FOLDERS = frozenset({"tests", "docs", "__pycache__", "venv", "build", "dist"})


def files(project: Project) -> dict[str, Path]:
    """Return the code's files by their path in the image's ``/app``.

    That is what git knows or would add (without git: every file), minus hidden files, tests,
    documentation, Harness' own settings, the folder of the declared data, the artifact and the
    ledger. A change in any of the left-out files changes no image. Raises PackageRefused for a name
    that is not UTF-8.
    """
    data = project.data
    declared = {p for p in (data.train, data.dev, data.holdout) if p} if data else set()
    declared |= {path.parent for path in declared if path.parent != project.folder}
    declared |= {project.folder / project.model.artifact, project.ledger.location}
    found = {}
    for name in sorted(_listed(project.folder)):
        path = project.folder / name
        if path.is_file() and _is_code(name) and not declared & {path, *path.parents}:
            found[named(Path(name))] = path
    return found


def _is_code(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return not (
        any(part.startswith(".") or part in FOLDERS for part in parts)
        or (len(parts) == 1 and name in LEFT_OUT)
        or name.endswith((".md", ".pyc"))
        or parts[-1].startswith("test_")
    )


def _listed(folder: Path) -> list[str]:
    try:
        asked = process.run(
            ["git", "-C", folder, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        )
    except ToolMissing:
        asked = None
    if asked is not None and asked.code == 0:
        return [name for name in map(os.fsdecode, asked.stdout.split(b"\0")) if name]
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
