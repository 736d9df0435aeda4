"""Images that are built in a second: a bare interpreter, a few wheels, a model of few files."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.core import canonical
from harness.core.digest import of_bytes
from harness.image import build, layout, model, pack
from harness.image.image import Image
from harness.image.pack import Packed
from harness.image.recipe import Recipe, Source, keep, recipe
from harness.lock.lock import Lock
from harness.world.store import Store

WHEELS = ("click", "h11", "joblib")
DEBS = ("libc6", "libexpat1", "libpython3.11-minimal", "python3.11-minimal", "zlib1g")
CODE = {"tiny.py": b"def load():\n    return 0.5\n", "lib/more.py": b"x = 1\n"}


@dataclass(frozen=True)
class Made:
    """An image of the tests, what it was made of, and the store that has it."""

    image: Image
    packed: Packed
    recipe: Recipe
    store: Store


def lock(whole: Lock) -> Lock:
    """Return the part of the curated environment's lock that these images are made of."""
    return replace(
        whole,
        packages=tuple(
            replace(one, dependencies=tuple(n for n in one.dependencies if n in WHEELS))
            for one in whole.packages
            if one.name in WHEELS
        ),
        debs=tuple(
            replace(one, dependencies=tuple(n for n in one.dependencies if n in DEBS))
            for one in whole.debs
            if one.name in DEBS
        ),
    )


def store(source: Store, folder: Path, of: Lock) -> Store:
    """Return a store in *folder* with the files of a lock, and nothing that was made of them."""
    made = Store(folder)
    for digest in [one.digest for one in of.packages] + [one.digest for one in of.debs]:
        made.path(digest).parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source.path(digest), made.path(digest))
        except OSError:
            shutil.copyfile(source.path(digest), made.path(digest))
    return made


def environment(of: Lock, kept: Store) -> Made:
    built = build.environment(of, kept)
    keep(of, kept)
    packed = pack.packed(built.image, kept)
    made = recipe(built.image, kept)
    assert made is not None
    return Made(built.image, packed, made, kept)


def write_code(folder: Path) -> None:
    for name, data in CODE.items():
        path = folder / "models" / "tiny" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def repository(folder: Path) -> str:
    """Make a git repository with the model's code in ``models/tiny``; return its commit."""
    write_code(folder)
    who = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    for arguments in (("init", "-q"), ("add", "."), (*who, "commit", "-q", "-m", "one")):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
    told = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=folder, check=True, capture_output=True, text=True
    )
    return told.stdout.strip()


def of_model(of: Lock, kept: Store, folder: Path, *, commit: str = "") -> Made:
    """Return a model's image; *folder* holds its code below ``models/tiny``."""
    artifact = folder / "artifact"
    artifact.mkdir()
    (artifact / "weights.bin").write_bytes(bytes(range(256)) * 8)
    (artifact / "run.sh").write_bytes(b"#!/bin/sh\n")
    (artifact / "run.sh").chmod(0o755)
    code = folder / "models" / "tiny"
    trees = {
        "runtime": model.runtime_tree(kept),
        "settings": model.settings_tree({"name": "tiny", "seed": 7, "share": 0.1}, kept),
        "code": model.tree("code", {name: code / name for name in CODE}, kept),
        "artifact": model.tree("artifact", model.below(artifact), kept),
    }
    image = model.assemble(build.environment(of, kept), trees, kept, name="tiny")
    keep(of, kept)
    source = Source(commit=commit, folder="models/tiny") if commit else None
    made = recipe(image, kept, source=source)
    assert made is not None
    return Made(image, pack.packed(image, kept), made, kept)


def exported(made: Made, folder: Path) -> Path:
    layout.folder(made.packed, made.store, folder, reference="tiny:1")
    return folder


@dataclass
class Layout:
    """An OCI layout, opened to be changed as somebody would who keeps all its digests right."""

    folder: Path

    def __post_init__(self) -> None:
        self.index = self._json("index.json")
        self.manifest = self._blob(self.index["manifests"][0]["digest"])
        self.config = self._blob(self.manifest["config"]["digest"])

    @property
    def digest(self) -> str:
        return str(self.index["manifests"][0]["digest"])

    def tar(self, index: int) -> bytes:
        blob = self._path(self.manifest["layers"][index]["digest"]).read_bytes()
        return gzip.decompress(blob)

    def layer(self, index: int, change: Callable[[bytes], bytes], *, level: int = 1) -> None:
        """Change the tar of a layer, compress it, and name it by its new digests."""
        tar = change(self.tar(index))
        blob = gzip.compress(tar, level, mtime=0)
        self.config["rootfs"]["diff_ids"][index] = f"sha256:{hashlib.sha256(tar).hexdigest()}"
        self.manifest["layers"][index] |= {"digest": self._put(blob), "size": len(blob)}

    def write(self) -> None:
        config = canonical.dumps(self.config)
        self.manifest["config"] |= {"digest": self._put(config), "size": len(config)}
        manifest = canonical.dumps(self.manifest)
        self.index["manifests"][0] |= {"digest": self._put(manifest), "size": len(manifest)}
        (self.folder / "index.json").write_bytes(canonical.dumps(self.index))

    def _put(self, data: bytes) -> str:
        digest = of_bytes(data)
        self._path(digest).write_bytes(data)
        return digest

    def _path(self, digest: str) -> Path:
        return self.folder / "blobs" / "sha256" / digest.removeprefix("sha256:")

    def _json(self, name: str) -> Any:
        return json.loads((self.folder / name).read_bytes())

    def _blob(self, digest: str) -> Any:
        return json.loads(self._path(digest).read_bytes())
