"""A base image pulled: from a registry or an OCI layout, whole, into the store by digest.

Formats: OCI image specification 1.1 (``manifest.md``, ``image-index.md``, ``config.md``,
``image-layout.md``) and Docker's image manifest version 2, schema 2.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from harness.core.digest import Digest, hexadecimal
from harness.core.errors import (
    LockedFileGone,
    PackageRefused,
    PlatformMissing,
    SpecInvalid,
)
from harness.lock.pylock_reading import MACHINES
from harness.spec.image_name import Name, named
from harness.world.http import NotFound
from harness.world.registry import Registry
from harness.world.store import Store

_LAYER = re.compile(r"(?:rootfs\.diff|layer\.v1)\.tar(?:[.+](?P<packer>gzip|zstd))?$")
TAR = "application/vnd.oci.image.layer.v1.tar"
MOMENT = datetime(1980, 1, 1, tzinfo=UTC)

Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class BaseLayer:
    """A layer as others made it; *media_type* is OCI's name for its kind."""

    digest: Digest
    size: int
    media_type: str
    diff_id: Digest


@dataclass(frozen=True, kw_only=True, slots=True)
class Pulled:
    """An image in the store, for one architecture. *env*, *labels* and *created* are its config's;
    *documents* are its manifest and config."""

    manifest: Digest
    config: Digest
    architecture: str
    layers: tuple[BaseLayer, ...]
    env: tuple[tuple[str, str], ...]
    labels: tuple[tuple[str, str], ...]
    created: datetime

    @property
    def digests(self) -> tuple[Digest, ...]:
        """All blobs that it consists of, each once."""
        return tuple(
            dict.fromkeys((self.manifest, self.config, *(one.digest for one in self.layers)))
        )


def pull(
    text: str,
    architecture: str,
    store: Store,
    *,
    folder: Path,
    progress: Progress = lambda _: None,
) -> Pulled:
    """Return the image *text* for *architecture*, all of it in *store*; what is there is not asked
    for again. A layout's path is relative to *folder*.

    Raises SpecInvalid for a name without a digest, with the one to paste; PlatformMissing,
    LockedFileGone where the source has no such image, HashMismatch, PackageRefused for what is no
    image of layers, and what `Registry` raises.
    """
    name = named(text)
    with _source(name, folder) as source:
        if name.digest is None:
            raise _without_digest(name, source)
        digest = name.digest
        manifest = _document(source.manifest(digest, store), text)
        if "manifests" in manifest:
            digest = _chosen(manifest, architecture, text)
            manifest = _document(source.manifest(digest, store), text)
        _check(manifest, text)
        source.blob(Digest(manifest["config"]["digest"]), store)
        pulled = read(digest, store, text=text)
        if pulled.architecture != architecture:
            raise PlatformMissing(
                f"{text} is for {_machine(pulled.architecture)}, not for {MACHINES[architecture]}",
                hint="name an image of this kind of machine",
            )
        for number, layer in enumerate(pulled.layers, 1):
            if not store.has(layer.digest):
                size = f"{layer.size / 1e6:.0f} MB"
                progress(f"pulling layer {number} of {len(pulled.layers)}, {size}")
                source.blob(layer.digest, store)
    return pulled


def here(manifest: Digest, store: Store) -> bool:
    """Tell whether *store* has every blob of the image."""
    if not store.has(manifest):
        return False
    said = json.loads(store.read(manifest))
    return store.has(said["config"]["digest"]) and all(
        store.has(layer["digest"]) for layer in said["layers"]
    )


