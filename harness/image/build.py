"""From a lock to an environment image: a pure function, every part of it kept in the store."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from harness.content import bytecode, deb, wheel
from harness.content.bytecode import BYTECODE
from harness.content.interpreter import Interpreter
from harness.content.tree import RULES, merge, nodes, plant
from harness.core.digest import Digest, of_hex, short
from harness.core.errors import BuildFailed
from harness.image import base, roots, tar
from harness.image.image import ARCHITECTURES, FORMAT, Image, Layer, Settings, from_body
from harness.image.key import key
from harness.image.pack import LEVEL
from harness.image.partition import partition
from harness.lock.lock import LAYOUT, Deb, Lock
from harness.world import files, process
from harness.world.store import Store

ENV = (
    ("PATH", "/usr/local/bin:/usr/bin"),
    ("LANG", "C.UTF-8"),
    ("HOME", "/tmp"),
    ("PYTHONDONTWRITEBYTECODE", "1"),
    ("PYTHONUNBUFFERED", "1"),
    ("PYTHONHASHSEED", "0"),
    ("OMP_NUM_THREADS", "1"),
    ("OPENBLAS_NUM_THREADS", "1"),
    ("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"),
)
"""One thread for BLAS and OpenMP: with more, sums differ in their last bits from run to run."""

LITTLE = 8 << 20
"""Bytes of packages that are unpacked sooner than a pool of processes has started."""

Progress = Callable[[str], None]
Order = Callable[[list[str]], list[str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Built:
    """An environment image, its root file system on disk, and the interpreter in it."""

    image: Image
    root: Path
    interpreter: Interpreter
    rebuilt: int


def wheel_key(digest: Digest, python: str) -> str:
    """Return the store's key of the tree that a wheel becomes for an interpreter."""
    return key("wheel", digest, python, RULES)


def deb_key(digest: Digest) -> str:
    """Return the store's key of the tree that a Debian package becomes."""
    return key("deb", digest, RULES)


def interpreter(debs: tuple[Deb, ...], python: str, store: Store) -> Interpreter:
    """Return the interpreter that *debs* install, unpacked but without bytecode.

    The blobs of *debs* must be in the store.
    """
    trees = {deb.name: _deb_tree(str(store.root), deb.name, deb.digest) for deb in debs}
    return Interpreter(_os_root(store, trees, python), python)


def environment(
    lock: Lock,
    store: Store,
    *,
    workers: int = 0,
    progress: Progress = lambda _: None,
    order: Order = sorted,
) -> Built:
    """Build the environment image of *lock*, whose blobs must be in the store.

    The same lock gives the same bytes; *workers* and *order* (of compilation) can't be seen in
    them. Raises PackageRefused, PackageConflict and BuildFailed.
    """
    if (built := _known(lock, store)) is not None:
        return built
    with files.locked(store.root / "locks" / f"environment-{_identity(lock)}"):
        if (built := _known(lock, store)) is not None:  # another process was faster
            return built
        try:
            new = _new(lock, store)
            with _pool(new, workers) as pool:
                return _build(lock, store, pool, progress, order, new)
        except BrokenProcessPool as killed:
            raise BuildFailed(
                "a process that built the image was killed, as happens when memory runs out",
                hint="run the same command again with --workers 1: it goes on from here",
            ) from killed


def _new(lock: Lock, store: Store) -> dict[str, int]:
    """Return the trees of packages that are still to be made, and the bytes of each package."""
    trees = {deb_key(deb.digest): deb.digest for deb in lock.debs}
    trees |= {wheel_key(one.digest, lock.python): one.digest for one in lock.packages}
    return {
        tree: store.path(digest).stat().st_size
        for tree, digest in trees.items()
        if not store.has_tree(tree)
    }


def _pool(new: Mapping[str, int], workers: int) -> AbstractContextManager[Executor]:
    """Return who does the work: where little is to be done, nobody has to be started for it."""
    if sum(new.values()) < LITTLE:
        return process.inline()
    return process.pool(workers or os.cpu_count() or 1)


def _identity(lock: Lock) -> str:
    return key(
        "environment", lock.reference, lock.digest, RULES, LAYOUT, BYTECODE, LEVEL, ENV, FORMAT
    )


