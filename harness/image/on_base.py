"""From a lock on an image of others to an environment image: their layers as they are, and over
them our wheels. A pure function of the lock, like ``build``.

What the image has and a lock puts another version in place of is hidden by whiteouts, file for file
as its RECORD names them, so that no two versions are ever seen.
"""

from __future__ import annotations

import os
from concurrent.futures import BrokenExecutor
from functools import partial
from pathlib import Path

from harness.content import stack
from harness.content.bytecode import BYTECODE
from harness.content.interpreter import Interpreter
from harness.content.tree import RULES, Writer, nodes
from harness.core.digest import hexadecimal, short
from harness.core.errors import BuildFailed, PackageConflict
from harness.image import base, build, roots, trees, whiteouts
from harness.image.build import ENV, Built, Progress
from harness.image.image import FOREIGN, FORMAT, Blob, Image, Layer, Settings, from_body
from harness.image.key import key
from harness.image.pack import LEVEL
from harness.image.trees import Order
from harness.lock import base_image
from harness.lock.base_image import BaseLayer, Pulled
from harness.lock.lock import LAYOUT, Base, Lock
from harness.world import files, process, rooted
from harness.world.store import Store

OURS = ("app", "artifact", "data", "opt/harness", "opt/model")
"""Folders that are ours alone: models lie there."""
MOVED = "moved"
"""The title of the layer that hides what had to move."""


def environment(
    lock: Lock,
    store: Store,
    *,
    workers: int = 0,
    progress: Progress = lambda _: None,
    order: Order = sorted,
) -> Built:
    """Build the environment image of *lock*, which has a base whose blobs are in the store.

    Raises PackageRefused, PackageConflict and BuildFailed, as ``build.environment`` does.
    """
    if (built := _known(lock, store)) is not None:
        return built
    with files.locked(store.root / "locks" / f"environment-{_identity(lock)}"):
        if (built := _known(lock, store)) is not None:
            return built
        try:
            return _build(lock, store, workers, progress, order)
        except BrokenExecutor as killed:
            raise BuildFailed(
                "a process that built the image was killed, as happens when memory runs out",
                hint="run the same command again with --workers 1: it goes on from here",
            ) from killed


def ground(pulled: Pulled, store: Store, progress: Progress = lambda _: None) -> Path:
    """Return the root of the image *pulled*, with the places that a job of ours needs in it.

    Raises what ``stack.apply`` raises, and PackageConflict where the image has files in a folder
    that is ours.
    """
    theirs, ours = tree(pulled, store, progress), mounts(pulled, store, progress)
    return roots.lay((theirs, ours), store, theirs=(theirs,))


def tree(pulled: Pulled, store: Store, progress: Progress = lambda _: None) -> str:
    """Return the store's key of what the layers of *pulled* are together."""
    name = _tree_key(pulled)

    def fill(root: Path) -> None:
        for number, layer in enumerate(pulled.layers, 1):
            progress(f"unpacking layer {number} of {len(pulled.layers)} of the base image")
            size = stack.apply(_packed(number, layer, store), root)
            store.remember("tar", hexadecimal(layer.diff_id), size)

    store.tree(name, fill)
    return name


def _tree_key(pulled: Pulled) -> str:
    return f"base-{key(pulled.manifest, stack.RULES)}"


def _packed(number: int, layer: BaseLayer, store: Store) -> stack.Packed:
    return stack.Packed(
        path=store.whole(layer.digest),
        diff_id=layer.diff_id,
        media_type=layer.media_type,
        name=f"layer {number} of the base image",
    )


def mounts(pulled: Pulled, store: Store, progress: Progress = lambda _: None) -> str:
    """Return the key of the folders that an image of ours has, and that of *pulled* doesn't."""
    below = store.root / "t" / tree(pulled, store, progress)
    for folder in OURS:
        place = below / folder
        if rooted.real(below, folder) != folder or (place.exists() and not place.is_dir()):
            raise _taken(folder)
        if place.is_dir() and any(place.iterdir()):
            raise _taken(folder)

    def fill(root: Path) -> None:
        writer = Writer(root, "the base")
        for folder in base.FOLDERS:
            found = rooted.real(below, folder)
            if found is None or not (below / found).is_dir():
                writer.folder(folder)

    name = _mounts_key(pulled)
    store.tree(name, fill)
    return name


def _mounts_key(pulled: Pulled) -> str:
    return key("mounts", pulled.manifest, stack.RULES, LAYOUT)


def _taken(folder: str) -> PackageConflict:
    return PackageConflict(
        f"the base image has files in /{folder}, where a model lies",
        hint="name a base without them",
    )


def _identity(lock: Lock) -> str:
    return key(
        "on base",
        lock.reference,
        lock.digest,
        RULES,
        stack.RULES,
        LAYOUT,
        BYTECODE,
        LEVEL,
        ENV,
        FORMAT,
    )


def _base(lock: Lock) -> Base:
    assert lock.base is not None  # the caller has looked
    return lock.base


def _known(lock: Lock, store: Store) -> Built | None:
    body = store.recall("environment", _identity(lock))
    if body is None:
        return None
    image = from_body(body)
    held = roots.trees(image.layers)
    blobs = (layer.blob for layer in image.layers if layer.blob)
    whole = all(map(store.has_tree, held))  # which marks them as used
    if not whole or not all(store.has(blob.digest) for blob in blobs):
        return None
    shipped = _interpreter(lock, roots.environment(image, store))
    return Built(image=image, store=store, interpreter=shipped, rebuilt=0)


