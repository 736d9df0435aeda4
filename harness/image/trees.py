"""Packages as trees of the store, and layers of those: what the processes that build do.

Everything takes the store's folder and returns keys: what another process can be told.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from pathlib import Path

from harness.content import bytecode, deb, wheel
from harness.content.interpreter import Interpreter
from harness.content.scheme import Scheme
from harness.content.tree import RULES, nodes
from harness.content.union import merge
from harness.core.digest import Digest, of_hex
from harness.image import tar
from harness.image.key import key
from harness.world.store import Store

Order = Callable[[list[str]], list[str]]


def deb_key(name: str, digest: Digest) -> str:
    """Return the store's key of the tree that a Debian package becomes, called by its *name*."""
    return key("deb", name, digest, RULES)


def wheel_key(digest: Digest, to: Scheme) -> str:
    """Return the store's key of the tree that a wheel becomes for the interpreter of a scheme."""
    return key("wheel", digest, _said(to), RULES)


@cache
def _said(to: Scheme) -> dict[str, str]:
    return asdict(to)


def bytecode_key(tree: str, compiler: str) -> str:
    """Return the store's key of the bytecode of *tree*; *compiler* as ``of_bytecode`` has it."""
    return key("bytecode", tree, compiler)


def of_deb(where: str, name: str, digest: Digest) -> str:
    """Unpack a Debian package; return the tree's key."""
    store = Store(Path(where))
    tree = deb_key(name, digest)
    store.tree(tree, lambda root: deb.unpack(store.whole(digest), name, root))
    return tree


def of_wheel(where: str, name: str, digest: Digest, to: Scheme) -> str:
    """Unpack a wheel for the interpreter of a scheme; return the tree's key."""
    store = Store(Path(where))
    tree = wheel_key(digest, to)
    store.tree(tree, lambda root: wheel.unpack(store.whole(digest), name, to.python, root, to=to))
    return tree


def of_bytecode(where: str, tree: str, shipped: Interpreter, compiler: str, order: Order) -> str:
    """Compile the sources of *tree*; return the key of the tree of bytecode.

    *compiler* names all that the bytecode depends on beside the sources.
    """
    store = Store(Path(where))
    compiled = bytecode_key(tree, compiler)
    source = store.root / "t" / tree
    store.tree(compiled, lambda root: bytecode.compile_tree(shipped, source, root, order=order))
    return compiled


def layer(where: str, trees: tuple[str, ...], fresh: frozenset[str]) -> dict[str, object]:
    """Return digest and size of the tar that *trees* make.

    Those that aren't *fresh* are read through before: a disk may have changed them since.
    """
    store = Store(Path(where))
    store.sound([tree for tree in trees if tree not in fresh])
    hasher = hashlib.sha256()
    size = 0
    for chunk in tar.stream(merge({tree: store.root / "t" / tree for tree in trees})):
        hasher.update(chunk)
        size += len(chunk)
    return {"diff_id": of_hex(hasher.hexdigest()), "size": size}


def size(store: Store, tree: str) -> int:
    """Return how many bytes the files of *tree* have."""

    def measure() -> int:
        return sum(node.size for node in nodes(store.root / "t" / tree) if node.kind == "file")

    return int(store.record("size", tree, measure))


def names(store: Store, tree: str) -> list[str]:
    """Return the paths of all files and links of *tree*."""

    def listed() -> list[str]:
        return [node.path for node in nodes(store.root / "t" / tree) if node.kind != "folder"]

    return list(store.record("names", tree, listed))
