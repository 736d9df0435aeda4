"""Checkouts that nobody may write to: what needs no writing works, the rest says what it needs."""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import line_repository as repository
import pytest
from line_command import Command

Make = Callable[..., Path]
CAPBSET_DROP, OVERRIDE = 24, 1  # prctl(2), capabilities(7)
PRCTL = ctypes.CDLL(None).prctl


def as_anybody() -> None:
    if os.getuid() == 0:  # root without the capability to write where it may not
        PRCTL(CAPBSET_DROP, OVERRIDE, 0, 0, 0)


@pytest.fixture
def locked_up() -> Any:
    """Return what takes the permission to write from a folder and all below it, until the end."""
    changed: list[Path] = []

    def lock(folder: Path) -> Path:
        for path in [*folder.rglob("*"), folder]:
            if path.is_dir() and not path.is_symlink():
                changed.append(path)
                path.chmod(0o555)
        return folder

    yield lock
    for path in changed:
        path.chmod(0o755)


def test_environments_that_are_read_only_are_built(
    harness: Command, tmp_path: Path, locked_up: Callable[[Path], Path], tabular: Any
) -> None:
    envs = tmp_path / "envs"
    shutil.copytree(repository.ROOT / "envs", envs, ignore=shutil.ignore_patterns("wheels"))
    locked_up(envs)

    command = ("image", "show", "tabular", "--envs", envs, "--output", "json")
    done = harness(*command, before=as_anybody)

    assert 0 == done.code, done.err
    assert tabular.image.config == done.body["config"]


def test_a_model_that_is_read_only_is_built_once_its_environment_is_recorded(
    harness: Command, tiny: Make, locked_up: Callable[[Path], Path]
) -> None:
    folder = locked_up(tiny())
    harness("build", folder, before=as_anybody).refused(
        3, "Permission denied", str(folder / "environment.lock")
    )

    folder.chmod(0o755)
    first = harness("build", folder, "--output", "json", before=as_anybody)
    folder.chmod(0o555)
    again = harness("build", folder, "--output", "json", before=as_anybody)

    assert (0, 0) == (first.code, again.code), first.err + again.err
    assert first.body["config"] == again.body["config"]
