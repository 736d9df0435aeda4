"""After ``harness fetch``, plain pip and uv install every curated lock without an index."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from harness.lock import pylock
from harness.lock.fetch import fetch, link_wheels
from harness.lock.lock import Lock
from harness.world.store import Store

ROOT = Path(__file__).parents[2]
CURATED = sorted(path.parent for path in ROOT.glob("envs/*/environment.toml"))
PIP = "pip>=26.1"
NOWHERE = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "UV_DEFAULT_INDEX": "http://127.0.0.1:9/"}


def run(*argv: str | Path, **variables: str) -> str:
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(argv, capture_output=True, text=True, env={**env, **variables})
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def pip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pip that knows pylock files, in a virtual environment of its own."""
    folder = tmp_path_factory.mktemp("pip")
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    run(sys.executable, "-m", "pip", "--python", folder / "bin/python", "install", "-q", PIP)
    return folder / "bin/python"


@pytest.fixture(params=CURATED, ids=lambda folder: folder.name)
def lock_file(request: pytest.FixtureRequest, tmp_path: Path, cache: Path) -> tuple[Path, Lock]:
    """A curated lock, fetched into a folder of this test's own."""
    (file,) = sorted(request.param.glob("pylock.*.toml"))[-1:]
    copy = Path(shutil.copy(file, tmp_path))
    lock = pylock.loads(copy.read_text(encoding="utf-8"), architecture="amd64")
    store = Store(cache)
    fetch(lock, store)
    link_wheels(lock, store, tmp_path / "wheels")
    return copy, lock


@pytest.mark.network
@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_a_fetched_lock_is_installed_without_an_index(
    lock_file: tuple[Path, Lock], pip: Path, installer: str, tmp_path: Path
) -> None:
    file, lock = lock_file
    if lock.python != f"{sys.version_info[0]}.{sys.version_info[1]}" or sys.platform != "linux":
        pytest.skip(f"the lock is for Python {lock.python} on Linux")
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "v")
    python = tmp_path / "v/bin/python"

    if installer == "pip":
        run(pip, "-m", "pip", "--python", python, "install", "--no-compile", "-r", file, **NOWHERE)
    else:
        uv = pytest.importorskip("uv")
        run(uv.find_uv_bin(), "pip", "sync", "--no-config", "--python", python, file, **NOWHERE)

    said = "from importlib.metadata import distributions as d\n"
    said += "print('\\n'.join(f\"{x.metadata['Name']} {x.version}\" for x in d()))"
    lines = [line.split() for line in run(python, "-c", said).splitlines()]
    assert lock.pins == {canonicalize_name(name): version for name, version in lines}
