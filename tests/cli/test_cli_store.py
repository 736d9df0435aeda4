"""``harness store``, and stores that can't be used: each one error that says what to do."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import store_scene as scene
from click.testing import CliRunner, Result

from harness.cli.main import main
from harness.lock.fetch import link_wheels
from harness.lock.lock import Lock, Wheel
from harness.world.store import Store
from harness.world.store_check import check

Say = Callable[..., Result]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return scene.filled(tmp_path / "store")


def harness(store: Path, *arguments: str) -> Result:
    return CliRunner().invoke(
        main, arguments, env={"HARNESS_CACHE": str(store)}, catch_exceptions=False
    )


def refused(result: Result, code: int, *said: str) -> None:
    assert code == result.exit_code, result.output
    assert result.stderr.startswith("error: ") and "\nhint: " in result.stderr
    for text in said:
        assert text in result.stderr


def test_a_whole_store(store: Store) -> None:
    told = harness(store.root, "store", "check")
    body = json.loads(harness(store.root, "store", "check", "--output", "json").stdout)

    assert (0, True) == (told.exit_code, "all whole" in told.stdout)
    assert ("harness.store-check/1", []) == (body["schema"], body["damages"])


def test_a_damaged_store_is_told_of_mended_and_whole(store: Store) -> None:
    code = next((store.root / "t" / "tree-one").rglob("code.py"))
    at = scene.flip(code)

    told = harness(store.root, "store", "check")
    mended = harness(store.root, "store", "check", "--repair", "--output", "json")

    assert 1 == told.exit_code
    assert f"/t/tree-one · {code.relative_to(store.root / 't' / 'tree-one')}" in told.stdout
    assert f"has other bytes, first at byte {at}" in told.stdout
    assert "harness store check --repair" in told.stdout
    assert 1 == mended.exit_code
    assert {True} == {damage["removed"] for damage in json.loads(mended.stdout)["damages"]}
    assert 0 == harness(store.root, "store", "check").exit_code


def test_garbage_is_said_before_it_goes(store: Store, tmp_path: Path) -> None:
    scene.age(store, 40)
    kept = scene.blob(store, "one")
    (tmp_path / "envs" / "x").mkdir(parents=True)
    (tmp_path / "envs" / "x" / "pylock.1.toml").write_text(f'sha256 = "{kept.name}"\n')
    scene.age(store, 40)
    command = ("store", "gc", "--blobs", "--keep", str(tmp_path / "envs"), "--output", "json")

    said = json.loads(harness(store.root, *command, "--dry-run").stdout)
    assert kept.is_file() and (store.root / "t" / "tree-one").is_dir()
    done = json.loads(harness(store.root, *command).stdout)

    assert said["removed"] == done["removed"]
    assert 0 < done["freed"]
    assert [kept.name] == os.listdir(store.root / "blobs" / "sha256")
    assert [] == os.listdir(store.root / "t")


def test_what_was_used_lately_stays_and_text_says_so(store: Store) -> None:
    told = harness(store.root, "store", "gc")

    assert "0.0 MB freed" in told.stdout
    assert (store.root / "t" / "tree-one").is_dir()


def test_keeping_what_is_not_there(store: Store) -> None:
    refused(harness(store.root, "store", "gc", "--keep", "nowhere"), 2, "nowhere")


def test_what_the_store_takes(store: Store) -> None:
    body = json.loads(harness(store.root, "store", "show", "--output", "json").stdout)

    assert ("harness.store/1", str(store.root)) == (body["schema"], body["path"])
    assert (3, 3) == (body["parts"]["blobs"]["count"], body["parts"]["trees"]["count"])


def test_a_layer_that_came_in_part_is_shown_and_collected(store: Store) -> None:
    path = store.root / "partial" / ("a" * 64)
    path.parent.mkdir()
    path.write_bytes(bytes(4096))
    os.utime(path, (0, 0))

    shown = json.loads(harness(store.root, "store", "show", "--output", "json").stdout)
    told = harness(store.root, "store", "gc")

    assert 1 == shown["parts"]["partial"]["count"]
    assert 4096 <= shown["parts"]["partial"]["bytes"]
    assert "partials" in told.stdout and not path.exists()


def test_a_store_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("")

    refused(harness(tmp_path / "store", "store", "show"), 3, "File exists", "HARNESS_CACHE=")


def test_a_path_that_is_too_long_for_the_system(tmp_path: Path) -> None:
    path = tmp_path.joinpath(*["x" * 200] * 25)

    refused(harness(path, "store", "show"), 3, "File name too long", "HARNESS_CACHE=")


def test_a_very_long_path_works(tmp_path: Path) -> None:
    store = scene.filled(tmp_path.joinpath(*["x" * 200] * 16))

    assert 0 == harness(store.root, "store", "check").exit_code
    assert 0 == harness(store.root, "store", "gc", "--older-than", "0").exit_code
    assert [] == os.listdir(store.root / "t")


AS_ANYBODY = """
import ctypes, os, sys
if os.getuid() == 0:  # root without the capability to write where it may not
    ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)
