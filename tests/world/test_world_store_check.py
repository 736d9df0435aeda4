"""Whatever bit of the store flips: it is found, named, and goes on request."""

from __future__ import annotations

import json
import os
import random
import shutil
from pathlib import Path

import pytest
import store_scene as scene

from harness.core.errors import StoreDamaged
from harness.world.store import Store
from harness.world.store_check import Checked, check


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return scene.filled(tmp_path / "store")


def all_of(store: Store) -> Checked:
    return check(store, repair=lambda _: True)


def test_a_store_that_nobody_touched_is_whole(store: Store) -> None:
    done = check(store)

    assert [] == done.damages
    assert (3, 3) == (done.blobs, done.trees)
    assert 0 < done.bytes


def test_a_bit_flipped_in_any_file_is_found_and_named_and_mended(tmp_path: Path) -> None:
    store = scene.filled(tmp_path / "store")
    chance = random.Random(6)
    names = [path.relative_to(store.root) for path in scene.contents(store)]
    kinds = set()

    for name in names:
        mine = Store(tmp_path / "mine")
        shutil.copytree(store.root, mine.root, symlinks=True)
        linked(mine, "first")
        size = (mine.root / name).stat().st_size
        scene.flip(mine.root / name, chance.randrange(size), chance.randrange(8))

        found = check(mine).damages

        assert found, name
        first = found[0]
        where = Path(first.path) / first.file if first.kind == "tree" else Path(first.path)
        if first.kind != "blob":  # of a wheel, the member is named besides
            assert mine.root / name == where, found
        else:
            assert mine.root / name == Path(first.path)
        kinds.add(first.kind)
        all_of(mine)
        assert [] == check(mine).damages, name
        shutil.rmtree(mine.root)

    assert {"blob", "tree", "record"} == kinds
    assert 15 < len(names)


def linked(store: Store, name: str) -> None:
    """Plant the root again: a copy of a store has lost its hard links."""
    shutil.rmtree(store.root / "t" / f"root-{name}")
    trees = store.recall("tree", f"root-{name}")["of"]
    scene.add_image(store, name, tuple(trees))


def test_a_flipped_bit_in_a_tree_is_found_by_whoever_reads_it_for_a_layer(store: Store) -> None:
    code = next((store.root / "t" / "tree-one").rglob("code.py"))
    scene.flip(code)

    with pytest.raises(StoreDamaged, match=r"code\.py has other bytes.*disk or the memory") as said:
        store.sound(["tree-two", "tree-one"])

    assert "harness store check --repair" in said.value.hint


def test_a_flipped_bit_in_a_record_is_found_by_whoever_asks_for_it(store: Store) -> None:
    scene.flip(store.record_path("image", "image-first"), -30)

    with pytest.raises(StoreDamaged, match=r"image-first\.json"):
        store.recall("image", "image-first")


def test_the_first_wrong_byte_is_told_by_the_wheel(store: Store) -> None:
    code = next((store.root / "t" / "tree-one").rglob("code.py"))
    at = scene.flip(code)

    damage = check(store).damages[0]

    assert ("has other bytes", at) == (damage.what, damage.offset)


def test_a_damaged_wheel_names_its_member(store: Store) -> None:
    path = scene.blob(store, "one")
    scene.flip(path, path.read_bytes().index(b"one = [0, 1") + 20)

    damage = check(store).damages[0]

    assert ("blob", "one/code.py") == (damage.kind, damage.file)
    assert "harness fetch" in damage.remedy, "it came from elsewhere"


def test_a_damaged_layer_is_one_that_can_be_made_again(store: Store) -> None:
    layer = store.recall("layer", "layer-first")["digest"]
    scene.flip(store.path(layer))

    damage = check(store).damages[0]

    assert (str(store.path(layer)), True) == (damage.path, "made again" in damage.remedy)


@pytest.mark.parametrize(
    ("spoil", "what", "cause"),
    [
        (lambda path: path.write_bytes(b"shorter"), "bytes, had", "written to since"),
        (lambda path: cut(path), "bytes, had", "cut short"),
        (lambda path: path.unlink(), "is gone", "removed since"),
        (lambda path: path.chmod(0o755), "has mode 755, had 644", "chmod since"),
        (lambda path: path.with_name("more.py").touch(), "was not there", "added since"),
        (lambda path: replaced(path), "is a link, was a file", "replaced since"),
    ],
    ids=["written", "cut", "removed", "chmod", "added", "replaced"],
)
def test_what_became_of_a_file_and_why(store: Store, spoil, what: str, cause: str) -> None:  # type: ignore[no-untyped-def]
    spoil(next((store.root / "t" / "tree-one").rglob("code.py")))

    damage = check(store).damages[0]

    assert what in damage.what and cause in damage.cause, damage


