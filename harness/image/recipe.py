"""What an image was made from: all that its rebuild needs but the files that the lock names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.content.tree import nodes
from harness.core.digest import Digest
from harness.image import model
from harness.image.image import Image, Layer
from harness.image.key import key
from harness.lock import pylock
from harness.lock.lock import Lock
from harness.world import files
from harness.world.store import Store


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """A file of a model: its path below its layer's home, its digest, its executable bit."""

    path: str
    digest: Digest
    executable: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """Where code came from: a git *commit* (``+`` at its end: with changes that no commit has),
    and the project's *folder* in the repository (empty: its top)."""

    commit: str
    folder: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """How an image is made again: a lock, and what a model puts on top (*model* is its name, empty
    for an environment). *settings* is the whole ``model.json``; the runtime is Harness' own."""

    lock: Lock
    model: str = ""
    settings: Mapping[str, Any] | None = None
    code: tuple[File, ...] = ()
    artifact: tuple[File, ...] = ()
    source: Source | None = None

    @property
    def name(self) -> str:
        """What people call the image: the model, or ``tabular:3``."""
        return self.model or self.lock.reference


def keep(lock: Lock, store: Store) -> None:
    """Keep *lock* where the image that is built of it finds it again."""
    name = key("lock", lock.reference, lock.digest)
    if store.recall("lock", name) is None:
        store.remember("lock", name, {"text": pylock.dumps(lock)})


def kept(lock: Lock, store: Store) -> bool:
    """Tell whether *store* has built an image of this very *lock*, to the letter."""
    body = store.recall("lock", key("lock", lock.reference, lock.digest))
    return body is not None and bool(body["text"] == pylock.dumps(lock))


def lock_of(image: Image, store: Store) -> Lock | None:
    """Return the lock that *image* was built of, if this store built it."""
    labels = dict(image.settings.labels)
    named = labels.get("harness.environment"), labels.get("harness.lock")
    body = store.recall("lock", key("lock", *named))
    return None if body is None else pylock.loads(body["text"])


def recipe(
    image: Image, store: Store, *, lock: Lock | None = None, source: Source | None = None
) -> Recipe | None:
    """Return what *image* was made from, or None where its lock is not known."""
    lock = lock or lock_of(image, store)
    if lock is None:
        return None
    made = Recipe(lock=lock)
    name = dict(image.settings.labels).get("harness.model")
    if name is None:
        return made
    own = {layer.title: layer for layer in image.layers if layer.title in model.HOMES}
    return replace(
        made,
        model=name,
        settings=_settings(own["settings"], store),
        code=held(own["code"], store),
        artifact=held(own["artifact"], store),
        source=source,
    )


def held(layer: Layer, store: Store) -> tuple[File, ...]:
    """Return the files of one of a model's own layers, sorted by path."""
    home = store.root / "t" / layer.trees[0] / model.HOMES[layer.title]
    return files_below(home)


def files_below(folder: Path) -> tuple[File, ...]:
    """Return the files below *folder*, sorted by path."""
    found = (
        File(
            path=node.path,
            digest=files.digest_of(Path(node.source)),
            executable=node.executable,
        )
        for node in nodes(folder)
        if node.kind == "file"
    )
    return tuple(sorted(found, key=lambda file: file.path.encode()))


def _settings(layer: Layer, store: Store) -> Any:
    home = store.root / "t" / layer.trees[0] / model.HOMES["settings"]
    return json.loads((home / "model.json").read_bytes())
