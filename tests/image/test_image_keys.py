"""What is kept is kept under all that it depends on, and under nothing else.

A key that lacks something serves old bytes after a change of ours; one that has too much makes
again what is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.content import scheme, stack, tree
from harness.content.tree import Writer
from harness.core.digest import Digest, of_bytes
from harness.image import build, model, on_base, os_root, pack, packages, trees
from harness.image.image import Image, Layer, Settings
from harness.lock import lock as lock_room
from harness.lock.base_image import MOMENT, Pulled
from harness.lock.lock import Base, Deb, Lock
from harness.world.store import Store

DIGEST = of_bytes(b"x")
BASE = Base(
    image=f"registry.example/python@{DIGEST}",
    manifest=DIGEST,
    python="3.11.2",
    scheme=scheme.Scheme(
        python="3.11", program="opt/bin/python3", site="opt/lib", scripts="opt/bin", prefix="opt"
    ),
    platform="manylinux_2_36",
)
PULLED = Pulled(
    manifest=DIGEST,
    config=DIGEST,
    architecture="amd64",
    layers=(),
    env=(),
    labels=(),
    created=MOMENT,
)


def deb(name: str) -> Deb:
    return Deb(
        name=name,
        version="1",
        architecture="amd64",
        filename=f"pool/{name}.deb",
        digest=of_bytes(name.encode()),
        size=1,
    )


@pytest.fixture
def lock(tabular_lock: Lock) -> Lock:
    own = ("python3.11", "python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib")
    return replace(tabular_lock, debs=tuple(deb(name) for name in (*own, "libc6", "zlib1g")))


@pytest.fixture
def image() -> Image:
    return Image(
        architecture="amd64",
        settings=Settings(env=(), labels=(("harness.compressor", "zlib 1 level 6"),)),
        layers=(),
    )


def values(lock: Lock, image: Image, store: Store) -> Iterator[tuple[str, Callable[[], str]]]:
    """Yield every key of the builder by what it is of."""
    layer = Layer(title="t", diff_id=DIGEST, size=1, trees=("t",))
    file = store.root / "file"
    file.write_text("x")
    yield "wheel", lambda: trees.wheel_key(DIGEST, scheme.debian("3.11"))
    yield "deb", lambda: trees.deb_key("thing", DIGEST)
    yield "layer", lambda: build._layer_key(("t",))
    yield "base tree", lambda: on_base._tree_key(PULLED)
    yield "mounts", lambda: on_base._mounts_key(PULLED)
    yield "on base", lambda: on_base._identity(replace(lock, debs=(), base=BASE))
    yield "os", lambda: os_root.of_lock(lock)
    yield "compiler", lambda: packages._compiler(lock)
    yield "environment", lambda: build._identity(lock)
    yield "files", lambda: model.tree("code", {"a": file}, store)
    yield "packed", lambda: pack._key(layer, image)


CONSTANTS = {
    "rules of trees": (
        ("RULES", 99),
        {"wheel", "deb", "layer", "os", "compiler", "environment", "files", "on base"},
    ),
    "layout": (("LAYOUT", 99), {"layer", "os", "environment", "files", "mounts", "on base"}),
    "bytecode": (("BYTECODE", "marshal-9"), {"compiler", "environment", "on base"}),
    "level": (("LEVEL", 9), {"environment", "on base"}),
    "variables": (("ENV", ()), {"environment", "on base"}),
    "format": (("FORMAT", 99), {"environment", "on base"}),
}


@pytest.mark.parametrize("name", sorted(CONSTANTS))
def test_a_change_of_a_rule_is_another_key(
    name: str, lock: Lock, image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (constant, value), expected = CONSTANTS[name]
    store = Store(tmp_path)
    before = {kind: make() for kind, make in values(lock, image, store)}

    for module in (build, model, on_base, os_root, pack, packages, tree, trees, lock_room):
        if hasattr(module, constant):
            monkeypatch.setattr(module, constant, value)
    after = {kind: make() for kind, make in values(lock, image, store)}

    assert expected == {kind for kind in before if before[kind] != after[kind]}


def test_a_change_of_how_layers_of_others_become_a_tree_is_another_key(
    lock: Lock, image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    before = {kind: make() for kind, make in values(lock, image, store)}

    monkeypatch.setattr(stack, "RULES", 99)
    after = {kind: make() for kind, make in values(lock, image, store)}

    assert {"base tree", "mounts", "on base"} == {k for k in before if before[k] != after[k]}


@pytest.mark.parametrize("place", ["python", "program", "site", "scripts", "prefix"])
def test_a_wheel_for_another_place_is_another_tree_and_on_a_base_another_image(
    lock: Lock, place: str
) -> None:
    other = replace(BASE.scheme, **{place: "other"})
    on, moved = (
        replace(lock, debs=(), base=replace(BASE, scheme=to)) for to in (BASE.scheme, other)
    )

    assert trees.wheel_key(DIGEST, BASE.scheme) != trees.wheel_key(DIGEST, other)
    if place != "python":  # which a lock says besides
        assert on.digest != moved.digest
        assert on_base._identity(on) != on_base._identity(moved)


def test_a_debian_package_called_otherwise_is_another_tree() -> None:
    """Its name is in the tree: ``status.d/NAME``."""
    assert trees.deb_key("one", DIGEST) != trees.deb_key("two", DIGEST)


def test_another_compressor_is_another_key(image: Image, tmp_path: Path) -> None:
    layer = Layer(title="t", diff_id=DIGEST, size=1, trees=("t",))
    other = replace(
        image, settings=replace(image.settings, labels=(("harness.compressor", "zlib 1 level 9"),))
    )

    assert pack._key(layer, image) != pack._key(layer, other)


def test_bytecode_depends_on_the_interpreter_and_on_no_other_package(lock: Lock) -> None:
    """One that has python in its name is another package still."""
    more = replace(lock, debs=(*lock.debs, deb("libgomp1"), deb("python3-numpy")))
    newer = replace(
        lock,
        debs=tuple(
            replace(one, digest=Digest(DIGEST)) if "stdlib" in one.name else one
            for one in lock.debs
        ),
    )

    assert packages._compiler(lock) == packages._compiler(more)
    assert packages._compiler(lock) != packages._compiler(newer)


def test_labels_name_every_rule_that_made_the_image(tabular: build.Built) -> None:
    labels = dict(tabular.image.settings.labels)

    assert f"{lock_room.LAYOUT}.{tree.RULES}" == labels["harness.layout"]
    assert build.BYTECODE == labels["harness.bytecode"]
    assert labels["harness.compressor"].endswith(f"level {pack.LEVEL}")
    assert "3.11" == labels["harness.python"]


def test_an_os_package_more_leaves_every_python_layer_alone(
    tabular: build.Built, tabular_lock: Lock, fetched: Store
) -> None:
    fewer = replace(tabular_lock, debs=tuple(d for d in tabular_lock.debs if d.name != "libgomp1"))

    again = build.environment(fewer, fetched)

    before, after = (
        {x.title: x.diff_id for x in image.layers if x.title.startswith("python")}
        for image in (tabular.image, again.image)
    )
    assert len(before) > 5
    assert before == after
    assert tabular.image.config != again.image.config


def test_a_tree_is_read_in_any_locale(tmp_path: Path) -> None:
    """As bytes on disk: the name is UTF-8, whatever the process thinks that names are."""
    (tmp_path / "tree").mkdir()
    Writer(tmp_path / "tree", "thing").file("usr/Főtanúsítvány.crt", b"x")

    assert ["usr", "usr/Főtanúsítvány.crt"] == [n.path for n in tree.nodes(tmp_path / "tree")]
