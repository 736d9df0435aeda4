"""An image's root file system as a folder: the trees of its layers, hard-linked into one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from harness.content.interpreter import Interpreter
from harness.content.scheme import below_site
from harness.content.stack import WHITEOUT
from harness.content.tree import Node
from harness.content.union import lay_out, merge, plant, same
from harness.core.errors import PackageConflict
from harness.image.image import Image, Layer
from harness.image.key import key
from harness.world.store import Store

HOMES = {
    "runtime": "opt/harness",
    "settings": "opt/model",
    "code": "app",
    "artifact": "artifact",
}
"""A model's own layers by their titles, and where each lies in the image."""


def trees(layers: Iterable[Layer]) -> tuple[str, ...]:
    """Return the trees of *layers*, the lowest first."""
    return tuple(tree for layer in layers for tree in layer.trees)


def name(trees: Iterable[str]) -> str:
    """Return the name of the root that *trees* make."""
    return f"root-{key('root', sorted(trees))}"


def lay(trees: Iterable[str], store: Store, *, theirs: Iterable[str] = ()) -> Path:
    """Return the root that *trees* make, laid out if it is not there yet.

    Those among them that are *theirs*, of a base image, lie below the others.
    """
    listed, lower, folder = tuple(trees), frozenset(theirs), store.root / "t"

    def fill(root: Path) -> None:
        if not lower:
            return lay_out({tree: folder / tree for tree in listed}, root)
        below = merge({tree: folder / tree for tree in listed if tree in lower})
        plant(over(below, merge({t: folder / t for t in listed if t not in lower})), root)

    return store.tree(name(listed), fill, of=() if lower else listed)


def environment(image: Image, store: Store) -> Path:
    """Return the root of the environment that *image* is, or stands on: all its models share it."""
    layers = tuple(layer for layer in image.layers if layer.title not in HOMES)
    foreign = trees(layer for layer in layers if layer.foreign)
    return lay(trees(layers), store, theirs=foreign)


def interpreter(image: Image, store: Store) -> Interpreter:
    """Return the interpreter that ships in *image*."""
    labels = dict(image.settings.labels)
    root = environment(image, store)
    return Interpreter(root, labels["harness.python"], labels.get("harness.program", ""))


def over(lower: Mapping[str, Node], upper: Mapping[str, Node]) -> dict[str, Node]:
    """Return what is seen where the trees of ours (*upper*) lie over those of others, whiteouts
    applied (OCI image specification, ``layer.md``).

    Raises PackageConflict where ours would change a package that stays; a script takes the place
    of another one, as installers do it.
    """
    if not lower:
        return dict(upper)
    ours: dict[str, Node] = {}
    hidden = set()
    for path, node in upper.items():
        above, _, last = path.rpartition("/")
        if last.startswith(WHITEOUT):
            hidden.add(f"{above}/{last.removeprefix(WHITEOUT)}".lstrip("/"))
        else:
            ours[path] = node
    theirs = {path: node for path, node in lower.items() if not _hidden(path, hidden)}
    for path, node in ours.items():
        if (known := theirs.get(path)) is not None and _collide(known, node):
            raise PackageConflict(
                f"a package of the environment and the base image both have /{path}, with "
                "different bytes",
                hint="leave that package out, or name another base",
            )
    return {**theirs, **ours}


def _collide(theirs: Node, ours: Node) -> bool:
    if "folder" in (theirs.kind, ours.kind):
        return theirs.kind != ours.kind
    return below_site(ours.path) is not None and not same(theirs, ours)


def _hidden(path: str, hidden: set[str]) -> bool:
    if not hidden:
        return False
    parts = path.split("/")
    return any("/".join(parts[: n + 1]) in hidden for n in range(len(parts)))
