"""A virtual environment holds the locked files where this interpreter takes them, and says where
it differs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from lock_environments import PLAIN, declared, harness, refused
from lock_fakes import make_wheel, served, write_simple_index

from harness.core.digest import of_bytes
from harness.core.errors import SpecInvalid, ToolMissing
from harness.flows import venv
from harness.flows.venv import Difference
from harness.lock import pylock
from harness.lock.lock import Deb, Lock, Wheel
from harness.world.store import Store

MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"
FOREIGN = "cp27-cp27mu-manylinux1_x86_64"


def deb(name: str, version: str) -> Deb:
    return Deb(
        name=name,
        version=version,
        architecture="amd64",
        filename=f"pool/{name}.deb",
        digest=of_bytes(name.encode()),
        size=1,
    )


def lock_of(*wheels: Wheel) -> Lock:
    return Lock(
        name="tiny",
        version=1,
        python=MINOR,
        suite="bookworm",
        architecture="amd64",
        spec=of_bytes(b"spec"),
        released=datetime(2026, 7, 11, tzinfo=UTC),
        os=("libgomp1", "libgone1"),
        packages=wheels,
        debs=(
            deb("libc6", "2.36"),
            deb("libgomp1", "12"),
            deb("libgone1", "1"),
            deb(f"python{MINOR}", f"{MINOR}.99-1"),
        ),
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def app(tmp_path: Path, store: Store) -> Wheel:
    """A locked wheel that every interpreter takes, already fetched."""
    made = make_wheel(tmp_path / "here", "app", "1.0", content="LOCKED = True\n")
    store.add((tmp_path / "here" / made.filename).read_bytes())
    return made


@pytest.fixture(autouse=True)
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An index of this test's own, the only one that pip knows."""
    files = tmp_path / "index/files"
    make_wheel(files, "elsewhere", "2.0")
    make_wheel(files, "app", "1.0", content="LOCKED = False\n")
    write_simple_index(tmp_path / "index/simple", files)
    with served(tmp_path / "index") as server:
        monkeypatch.setenv("PIP_INDEX_URL", f"{server.address}/simple")
        monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
        monkeypatch.setenv("PIP_RETRIES", "0")
        yield files


def says(folder: Path, program: str) -> str:
    done = subprocess.run([folder / "bin/python", "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def foreign(name: str, version: str) -> Wheel:
    """A locked wheel of another platform."""
    return Wheel(
        name=name,
        version=version,
        filename=f"{name}-{version}-{FOREIGN}.whl",
        digest=of_bytes(name.encode()),
    )


def test_locked_files_are_installed_and_every_difference_is_told(
    tmp_path: Path, store: Store, app: Wheel
) -> None:
    lock = lock_of(app, foreign("elsewhere", "2.0"), foreign("nowhere", "1.0"))

    made = venv.made(lock, tmp_path / "venv", store, python=Path(sys.executable))

    told = {one.what: (one.locked, one.here) for one in made.differences}
    assert "True" == says(tmp_path / "venv", "import app; print(app.LOCKED)")
    assert "2.0" == says(tmp_path / "venv", "import elsewhere; print(elsewhere.VERSION)")
    assert (("app",), ("nowhere",)) == (made.exact, made.missing)
    assert f"2.0, elsewhere-2.0-{FOREIGN}.whl" == told["elsewhere"][0]
    assert "2.0, another file" == told["elsewhere"][1]
    assert "no file for this interpreter" == told["nowhere"][1]
    assert f"{MINOR}.99" == told["Python"][0]
    assert "app" not in told


def test_a_virtual_environment_is_replaced_only_when_asked_and_other_folders_never(
    tmp_path: Path, store: Store, app: Wheel
) -> None:
    lock, folder = lock_of(app), tmp_path / "venv"
    folder.mkdir()
    (folder / "pyvenv.cfg").write_text("")
    (folder / "mine").write_text("")
    with pytest.raises(SpecInvalid, match="already") as failed:
        venv.made(lock, folder, store, python=Path(sys.executable))

    venv.made(lock, folder, store, python=Path(sys.executable), clear=True)

    assert "--clear" in failed.value.hint
    assert not (folder / "mine").exists()
    with pytest.raises(SpecInvalid, match="no virtual environment"):
        venv.made(lock, tmp_path / "here", store, python=Path(sys.executable), clear=True)
    assert (tmp_path / "here" / app.filename).is_file()


def test_what_is_no_interpreter_is_told_and_leaves_nothing(
    tmp_path: Path, store: Store, app: Wheel
) -> None:
    with pytest.raises(ToolMissing, match="no usable Python"):
        venv.made(lock_of(app), tmp_path / "venv", store, python=Path("/bin/false"))

    assert not (tmp_path / "venv").exists()


def test_an_installation_that_fails_leaves_nothing(
    tmp_path: Path, store: Store, app: Wheel
) -> None:
    data = b"no wheel at all"
    broken = replace(app, digest=store.add(data))

    done: list[Exception] = []
    try:
        venv.made(lock_of(broken), tmp_path / "venv", store, python=Path(sys.executable))
    except Exception as failed:
        done.append(failed)

    assert ["BuildFailed"] == [type(one).__name__ for one in done]
    assert not (tmp_path / "venv").exists()


def test_os_packages_are_compared_one_by_one_where_they_were_asked_for() -> None:
    here = {"libc6": "2.40", "libgomp1": "14"}

    assert [
        Difference(what="OS package libgomp1", locked="12", here="14"),
        Difference(what="OS package libgone1", locked="1", here="not installed"),
        Difference(
            what="other OS packages",
            locked="2 of bookworm",
            here="1 not installed, 1 in other versions",
        ),
    ] == list(venv.os_packages(lock_of(), lambda: here))
    same = {one.name: one.version for one in lock_of().debs}
    assert [] == list(venv.os_packages(lock_of(), lambda: same))


def test_a_machine_without_dpkg_says_so() -> None:
    (one,) = venv.os_packages(lock_of(), lambda: None)

    assert ("OS packages", "4 of bookworm", "this machine has no dpkg") == (
        one.what,
        one.locked,
        one.here,
    )


def test_the_command_ends_with_1_when_a_package_is_missing(
    tmp_path: Path, store: Store, app: Wheel
) -> None:
    spec = declared(tmp_path / "envs", "tiny", body=PLAIN)
    lock = replace(lock_of(app, foreign("nowhere", "1.0")), spec=spec.digest)
    pylock.write(spec.lock_path, lock)

    done = harness(
        "env", "venv", "tiny", tmp_path / "v", "--python", sys.executable,
        "--envs", tmp_path / "envs", "--output", "json", cache=store.root,
    )  # fmt: skip
    unknown = harness(
        "env", "venv", "tiny", tmp_path / "w", "--python", "no-such-python",
        "--envs", tmp_path / "envs", cache=store.root,
    )  # fmt: skip

    assert (1, ["nowhere"]) == (done.exit_code, json.loads(done.stdout)["missing"])
    refused(unknown, 2, "no-such-python")
