"""Garbage goes on request only, and never what anybody uses."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import store_scene as scene

from harness.core.digest import hexadecimal, of_bytes
from harness.world import partial, use
from harness.world.store import Store
from harness.world.store_check import check
from harness.world.store_gc import collect

USER = """
import sys
from pathlib import Path
from harness.world.store import Store
store = Store(Path(sys.argv[1]))
for line in sys.stdin:
    print(store.recall("image", line.strip()) is not None, flush=True)
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store of two images, that share a tree, which nobody has used for 40 days."""
    store = scene.filled(tmp_path / "store")
    scene.add_wheel(store, "three")
    scene.add_image(store, "second", ("tree-two", "tree-three"))
    scene.age(store, 40)
    return store


def gc(store: Store, days: float = 30, **how) -> dict[str, set[str]]:  # type: ignore[no-untyped-def]
    gone = collect(store, now=time.time_ns(), days=days, **how)
    return {
        kind: {Path(one.path).stem for one in gone if one.kind == kind}
        for kind in ("tree", "record", "blob", "partial")
    }


def names(store: Store, folder: str) -> set[str]:
    return set(os.listdir(store.root / folder))


def test_an_image_that_was_used_keeps_all_that_it_names(store: Store) -> None:
    layer = store.recall("image", "image-second")["layers"][0]["digest"]

    gone = gc(store)

    assert {"tree-one", "root-first"} == gone["tree"]
    assert {"tree-two", "tree-three", "root-second"} == names(store, "t")
    assert store.path(layer).is_file()
    assert store.record_path("layer", "layer-second").is_file(), "it says something of what stays"
    assert [] == check(store).damages


def test_layers_go_with_their_images_and_what_was_fetched_stays(store: Store) -> None:
    store.recall("image", "image-second")
    first = Store(store.root).path(
        scene.opened(store.record_path("layer", "layer-first"))["digest"]
    )

    gone = gc(store)

    assert {first.name} == gone["blob"]
    assert scene.blob(store, "one").is_file()


def test_blobs_that_nobody_used_go_when_they_are_asked_for_unless_a_lock_keeps_them(
    store: Store,
) -> None:
    one, three = scene.blob(store, "one"), scene.blob(store, "three")
    two = scene.blob(store, "two")
    scene.age(store, 40)
    store.has(f"sha256:{three.name}")  # type: ignore[arg-type]

    gc(store, blobs=True, keep={two.name})

    assert [False, True, True] == [one.exists(), two.exists(), three.exists()]


def test_a_tree_that_was_used_by_itself_stays(store: Store) -> None:
    store.tree("tree-one", lambda _: None)

    assert {"tree-two", "tree-three", "root-first", "root-second"} == gc(store)["tree"]


def test_a_root_that_was_used_keeps_its_trees(store: Store) -> None:
    store.tree("root-first", lambda _: None)

    assert {"tree-three", "root-second"} == gc(store)["tree"]
    assert [] == check(store).damages


def test_a_dry_run_removes_nothing_and_says_the_same(store: Store) -> None:
    before = scene.contents(store)

    said = gc(store, dry_run=True)

    assert before == scene.contents(store)
    assert said == gc(store)
    assert not names(store, "t")


def test_bytes_freed_count_a_file_of_several_names_once(store: Store) -> None:
    def taken() -> int:
        seen = {(s.st_dev, s.st_ino): s for p in store.root.rglob("*") if (s := p.lstat())}
        return sum(status.st_blocks * 512 for status in seen.values())

    before = taken()

    gone = collect(store, now=time.time_ns(), days=30)

    assert before - taken() == sum(one.bytes for one in gone)


def test_what_was_used_lately_is_no_garbage(store: Store) -> None:
    scene.age(store, 29)

    assert {"tree": set(), "record": set(), "blob": set(), "partial": set()} == gc(store)


def test_nothing_that_was_used_since_the_oldest_user_began_goes_however_it_is_asked_for(
    store: Store,
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", USER, store.root],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as user:
        assert user.stdin and user.stdout
        user.stdin.write("image-first\n")
        user.stdin.flush()
        assert "True\n" == user.stdout.readline()

        gone = gc(store, days=0, blobs=True)
        user.stdin.write("image-first\n")
        user.stdin.flush()

        assert "True\n" == user.stdout.readline()
        assert {"tree-three", "root-second"} == gone["tree"]
        user.stdin.close()
        user.wait()

    gone = gc(store, days=0, blobs=True)
    assert {"tree-one", "tree-two", "root-first"} == gone["tree"]
    assert set() == names(store, "blobs/sha256")


def test_a_user_that_was_killed_keeps_nothing(store: Store) -> None:
    user = subprocess.Popen(
        [sys.executable, "-c", USER, store.root],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert user.stdin and user.stdout
    user.stdin.write("image-first\n")
    user.stdin.flush()
    user.stdout.readline()
    user.kill()
    user.wait()
    user.stdin.close()
    user.stdout.close()
    left = names(store, "locks/users")

    store.reap()
    gone = gc(store, days=0)

    assert left - names(store, "locks/users"), "its mark is removed"
    assert {"root-first", "tree-one"} <= gone["tree"]


BEGUN = """
import sys
from pathlib import Path
from harness.core.digest import of_bytes
from harness.world import partial
from harness.world.store import Store
store, data = Store(Path(sys.argv[1])), b"half a layer, and the other half"
with partial.begun(store, of_bytes(data)) as blob:
    print(blob.size, flush=True)
    sys.stdin.readline()
    blob.append(data[blob.size :])
    blob.finish()
