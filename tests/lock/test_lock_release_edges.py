"""Releases where something comes between: a kill, a second release, a patch, another who locks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lock_fakes import served
from lock_killed import ROOT, Watched, renames
from lock_world import World

from harness.lock import releases, resolved

pytest.importorskip("uv", reason="uv is not installed")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """``tiny:1``, locked at the old versions, whose specification is content with newer."""
    (tmp_path / "root").mkdir()
    (tmp_path / "user").mkdir()
    with served(tmp_path / "root") as server:
        world = World.at(tmp_path / "user", server)
        world.declare("tiny", "app<1.1", "lib<1.1")
        world.locked()
        world.declare("tiny", "app", "lib")
        assert 0 == world.harness("lock", "tiny").code
        yield world


def checked(world: World) -> None:
    done = world.harness("env", "check", "--envs", world.envs)
    assert 0 == done.code, done.out


def test_a_release_that_is_killed_is_made_by_the_next(world: World) -> None:
    record = world.envs / "tiny" / releases.FILE
    command = Watched(world.folder, ("env", "release", "tiny"), world.variables)
    events = command.events()
    made = record.read_bytes()

    for moment in renames(events, releases.FILE):
        record.unlink()
        assert command.killed(moment)
        there = record.exists()
        again = world.harness("env", "release", "tiny")

        assert (moment != renames(events, releases.FILE)[0]) == there
        assert (0, made) == (again.code, record.read_bytes()), again.err
        checked(world)


def test_releasing_twice_by_two_at_once_is_one_release(world: World) -> None:
    start = "from harness.cli.main import main; main()"
    told = {**os.environ, **world.variables, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", start, "env", "release", "tiny"]
    both = [
        subprocess.Popen(command, cwd=world.folder, env=told, stdout=subprocess.DEVNULL)
        for _ in range(2)
    ]

    assert [0, 0] == [one.wait() for one in both]
    assert [1] == [one.version for one in releases.read(world.envs / "tiny")]


def test_a_kill_between_a_lock_and_the_record_of_its_parent_is_mended_by_locking_again(
    world: World,
) -> None:
    world.declare("child", more='from = "tiny:1"\nreplace = ["app>=1"]\n')
    folder = world.envs / "child"
    command = Watched(world.folder, ("lock", "child"), world.variables)
    events = command.events()
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}
    (folder / resolved.FILE).unlink()

    assert command.killed(renames(events, resolved.FILE)[0])
    left = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    checked(world)
    again = world.harness("lock", "child")

    assert {"environment.toml", "pylock.1.toml"} == left
    assert 0 == again.code, again.err
    assert whole == {p.name: p.read_bytes() for p in folder.iterdir() if p.name in whole}
    checked(world)


def test_a_patch_after_a_release_is_the_next_version_and_the_released_lock_stays(
    world: World,
) -> None:
    world.declare("child", more='from = "tiny:1"\nreplace = ["app>=1"]\n')
    assert 0 == world.harness("lock", "child").code
    assert 0 == world.harness("env", "release", "tiny").code
    released = (world.envs / "tiny/pylock.1.toml").read_bytes()

    patched = world.harness("patch", "lib>=1.1", "--all", "--envs", world.envs)
    checked(world)
    second = world.harness("env", "release", "tiny", "--output", "json")
    shown = world.harness("env", "show", "tiny", "--output", "json")
    checked(world)

    assert (0, 0) == (patched.code, second.code), patched.err + second.err
    assert "tiny:2" == second.body["name"]
    assert ([1, 2], "released") == (shown.body["versions"], shown.body["state"])
    assert released == (world.envs / "tiny/pylock.1.toml").read_bytes()
    assert 'from = "tiny:2"' in (world.envs / "child/environment.toml").read_text()
    assert {"app": "1.0", "lib": "1.1"} == shown.body["platforms"]["x86_64"]["packages"]


def test_a_released_lock_that_was_touched_is_not_patched(world: World) -> None:
    assert 0 == world.harness("env", "release", "tiny").code
    lock = world.envs / "tiny/pylock.1.toml"
    lock.write_bytes(lock.read_bytes() + b"# touched\n")

    done = world.harness("patch", "lib>=1.1", "--all", "--envs", world.envs)

    assert 0 != done.code
    assert "pylock.1.toml has other bytes" in done.out + done.err
    assert not (world.envs / "tiny/pylock.2.toml").exists()
