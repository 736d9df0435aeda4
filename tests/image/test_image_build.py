"""One lock, one digest: whatever builds it, wherever, in whatever order."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.content import bytecode
from harness.content.tree import nodes
from harness.core.errors import BuildFailed
from harness.image import build, validate
from harness.image.image import from_body
from harness.lock.lock import Lock
from harness.world.store import Store

SMALL = ("click", "h11", "joblib", "python-dateutil", "threadpoolctl", "uvicorn")

VARIED = """
import json, os, sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from harness.image import build, pack
from harness.lock import pylock
from harness.world.store import Store

def backwards(names): return sorted(names, reverse=True)

if __name__ == "__main__":
    os.umask(int(sys.argv[4], 8))
    blobs, root, names = Store(Path(sys.argv[1])), Store(Path(sys.argv[2])), json.loads(sys.argv[5])
    lock = pylock.loads(Path(sys.argv[3]).read_text())
    lock = replace(lock, packages=tuple(p for p in lock.packages if p.name in names))
    for item in (*lock.packages, *lock.debs):
        root.path(item.digest).parent.mkdir(parents=True, exist_ok=True)
        os.link(blobs.path(item.digest), root.path(item.digest))
    order = backwards if sys.argv[6] == "backwards" else sorted
    built = build.environment(lock, root, workers=int(sys.argv[7]), order=order)
    packed = pack.packed(built.image, root)
    print(json.dumps({"image": built.image.body(), "digest": packed.digest}))
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("varied") / "varied.py"
    path.write_text(VARIED)
    return path


def built(
    script: Path,
    store: Store,
    lock_file: Path,
    folder: Path,
    *,
    umask: str,
    order: str,
    workers: int,
    zone: str,
    seed: str,
) -> dict[str, Any]:
    folder.mkdir(parents=True)
    done = subprocess.run(
        [
            sys.executable,
            script,
            store.root,
            folder / "store",
            lock_file,
            umask,
            json.dumps(SMALL),
            order,
            str(workers),
        ],
        cwd=folder,
        env={**os.environ, "TZ": zone, "PYTHONHASHSEED": seed},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def test_two_builds_from_nothing_differ_in_no_bit(
    script: Path, fetched: Store, tabular_lock_file: Path, tmp_path: Path
) -> None:
    """Another folder, umask, time zone, hash seed, number of workers, and order of compilation."""
    one = built(
        script, fetched, tabular_lock_file, tmp_path / "a",
        umask="022", order="sorted", workers=2, zone="UTC", seed="0",
    )  # fmt: skip
    two = built(
        script, fetched, tabular_lock_file, tmp_path / "much" / "longer" / "path",
        umask="077", order="backwards", workers=1, zone="Asia/Kathmandu", seed="4711",
    )  # fmt: skip

    first, second = from_body(one["image"]), from_body(two["image"])
    assert first.config == second.config
    assert one["digest"] == two["digest"]


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


def test_a_compiler_that_cannot_run_is_an_error_and_no_image(tmp_path: Path) -> None:
    from harness.content.interpreter import Interpreter

    root = tmp_path / "root"
    (root / "usr/lib64").mkdir(parents=True)
    (root / "usr/lib64/ld-linux-x86-64.so.2").write_text("#!/bin/false\n")
    (root / "usr/lib64/ld-linux-x86-64.so.2").chmod(0o755)
    (tmp_path / "a.py").write_text("x = 1\n")

    with pytest.raises(BuildFailed, match="bytecode"):
        bytecode.compile_tree(Interpreter(root, "3.11"), tmp_path, tmp_path / "out")
