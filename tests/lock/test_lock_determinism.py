"""The same sources give the same lock, whoever asks, where, when and in whatever surroundings."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from lock_fakes import make_wheel, served
from lock_world import World

TESTS = Path(__file__).parent
ROOT = TESTS.parents[1]
NOBODY = 65534

COMMAND = """
from datetime import timedelta
from harness.cli.main import main
from harness.world import clock
moment = clock.now() + timedelta(days=int({days}))
clock.now = lambda: moment
main()
"""

PIP_TOOLS = """
import sys
from datetime import timedelta
from pathlib import Path
from lock_fakes import run_this_python
from harness.lock import pylock
from harness.lock.resolve import resolve
from harness.spec import parse
from harness.world import clock, files
from harness.world.store import Store
spec = parse.environment(Path(sys.argv[2]))
locks = resolve(
    spec,
    prepare=lambda debs: run_this_python,
    store=Store(files.user_cache()),
    now=clock.now() + timedelta(days=int({days})),
)
pylock.write(spec.lock_path, *locks)
"""


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """An index with choices to make: diamonds, extras, markers, two tags for one version."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # for another user
        (folder / "root").mkdir()
        with served(folder / "root") as server:
            world = World.at(folder, server)
            for version in ("1.0", "1.1", "1.2"):
                make_wheel(world.files, "base", version)
            for name in ("left", "right"):
                make_wheel(world.files, name, "2.0", requires=["base>=1", "base<1.2"])
            make_wheel(
                world.files,
                "top",
                "3.0",
                requires=["left", "right", "extra; extra == 'all'", "never; python_version < '3'"],
                extras=["all"],
            )
            make_wheel(world.files, "extra", "0.1", tag="py2.py3-none-any")
            make_wheel(world.files, "extra", "0.1")
            world.publish()
            yield world


def lock(
    world: World,
    folder: Path,
    *,
    script: str = COMMAND,
    user: int | None = None,
    umask: int = 0o022,
    cwd: Path | None = None,
    days: int = 0,
    variables: Mapping[str, str] | None = None,
) -> bytes:
    """Return the bytes of a new lock, made by a process of its own with an empty cache."""
    envs = folder / "envs"
    (envs / "tiny").mkdir(parents=True)
    text = (world.declare("tiny", "top[all]", "app") / "environment.toml").read_text()
    if script is PIP_TOOLS:
        text = text.replace('"uv"', '"pip-tools"')
    (envs / "tiny/environment.toml").write_text(text)
    if user is not None:
        for path in (folder, envs, envs / "tiny"):
            os.chown(path, user, user)
    through: list[str] = []
    if user is not None:  # reads where an installation may lie, writes nowhere else
        caps = ("--inh-caps=-all,+dac_read_search", "--ambient-caps=+dac_read_search")
        through = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *caps]
    arguments = ["lock", "tiny", "--envs", str(envs)]
    if script is PIP_TOOLS:
        arguments = ["lock", str(envs / "tiny")]
    done = subprocess.run(
        [*through, sys.executable, "-c", script.format(days=days), *arguments],
        env={
            **world.variables,
            "HARNESS_CACHE": str(folder / "cache"),
            "HOME": str(folder),
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": f"{ROOT}:{TESTS}",
            "PYTHONDONTWRITEBYTECODE": "1",
            **(variables or {}),
        },
        cwd=cwd or folder,
        umask=umask,
        capture_output=True,
        text=True,
    )
    assert 0 == done.returncode, done.stderr
    if user is not None:
        assert user == (envs / "tiny/pylock.1.toml").stat().st_uid
    return (envs / "tiny/pylock.1.toml").read_bytes()


@pytest.fixture
def folder(world: World) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=world.folder) as name:
        yield Path(name)


@pytest.fixture(scope="module")
def first(world: World) -> bytes:
    with tempfile.TemporaryDirectory(dir=world.folder) as name:
        return lock(world, Path(name))


def test_there_is_something_to_decide(first: bytes) -> None:
    text = first.decode()

    assert all(f'name = "{name}"' in text for name in ("app", "base", "extra", "left", "right"))
    assert 'version = "1.1"' in text and 'version = "1.2"' not in text


def test_another_umask_time_zone_and_locale(world: World, first: bytes, folder: Path) -> None:
    told = {"TZ": "Pacific/Chatham", "LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"}

    assert first == lock(world, folder, umask=0o077, variables=told)


def test_another_hash_seed_and_working_directory(world: World, first: bytes, folder: Path) -> None:
    there = folder / ("long" * 20)
    there.mkdir()

    assert first == lock(world, folder, cwd=there, variables={"PYTHONHASHSEED": "4711"})


@pytest.mark.parametrize("days", [-3650, 3650])
def test_another_clock(world: World, first: bytes, folder: Path, days: int) -> None:
    assert first == lock(world, folder, days=days)


def test_another_order_of_the_indices(world: World, first: bytes, folder: Path) -> None:
    world.publish(backwards=True)
    world.archive.stanzas.reverse()
    world.archive.publish()

    assert first == lock(world, folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.requires_tool("setpriv")
def test_another_user(world: World, first: bytes, folder: Path) -> None:
    assert first == lock(world, folder, user=NOBODY)


def test_pip_tools_too_in_all_of_them_at_once(world: World, first: bytes, folder: Path) -> None:
    (folder / "one").mkdir()
    (folder / "two").mkdir()
    one = lock(world, folder / "one", script=PIP_TOOLS)
    world.publish(backwards=True)
    told = {"TZ": "Pacific/Chatham", "LC_ALL": "tr_TR.UTF-8", "PYTHONHASHSEED": "4711"}

    two = lock(
        world,
        folder / "two",
        script=PIP_TOOLS,
        umask=0o077,
        cwd=Path("/"),
        days=3650,
        variables=told,
    )

    assert one == two
    assert without_the_resolver(first) == without_the_resolver(one)


def without_the_resolver(text: bytes) -> list[str]:
    """Return a lock's lines without the digests that follow from the specification."""
    return [
        line for line in text.decode().splitlines() if not line.startswith(("spec = ", "seal = "))
    ]
