"""Every engine, ready for jobs."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_bench import Workbench, plain_root, real_sandbox
from engine_programs import PROGRAMS

from harness.engine.daemon import reach
from harness.engine.docker import Docker
from harness.engine.engine import Engine, Job
from harness.engine.fake import Fake
from harness.world.store import Store

ENGINES = ("fake", "sandbox", "docker", "podman")


@pytest.fixture(scope="session")
def sandbox_engine() -> Engine:
    return real_sandbox()


@pytest.fixture(scope="session")
def docker_engine(docker_socket: Path, tmp_path_factory: pytest.TempPathFactory) -> Docker:
    return Docker(daemon=reach(docker_socket), store=Store(tmp_path_factory.mktemp("docker")))


@pytest.fixture(scope="session")
def podman_engine(podman_socket: Path, tmp_path_factory: pytest.TempPathFactory) -> Docker:
    return Docker(daemon=reach(podman_socket), store=Store(tmp_path_factory.mktemp("podman")))


@pytest.fixture
def base(tmp_path: Path) -> Job:
    return plain_root(tmp_path / "root", Path(sys.executable).resolve())


@pytest.fixture
def sandbox(sandbox_engine: Engine, base: Job) -> Workbench:
    return Workbench(engine=sandbox_engine, base=base)


@pytest.fixture(params=ENGINES)
def bench(request: pytest.FixtureRequest, base: Job) -> Workbench:
    if request.param == "fake":
        engine: Engine = Fake(programs={program.__name__: program for program in PROGRAMS})
    else:
        engine = request.getfixturevalue(f"{request.param}_engine")
    return Workbench(engine=engine, base=base)


@pytest.fixture(params=ENGINES[1:])
def real(request: pytest.FixtureRequest, base: Job) -> Workbench:
    """An engine that starts processes."""
    return Workbench(engine=request.getfixturevalue(f"{request.param}_engine"), base=base)


@pytest.fixture(params=ENGINES[2:])
def contained(request: pytest.FixtureRequest, base: Job) -> Workbench:
    """A container engine, for what only that has to show."""
    return Workbench(engine=request.getfixturevalue(f"{request.param}_engine"), base=base)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach; pytest's own are for its user alone."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)
