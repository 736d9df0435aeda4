"""What is wrong outside is one clear error, and the lock that was there stays as it was."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from lock_fakes import ARCHITECTURE, STRANGER, make_wheel, python_source, served
from lock_world import World

from harness.core.errors import NetworkUnavailable
from harness.lock import fetch, pylock
from harness.world.store import Store

ROOT = Path(__file__).parents[2]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with served(tmp_path / "root") as server:
        (tmp_path / "root").mkdir()
        yield World.at(tmp_path, server)


def yanked(world: World) -> None:
    world.yanked["app-1.1-py3-none-any.whl"] = "deletes your data"
    world.publish()


def replaced(world: World) -> None:
    make_wheel(world.files, "app", "1.1", requires=["lib>=1"], content="# other\n")
    world.publish()


def missing(world: World) -> None:
    world.declare("tiny", "app", "scikit-lern")


def imported(world: World) -> None:
    world.declare("tiny", "app", "sklearn")


def beside(world: World) -> None:
    world.declare("tiny", "app", "lbi")


def impossible(world: World) -> None:
    path = world.envs / "tiny/environment.toml"
    path.write_text(path.read_text().replace("3.11", "3.9"))


def newer(world: World) -> None:
    make_wheel(world.files, "app", "2.0")
    world.requires_python["app-2.0-py3-none-any.whl"] = ">=3.12"
    world.publish()
    world.declare("tiny", "app>=2")


def tampered(world: World) -> None:
    path = world.envs / "tiny/pylock.1.toml"
    path.write_text(re.sub('sha256 = "..', 'sha256 = "00', path.read_text(), count=1))


def cut(world: World) -> None:
    path = world.envs / "tiny/pylock.1.toml"
    path.write_text(path.read_text()[:-100])


def unsigned(world: World) -> None:
    world.archive.publish(key=None)


def foreign(world: World) -> None:
    world.archive.publish(key=STRANGER)


def expired(world: World) -> None:
    world.archive.publish(Valid_Until="Sat, 18 Jul 2020 10:16:37 UTC")


def changed(world: World) -> None:
    world.archive.publish(by_hash=False)
    path = world.archive.folder / f"dists/bookworm/main/binary-{ARCHITECTURE}/Packages.xz"
    path.write_bytes(path.read_bytes() + b"\0")
    shutil.rmtree(world.folder / "cache/blobs")


@pytest.mark.parametrize(
    ("spoil", "code", "said"),
    [
        (yanked, 3, ["app 1.1 was withdrawn from the index (yanked): deletes your data"]),
        (replaced, 3, ["app-1.1-py3-none-any.whl has other bytes", "--upgrade-package app"]),
        (missing, 3, ["no package scikit-lern (requirements)", 'did you mean "scikit-learn"?']),
        (imported, 3, ["no package sklearn", 'did you mean "scikit-learn"?']),
        (beside, 3, ["no package lbi", 'did you mean "lib"?']),
        (impossible, 2, ['python: "3.9" is not the base\'s', '"bookworm" ships Python 3.11']),
        (newer, 3, ["app>=2", "Python>=3.12"]),
        (tampered, 2, ["changed by hand", "version control"]),
        (cut, 2, ["pylock.1.toml can't be used", "version control"]),
        (unsigned, 3, ["signature"]),
        (foreign, 3, ["signature doesn't hold"]),
        (expired, 3, ["was valid until Sat, 18 Jul 2020"]),
        (changed, 3, ["is not the file that the signed index names"]),
    ],
)
def test_it_is_told_and_the_lock_stays(
    world: World, spoil: Callable[[World], None], code: int, said: list[str]
) -> None:
    world.declare()
    world.locked()
    spoil(world)
    before = world.locked()

    world.harness("lock", "tiny").refused(code, *said)
    world.harness("lock", "tiny", "--check").refused(code, *said)

    assert before == world.locked()
    assert ["environment.toml", "pylock.1.toml"] == sorted(
        path.name for path in (world.envs / "tiny").iterdir()
    )


def test_a_replaced_file_is_taken_when_it_is_named(world: World) -> None:
    world.declare()
    before = world.locked()
    replaced(world)

    named = world.harness("lock", "tiny", "--upgrade-package", "app")

    assert 0 == named.code, named.err
    assert before != world.locked()
    assert 0 == world.harness("lock", "tiny", "--check").code


def test_upgrading_everything_takes_no_replaced_file(world: World) -> None:
    world.declare()
    before = world.locked()
    replaced(world)

    world.harness("lock", "tiny", "--upgrade").refused(3, "app-1.1-py3-none-any.whl")

    assert before == world.locked()


def test_a_withdrawn_release_is_left_on_purpose(world: World) -> None:
    world.declare()
    world.locked()
    yanked(world)
    world.declare("tiny", "app!=1.1")

    done = world.harness("lock", "tiny", "--output", "json")

    assert {"app": ["1.1", "1.0"]} == done.body["moved"]


def test_a_deb_that_was_replaced_under_its_name_is_refused(world: World) -> None:
    world.declare()
    before = world.locked()
    world.archive.stanzas[0] = re.sub("SHA256: ..", "SHA256: 00", world.archive.stanzas[0])
    world.archive.publish()

    world.harness("lock", "tiny").refused(3, "base-files_3.11.2-1", "has other bytes than tiny:1")

    assert before == world.locked()


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_circle_of_parents_is_told_whole(world: World, length: int) -> None:
    names = [f"e{number}" for number in range(length)]
    for number, name in enumerate(names):
        above = names[(number + 1) % length]
        world.declare(name, more=f'from = "{above}:1"\nadd = ["lib"]\n')

    circle = " → ".join(f"{name}:1" for name in [*names, names[0]])
    world.harness("lock", "e0").refused(2, f"e0:1 is its own parent: {circle}")


def test_a_download_that_stops_leaves_nothing_and_goes_on_the_next_time(
    world: World, tmp_path: Path
) -> None:
    world.declare()
    lock = pylock.loads(world.locked().decode())
    store = Store(tmp_path / "store")
    source = python_source(f"{world.server.address}/simple")
    app, lib = lock.packages
    world.server.cuts[f"/files/{lib.filename}"] = [9, 0, 0]

    with pytest.raises(NetworkUnavailable, match=lib.filename):
        fetch.fetch(lock, store, debian_source=world.archive.source, python_source=source)

    assert not store.has(lib.digest)
    assert not list((store.root / "run").iterdir())
    fetch.fetch(lock, store, debian_source=world.archive.source, python_source=source)
    assert store.has(lib.digest) and store.has(app.digest)


FULL = """
mount -t tmpfs -o size=64k tmpfs "$1" && cp -r "$2"/. "$1" && shift 2
head -c 1000000 /dev/zero > "$FILL" 2>/dev/null
"$@"
code=$?
rm "$FILL"
cp "$LOCK" "$OUT"
ls -A "$(dirname "$LOCK")" > "$OUT.names"
exit $code
"""


@pytest.mark.requires_tool("unshare", "mount")
def test_a_full_disk_leaves_the_lock_as_it_was(
    world: World, tmp_path: Path, unavailable: Callable[[str], NoReturn]
) -> None:
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode:
        unavailable("this machine allows no mount namespaces")
    world.declare()
    before = world.locked()
    world.declare("tiny", "app<1.1")
    disk = tmp_path / "disk"
    disk.mkdir()
    command = [sys.executable, "-c", "from harness.cli.main import main; main()", "lock", "tiny"]

    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", FULL, "sh", disk, world.envs, *command, "--envs", disk],
        env={
            **world.variables,
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "PYTHONPATH": str(ROOT),
            "FILL": str(disk / "fill"),
            "LOCK": str(disk / "tiny/pylock.1.toml"),
            "OUT": str(tmp_path / "after"),
        },
        capture_output=True,
        text=True,
    )

    assert 3 == done.returncode, done.stdout + done.stderr
    assert done.stderr.startswith("error: No space left on device"), done.stderr
    assert "free space" in done.stderr and "Traceback" not in done.stderr
    assert before == (tmp_path / "after").read_bytes()
    names = (tmp_path / "after.names").read_text().split()
    assert ["environment.toml", "pylock.1.toml"] == sorted(names)
