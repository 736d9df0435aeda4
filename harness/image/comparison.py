"""An image held against its rebuild: layer by layer, then config, then manifest; the first place in
which they differ, and what is likely to have caused it."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.core.digest import Digest, of_bytes, of_hex
from harness.image import pack
from harness.image.difference import Difference, difference
from harness.image.image import Image
from harness.image.shipped import Shipped, of_store, spooled
from harness.world.store import Store

Progress = Callable[[str], None]
SETTINGS = {
    "harness.bytecode": "another version of Harness writes bytecode in another form",
    "harness.compressor": "another zlib, or another level",
    "harness.layout": "another version of Harness lays images out by other rules",
    "harness.lock": "another lock",
}
"""What a label that differs is likely to mean."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """A layer of the image and of the rebuild; an empty digest: that side has no such layer.

    *how* is ``rebuilt`` (from sources or packages), or ``held`` (it can't be made again here: its
    files were held against their digests in the provenance and packed again, or it is a base
    image's and was held against the one of that image).
    """

    title: str
    image: str
    rebuild: str
    how: str

    @property
    def same(self) -> bool:
        """Whether both have the same bytes."""
        return self.image == self.rebuild


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where the two differ first: the layer (``config`` or ``manifest`` are no layers), the file or
    member, the byte in it, and the likely cause."""

    layer: str
    path: str
    offset: int | None
    cause: str
    explanation: str
    before: str
    after: str
    others: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """What the two have in common: every layer of both, config and manifest digests (image,
    rebuild), and the first *place* in which they differ, None for the same bytes."""

    layers: tuple[Compared, ...]
    digests: Mapping[str, tuple[Digest, Digest]]
    place: Place | None


def compare(
    shipped: Shipped,
    image: Image,
    store: Store,
    *,
    held: frozenset[str] = frozenset(),
    workers: int = 0,
    progress: Progress = lambda _: None,
) -> Comparison:
    """Hold *shipped* against the rebuild *image* in *store*; *held* are the layers that were not
    made again. Every byte of the layers is read; the rebuild is packed where *shipped* is."""
    layers = tuple(_layers(shipped, image, held, progress))
    place = _place(shipped, image, store, layers, progress)
    digests = {"config": (of_bytes(shipped.config), image.config)}
    if shipped.digest is not None:
        packed = pack.packed(image, store, workers=workers, progress=progress)
        digests["manifest"] = (shipped.digest, packed.digest)
        place = place or _compressed(shipped, packed)
    return Comparison(layers=layers, digests=digests, place=place)


def _layers(
    shipped: Shipped, image: Image, held: frozenset[str], progress: Progress
) -> Iterator[Compared]:
    theirs = {layer.title: layer for layer in image.layers}
    for index, title in enumerate(shipped.titles):
        progress(f"reading layer {title}")
        layer = theirs.pop(title, None)
        yield Compared(
            title=title,
            image=_digest(shipped.tar(index)),
            rebuild=layer.diff_id if layer else "",
            how="held" if title in held or (layer and layer.foreign) else "rebuilt",
        )
    for title, layer in theirs.items():
        yield Compared(title=title, image="", rebuild=layer.diff_id, how="rebuilt")


def _place(
    shipped: Shipped, image: Image, store: Store, layers: tuple[Compared, ...], progress: Progress
) -> Place | None:
    """Return where the two differ first: in a layer, else in the config."""
    for index, one in enumerate(layers):
        if one.same:
            continue
        if not (one.image and one.rebuild):
            return Place(
                layer=one.title,
                path="",
                offset=None,
                cause="added" if one.image else "removed",
                explanation=f"only the {'image' if one.image else 'rebuild'} has this layer",
                before=one.image,
                after=one.rebuild,
            )
        progress(f"comparing layer {one.title}")
        number, layer = next(
            (n, layer) for n, layer in enumerate(image.layers) if layer.title == one.title
        )
        again = pack.tarred(layer, store)
        if layer.blob is not None:  # a base image's: read, not made
            again = of_store(image, store, name="").tar(number)
        with spooled(shipped.tar(index)) as ours, spooled(again) as theirs:
            try:
                found = difference(ours, theirs)
            except tarfile.TarError as broken:
                return Place(
                    layer=one.title,
                    path="",
                    offset=None,
                    cause="form",
                    explanation=f"the image's layer is no tar: {broken}",
                    before=one.image,
                    after=one.rebuild,
                )
        if found is not None:
            return _within(one.title, found)
    return _settings(shipped.config, image.config_bytes)


def _within(layer: str, found: Difference) -> Place:
    return Place(
        layer=layer,
        path=found.path,
        offset=found.offset,
        cause=found.cause,
        explanation=found.explanation,
        before=found.before,
        after=found.after,
        others=found.others,
    )


def _settings(ours: bytes, theirs: bytes) -> Place | None:
    """Return the first member of the config that differs, by its dotted path."""
    if ours == theirs:
        return None
    told = next(_members(json.loads(ours), json.loads(theirs), ""), ("", "", ""))
    path, before, after = told
    label = path.removeprefix("config.Labels.")
    return Place(
        layer="config", path=path, offset=None, cause="settings",
        explanation=SETTINGS.get(label, "the image's settings were changed after it was built")
        if path else "the same settings, written by another program",
        before=before, after=after,
    )  # fmt: skip


def _members(one: Any, other: Any, path: str) -> Iterator[tuple[str, str, str]]:
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted({*one, *other}):
            inner = f"{path}.{name}" if path else name
            yield from _members(one.get(name), other.get(name), inner)
    elif one != other:
        yield path, json.dumps(one), json.dumps(other)


def _compressed(shipped: Shipped, packed: pack.Packed) -> Place | None:
    """Return where two manifests of the same layers differ: the first blob, or the form."""
    assert shipped.manifest is not None
    if shipped.digest == packed.digest:
        return None
    ours = [str(one["digest"]) for one in json.loads(shipped.manifest)["layers"]]
    theirs = [blob.digest for blob in packed.blobs]
    for title, one, other in zip(shipped.titles, ours, theirs, strict=False):
        if one != other:
            return Place(
                layer=title, path="", offset=None, cause="compressor",
                explanation="the same tar, compressed by another program: another zlib or level",
                before=one, after=other,
            )  # fmt: skip
    return Place(
        layer="manifest", path="", offset=None, cause="manifest",
        explanation="the same layers, named by a manifest that another program wrote",
        before=str(shipped.digest), after=packed.digest,
    )  # fmt: skip


def _digest(chunks: Iterator[bytes]) -> str:
    hasher = hashlib.sha256()
    for chunk in chunks:
        hasher.update(chunk)
    return of_hex(hasher.hexdigest())
