"""An environment with packages that have no wheel: locked, fetched elsewhere, or refused whole."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from harness.core.errors import BuildFailed
from harness.engine.engine import Engine
from harness.engine.select import select
from harness.flows import environment as flow
from harness.lock import pylock
from harness.lock.fetch import fetch, link_wheels, offered_files
from harness.lock.freedom import Freedom
from harness.lock.lock import Lock
from harness.spec.environment import Environment
from harness.world import clock
from harness.world.store import Store

pytest.importorskip("uv", reason="uv is not installed")
pytestmark = pytest.mark.network
PURE = ("docopt", "odfpy", "progressbar", "sgmllib3k", "stringcase", "wget")
COMPILER = ("gcc", "libc6-dev", "libpython3-dev")


def engine() -> Engine:
    return select("sandbox")[0]


def no_engine() -> Engine:
    raise AssertionError("nothing is left to build")


def declared(folder: Path, *requirements: str, **more: object) -> Environment:
    folder.mkdir(parents=True, exist_ok=True)
    values = {
        "folder": folder,
        "name": "sources",
        "version": 1,
        "python": "3.11",
        "suite": "bookworm",
        "requirements": requirements,
        "resolver": "uv",
        "build": requirements,
    }
    return Environment(**values | more)  # type: ignore[arg-type]


def locked(spec: Environment, store: Store) -> Lock:
    _, (after,) = flow.locked(spec, store, engine=engine, free=Freedom(), now=clock.now())
    return after


def elsewhere(lock: Lock, store: Store, folder: Path) -> Store:
    """Return another store that has what a mirror offers of *lock*, and nothing built."""
    fetch(lock, store)
    other = Store(folder / "a longer name" / "store")
    for item in (*lock.debs, *lock.build_debs, *offered_files(lock)):
        path = other.path(item.digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # two packages may need one file
        os.link(store.path(item.digest), path)
    return other


@pytest.fixture(scope="module")
def store(cache: Path) -> Store:
    return Store(cache)


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return declared(tmp_path_factory.mktemp("envs") / "sources", *PURE)


@pytest.fixture(scope="module")
def lock(spec: Environment, store: Store) -> Lock:
    return locked(spec, store)


def test_packages_without_wheels_are_locked_with_all_that_they_need(lock: Lock) -> None:
    assert {*PURE, "defusedxml"} == {wheel.name for wheel in lock.packages}  # what odfpy needs
    assert set(PURE) == {wheel.name for wheel in lock.built}
    for wheel in lock.built:
        assert wheel.built is not None
        assert {"setuptools", "wheel"} <= {need.name for need in wheel.built.requires}


def test_locking_again_gives_the_same_bytes(spec: Environment, lock: Lock, store: Store) -> None:
    before = spec.lock_path.read_bytes()

    again = locked(spec, store)

    assert lock == again
    assert before == spec.lock_path.read_bytes()


@pytest.mark.parametrize("requirements", [PURE, ("netifaces",)], ids=["pure", "C"])
def test_a_lock_is_fetched_elsewhere_to_the_same_bytes(
    requirements: tuple[str, ...],
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another store, folder, time zone, locale, hash seed and umask; ``wheels/`` and ``sdists/``
    beside the lock are complete. What is in C has its compiler locked, and not in the image."""
    tools = COMPILER if requirements == ("netifaces",) else ()
    spec = declared(tmp_path / "envs", *requirements, build_os=tools)
    lock = locked(spec, store)
    other = elsewhere(lock, store, tmp_path)
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    monkeypatch.setenv("LC_ALL", "tr_TR.UTF-8")
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    monkeypatch.chdir(tmp_path)
    before = os.umask(0o077)
    try:
        flow.fetched(pylock.read(spec), other, engine=engine)
    finally:
        os.umask(before)
    flow.fetched(pylock.read(spec), other, engine=no_engine)
    link_wheels(lock, other, spec.folder / "wheels")

    assert all(other.has(wheel.digest) for wheel in lock.packages)
    assert {wheel.filename for wheel in lock.packages} == set(os.listdir(spec.folder / "wheels"))
    assert len(requirements) == len(os.listdir(spec.folder / "sdists"))
    assert set(tools) <= {deb.name for deb in lock.build_debs}
    assert not {"gcc", "binutils"} & {deb.name for deb in lock.debs}


def test_a_build_that_fails_leaves_the_lock_as_it_was(
    spec: Environment, lock: Lock, store: Store
) -> None:
    before = {path.name: path.read_bytes() for path in spec.folder.iterdir() if path.is_file()}
    worse = replace(spec, requirements=(*PURE, "netifaces"), build=(*PURE, "netifaces"))

    with pytest.raises(BuildFailed, match=r"the build of netifaces 0\.11\.0 failed") as failed:
        locked(worse, store)

    after = {path.name: path.read_bytes() for path in spec.folder.iterdir() if path.is_file()}
    assert before == after
    assert '"gcc", "libc6-dev", "libpython3-dev" to build_os' in failed.value.hint
