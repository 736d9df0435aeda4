"""One store for many builds: at once, killed, damaged, and while its garbage is collected."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import packages
import pytest
import store_builds
import store_scene as scene

from benchmarks.image import kills
from harness.content import scheme
from harness.core.errors import PackageConflict, StoreDamaged
from harness.image import build, trees
from harness.image.partition import partition
from harness.lock import pylock
from harness.lock.lock import Lock, Wheel
from harness.world.store import Store
from harness.world.store_check import check
from harness.world.store_gc import collect

AT_ONCE = 32
DIFFERENT = 4


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory, fetched: Store, tabular_lock: Lock) -> Store:
    """A store with the curated environment's OS packages, unpacked and compiled."""
    folder = tmp_path_factory.mktemp("seed", numbered=True)
    store = Store(folder / "store")
    store.path(tabular_lock.debs[0].digest).parent.mkdir(parents=True)
    for deb in tabular_lock.debs:
        place(fetched, store, deb.digest)
    lock = store_builds.small(tabular_lock, store, "seed", folder, wheels=0)
    build.environment(lock, store)
    return store


def place(source: Store, target: Store, digest) -> None:  # type: ignore[no-untyped-def]
    try:
        os.link(source.path(digest), target.path(digest))
    except OSError:  # another file system
        shutil.copyfile(source.path(digest), target.path(digest))


@pytest.fixture
def store(seed: Store, tmp_path: Path) -> Store:
    return store_builds.seeded(seed, tmp_path / "store")


@pytest.fixture
def locks(tabular_lock: Lock, store: Store, tmp_path: Path) -> list[Path]:
    """Locks of small environments, their wheels in the store."""
    paths = []
    for number in range(DIFFERENT):
        lock = store_builds.small(tabular_lock, store, f"small{number}", tmp_path)
        paths.append(tmp_path / f"{number}.toml")
        paths[-1].write_text(pylock.dumps(lock))
    return paths


def test_32_builds_at_once_share_a_store_while_its_garbage_is_collected(
    store: Store, locks: list[Path]
) -> None:
    builds = store_builds.start(store, *(locks[n % DIFFERENT] for n in range(AT_ONCE)))
    collections = 0
    while True:
        collect(store, now=time.time_ns(), days=0)
        collections += 1
        with suppress(subprocess.TimeoutExpired):
            out, err = builds.communicate(timeout=0.05)
            break

    assert 0 == builds.returncode, err
    said = Counter(map(json.loads, out.splitlines()))
    assert [AT_ONCE // DIFFERENT] * DIFFERENT == list(said.values()), "the same, whoever built"
    assert 1 < collections
    store.reap()
    assert [] == check(store).damages
    assert [] == os.listdir(store.root / "run")


@pytest.mark.parametrize("path", ["first0/code.py", "first0"])
@pytest.mark.parametrize("one_layer", [True, False])
def test_two_wheels_that_write_one_path_are_no_image(
    tabular_lock: Lock, store: Store, tmp_path: Path, path: str, one_layer: bool
) -> None:
    """The same file, or a file where the other has a folder."""
    lock = store_builds.small(tabular_lock, store, "first", tmp_path, wheels=1)
    name = next(n for n in map("clash{}".format, range(100)) if one_bucket("first0", n, one_layer))
    clash = packages.wheel(tmp_path, name, files={path: b"x = 'another'\n"})
    other = Wheel(
        name=name,
        version="1.0",
        filename=clash.name,
        digest=store.add(clash.read_bytes()),
    )
    both = replace(lock, packages=(*lock.packages, other))
    images = list((store.root / "d" / "image").glob("*"))

    said = f"{name} and first0 both write .*/{path}, with different bytes"
    for _ in range(2):  # the second time each of them is known already
        with pytest.raises(PackageConflict, match=said):
            build.environment(both, store)

    assert images == list((store.root / "d" / "image").glob("*")), "nothing that is half an image"
    assert [] == os.listdir(store.root / "run")


def test_builds_that_are_killed_leave_a_store_that_is_whole(
    store: Store, locks: list[Path], tmp_path: Path
) -> None:
    def cold(root: Path) -> Store:
        return store_builds.seeded(store, root)

    seen = kills.run(
        lambda root: store_builds.command(Store(root), locks[0]),
        lambda root: cold(root).root,
        tmp_path / "killed",
        count=5,
        seed=os.urandom(4).hex(),
        env=store_builds.environment(),
    )

    assert 5 == len(seen.moments)
    assert 1 == len(seen.answers), seen
    assert [] == seen.wrong


def test_a_bit_flipped_in_a_tree_becomes_no_layer(
    store: Store, locks: list[Path], tabular_lock: Lock, tmp_path: Path
) -> None:
    lock = pylock.loads(locks[0].read_text())
    build.environment(lock, store)
    first = lock.packages[0]
    code = next(
        (store.root / "t" / trees.wheel_key(first.digest, scheme.debian(lock.python))).rglob(
            "code.py"
        )
    )
    scene.flip(code, 1)
    near = next(n for n in map("near{}".format, range(100)) if one_bucket(first.name, f"{n}0"))
    other = store_builds.small(tabular_lock, store, near, tmp_path, wheels=1)
    more = replace(other, packages=(first, *other.packages))

    with pytest.raises(StoreDamaged, match=rf"{code.name} has other bytes") as said:
        build.environment(more, store)
    assert "harness store check --repair" in said.value.hint
    check(store, repair=lambda _: True)
    built = build.environment(more, store)

    assert b"x = 0\n" == next(built.root.rglob(f"{first.name}/code.py")).read_bytes()
    assert [] == check(store).damages


def one_bucket(one: str, other: str, together: bool = True) -> bool:
    """Tell whether two small wheels are *together* in one layer."""
    return together == (1 == len(partition({one: 1, other: 1}, prefix="python", buckets=8)))


def test_what_is_built_after_it_was_collected_is_the_same(
    seed: Store, store: Store, locks: list[Path]
) -> None:
    lock = pylock.loads(locks[0].read_text())
    before = build.environment(lock, store)
    root = before.root
    scene.age(store, 40)
    build.environment(replace(lock, name="seed", packages=()), store)
    collect(store, now=time.time_ns(), days=30)
    assert not root.exists()

    after = build.environment(lock, store)

    assert (before.image.config, root) == (after.image.config, after.root)
    assert root.is_dir()
    assert [] == check(store).damages
