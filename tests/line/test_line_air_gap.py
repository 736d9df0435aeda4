"""From one file, on a machine without a network: the same image, and a promotion.

The environment is a customized one, six of whose packages have no wheel, one of them in C.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from line_command import Command

from harness.image import build
from harness.lock import pylock
from harness.world.store import Store

pytest.importorskip("uv", reason="uv is not installed")
ROOT = Path(__file__).parents[2]
NOWHERE = '[sources]\ndebian = "http://127.0.0.1:1"\npypi = "http://127.0.0.1:1/simple"\n'
PREPARED = "palmerpenguins==0.1.6"
SOURCES = ["docopt", "netifaces", "odfpy", "sgmllib3k", "stringcase", "wget"]
SPEC = f"""\
name = "sources"
version = 1
from = "tabular:1"
resolver = "uv"
add = {SOURCES}
build = {SOURCES}
build_os = ["gcc", "libc6-dev", "libpython3-dev"]
"""


@pytest.fixture
def gap(unavailable: Callable[[str], NoReturn]) -> tuple[str, ...]:
    """What starts a program without a network: not even one's own machine is there."""
    through = ("unshare", "-n") if os.geteuid() == 0 else ("unshare", "-rn")
    if shutil.which("unshare") and not subprocess.run([*through, "true"]).returncode:
        return through
    unavailable("this machine allows no network namespaces")


@pytest.fixture
def penguins(tmp_path: Path) -> Path:
    """The example with its data, and no environments near it but those of the bundle."""
    folder = tmp_path / "repository/examples/penguins"
    shutil.copytree(
        ROOT / "examples/penguins", folder, ignore=shutil.ignore_patterns("data", ".*", "artifact")
    )
    project = folder / "harness.toml"
    project.write_text(project.read_text().replace("tabular:1", "sources:1"))
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target")
    subprocess.run([*pip, tmp_path / "data", PREPARED], check=True)
    told = {**os.environ, "PYTHONPATH": str(tmp_path / "data")}
    subprocess.run([sys.executable, "prepare.py"], cwd=folder, env=told, check=True)
    return folder


@pytest.fixture
def online(harness: Command, tmp_path: Path) -> Path:
    """A folder with the customized environment, locked, and its parent."""
    envs = tmp_path / "envs"
    shutil.copytree(ROOT / "envs/tabular", envs / "tabular")
    (envs / "sources").mkdir()
    (envs / "sources/environment.toml").write_text(SPEC)
    locked = harness("lock", "sources", "--envs", envs)
    assert 0 == locked.code, locked.err
    return envs


@pytest.mark.network
def test_a_bundle_is_enough_to_lock_build_and_promote(
    harness: Command, online: Path, gap: tuple[str, ...], penguins: Path, tmp_path: Path
) -> None:
    file, envs = tmp_path / "sources.tar", tmp_path / "repository/envs"
    packed = harness("bundle", "sources", "-o", file, "--envs", online, "--output", "json")
    assert 0 == packed.code, packed.err
    (tmp_path / "config.toml").write_text(NOWHERE)
    there = harness.having(tmp_path / "cache", HARNESS_CONFIG=str(tmp_path / "config.toml"))

    fetched = there("fetch", "--bundle", file, "--envs", envs, through=gap)
    checked = there("lock", "sources", "--envs", envs, "--check", "--bundle", file, through=gap)
    promoted = there("promote", penguins, "--output", "json", through=gap)
    built = there("build", "sources", "--envs", envs, "--output", "json", through=gap)

    lock = pylock.loads((online / "sources/pylock.1.toml").read_text())
    image = build.environment(lock, Store(harness.cache)).image
    assert (0, 0) == (fetched.code, checked.code), fetched.err + checked.out + checked.err
    assert SOURCES == [wheel.name for wheel in lock.built]
    assert "PROMOTE" == promoted.body["verdict"]
    assert image.config == built.body["config"]
    assert "passed" == built.body["imports"]["outcome"]
