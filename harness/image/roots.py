"""An image's root file system as a folder: the trees of its layers, hard-linked into one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness.content.interpreter import Interpreter
from harness.content.tree import merge, plant
from harness.image.image import Image, Layer
from harness.world.store import Store


def name(config: str) -> str:
    """Return the name of the root of the environment image with that *config* digest."""
    return f"root-{config.removeprefix('sha256:')[:24]}"


def lay(config: str, layers: Iterable[Layer], store: Store) -> Path:
    """Return the root of an environment image, laid out if it is not there yet."""
    folder = store.root / "t"
    return store.tree(
        name(config),
        lambda root: plant(
            merge({tree: folder / tree for layer in layers for tree in layer.trees}), root
        ),
    )


def interpreter(image: Image, store: Store) -> Interpreter:
    """Return the interpreter that ships in *image*, on the root of its environment."""
    labels = dict(image.settings.labels)
    config = labels.get("harness.environment.config", image.config)
    return Interpreter(lay(config, below(image), store), labels["harness.python"])


def below(image: Image) -> tuple[Layer, ...]:
    """Return the layers of the environment that *image* is or stands on."""
    return tuple(layer for layer in image.layers if layer.title not in OWN)


OWN = frozenset({"runtime", "settings", "code", "artifact"})
"""The titles of a model's own layers."""
