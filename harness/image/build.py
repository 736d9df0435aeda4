"""From a lock to an environment image: a pure function, every part of it kept in the store."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import BrokenExecutor, Executor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from harness.content import wheel
from harness.content.bytecode import BYTECODE
from harness.content.interpreter import Interpreter
from harness.content.tree import RULES
from harness.core.digest import hexadecimal
from harness.core.errors import BuildFailed, PackageConflict
from harness.image import os_root, packages, roots, trees
from harness.image.growing import Growing, growing
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
            new = packages.new(lock, store)
            with growing(store) as root, _pool(new, workers) as pool:
                return _build(lock, store, pool, root, progress, order, new)
        except BrokenExecutor as killed:
            raise BuildFailed(
                "a process that built the image was killed, as happens when memory runs out",
                hint="run the same command again with --workers 1: it goes on from here",
            ) from killed


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


def _build(
    lock: Lock,
    store: Store,
    pool: Executor,
    root: Growing,
    progress: Progress,
    order: Order,
    new: Mapping[str, int],
) -> Built:
    size = cache(partial(trees.size, store))

    def lay(name: str, tree: str) -> None:
        if size(tree):  # an empty one is in no layer
            root.add(name, tree)

    progress(f"unpacking {len(lock.debs)} OS packages and {len(lock.packages)} wheels, compiling")
    made = packages.make(lock, store, pool, new=new, order=order, lay=lay)
    wheel.refuse_collisions({n: trees.names(store, tree) for n, tree in made.wheels.items()})
    groups: dict[str, tuple[str, ...]] = {"base": (os_root.base_key(made.debs, lock.python),)}
    for prefix, buckets, found in (("os", 4, made.debs), ("python", 8, made.wheels)):
        groups |= grouped(found, size, prefix=prefix, buckets=buckets, compiled=made.code)
    root.add("what no package has", *groups["base"])
    progress("laying out layers")
    try:
        layers, rebuilt = layered(groups, store, pool, made.fresh)
    except PackageConflict:
        root.whole()  # which knows the packages by their names
        raise
    image = Image(
        architecture=ARCHITECTURES[lock.architecture],
        settings=Settings(
            env=ENV,
            command=(f"/usr/bin/python{lock.python}",),
            labels=(
                ("harness.bytecode", BYTECODE),
                ("harness.compressor", os_root.compressor(made.shipped.root)),
                ("harness.environment", lock.reference),
                ("harness.layout", f"{LAYOUT}.{RULES}"),
                ("harness.lock", lock.digest),
                ("harness.python", lock.python),
            ),
        ),
        layers=layers,
    )
    root.keep(roots.trees(layers))
    publish(image, store)
    store.remember("environment", _identity(lock), image.body())
    return Built(image=image, store=store, interpreter=made.shipped, rebuilt=rebuilt)


def grouped(
    found: Mapping[str, str],
    size: Callable[[str], int],
    *,
    prefix: str,
    buckets: int,
    compiled: Mapping[str, str],
) -> dict[str, tuple[str, ...]]:
    """Return layers of packages (name → tree), each with what is *compiled* of it (tree → tree);
    none empty."""
    sizes = {name: size(tree) for name, tree in found.items()}
    groups = {}
    for title, names in partition(sizes, prefix=prefix, buckets=buckets).items():
        both = [tree for name in names for tree in (found[name], compiled[found[name]])]
        groups[title] = tuple(tree for tree in both if size(tree))
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
