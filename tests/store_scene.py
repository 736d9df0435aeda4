"""A small store with one of everything: wheels, trees of them, a root, images, layers."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import packages

from harness.content import wheel
from harness.content.union import lay_out
from harness.core.digest import Digest
from harness.world import seal
from harness.world.store import Store

DAY = 86_400


def filled(root: Path, names: tuple[str, ...] = ("one", "two")) -> Store:
    """Return a store with an image of the wheels *names*, each a tree, in a root of links."""
    store = Store(root)
    trees = {name: add_wheel(store, name) for name in names}
    add_image(store, "first", tuple(trees.values()))
    return store


def add_wheel(store: Store, name: str) -> str:
    """Put a wheel into *store* as a blob and as a tree; return the tree's key."""
    folder = store.root.parent / f"made-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    code = f"{name} = {list(range(100))}\n".encode()
    made = packages.wheel(folder, name, files={f"{name}/code.py": code, f"{name}/empty.txt": b""})
    store.add(made.read_bytes())
    shutil.rmtree(folder)
    store.tree(f"tree-{name}", lambda root: wheel.unpack(blob(store, name), name, "3.11", root))
    return f"tree-{name}"


def blob(store: Store, name: str) -> Path:
    """Return where the wheel of *name* lies."""
    blobs = (store.root / "blobs" / "sha256").iterdir()
    return next(path for path in blobs if f"{name}/code.py".encode() in path.read_bytes())


def add_image(store: Store, name: str, trees: tuple[str, ...]) -> Digest:
    """Record an image of one layer of *trees*, with its root and its packed layer."""
    layer = store.add(b"packed layer of " + name.encode())
    store.remember("layer", f"layer-{name}", {"digest": layer, "unpacked": 9})
    body = {"layers": [{"title": name, "digest": layer, "trees": list(trees)}]}
    store.remember("image", f"image-{name}", body)
    store.tree(
        f"root-{name}",
        lambda root: lay_out({key: store.root / "t" / key for key in trees}, root),
        of=trees,
    )
    return layer


def opened(path: Path) -> Any:
    """Return the value of a record, without using it."""
    return json.loads(seal.read(path))["value"]


def contents(store: Store) -> list[Path]:
    """Return every file of *store* that holds something, links of one file once."""
    seen: dict[tuple[int, int], Path] = {}
    paths = sorted(store.root.rglob("*"))
    for path in sorted(paths, key=lambda path: "root-" in str(path.relative_to(store.root))):
        if path.is_file() and not path.is_symlink() and path.stat().st_size:
            status = path.stat()
            seen.setdefault((status.st_dev, status.st_ino), path)
    return sorted(seen.values())


def flip(path: Path, offset: int | None = None, bit: int = 0) -> int:
    """Flip one bit as a disk does, unseen by size or time; return the byte's offset."""
    status = path.stat()
    data = bytearray(path.read_bytes())
    at = len(data) // 2 if offset is None else offset
    data[at] ^= 1 << bit
    with path.open("r+b") as file:
        file.write(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    return at


def age(store: Store, days: float) -> None:
    """Let nothing in *store* have been used for so long, by anybody who lives."""
    then = time.time() - days * DAY
    for path in [*(store.root / "d").rglob("*.json"), *(store.root / "blobs").rglob("*")]:
        os.utime(path, (then, then))
