"""The packages of a lock as trees of the store, and their bytecode; laid out as they come to be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future, as_completed
from dataclasses import dataclass

from harness.content import scheme
from harness.content.bytecode import BYTECODE
from harness.content.interpreter import Interpreter
from harness.content.tree import RULES
from harness.image import os_root, trees
from harness.image.key import key
from harness.image.trees import Order
from harness.lock.lock import Deb, Lock, Wheel
from harness.world.store import Store

Lay = Callable[[str, str], None]
"""Is told of each package's tree, and of its bytecode's, by a name as soon as it is there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Packages:
    """Trees of OS packages and of wheels by the packages' names, and of bytecode by theirs.

    Those that are *fresh* were made a moment ago; *shipped* wrote the bytecode.
    """

    debs: Mapping[str, str]
    wheels: Mapping[str, str]
    code: Mapping[str, str]
    fresh: frozenset[str]
    shipped: Interpreter


def new(lock: Lock, store: Store) -> dict[str, int]:
    """Return the trees of packages that are still to be made, and the bytes of each package."""
    return {
        tree: store.path(package.digest).stat().st_size
        for tree, package in {**_debs(lock), **_wheels(lock)}.items()
        if not store.has_tree(tree)
    }


def make(
    lock: Lock, store: Store, pool: Executor, *, new: Mapping[str, int], order: Order, lay: Lay
) -> Packages:
    """Have the *pool* make all that is *new*, the largest first, and the bytecode.

    Raises PackageRefused and BuildFailed.
    """
    debs, wheels = _debs(lock), _wheels(lock)
    names = {tree: wheel.name for tree, wheel in wheels.items()}
    names |= {tree: f"{deb.name} of Debian" for tree, deb in debs.items()}
    for tree in sorted(names.keys() - new.keys()):
        lay(names[tree], tree)
    where, to = str(store.root), scheme.debian(lock.python)
    largest = sorted(new, key=lambda tree: -new[tree])
    unpacking = {  # the OS packages first: bytecode waits for them
        pool.submit(trees.of_deb, where, debs[tree].name, debs[tree].digest): tree
        for tree in largest
        if tree in debs
    }
    unpacking |= {
        pool.submit(trees.of_wheel, where, wheels[tree].name, wheels[tree].digest, to): tree
        for tree in largest
        if tree in wheels
    }
    for task, tree in unpacking.items():
        if tree in debs:
            task.result()
    os_trees = {deb.name: tree for tree, deb in debs.items()}
    shipped = Interpreter(os_root.of(os_trees, lock.python, store), lock.python)
    identity = _compiler(lock)
    code = {tree: trees.bytecode_key(tree, identity) for tree in names}
    known = {tree for tree in names if store.has_tree(code[tree])}
    for tree in sorted(known):
        lay(f"the bytecode of {names[tree]}", code[tree])
    compiling: dict[Future[str], str] = {}

    def compile_soon(tree: str) -> None:
        if tree not in known:
            task = pool.submit(trees.of_bytecode, where, tree, shipped, identity, order)
            compiling[task] = f"the bytecode of {names[tree]}"

    for tree in sorted(names.keys() - new.keys()):
        compile_soon(tree)
    for task in as_completed(unpacking):  # the first to be there is compiled first
        tree = task.result()
        lay(names[tree], tree)
        compile_soon(tree)
    for task in as_completed(compiling):
        lay(compiling[task], task.result())
    return Packages(
        debs=os_trees,
        wheels={wheel.name: tree for tree, wheel in wheels.items()},
        code=code,
        fresh=frozenset({*new, *(code[tree] for tree in new)}),
        shipped=shipped,
    )


def _debs(lock: Lock) -> dict[str, Deb | Wheel]:
    return {trees.deb_key(deb.name, deb.digest): deb for deb in lock.debs}


def _wheels(lock: Lock) -> dict[str, Deb | Wheel]:
    to = scheme.debian(lock.python)
    return {trees.wheel_key(wheel.digest, to): wheel for wheel in lock.packages}


def _compiler(lock: Lock) -> str:
    """Name what writes bytecode: the interpreter by its own packages, no other, and the rules."""
    version = f"python{lock.python}"
    own = (version, f"{version}-minimal", f"lib{version}-minimal", f"lib{version}-stdlib")
    return key(sorted(deb.digest for deb in lock.debs if deb.name in own), BYTECODE, RULES)
