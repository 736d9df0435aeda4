"""The OS packages of an environment as one root: where the interpreter that ships runs from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.content.interpreter import Interpreter
from harness.content.union import lay_out
from harness.core.digest import short
from harness.core.errors import BuildFailed
from harness.image import base, trees
from harness.image.key import key
from harness.image.pack import LEVEL
from harness.lock.lock import LAYOUT, Deb, Lock
from harness.world import files
from harness.world.store import Store


def interpreter(debs: tuple[Deb, ...], python: str, store: Store) -> Interpreter:
    """Return the interpreter that *debs* install, unpacked but without bytecode.

    The blobs of *debs* must be in the store.
    """
    unpacked = {deb.name: trees.of_deb(str(store.root), deb.name, deb.digest) for deb in debs}
    return Interpreter(of(unpacked, python, store), python)


def of(unpacked: Mapping[str, str], python: str, store: Store) -> Path:
    """Return the root that *unpacked* packages make (name → tree), with all that no package has."""
    folder = store.root / "t"
    generated = store.tree(
        base_key(unpacked, python),
        lambda root: base.generate(root, [folder / tree for tree in unpacked.values()], python),
    )
    parts = {name: folder / tree for name, tree in unpacked.items()} | {"the base": generated}
    return store.tree(
        _key(unpacked, python),
        lambda root: lay_out(parts, root),
        of=[*unpacked.values(), generated.name],
    )


def of_lock(lock: Lock) -> str:
    """Return the store's key of the root that *lock*'s OS packages make."""
    unpacked = {deb.name: trees.deb_key(deb.name, deb.digest) for deb in lock.debs}
    return _key(unpacked, lock.python)


def base_key(unpacked: Mapping[str, str], python: str) -> str:
    """Return the store's key of the tree of what no package has."""
    return key("base", sorted(unpacked.items()), python, LAYOUT)


def _key(unpacked: Mapping[str, str], python: str) -> str:
    return key("os", sorted(unpacked.items()), python, LAYOUT)


def compressor(root: Path) -> str:
    """Name what compresses layers: the zlib in *root* by its version and bytes, and the level.

    Raises BuildFailed where there is none.
    """
    library = next(iter(sorted(root.glob("usr/lib/*/libz.so.1.*"))), None)
    if library is None:
        raise BuildFailed(
            "the environment's OS packages hold no zlib, by which its layers are compressed",
            hint="lock the environment again: Python itself depends on zlib1g",
        )
    version = library.name.removeprefix("libz.so.")
    return f"zlib {version} {short(files.digest_of(library))} level {LEVEL}"
