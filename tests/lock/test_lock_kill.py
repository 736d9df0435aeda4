"""kill -9 at any moment of lock, fetch and bundle, and two that lock at once."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lock_fakes import served
from lock_killed import ROOT, Watched, renames
from lock_world import World

from harness.lock import pylock

pytest.importorskip("uv", reason="uv is not installed")
COMMANDS = {
    "lock": (("lock", "tiny", "--upgrade"), "tiny/pylock.1.toml"),
    "fetch": (("fetch", "tiny"), ".whl"),
    "bundle": (("bundle", "tiny", "-o", "tiny.tar"), "tiny.tar"),
}
"""Each command, and the end of the name under which its result appears."""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Two packages, locked at their old versions; their specification is content with newer."""
    (tmp_path / "root").mkdir()
    (tmp_path / "user").mkdir()
    with served(tmp_path / "root") as server:
        world = World.at(tmp_path / "user", server)
        world.declare("tiny", "app<1.1", "lib<1.1")
        world.locked()
        world.declare("tiny", "app", "lib")
        assert 0 == world.harness("lock", "tiny").code
        shutil.rmtree(world.folder / "cache")
        yield world


def results(world: World) -> dict[str, bytes]:
    """Return what lies where a person looks: environments and bundles, nothing temporary."""
    found = [world.folder / "tiny.tar", *world.envs.rglob("*")]
    return {
        str(path.relative_to(world.folder)): path.read_bytes()
        for path in found
        if path.is_file() and not path.name.startswith(".")
    }


def half(world: World) -> list[str]:
    """Return the blobs whose bytes are not those of their names."""
    blobs = (world.folder / "cache/blobs/sha256").glob("[!.]*")
    return [b.name for b in blobs if hashlib.sha256(b.read_bytes()).hexdigest() != b.name]


def temporary(folder: Path) -> list[str]:
    return [str(path) for path in folder.rglob(".*") if path.is_file()]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_kill_leaves_the_old_or_the_new_and_the_next_run_ends_well(
    name: str, world: World
) -> None:
    arguments, final = COMMANDS[name]
    before = results(world)
    shutil.copytree(world.envs, world.folder.with_name("pristine"))
    command = Watched(world.folder, arguments, world.variables)
    events = command.events()
    after = results(world)
    killed = 0
    drawn = random.Random(name).sample(range(1, len(events) + 1), 3)

    for moment in sorted({*drawn, *renames(events, final)}):
        for folder in (world.envs, world.folder / "cache"):
            shutil.rmtree(folder)
        (world.folder / "tiny.tar").unlink(missing_ok=True)
        shutil.copytree(world.folder.with_name("pristine"), world.envs)
        killed += command.killed(moment)
        left = results(world)
        again = world.harness(*arguments)

        assert before.keys() <= left.keys() <= after.keys(), events[moment - 1]
        wrong = [p for p, data in left.items() if data not in (before.get(p), after[p])]
        assert ([], []) == (wrong, half(world)), events[moment - 1]
        assert 0 == again.code, (events[moment - 1], again.err)
        assert after == results(world)
        if name != "fetch":  # its leftovers are links, and take no room
            assert [] == temporary(world.envs) + [str(p) for p in world.folder.glob(".*")]
    assert killed >= 3


def test_two_who_lock_at_once_both_end_well_and_neither_is_lost(world: World) -> None:
    start = "from harness.cli.main import main; main()"
    told = {**os.environ, **world.variables, "PYTHONPATH": str(ROOT)}
    both = [
        subprocess.Popen(
            [sys.executable, "-c", start, "lock", "tiny", "--upgrade-package", package],
            cwd=world.folder,
            env=told,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        for package in ("app", "lib")
    ]
    said = [one.communicate()[1] for one in both]

    assert [0, 0] == [one.returncode for one in both], said
    lock = pylock.loads((world.envs / "tiny/pylock.1.toml").read_text())
    assert {"app": "1.1", "lib": "1.1"} == lock.pins
    assert [] == temporary(world.envs)
