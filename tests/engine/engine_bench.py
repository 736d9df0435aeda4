"""Roots without an image: empty folders, and this machine's own Python mounted over them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from engine_programs import source

from harness.core.errors import EngineUnavailable
from harness.engine.docker import Docker
from harness.engine.engine import Engine, Job, Mount
from harness.engine.select import select

FOLDERS = (
    "app",
    "artifact",
    "data",
    "opt/harness",
    "opt/model",
    "run",
    "tmp",
    "proc",
    "dev",
    "etc",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Workbench:
    """An engine, and jobs for it: of the shared programs, or of any command of this machine."""

    engine: Engine
    base: Job

    @property
    def adds(self) -> dict[str, str | None]:
        """The variables that the engine sets where they are not given, as documented."""
        daemon = self.engine.daemon.product if isinstance(self.engine, Docker) else ""
        return {
            "HOME": "/" if daemon else None,
            "HOSTNAME": "harness" if daemon == "Podman" else None,
        }

    def job(self, program: Callable[[Any], int], *arguments: str, **changes: Any) -> Job:
        """Return the job that runs a shared program."""
        name = program.__name__
        if self.engine.name == "fake":
            return self.command(name, *arguments, **changes)
        return self.python(source(program), name, *arguments, **changes)

    def python(self, code: str, *arguments: str, **changes: Any) -> Job:
        """Return the job that runs *code* in this machine's Python."""
        return self.command(*self.base.argv, "-c", code, *arguments, **changes)

    def command(self, *argv: str, mounts: tuple[Mount, ...] = (), **changes: Any) -> Job:
        """Return the job that runs *argv*."""
        return replace(self.base, argv=argv, mounts=(*self.base.mounts, *mounts), **changes)


def plain_root(root: Path, interpreter: Path) -> Job:
    """Fill *root* with mount points; return a job that runs *interpreter* of this machine."""
    for name in FOLDERS:
        (root / name).mkdir(parents=True)
    (root / "etc" / "motd").write_bytes(b"the image's own")
    homes = [Path("/usr"), Path("/bin"), Path("/lib"), Path("/lib64")]
    prefix = interpreter.parent.parent
    if not prefix.is_relative_to("/usr"):
        homes.append(prefix)
    mounts = []
    for home in homes:
        place = root / str(home)[1:]
        if home.is_symlink():
            place.symlink_to(home.readlink())
        elif home.is_dir():
            place.mkdir(parents=True)
            mounts.append(Mount(source=home, target=str(home), writable=False))
    return Job(
        root=root,
        argv=(str(interpreter), "-I", "-S"),
        env={"LC_ALL": "C.UTF-8"},
        mounts=tuple(mounts),
        timeout=60.0,
        label="test",
    )


def real_sandbox() -> Engine:
    """Return the sandbox; skip where this machine has none, fail where it must have one."""
    try:
        return select("sandbox")[0]
    except EngineUnavailable as unavailable:
        if os.environ.get("CI"):
            raise
        pytest.skip(unavailable.message)