def _known(lock: Lock, store: Store) -> Built | None:
    body = store.recall("environment", _identity(lock))
    if body is None:
        return None
    image = from_body(body)
    trees = roots.trees(image.layers)
    root, os_root = store.root / "t" / roots.name(trees), store.root / "t" / _os_key(lock)
    if not (root.is_dir() and os_root.is_dir() and all(map(store.has_tree, trees))):
        return None
    return Built(image=image, root=root, interpreter=Interpreter(os_root, lock.python), rebuilt=0)


def _os_key(lock: Lock) -> str:
    trees = {deb.name: deb_key(deb.digest) for deb in lock.debs}
    return key("os", sorted(trees.items()), lock.python, LAYOUT)


def _compiler(lock: Lock) -> str:
    """Name what writes bytecode: the interpreter by its own packages, no other, and the rules."""
    version = f"python{lock.python}"
    own = (version, f"{version}-minimal", f"lib{version}-minimal", f"lib{version}-stdlib")
    return key(sorted(deb.digest for deb in lock.debs if deb.name in own), BYTECODE, RULES)


def _build(
    lock: Lock,
    store: Store,
    pool: Executor,
    progress: Progress,
    order: Order,
    new: Mapping[str, int],
) -> Built:
    where = str(store.root)
    progress(f"unpacking {len(lock.debs)} OS packages and {len(lock.packages)} wheels")
    debs = {
        pool.submit(_deb_tree, where, d.name, d.digest): d.name
        for d in sorted(lock.debs, key=lambda d: -store.path(d.digest).stat().st_size)
    }
    wheels = {
        pool.submit(_wheel_tree, where, w.name, w.digest, w.filename, lock.python): w.name
        for w in sorted(lock.packages, key=lambda w: -store.path(w.digest).stat().st_size)
    }
    os_trees = {name: task.result() for task, name in debs.items()}
    os_root = _os_root(store, os_trees, lock.python)
    shipped = Interpreter(os_root, lock.python)
    identity = _compiler(lock)
    compiled: dict[str, Future[str]] = {}
    for task in as_completed([*debs, *wheels]):  # the first to be there is compiled first
        tree = task.result()
        compiled[tree] = pool.submit(_bytecode_tree, where, tree, shipped, identity, order)
    wheel_trees = {name: task.result() for task, name in wheels.items()}
    wheel.refuse_collisions({name: _files(store, tree) for name, tree in wheel_trees.items()})

    progress("compiling bytecode")
    groups = _groups(lock, store, os_trees, wheel_trees, lambda tree: compiled[tree].result())
    progress("laying out layers")
    laid = pool.submit(_root, where, tuple(tree for trees in groups.values() for tree in trees))
    fresh = frozenset({*new, *(compiled[tree].result() for tree in new)})
    layers, rebuilt = layered(groups, store, pool, fresh)
    image = Image(
        architecture=ARCHITECTURES[lock.architecture],
        settings=Settings(
            env=ENV,
            command=(f"/usr/bin/python{lock.python}",),
            labels=(
                ("harness.bytecode", BYTECODE),
                ("harness.compressor", _compressor(os_root)),
                ("harness.environment", lock.reference),
                ("harness.layout", f"{LAYOUT}.{RULES}"),
                ("harness.lock", lock.digest),
                ("harness.python", lock.python),
            ),
        ),
        layers=layers,
    )
    publish(image, store)
    root = Path(laid.result())
    store.remember("environment", _identity(lock), image.body())
    return Built(image=image, root=root, interpreter=shipped, rebuilt=rebuilt)


def _groups(
    lock: Lock,
    store: Store,
    os_trees: Mapping[str, str],
    wheel_trees: Mapping[str, str],
    compiled: Callable[[str], str],
) -> dict[str, tuple[str, ...]]:
    """Return the layers' titles and the trees in each, a package's bytecode beside it."""
    groups: dict[str, tuple[str, ...]] = {
        "base": (key("base", sorted(os_trees.items()), lock.python, LAYOUT),)
    }
    for prefix, buckets, trees in (("os", 4, os_trees), ("python", 8, wheel_trees)):
        sizes = {name: _size(store, tree) for name, tree in trees.items()}
        for title, names in partition(sizes, prefix=prefix, buckets=buckets).items():
            both = [tree for name in names for tree in (trees[name], compiled(trees[name]))]
            groups[title] = tuple(tree for tree in both if _size(store, tree))
    return groups