def cut(path: Path) -> None:
    time = path.stat().st_mtime_ns
    os.truncate(path, 10)
    os.utime(path, ns=(time, time))


def replaced(path: Path) -> None:
    path.unlink()
    path.symlink_to("elsewhere")


def test_a_root_goes_with_the_tree_whose_files_it_links(store: Store) -> None:
    scene.flip(next((store.root / "t" / "tree-one").rglob("code.py")))

    gone = {Path(damage.path).name for damage in all_of(store).damages if damage.removed}

    assert {"tree-one", "root-first", "image-first.json"} == gone
    assert (store.root / "t" / "tree-two").is_dir()
    assert scene.blob(store, "one").is_file(), "from which the tree is made again"


def test_a_file_of_several_names_is_read_once(store: Store) -> None:
    before = check(store).bytes
    trees = ("tree-one", "tree-two")
    store.remember("image", "image-second", store.recall("image", "image-first"))
    scene.add_image(store, "second", trees)

    more = check(store).bytes - before

    new = [*(store.root / "d").rglob("*second.json")]
    blob = len(b"packed layer of second")
    assert sum(path.stat().st_size for path in new) + blob == more


def test_looking_is_no_use(store: Store) -> None:
    scene.age(store, 40)
    before = {path: path.stat().st_atime_ns for path in scene.contents(store)}

    check(store)

    assert before == {path: path.stat().st_atime_ns for path in before}


def test_a_tree_of_an_earlier_version_is_sealed_and_counted(store: Store) -> None:
    store.record_path("tree", "tree-one").unlink()
    store.record_path("tree", "root-first").unlink()

    done = check(store)

    assert (2, []) == (done.sealed, done.damages)
    assert store.sealed("tree-one")


def test_a_record_of_an_earlier_version_is_not_used_and_named(store: Store) -> None:
    path = store.record_path("size", "tree-one")
    path.parent.mkdir()
    path.write_text(json.dumps(17))

    assert store.recall("size", "tree-one") is None
    assert "earlier version" in check(store).damages[0].what


def test_what_is_built_while_a_store_is_read_is_whole(store: Store) -> None:
    """The tree, the root and the image come after the records were read."""
    made = []

    def meanwhile(said: str) -> None:
        if not made:
            made.append(said)
            trees = ("tree-one", scene.add_wheel(store, "three"))
            scene.add_image(store, "second", trees)

    done = check(store, repair=lambda _: True, progress=meanwhile)

    assert [] == done.damages
    assert (5, True) == (done.trees, bool(made))
    assert (store.root / "t" / "root-second").is_dir()


def test_what_is_collected_while_a_store_is_read_is_no_damage(store: Store) -> None:
    gone = []

    def meanwhile(said: str) -> None:
        if "reading tree" in said and not gone:
            gone.append(said)
            for name in ("root-first", "tree-one", "tree-two"):
                (store.root / "t" / name).rename(store.root / "run" / name)
            store.record_path("image", "image-first").unlink()

    damages = check(store, progress=meanwhile).damages

    assert [] == damages and gone


def test_a_tree_whose_seal_is_damaged_is_not_taken_for_one_that_is_new(store: Store) -> None:
    scene.flip(store.record_path("tree", "tree-one"))

    found = {(one.kind, Path(one.path).name) for one in all_of(store).damages}

    assert {("record", "tree-one.json"), ("tree", "tree-one")} <= found
    assert not (store.root / "t" / "tree-one").exists()


def test_a_tree_whose_seal_a_power_failure_emptied_makes_no_layer(store: Store) -> None:
    store.record_path("tree", "tree-one").write_bytes(b"")

    with pytest.raises(StoreDamaged, match=r"tree-one\.json .*power was lost") as said:
        store.sound(["tree-one"])
    assert "harness store check --repair" in said.value.hint
    all_of(store)
    assert not (store.root / "t" / "tree-one").exists()
