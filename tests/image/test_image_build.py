"""One lock, one digest: whatever builds it, wherever, in whatever order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.content import bytecode
from harness.content.interpreter import Interpreter
from harness.content.tree import Writer, nodes
from harness.core.errors import BuildFailed
from harness.image import build, model, os_root, pack, trees, validate
from harness.image.image import Image, Layer, Settings
from harness.lock.lock import Lock
from harness.world.store import Store


def test_bytecode_is_the_same_for_every_order(
    tabular: build.Built, fetched: Store, tmp_path: Path
) -> None:
    """Under marshal version 4 the order of compilation shows in some files; two runs hide it."""
    site = tabular.root / "usr/local/lib/python3.11/dist-packages"
    orders = [
        lambda names: sorted(names),
        lambda names: sorted(names, reverse=True),
        lambda names: sorted(names, key=lambda n: (len(n), n)),
        lambda names: sorted(names, key=lambda n: n[::-1]),
    ]
    seen = []
    for i, order in enumerate(orders):
        out = tmp_path / str(i)
        out.mkdir()
        bytecode.compile_tree(tabular.interpreter, site / "joblib", out, order=order)
        seen.append({n.path: Path(n.source).read_bytes() for n in nodes(out) if n.kind == "file"})

    assert len(seen[0]) > 50
    assert all(other == seen[0] for other in seen)


def test_a_change_of_one_package_rebuilds_one_layer(
    tabular: build.Built, tabular_lock: Lock, fetched: Store
) -> None:
    smaller = replace(
        tabular_lock, packages=tuple(p for p in tabular_lock.packages if p.name != "h11")
    )

    again = build.environment(smaller, fetched)

    before = {layer.diff_id for layer in tabular.image.layers}
    changed = [layer.title for layer in again.image.layers if layer.diff_id not in before]
    assert len(changed) <= 1
    assert again.image.config != tabular.image.config


def test_every_shared_library_of_the_curated_environment_finds_what_it_needs(
    tabular: build.Built,
) -> None:
    assert validate.missing_libraries(tabular.root) == ()


def test_a_library_that_is_taken_away_is_named_with_who_needs_it(
    tabular: build.Built, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    lib = root / "usr/lib/x86_64-linux-gnu"
    lib.mkdir(parents=True)
    source = tabular.root / "usr/lib/x86_64-linux-gnu"
    for path in source.glob("libstdc++.so.6*"):
        (lib / path.name).write_bytes(path.read_bytes())

    missing = validate.missing_libraries(root)

    assert {"libm.so.6", "libc.so.6", "libgcc_s.so.1"} <= {m.library for m in missing}


def failing(root: Path) -> Interpreter:
    """An interpreter that can't run."""
    (root / "usr/lib64").mkdir(parents=True)
    (root / "usr/lib64/ld-linux-x86-64.so.2").write_text("#!/bin/false\n")
    (root / "usr/lib64/ld-linux-x86-64.so.2").chmod(0o755)
    return Interpreter(root, "3.11")


def test_a_compiler_that_cannot_run_is_an_error_and_no_image(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")

    with pytest.raises(BuildFailed, match="bytecode") as raised:
        bytecode.compile_tree(failing(tmp_path / "root"), tmp_path, tmp_path / "out")

    assert raised.value.hint


def test_a_compressor_that_cannot_run_is_an_error_and_no_blob(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.tree("t", lambda root: Writer(root, "t").file("a", b"x"))
    made = trees.layer(str(store.root), ("t",), frozenset())
    layer = Layer(title="t", trees=("t",), **made)  # type: ignore[arg-type]

    with pytest.raises(BuildFailed, match="compressor") as raised:
        pack._compress(layer, failing(tmp_path / "root"), store)

    assert raised.value.hint
    assert not (store.root / "blobs").exists()


def test_an_environment_without_zlib_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match="zlib") as raised:
        os_root.compressor(tmp_path)

    assert raised.value.hint


def test_an_environment_is_no_model(tmp_path: Path) -> None:
    image = Image(architecture="amd64", settings=Settings(env=()), layers=())

    with pytest.raises(BuildFailed, match="not a model's image") as raised:
        model.runnable(image, Store(tmp_path))

    assert raised.value.hint