def layered(
    groups: Mapping[str, tuple[str, ...]],
    store: Store,
    pool: Executor,
    fresh: frozenset[str] = frozenset(),
) -> tuple[tuple[Layer, ...], int]:
    """Return a layer for each titled group of trees, and how many were not known yet.

    Trees that aren't *fresh*, made a moment ago, are read through before they get a digest:
    raises StoreDamaged for one that isn't as it was made.
    """
    keys = {title: key("layer", trees, RULES) for title, trees in groups.items()}
    known = {title: store.recall("layer", keys[title]) for title in groups}
    missing = [title for title, body in known.items() if body is None]
    where = str(store.root)
    tasks = {
        title: pool.submit(_layer, where, groups[title], fresh.intersection(groups[title]))
        for title in missing
    }
    for title, task in tasks.items():
        known[title] = task.result()
        store.remember("layer", keys[title], known[title])
    return tuple(Layer(title=t, trees=groups[t], **known[t]) for t in groups), len(missing)


def publish(image: Image, store: Store) -> None:
    """Keep *image* where its config's digest finds it."""
    store.remember("image", image.config.removeprefix("sha256:"), image.body())


def _os_root(store: Store, trees: Mapping[str, str], python: str) -> Path:
    folder = store.root / "t"
    generated = store.tree(
        key("base", sorted(trees.items()), python, LAYOUT),
        lambda root: base.generate(root, [folder / tree for tree in trees.values()], python),
    )
    roots = {name: folder / tree for name, tree in trees.items()} | {"the base": generated}
    return store.tree(
        key("os", sorted(trees.items()), python, LAYOUT),
        lambda root: plant(merge(roots), root),
        of=[*trees.values(), generated.name],
    )


def _size(store: Store, tree: str) -> int:
    def measure() -> int:
        return sum(node.size for node in nodes(store.root / "t" / tree) if node.kind == "file")

    return int(store.record("size", tree, measure))


def _files(store: Store, tree: str) -> list[str]:
    return [node.path for node in nodes(store.root / "t" / tree) if node.kind != "folder"]


# What runs in the pool's processes: module-level functions of strings, since those are what
# another process can be told.


def _deb_tree(where: str, name: str, digest: Digest) -> str:
    store = Store(Path(where))
    tree = deb_key(digest)
    store.tree(tree, lambda root: deb.unpack(store.whole(digest), name, root))
    return tree


def _wheel_tree(where: str, name: str, digest: Digest, filename: str, python: str) -> str:
    store = Store(Path(where))
    tree = wheel_key(digest, python)
    store.tree(tree, lambda root: wheel.unpack(store.whole(digest), name, python, root))
    return tree


def _bytecode_tree(where: str, tree: str, shipped: Interpreter, identity: str, order: Order) -> str:
    store = Store(Path(where))
    compiled = key("bytecode", tree, identity)
    source = store.root / "t" / tree
    store.tree(
        compiled,
        lambda root: bytecode.compile_tree(shipped, source, root, order=order),
    )
    return compiled


def _root(where: str, trees: tuple[str, ...]) -> str:
    return str(roots.lay(trees, Store(Path(where))))


def _layer(where: str, trees: tuple[str, ...], fresh: frozenset[str]) -> dict[str, object]:
    store = Store(Path(where))
    store.sound([tree for tree in trees if tree not in fresh])  # a disk may have changed it since
    folder = store.root / "t"
    hasher = hashlib.sha256()
    size = 0
    for chunk in tar.stream(merge({tree: folder / tree for tree in trees})):
        hasher.update(chunk)
        size += len(chunk)
    return {"diff_id": of_hex(hasher.hexdigest()), "size": size}


def _compressor(root: Path) -> str:
    """Name what compresses the layers: the zlib in *root* by its file and bytes, and the level."""
    library = next(iter(sorted(root.glob("usr/lib/*/libz.so.1.*"))))
    version = library.name.removeprefix("libz.so.")
    return f"zlib {version} {short(files.digest_of(library))} level {LEVEL}"