def _interpreter(lock: Lock, root: Path) -> Interpreter:
    return Interpreter(root, lock.python, _base(lock).scheme.program)


def _build(lock: Lock, store: Store, workers: int, progress: Progress, order: Order) -> Built:
    on, where = _base(lock), str(store.root)
    pulled = base_image.read(on.manifest, store, text=on.image)
    shipped = _interpreter(lock, ground(pulled, store, progress))
    below = tree(pulled, store)
    progress(f"unpacking {len(lock.packages)} wheels")
    with process.pool(workers or os.cpu_count() or 1) as pool:
        wheels = {
            one.name: pool.submit(trees.of_wheel, where, one.name, one.digest, on.scheme)
            for one in lock.packages
        }
        unpacked = {name: task.result() for name, task in wheels.items()}
        progress("compiling bytecode")
        compiler = key(on.manifest, shipped.program, RULES, BYTECODE)
        compiled = {
            one: pool.submit(trees.of_bytecode, where, one, shipped, compiler, order)
            for one in unpacked.values()
        }

        progress("laying out layers")
        groups: dict[str, tuple[str, ...]] = {"base": (mounts(pulled, store),)}
        if on.moved:
            groups[MOVED] = (whiteouts.tree(on, below, store),)
        code = {one: task.result() for one, task in compiled.items()}
        size = partial(trees.size, store)
        groups |= build.grouped(unpacked, size, prefix="python", buckets=8, compiled=code)
        groups = {t: g for t, g in groups.items() if any(_holds(store, one) for one in g)}
        layers, rebuilt = build.layered(groups, store, pool)
    image = Image(
        architecture=pulled.architecture,
        settings=Settings(
            env=_env(pulled, store.root / "t" / below),
            command=(f"/{on.scheme.program}",),
            labels=_labels(lock, pulled, shipped, store),
        ),
        layers=(*_theirs(pulled, below, store), *layers),
    )
    root = roots.environment(image, store)
    build.publish(image, store)
    store.remember("environment", _identity(lock), image.body())
    shipped = _interpreter(lock, root)
    return Built(image=image, store=store, interpreter=shipped, rebuilt=rebuilt)


def _theirs(pulled: Pulled, below: str, store: Store) -> tuple[Layer, ...]:
    """Return the layers of others. What they are together on disk goes with the last one."""
    last = len(pulled.layers)

    def size(number: int, layer: BaseLayer) -> int:
        name = hexadecimal(layer.diff_id)  # whose record may have been collected
        return int(store.record("tar", name, lambda: stack.size(_packed(number, layer, store))))

    return tuple(
        Layer(
            title=f"{FOREIGN}{number}",
            diff_id=layer.diff_id,
            size=size(number, layer),
            trees=(below,) if number == last else (),
            blob=Blob(digest=layer.digest, size=layer.size, media_type=layer.media_type),
        )
        for number, layer in enumerate(pulled.layers, 1)
    )


def _env(pulled: Pulled, below: Path) -> tuple[tuple[str, str], ...]:
    """Return the image's own variables with ours over them; of PATH its entries stay."""
    theirs, ours = dict(pulled.env), dict(ENV)
    path = [*theirs.get("PATH", "").split(":"), *ours["PATH"].split(":")]
    ours["PATH"] = ":".join(dict.fromkeys(filter(None, path)))
    bundle = ours["SSL_CERT_FILE"]
    if "SSL_CERT_FILE" in theirs or rooted.file(below, bundle) is None:
        del ours["SSL_CERT_FILE"]
    return tuple({**theirs, **ours}.items())


def _labels(
    lock: Lock, pulled: Pulled, shipped: Interpreter, store: Store
) -> tuple[tuple[str, str], ...]:
    on = _base(lock)
    theirs = {name: str(v) for name, v in pulled.labels if not name.startswith("harness.")}
    ours = {
        "harness.bytecode": BYTECODE,
        "harness.compressor": _compressor(on, shipped, store),
        "harness.environment": lock.reference,
        "harness.layout": f"{LAYOUT}.{RULES}",
        "harness.lock": lock.digest,
        "harness.program": on.scheme.program,
        "harness.python": lock.python,
        "harness.site": on.scheme.site,
        "org.opencontainers.image.base.digest": on.manifest,
    }
    return tuple(sorted({**theirs, **ours}.items()))


def _compressor(on: Base, shipped: Interpreter, store: Store) -> str:
    """Name what compresses our layers: the zlib that the base's interpreter has."""

    def ask() -> str:
        asked = shipped.run(["-I", "-S", "-c", "import zlib; print(zlib.ZLIB_RUNTIME_VERSION)"])
        if asked.code:
            raise BuildFailed(
                f"the Python of the base image doesn't run: {asked.tail}",
                hint="name a base whose Python has zlib and runs on this machine",
            )
        return asked.stdout.decode().strip()

    version = store.record("zlib", key(on.manifest, on.scheme.program), ask)
    return f"zlib {version} of base {short(on.manifest)} level {LEVEL}"


def _holds(store: Store, name: str) -> bool:
    return any(True for _ in nodes(store.root / "t" / name))
