"""Bringing an image to a daemon: once, by difference, and with nothing on disk in between.

The archive is that of ``docker save`` (Docker image specification 1.2, "Combined Image JSON +
Filesystem Changeset Format"): layers as plain tars, each made from the store's trees while it is
sent. Docker opens no layer that it has already (the same diff_ids from the lowest up), so those
are left out; Podman wants the whole archive.
"""

from __future__ import annotations

import hashlib
import platform
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.content.tree import MOMENT
from harness.content.union import merge
from harness.core import canonical
from harness.core.digest import Digest, hexadecimal, of_bytes, of_hex
from harness.core.errors import EngineUnavailable
from harness.engine.daemon import Refused, Session
from harness.image import pack, tar
from harness.image.image import ARCHITECTURES, Image, Layer
from harness.world.store import Store

LABEL = "harness.layout"
"""A label of every image of ours: by it a daemon's images that may share layers are found."""
NAME = "harness-engine"
"""The repository under which loaded images are listed by the daemon."""
CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A layer to send: its diff_id, how many bytes are sent, and where they come from."""

    diff_id: Digest
    size: int
    chunks: Callable[[], Iterator[bytes]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Shipment:
    """An image to send: its config's bytes and its layers, from the lowest up."""

    config_bytes: bytes
    parts: tuple[Part, ...]

    @property
    def config(self) -> Digest:
        """The config's digest: the image's id."""
        return of_bytes(self.config_bytes)

    @property
    def name(self) -> str:
        """The name that the daemon lists it by."""
        return f"{NAME}:{hexadecimal(self.config)[:12]}"

    @property
    def diff_ids(self) -> tuple[str, ...]:
        """The diff_ids of its layers."""
        return tuple(part.diff_id for part in self.parts)


def of_image(image: Image, store: Store) -> Shipment:
    """Return what sends *image*, whose layers' trees or blobs *store* has."""
    return Shipment(
        config_bytes=image.config_bytes,
        parts=tuple(_part(layer, store) for layer in image.layers),
    )


def _part(layer: Layer, store: Store) -> Part:
    if layer.blob is not None:  # as it came; a daemon unpacks what is compressed
        path = store.path(layer.blob.digest)
        return Part(diff_id=layer.diff_id, size=layer.blob.size, chunks=lambda: _read(path))
    return Part(diff_id=layer.diff_id, size=layer.size, chunks=lambda: pack.tarred(layer, store))


def of_folder(root: Path) -> Shipment:
    """Return what sends the folder *root* as an image of one layer, for a root without an image."""

    def chunks() -> Iterator[bytes]:
        return tar.stream(merge({"root": root}))

    hasher, size = hashlib.sha256(), 0
    for chunk in chunks():
        hasher.update(chunk)
        size += len(chunk)
    part = Part(diff_id=of_hex(hasher.hexdigest()), size=size, chunks=chunks)
    machine = platform.machine()
    config = {
        "architecture": ARCHITECTURES.get(machine, machine),
        "os": "linux",
        "created": "1980-01-01T00:00:00Z",
        "config": {"Labels": {LABEL: "folder"}},
        "rootfs": {"type": "layers", "diff_ids": [part.diff_id]},
    }
    return Shipment(config_bytes=canonical.dumps(config), parts=(part,))


def deliver(shipment: Shipment, session: Session) -> str:
    """Return the id of the image in the daemon, which is sent what it lacks.

    The id is the config's digest; a Docker that keeps images as containerd does has another
    word for it, and then the layers must be the same. Raises EngineUnavailable when it has
    something else afterwards.
    """
    if (known := _known(shipment, session)) is not None:
        return known
    shared = 0 if session.daemon.podman else _shared(shipment, session)
    try:
        session.load(archive(shipment, leave_out=shared))
    except Refused:
        if not shared:
            raise
        session.load(archive(shipment))  # one of those layers has just been removed there
    if (loaded := _known(shipment, session)) is None:
        raise EngineUnavailable(
            f"{session.daemon.words} took the image {shipment.config} and does not have it now",
            hint="look into the daemon's log",
        )
    return loaded


def _known(shipment: Shipment, session: Session) -> str | None:
    for name in (shipment.config, shipment.name):
        found = session.image(name)
        if found is not None and found[1] == shipment.diff_ids:
            return found[0]
    return None


def _shared(shipment: Shipment, session: Session) -> int:
    """Return how many of the lowest layers the daemon has, one on the other."""
    most = 0
    for identity in session.images(LABEL):
        found = session.image(identity)
        here = 0
        for ours, theirs in zip(shipment.diff_ids, found[1] if found else (), strict=False):
            if ours != theirs:
                break
            here += 1
        most = max(most, here)
    return most


def archive(shipment: Shipment, *, leave_out: int = 0) -> Iterator[bytes]:
    """Yield the archive in chunks, without the bytes of the lowest *leave_out* layers."""
    return _gathered(_archive(shipment, leave_out))


def _archive(shipment: Shipment, leave_out: int) -> Iterator[bytes]:
    config = f"{hexadecimal(shipment.config)}.json"
    layers = [f"{hexadecimal(part.diff_id)}.tar" for part in shipment.parts]
    listed = [{"Config": config, "RepoTags": [shipment.name], "Layers": layers}]
    for name, data in (
        ("manifest.json", canonical.dumps(listed)),
        (config, shipment.config_bytes),
    ):
        yield from _member(name, len(data), iter((data,)))
    sent: set[str] = set()
    for name, part in list(zip(layers, shipment.parts, strict=True))[leave_out:]:
        if name not in sent:  # two layers may be the same bytes
            sent.add(name)
            yield from _member(name, part.size, part.chunks())
    yield bytes(1024)


def _member(name: str, size: int, chunks: Iterator[bytes]) -> Iterator[bytes]:
    header = tarfile.TarInfo(name)
    header.size, header.mtime, header.mode = size, MOMENT, 0o644
    yield header.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")
    yield from chunks
    yield bytes(-size % 512)


def _gathered(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the same bytes in pieces of about a megabyte: each piece is a chunk of HTTP."""
    held = bytearray()
    for chunk in chunks:
        held += chunk
        if len(held) >= CHUNK:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk
