"""From a lock to an environment image: a pure function, every part of it kept in the store."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import BrokenExecutor, Executor, Future, as_completed
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from harness.content import scheme, wheel
from harness.content.bytecode import BYTECODE
from harness.content.interpreter import Interpreter
from harness.content.tree import RULES, merge
from harness.core.digest import hexadecimal
from harness.core.errors import BuildFailed
from harness.image import os_root, roots, trees
from harness.image.image import ARCHITECTURES, FORMAT, Image, Layer, Settings, from_body
from harness.image.key import key
from harness.image.pack import LEVEL
from harness.image.partition import partition
from harness.image.trees import Order
from harness.lock.lock import LAYOUT, Lock
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
FEW = 3
"""New packages up to which a root is not laid out before somebody asks for it: most such images are
looked at, packed or pushed, and never run here."""

Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Built:
    """An environment image, and the interpreter in it; *rebuilt* layers weren't known before."""

    image: Image
    store: Store
    interpreter: Interpreter
    rebuilt: int

    @property
    def root(self) -> Path:
        """Its root file system on disk, laid out when it is first asked for."""
        return roots.environment(self.image, self.store)


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
        except BrokenExecutor as killed:
            raise BuildFailed(
                "a process that built the image was killed, as happens when memory runs out",
                hint="run the same command again with --workers 1: it goes on from here",
            ) from killed


def _new(lock: Lock, store: Store) -> dict[str, int]:
    """Return the trees of packages that are still to be made, and the bytes of each package."""
    to = scheme.debian(lock.python)
    wanted = {trees.deb_key(deb.name, deb.digest): deb.digest for deb in lock.debs}
    wanted |= {trees.wheel_key(one.digest, to): one.digest for one in lock.packages}
    return {
        tree: store.path(digest).stat().st_size
        for tree, digest in wanted.items()
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
    held = roots.trees(image.layers)
    root = os_root.of_lock(lock)
    if not all(map(store.has_tree, (root, *held))):  # which marks them as used
        return None
    shipped = Interpreter(store.root / "t" / root, lock.python)
    return Built(image=image, store=store, interpreter=shipped, rebuilt=0)


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
    where, to = str(store.root), scheme.debian(lock.python)
    progress(f"unpacking {len(lock.debs)} OS packages and {len(lock.packages)} wheels")
    debs = {
        pool.submit(trees.of_deb, where, d.name, d.digest): d.name
        for d in sorted(lock.debs, key=lambda d: -store.path(d.digest).stat().st_size)
    }
    wheels = {
        pool.submit(trees.of_wheel, where, w.name, w.digest, to): w.name
        for w in sorted(lock.packages, key=lambda w: -store.path(w.digest).stat().st_size)
    }
    os_trees = {name: task.result() for task, name in debs.items()}
    root = os_root.of(os_trees, lock.python, store)
    shipped = Interpreter(root, lock.python)
    identity = _compiler(lock)
    compiled: dict[str, Future[str]] = {}
    for task in as_completed([*debs, *wheels]):  # the first to be there is compiled first
        tree = task.result()
        compiled[tree] = pool.submit(trees.of_bytecode, where, tree, shipped, identity, order)
    wheel_trees = {name: task.result() for task, name in wheels.items()}
    names = {name: trees.names(store, tree) for name, tree in wheel_trees.items()}
    wheel.refuse_collisions(names)
    _refuse_conflicts(names, wheel_trees, store)

    progress("compiling bytecode")
    groups = _groups(lock, store, os_trees, wheel_trees, lambda tree: compiled[tree].result())
    progress("laying out layers")
    many = len(new) > FEW
    laid = pool.submit(trees.root, where, sum(groups.values(), ())) if many else None
    fresh = frozenset({*new, *(compiled[tree].result() for tree in new)})
    layers, rebuilt = layered(groups, store, pool, fresh)
    image = Image(
        architecture=ARCHITECTURES[lock.architecture],
        settings=Settings(
            env=ENV,
            command=(f"/usr/bin/python{lock.python}",),
            labels=(
                ("harness.bytecode", BYTECODE),
                ("harness.compressor", os_root.compressor(root)),
                ("harness.environment", lock.reference),
                ("harness.layout", f"{LAYOUT}.{RULES}"),
                ("harness.lock", lock.digest),
                ("harness.python", lock.python),
            ),
        ),
        layers=layers,
    )
    publish(image, store)
    if laid is not None:
        laid.result()
    store.remember("environment", _identity(lock), image.body())
    return Built(image=image, store=store, interpreter=shipped, rebuilt=rebuilt)


def _refuse_conflicts(
    names: Mapping[str, list[str]], unpacked: Mapping[str, str], store: Store
) -> None:
    """Raise PackageConflict when two wheels write one path with different bytes, or one of them a
    file where the other has a folder."""
    owner: dict[str, str] = {}
    folders: set[str] = set()
    sharing = set()
    for name, paths in names.items():
        for path in paths:
            if owner.setdefault(path, name) != name:
                sharing |= {owner[path], name}
            while (path := path.rpartition("/")[0]) and path not in folders:
                folders.add(path)
    for path in folders & owner.keys():
        sharing |= {n for n, paths in names.items() if any(p.startswith(f"{path}/") for p in paths)}
        sharing.add(owner[path])
    merge({name: store.root / "t" / unpacked[name] for name in sharing})


def _groups(
    lock: Lock,
    store: Store,
    os_trees: Mapping[str, str],
    wheel_trees: Mapping[str, str],
    compiled: Callable[[str], str],
) -> dict[str, tuple[str, ...]]:
    """Return the layers' titles and the trees in each, a package's bytecode beside it."""
    groups: dict[str, tuple[str, ...]] = {"base": (os_root.base_key(os_trees, lock.python),)}
    for prefix, buckets, found in (("os", 4, os_trees), ("python", 8, wheel_trees)):
        groups |= grouped(found, store, prefix=prefix, buckets=buckets, compiled=compiled)
    return groups


def grouped(
    found: Mapping[str, str],
    store: Store,
    *,
    prefix: str,
    buckets: int,
    compiled: Callable[[str], str],
) -> dict[str, tuple[str, ...]]:
    """Return layers of packages (name → tree), each with what is *compiled* of it; none empty."""
    sizes = {name: trees.size(store, tree) for name, tree in found.items()}
    groups = {}
    for title, names in partition(sizes, prefix=prefix, buckets=buckets).items():
        both = [tree for name in names for tree in (found[name], compiled(found[name]))]
        groups[title] = tuple(tree for tree in both if trees.size(store, tree))
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
    keys = {title: _layer_key(group) for title, group in groups.items()}
    known = {title: store.recall("layer", keys[title]) for title in groups}
    missing = [title for title, body in known.items() if body is None]
    where = str(store.root)
    tasks = {
        title: pool.submit(trees.layer, where, groups[title], fresh.intersection(groups[title]))
        for title in missing
    }
    for title, task in tasks.items():
        known[title] = task.result()
        store.remember("layer", keys[title], known[title])
    return tuple(Layer(title=t, trees=groups[t], **known[t]) for t in groups), len(missing)


def _layer_key(group: tuple[str, ...]) -> str:
    return key("layer", group, RULES, LAYOUT)


def publish(image: Image, store: Store) -> None:
    """Keep *image* where its config's digest finds it."""
    store.remember("image", hexadecimal(image.config), image.body())