print(store.read(of_bytes(data)) == data, flush=True)
"""


def test_the_first_bytes_of_a_blob_go_unless_somebody_goes_on_with_them(store: Store) -> None:
    mine = half(store, b"half a layer, and the other half", 12)
    nobodys = half(store, b"another layer", 3)
    lately = half(store, b"of today", 3)
    for path in (mine, nobodys):
        os.utime(path, (0, 0))
    with subprocess.Popen(
        [sys.executable, "-c", BEGUN, store.root],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as user:
        assert user.stdin and user.stdout
        assert "12\n" == user.stdout.readline()

        gone = gc(store)

        assert {nobodys.name} == gone["partial"]
        assert [False, True, True] == [p.exists() for p in (nobodys, mine, lately)]
        user.stdin.write("\n")
        user.stdin.flush()
        assert "True\n" == user.stdout.readline()
        user.stdin.close()
        user.wait()
    assert [lately.name] == os.listdir(store.root / "partial")


def half(store: Store, data: bytes, size: int) -> Path:
    path = store.root / "partial" / hexadecimal(of_bytes(data))
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data[:size])
    return path


def test_the_first_bytes_of_a_blob_that_came_otherwise_go_at_once(store: Store) -> None:
    path = half(store, b"a layer", 3)
    digest = store.add(b"a layer")

    with partial.begun(store, digest) as blob:
        assert blob is None

    assert not path.exists()


def test_a_seal_without_its_tree_goes_once_it_is_old(store: Store) -> None:
    store.remember("tree", "never", {"nodes": {}})
    assert "never" not in gc(store)["record"]

    scene.age(store, 40)
    assert "never" in gc(store)["record"]


def test_half_files_of_the_killed_are_removed_and_those_of_the_living_are_not(
    store: Store,
) -> None:
    left = store.root / "d" / "image" / ".x.json.abc.part"
    left.write_text("half")

    assert 1 <= store.reap()
    assert not left.exists()


def test_a_store_of_somebody_else_is_read_without_a_mark(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(use.os, "utime", refuse)

    assert store.recall("image", "image-first") is not None


def test_a_process_that_uses_many_stores_holds_few_descriptors(tmp_path: Path) -> None:
    stores = [Store(tmp_path / str(number)) for number in range(3 * use.MOST)]
    before = len(os.listdir("/proc/self/fd"))

    for one in stores:
        one.add(b"x")
        one.remember("kind", "key", 1)

    assert len(os.listdir("/proc/self/fd")) <= before + use.MOST
    assert [] == os.listdir(stores[0].root / "locks" / "users")
    assert 1 == len(os.listdir(stores[-1].root / "locks" / "users"))
