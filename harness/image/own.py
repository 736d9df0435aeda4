"""An image that Harness built, pulled from elsewhere: one of this machine's images again.

Its layers become trees of the store, so that it runs, is compared and is pushed on like an image
that was built here. What makes it ours is that its config is, to the byte, what we would write.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import tarfile
from collections.abc import Mapping
from concurrent.futures import BrokenExecutor
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, cast

from harness.content.members import Hashed, members, reading
from harness.content.stack import WHITEOUT
from harness.content.tree import MOMENT, Writer, native
from harness.content.union import merge
from harness.core.digest import hexadecimal
from harness.core.errors import BuildFailed, HashMismatch, PackageRefused
from harness.image import build, model, tar
from harness.image.gather import Gathered
from harness.image.image import Blob, Image, Layer, Settings
from harness.image.key import key
from harness.image.manifest import Descriptor
from harness.world import process
from harness.world.store import Store

_CREATED = "harness: "
_PIECE = 1 << 20


def recognised(found: Gathered, store: Store) -> Image | None:
    """Return the image that was pulled as *found*, if it is one of ours; None if it is another's.

    Raises HashMismatch when a layer, unpacked, is not what the config names, and BuildFailed when
    a process that unpacks was killed. One on a base image is ours only where it was built here.
    """
    config = store.read(found.parts.config.digest)
    sketch = _image(json.loads(config), found.parts.layers)
    if sketch is None or sketch.config_bytes != config:
        return None
    image = model.find(sketch.config, store)
    if image is None:
        if any(layer.foreign for layer in sketch.layers):
            return None  # what others made isn't unpacked as a layer of ours
        try:
            image = _unpacked(sketch, store)
        except PackageRefused:
            return None  # no layer of ours is like that
        except BrokenExecutor as killed:
            raise BuildFailed(
                "a process that unpacked the image was killed, as happens when memory runs out",
                hint="run the same command again: it goes on from here",
            ) from killed
        build.publish(image, store)
    store.remember("manifest", hexadecimal(found.digest), {"image": image.config})
    return image


def _image(config: Mapping[str, Any], blobs: tuple[Descriptor, ...]) -> Image | None:
    """Return the image that *config* tells of, without trees yet."""
    try:
        told = config["config"]
        history = [str(one["created_by"]) for one in config["history"]]
        if not all(one.startswith(_CREATED) for one in history):
            return None
        layers = zip(history, config["rootfs"]["diff_ids"], blobs, strict=True)
        return Image(
            architecture=config["architecture"],
            settings=Settings(
                env=tuple((n, v) for n, _, v in (one.partition("=") for one in told["Env"])),
                command=tuple(told["Cmd"]),
                folder=told["WorkingDir"],
                user=told["User"],
                labels=tuple(sorted(told["Labels"].items())),
            ),
            layers=tuple(
                Layer(
                    title=created.removeprefix(_CREATED),
                    diff_id=diff_id,
                    size=0,
                    trees=(key("pulled", diff_id),),
                    blob=Blob(digest=blob.digest, size=blob.size, media_type=blob.media_type),
                )
                for created, diff_id, blob in layers
            ),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _unpacked(sketch: Image, store: Store) -> Image:
    where = str(store.root)
    largest = sorted(sketch.layers, key=lambda x: x.blob.size if x.blob else 0, reverse=True)
    with process.pool(min(os.cpu_count() or 1, len(largest) or 1)) as pool:
        laid = {layer.diff_id: pool.submit(_laid, where, layer) for layer in largest}
        layers = tuple(laid[layer.diff_id].result() for layer in sketch.layers)
    return replace(sketch, layers=layers)


def _laid(where: str, layer: Layer) -> Layer:
    """Return *layer* with its tree in the store, and the size of its tar; in another process."""
    assert layer.blob is not None
    store = Store(Path(where))
    blob, tree = store.whole(layer.blob.digest), layer.trees[0]
    there = store.tree(tree, lambda root: _unpack(blob, layer, root))
    size = store.record(
        "tar-size", tree, lambda: sum(len(chunk) for chunk in tar.stream(merge({tree: there})))
    )
    return replace(layer, size=int(size))


def _unpack(blob: Path, layer: Layer, root: Path) -> None:
    """Unpack a layer of ours below *root*; raises HashMismatch when it is not that layer."""
    writer = Writer(root, f"layer {layer.title}")
    with reading(writer.package), gzip.open(blob) as raw:
        stream = Hashed(cast(IO[bytes], raw), writer.package)
        for member, data in members(stream):
            _place(member, data, writer)
        found = stream.rest()
    if found != layer.diff_id:
        raise HashMismatch(
            f"layer {layer.title} ({blob.name}) unpacks to other bytes than the image's config "
            f"names: expected {layer.diff_id}, found {found}",
            hint="whoever built or pushed the image did it wrongly: build it again",
        )


def _place(member: tarfile.TarInfo, data: IO[bytes] | None, writer: Writer) -> None:
    if member.name.rpartition("/")[2].startswith(WHITEOUT):
        raise PackageRefused(f"{writer.package}: {member.name} hides what lies below")
    if member.isdir():
        writer.folder(member.name)
    elif member.issym():
        writer.link(member.name, member.linkname)
    elif data is not None:
        writer.file(member.name, b"", executable=bool(member.mode & 0o100))
        path = writer.root / native(member.name)
        with path.open("ab") as file:
            shutil.copyfileobj(data, file, _PIECE)
        os.utime(path, (MOMENT, MOMENT))
    else:
        raise PackageRefused(f"{writer.package}: {member.name} is neither file, folder nor link")
