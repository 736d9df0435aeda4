"""A model image: an environment image, and on top our runtime, the model's code, its settings
and the trained artifact, each a layer of its own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import harness.runtime
from harness.content import scheme
from harness.content.interpreter import Interpreter
from harness.content.tree import RULES, Writer, named
from harness.core import canonical
from harness.core.digest import Digest, hexadecimal
from harness.core.errors import BuildFailed
from harness.image import build, pack, roots
from harness.image.image import FORMAT, Image, Settings, from_body
from harness.image.key import key
from harness.lock.lock import LAYOUT
from harness.world import files, process
from harness.world.store import Store

HOMES = roots.HOMES


@dataclass(frozen=True, kw_only=True, slots=True)
class Runnable:
    """An image laid out on disk: a root, and folders that lie over it (source, target).

    *image* is what *root* and *overlays* lay out; *more* lies over it and is no part of it.
    """

    root: Path
    image: Image | None = None
    overlays: tuple[tuple[Path, str], ...] = ()
    more: tuple[tuple[Path, str], ...] = ()
    python: str
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def program(self) -> str:
        """The interpreter's path inside."""
        return f"/{self.labels.get('harness.program') or scheme.debian(self.python).program}"

    @property
    def site(self) -> str:
        """The folder of libraries, below the root."""
        return self.labels.get("harness.site") or scheme.debian(self.python).site


def tree(layer: str, found: Mapping[str, Path], store: Store) -> str:
    """Keep files as a tree below the home of *layer*; the tree's key follows from the content."""
    home = HOMES[layer]
    listed = [
        (path, os.access(source, os.X_OK), files.digest_of(source))
        for path, source in sorted(found.items())
    ]
    name = key("files", home, listed, LAYOUT, RULES)

    def fill(root: Path) -> None:
        writer = Writer(root, layer)
        writer.folder(home)
        for path, executable, _ in listed:
            writer.copy(f"{home}/{path}", found[path], executable=executable)

    store.tree(name, fill)
    return name


def runtime_tree(store: Store) -> str:
    """Keep our runtime's files; they are the only code of ours in a user's image."""
    folder = Path(harness.runtime.__file__).parent
    found = {path.name: path for path in folder.glob("*.py") if path.name != "__init__.py"}
    return tree("runtime", found, store)


def settings_tree(settings: Mapping[str, Any], store: Store) -> str:
    """Keep ``model.json``, by which the runtime knows what to load and what is promised."""
    with store.scratch() as folder:
        (folder / "model.json").write_bytes(canonical.dumps(settings))
        return tree("settings", {"model.json": folder / "model.json"}, store)


def below(folder: Path) -> dict[str, Path]:
    """Return every file below *folder*, by its relative path.

    Raises PackageRefused for a name that is not UTF-8.
    """
    return {
        named(path.relative_to(folder)): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def assemble(
    environment: build.Built,
    trees: Mapping[str, str],
    store: Store,
    *,
    name: str,
) -> Image:
    """Return the model image of *trees* (layer name → tree) on *environment*, kept in the store."""
    groups = {layer: (trees[layer],) for layer in HOMES}
    with process.inline() as pool:
        layers, _ = build.layered(groups, store, pool)
    base = environment.image
    image = Image(
        architecture=base.architecture,
        settings=Settings(
            env=base.settings.env,
            command=(
                environment.interpreter.inside,
                "/opt/harness/serve.py",
                "--host",
                "0.0.0.0",
                "--port",
                "8080",
            ),
            folder="/app",
            labels=(
                *base.settings.labels,
                ("harness.model", name),
                ("harness.environment.config", base.config),
            ),
        ),
        layers=(*base.layers, *layers),
    )
    build.publish(image, store)
    return image


def find(digest: Digest, store: Store) -> Image | None:
    """Return the image of a config's or a manifest's digest, if the store has its every part."""
    config = pack.named(digest, store) or digest
    body = store.recall("image", hexadecimal(config))
    if body is None or body.get("format") != FORMAT:
        return None
    image = from_body(body)
    blobs = all(store.has(layer.blob.digest) for layer in image.layers if layer.blob)
    return image if blobs and all(map(store.has_tree, roots.trees(image.layers))) else None


def runnable(image: Image, store: Store) -> Runnable:
    """Return *image* laid out on disk; its environment's root is shared by all its models."""
    labels = dict(image.settings.labels)
    if "harness.environment.config" not in labels:
        raise BuildFailed(
            f"{image.config} is not a model's image",
            hint="an environment's image holds no model; harness build makes a model's image",
        )
    own = {layer.title: layer for layer in image.layers if layer.title in HOMES}
    return Runnable(
        root=roots.environment(image, store),
        image=image,
        python=labels["harness.python"],
        labels=labels,
        overlays=tuple(
            (store.root / "t" / layer.trees[0] / HOMES[title], f"/{HOMES[title]}")
            for title, layer in own.items()
        ),
    )


def partial(environment: build.Built, trees: Mapping[str, str], store: Store) -> Runnable:
    """Return *environment* with only some of a model's layers over it, for training and reading."""
    interpreter: Interpreter = environment.interpreter
    return Runnable(
        root=environment.root,
        image=environment.image,
        python=interpreter.python,
        labels=dict(environment.image.settings.labels),
        more=tuple(
            (store.root / "t" / key / HOMES[layer], f"/{HOMES[layer]}")
            for layer, key in trees.items()
        ),
    )
