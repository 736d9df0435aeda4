"""An image's root file system as a folder: the trees of its layers, hard-linked into one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness.content.interpreter import Interpreter
from harness.content.tree import merge, plant
from harness.image.image import Image, Layer
from harness.image.key import key
from harness.world.store import Store

OWN = frozenset({"runtime", "settings", "code", "artifact"})
"""The titles of a model's own layers."""


def trees(layers: Iterable[Layer]) -> tuple[str, ...]:
    """Return the trees of *layers*, the lowest first."""
    return tuple(tree for layer in layers for tree in layer.trees)


def name(trees: Iterable[str]) -> str:
    """Return the name of the root that *trees* make."""
    return f"root-{key('root', sorted(trees))}"


def lay(trees: Iterable[str], store: Store) -> Path:
    """Return the root that *trees* make, laid out if it is not there yet."""
    listed, folder = tuple(trees), store.root / "t"
    return store.tree(
        name(listed),
        lambda root: plant(merge({tree: folder / tree for tree in listed}), root),
        of=listed,
    )


def environment(image: Image, store: Store) -> Path:
    """Return the root of the environment that *image* is, or stands on: all its models share it."""
    return lay(trees(layer for layer in image.layers if layer.title not in OWN), store)


def interpreter(image: Image, store: Store) -> Interpreter:
    """Return the interpreter that ships in *image*."""
    return Interpreter(environment(image, store), dict(image.settings.labels)["harness.python"])