def read(digest: Digest, store: Store, *, text: str = "the base image") -> Pulled:
    """Return the image whose manifest, in *store*, has that *digest*; raises PackageRefused."""
    manifest = _document(store.read(digest), text)
    _check(manifest, text)
    config = _document(store.read(Digest(manifest["config"]["digest"])), text)
    try:
        diff_ids = config["rootfs"]["diff_ids"]
        said = config.get("config") or {}
        layers = [_layer(one, text) for one in manifest["layers"]]
        if len(layers) != len(diff_ids):
            raise _refused(text, f"it has {len(layers)} layers and {len(diff_ids)} diff_ids")
        return Pulled(
            manifest=digest,
            config=Digest(manifest["config"]["digest"]),
            architecture=str(config["architecture"]),
            layers=tuple(
                BaseLayer(
                    digest=Digest(one["digest"]),
                    size=int(one["size"]),
                    media_type=kind,
                    diff_id=Digest(diff_id),
                )
                for (one, kind), diff_id in zip(layers, diff_ids, strict=True)
            ),
            env=tuple(_pair(one) for one in said.get("Env") or ()),
            labels=tuple(sorted((said.get("Labels") or {}).items())),
            created=_moment(config.get("created")),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as broken:
        raise _refused(text, f"its config is broken ({broken!r})") from broken


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


def _moment(text: Any) -> datetime:
    """Return the time that a config names (RFC 3339), to the second; MOMENT where there is none."""
    try:
        found = datetime.fromisoformat(re.sub(r"\.\d+", "", str(text)).replace("Z", "+00:00"))
    except ValueError:
        return MOMENT
    return max(MOMENT, found.astimezone(UTC)) if found.tzinfo else MOMENT


def _layer(layer: Mapping[str, Any], text: str) -> tuple[Mapping[str, Any], str]:
    kind = str(layer.get("mediaType", ""))
    found = _LAYER.search(kind)
    if found is None or "nondistributable" in kind or "foreign" in kind:
        raise _refused(text, f"a layer of it is {kind or 'of no kind'}, which can't be passed on")
    return layer, TAR + (f"+{found['packer']}" if found["packer"] else "")


def _check(manifest: Mapping[str, Any], text: str) -> None:
    kind = str(manifest.get("mediaType", ""))
    try:
        whole = manifest["schemaVersion"] == 2 and manifest["layers"]
        Digest(manifest["config"]["digest"])
    except (KeyError, TypeError):
        whole = False
    if not whole or "artifactType" in manifest:
        raise _refused(text, f"it is {kind or 'of no kind'}, not an image with layers")


def _document(data: bytes, text: str) -> dict[str, Any]:
    try:
        return dict(json.loads(data))
    except (ValueError, TypeError) as broken:
        raise _refused(text, f"it holds no JSON ({broken})") from broken


def _chosen(index: Mapping[str, Any], architecture: str, text: str) -> Digest:
    """Return the manifest of an index that is for Linux on *architecture*."""
    there = []
    for one in index["manifests"]:
        platform = one.get("platform") or {}
        if platform.get("os") == "linux" and platform.get("architecture") == architecture:
            return Digest(one["digest"])
        there.append(f"{platform.get('os', '?')}/{platform.get('architecture', '?')}")
    known = ", ".join(sorted({one for one in there if "unknown" not in one}))
    raise PlatformMissing(
        f"{text} has no image for linux/{architecture}, only for {known or 'nothing'}",
        hint="name an image of this kind of machine, or lock elsewhere",
    )


def _machine(architecture: str) -> str:
    return MACHINES.get(architecture, architecture)


class _Remote:
    """A repository of a registry, asked for what the store doesn't have."""

    def __init__(self, open_registry: Callable[[], Registry], name: Name) -> None:
        self.open, self.name = open_registry, name

    def manifest(self, digest: Digest, store: Store) -> bytes:
        if not store.has(digest):
            try:
                store.add(self.open().manifest(self.name.repository, digest).data)
            except NotFound as missing:
                raise self._gone(self.current()) from missing
        return store.read(digest)

    def blob(self, digest: Digest, store: Store) -> None:
        if not store.has(digest):
            try:
                data = self.open().blob(self.name.repository, digest)
            except NotFound as missing:
                raise self._gone(None) from missing
            store.add_stream(iter((data,)), expected=digest, name=self.name.text)

    def current(self) -> Digest | None:
        """Return what the tag stands for now; None where there is no such tag."""
        try:
            return self.open().manifest(self.name.repository, self.name.tag or "latest").digest
        except NotFound:
            return None

    def _gone(self, current: Digest | None) -> LockedFileGone:
        tag = self.name.tag or "latest"
        return LockedFileGone(
            f"{self.name.host} has no image {self.name.text}",
            hint=f"{tag} is {current} there" if current else "look for its name and digest there",
        )


class _Folder:
    """An OCI layout on disk."""

    def __init__(self, folder: Path, name: Name) -> None:
        self.folder, self.name = folder, name

    def manifest(self, digest: Digest, store: Store) -> bytes:
        self.blob(digest, store)
        return store.read(digest)

    def blob(self, digest: Digest, store: Store) -> None:
        path = self.folder / "blobs" / "sha256" / hexadecimal(digest)
        if store.has(digest):
            return
        if not path.is_file():
            raise LockedFileGone(
                f"the layout {self.folder} has no blob {digest}", hint="copy the image there again"
            )
        with path.open("rb") as file:
            chunks = iter(lambda: file.read(1 << 20), b"")
            store.add_stream(chunks, expected=digest, name=str(path))

    def current(self) -> Digest | None:
        """Return the first image of the layout's index."""
        try:
            index = json.loads((self.folder / "index.json").read_bytes())
            return Digest(index["manifests"][0]["digest"])
        except (OSError, ValueError, KeyError, IndexError):
            return None


@contextmanager
def _source(name: Name, folder: Path) -> Iterator[_Remote | _Folder]:
    if name.layout:
        yield _Folder(folder / name.layout, name)
        return
    with ExitStack() as session:
        opened = cache(lambda: session.enter_context(Registry(name.host)))
        yield _Remote(opened, name)


def _without_digest(name: Name, source: _Remote | _Folder) -> SpecInvalid:
    found = source.current()
    if found is None:
        return SpecInvalid(
            f"base.image: {name.text} is not there", hint="look for its name and digest"
        )
    return SpecInvalid(
        f"base.image: {name.text} names no digest, so that it may be another image tomorrow",
        hint=f'base = {{ image = "{name.text}@{found}" }}',
    )


def _refused(text: str, why: str) -> PackageRefused:
    return PackageRefused(f"{text} can't be a base: {why}", hint="name an image of OCI or Docker")
