"""From one file, on a machine without a network: the same image, and a promotion."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from line_command import Command

from harness.image.build import Built

ROOT = Path(__file__).parents[2]
NOWHERE = '[sources]\ndebian = "http://127.0.0.1:1"\npypi = "http://127.0.0.1:1/simple"\n'
PREPARED = "palmerpenguins==0.1.6"


@pytest.fixture
def gap() -> tuple[str, ...]:
    """What starts a program without a network: not even one's own machine is there."""
    through = ("unshare", "-n") if os.geteuid() == 0 else ("unshare", "-rn")
    if shutil.which("unshare") and not subprocess.run([*through, "true"]).returncode:
        return through
    reason = "this machine allows no network namespaces"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}: CI must have what its tests need", pytrace=False)
    pytest.skip(reason)


@pytest.fixture
def penguins(tmp_path: Path) -> Path:
    """The example with its data, and no environments near it but those of the bundle."""
    folder = tmp_path / "repository/examples/penguins"
    shutil.copytree(
        ROOT / "examples/penguins", folder, ignore=shutil.ignore_patterns("data", ".*", "artifact")
    )
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target")
    subprocess.run([*pip, tmp_path / "data", PREPARED], check=True)
    told = {**os.environ, "PYTHONPATH": str(tmp_path / "data")}
    subprocess.run([sys.executable, "prepare.py"], cwd=folder, env=told, check=True)
    return folder


@pytest.mark.network
def test_a_bundle_is_enough_to_lock_build_and_promote(
    harness: Command, tabular: Built, gap: tuple[str, ...], penguins: Path, tmp_path: Path
) -> None:
    file, envs = tmp_path / "tabular.tar", tmp_path / "repository/envs"
    packed = harness("bundle", "tabular", "-o", file, "--envs", ROOT / "envs", "--output", "json")
    assert 0 == packed.code, packed.err
    (tmp_path / "config.toml").write_text(NOWHERE)
    there = harness.having(tmp_path / "cache", HARNESS_CONFIG=str(tmp_path / "config.toml"))

    fetched = there("fetch", "--bundle", file, "--envs", envs, through=gap)
    checked = there("lock", "tabular", "--envs", envs, "--check", "--bundle", file, through=gap)
    promoted = there("promote", penguins, "--output", "json", through=gap)
    built = there("build", "tabular", "--envs", envs, "--output", "json", through=gap)

    assert (0, 0) == (fetched.code, checked.code), fetched.err + checked.out + checked.err
    assert "PROMOTE" == promoted.body["verdict"]
    assert (tabular.image.digest, tabular.image.config) == (
        built.body["digest"],
        built.body["config"],
    )
    assert "passed" == built.body["imports"]["outcome"]
