"""Both engines, ready for jobs."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_bench import Workbench, plain_root, real_sandbox
from engine_programs import PROGRAMS

from harness.engine.engine import Engine, Job
from harness.engine.fake import Fake


@pytest.fixture(scope="session")
def sandbox_engine() -> Engine:
    return real_sandbox()


@pytest.fixture
def base(tmp_path: Path) -> Job:
    return plain_root(tmp_path / "root", Path(sys.executable).resolve())


@pytest.fixture
def sandbox(sandbox_engine: Engine, base: Job) -> Workbench:
    return Workbench(engine=sandbox_engine, base=base)


@pytest.fixture(params=["fake", "sandbox"])
def bench(request: pytest.FixtureRequest, base: Job) -> Workbench:
    if request.param == "fake":
        engine: Engine = Fake(programs={program.__name__: program for program in PROGRAMS})
    else:
        engine = request.getfixturevalue("sandbox_engine")
    return Workbench(engine=engine, base=base)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach; pytest's own are for its user alone."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)