run = "from harness.cli.main import main; main()"
os.execv(sys.executable, [sys.executable, "-c", run, *sys.argv[1:]])
"""


@pytest.mark.parametrize("part", ["run", "locks", "t"])
def test_a_store_that_is_not_ours_to_write(store: Store, part: str) -> None:
    scene.age(store, 40)
    (store.root / part).chmod(0o555)

    done = subprocess.run(
        [sys.executable, "-c", AS_ANYBODY, "store", "gc"],
        env={**os.environ, "HARNESS_CACHE": str(store.root), "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
    )
    (store.root / part).chmod(0o755)

    if part == "locks":  # its files are there already, and may be locked
        assert 0 == done.returncode, done.stderr
    else:
        assert 3 == done.returncode, done.stdout + done.stderr
        assert "Permission denied" in done.stderr and "hint: " in done.stderr
    assert [] == check(store).damages
    assert "Traceback" not in done.stderr


FILL = """
import sys
from pathlib import Path
from harness.world.store import Store
def fill(root):
    (root / "small").write_bytes(b"x")
    (root / "large").write_bytes(b"x" * 100_000)
store = Store(Path(sys.argv[1]))
for take in (
    lambda: store.tree("large", fill),
    lambda: store.add(b"y" * 100_000),
    lambda: store.add_stream(iter([b"z" * 60_000] * 2)),
    lambda: store.remember("kind", "key", "w" * 100_000),
):
    try:
        take()
    except OSError as full:
        print(full.errno)
"""


def test_a_store_that_filled_up_is_whole_and_holds_nothing_half_done(store: Store) -> None:
    before = scene.contents(store)

    done = subprocess.run(
        [sys.executable, "-c", FILL, store.root],
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)),
    )

    assert ["27"] * 4 == done.stdout.split(), done.stderr
    assert before == scene.contents(store)
    assert [] == check(store).damages
    assert [] == [*store.root.rglob("*.part"), *(store.root / "run").iterdir()]


def test_wheels_are_copied_where_the_store_is_on_another_file_system(
    tmp_path: Path, unavailable: Callable[[str], Any]
) -> None:
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK) or shared.stat().st_dev == tmp_path.stat().st_dev:
        unavailable("needs a second file system")
    root = shared / f"harness-{os.getpid()}-{time.time_ns()}"
    store = Store(root)
    try:
        digest = store.add(b"a wheel")
        wheel = Wheel(name="a", version="1", filename="a-1-py3-none-any.whl", digest=digest)
        link_wheels(lock(wheel), store, tmp_path / "wheels")
    finally:
        subprocess.run(["rm", "-r", root], check=True)

    assert b"a wheel" == (tmp_path / "wheels" / wheel.filename).read_bytes()


def lock(*packages: Wheel) -> Lock:
    from datetime import UTC, datetime

    from harness.core.digest import of_bytes

    return Lock(
        name="x",
        version=1,
        python="3.11",
        suite="bookworm",
        architecture="amd64",
        spec=of_bytes(b""),
        released=datetime(2026, 1, 1, tzinfo=UTC),
        packages=packages,
        debs=(),
    )


def test_a_damaged_wheel_is_not_put_beside_a_lock(store: Store, tmp_path: Path) -> None:
    from harness.core.digest import of_hex
    from harness.core.errors import StoreDamaged

    path = scene.blob(store, "one")
    scene.flip(path)
    wheel = Wheel(name="one", version="1", filename="one.whl", digest=of_hex(path.name))

    with pytest.raises(StoreDamaged, match=path.name):
        link_wheels(lock(wheel), store, tmp_path / "wheels")

    assert [] == os.listdir(tmp_path / "wheels")
