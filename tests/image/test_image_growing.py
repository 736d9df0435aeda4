"""A root that is laid out while its trees are made, and what may come between."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.content.union import lay_out
from harness.core.errors import BuildFailed, PackageConflict
from harness.image import roots
from harness.image.build import Built
from harness.image.growing import growing
from harness.world.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def tree(store: Store) -> Callable[[str, str, bytes], str]:
    def make(key: str, path: str, data: bytes) -> str:
        def fill(root: Path) -> None:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(data)

        store.tree(key, fill)
        return key

    return make


def listing(root: Path) -> dict[str, int]:
    """Return every path below *root*, and the inodes of those that are no folders."""
    found = {}
    for parent, folders, names in os.walk(root):
        relative = os.path.relpath(parent, root)
        found |= {f"{relative}/{name}": 0 for name in folders}
        found |= {f"{relative}/{name}": os.lstat(f"{parent}/{name}").st_ino for name in names}
    return found


def test_the_root_of_a_build_is_the_one_of_its_layers(tabular: Built) -> None:
    folder = tabular.store.root / "t"
    with tabular.store.scratch() as again:
        lay_out({tree: folder / tree for tree in roots.trees(tabular.image.layers)}, again)

        assert listing(again) == listing(tabular.root)


def test_what_grew_is_kept_under_the_name_of_its_trees(
    store: Store, tree: Callable[[str, str, bytes], str]
) -> None:
    made = [tree("one", "a/b", b"1"), tree("two", "a/c", b"2")]

    with growing(store) as root:
        for key in made:
            root.add(key, key)
        kept = root.keep(made)

    assert kept == roots.lay(made, store)
    assert (b"1", b"2") == ((kept / "a/b").read_bytes(), (kept / "a/c").read_bytes())
    assert store.sealed(kept.name) is not None
    assert [] == os.listdir(store.root / "run")


def test_what_two_packages_write_is_refused_and_leaves_nothing(
    store: Store, tree: Callable[[str, str, bytes], str]
) -> None:
    made = [tree("one", "a/b", b"1"), tree("two", "a/b", b"2")]

    with pytest.raises(PackageConflict, match="one and two both write /a/b"), growing(store) as it:
        for key in made:
            it.add(key, key)
        it.keep(made)

    assert [] == os.listdir(store.root / "run")
    assert not (store.root / "t" / roots.name(made)).exists()


def test_a_planter_that_is_killed_is_an_error_and_not_half_a_root(
    store: Store, tree: Callable[[str, str, bytes], str]
) -> None:
    made = [tree("one", "a/b", b"1"), tree("two", "a/c", b"2")]

    with pytest.raises(BuildFailed, match="ended with -9"), growing(store) as root:
        root.add("one", made[0])
        root.planter.kill()
        root.planter.wait()
        root.add("two", made[1])
        root.keep(made)

    assert not (store.root / "t" / roots.name(made)).exists()


def test_a_tree_that_is_gone_is_the_error_of_its_path(
    store: Store, tree: Callable[[str, str, bytes], str]
) -> None:
    with pytest.raises(FileNotFoundError) as raised, growing(store) as root:
        root.add("gone", "gone")
        root.keep([tree("one", "a/b", b"1")])

    assert str(store.root / "t" / "gone") == raised.value.filename


def test_leaving_early_leaves_no_process(
    store: Store, tree: Callable[[str, str, bytes], str]
) -> None:
    with growing(store) as root:
        root.add("one", tree("one", "a/b", b"1"))

    assert root.planter.returncode is not None
    assert [] == os.listdir(store.root / "run")
