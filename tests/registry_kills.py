"""kill -9 at a random moment of a push, then of a pull, and what must be true right after it.

Run as a program it is the process that gets killed: ``push`` or ``pull``, and says when it begins.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from registry_images import corrupt, image

from harness.core.digest import Digest, of_bytes
from harness.image import manifest, reference, remote
from harness.world.http import NotFound
from harness.world.registry import Registry
from harness.world.store import Store

SIZES = (36 << 20, 8 << 20, 1 << 20, 300_000, 4_000, 10)
"""Bytes of the layers: one that takes three chunks, and smaller ones."""

FEW = (17 << 20, 2 << 20, 300_000, 10)
"""The same for somebody who waits: one that takes two chunks."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """What became of one image: whether each command was killed, and what had arrived by then."""

    push_killed: bool
    pull_killed: bool
    at_push: int
    at_pull: int


def trial(
    host: str, folder: Path, seed: int, *, duration: float, sizes: tuple[int, ...] = SIZES
) -> Trial:
    """Push an image of *seed* and pull it elsewhere, each killed once within *duration* seconds.

    Fails when a killed push leaves a tag, a corrupt blob has its name, or the next run fails.
    """
    drawn = random.Random(seed)
    source, target = Store(folder / f"from-{seed}"), Store(folder / f"to-{seed}")
    data = image(source, seed, sizes=sizes)
    digest = source.add(data)
    place = f"{host}/killed/{seed}:1"

    push_killed = killed("push", place, source, digest, drawn.uniform(0, duration))
    tagged, at_push = seen(host, f"killed/{seed}", data)
    assert not push_killed or not tagged or at_push == len(sizes) + 1, "a tag without its blobs"
    assert not corrupt(source)
    assert 0 == finished("push", place, source, digest), "the next push failed"
    tagged, there = seen(host, f"killed/{seed}", data)
    assert tagged and there == len(sizes) + 1

    pull_killed = killed("pull", place, target, digest, drawn.uniform(0, 0.6 * duration))
    at_pull = len(list((target.root / "blobs" / "sha256").glob("*")))
    assert not corrupt(target), "a corrupt blob was accepted"
    assert 0 == finished("pull", place, target, digest), "the next pull failed"
    assert not corrupt(target)
    assert {*blobs(source)} <= {*blobs(target)}
    assert data == target.read(digest)
    left = [*(target.root / "partial").iterdir(), *(source.root / "d" / "upload").glob("*")]
    assert not left, f"left over: {left}"
    return Trial(push_killed=push_killed, pull_killed=pull_killed, at_push=at_push, at_pull=at_pull)


def blobs(store: Store) -> list[str]:
    return sorted(path.name for path in (store.root / "blobs" / "sha256").iterdir())


def seen(host: str, repository: str, data: bytes) -> tuple[bool, int]:
    """Whether the registry has the tag, with the right bytes, and how many of the blobs."""
    with Registry(host) as door:
        try:
            tagged = door.manifest(repository, "1").digest == of_bytes(data)
            assert tagged, "the tag names other bytes"
        except NotFound:
            tagged = False
        parts = manifest.parts(data, "the image")
        return tagged, sum(door.has_blob(repository, one.digest) for one in parts.all)


def killed(verb: str, place: str, store: Store, digest: Digest, after: float) -> bool:
    """Kill the command *after* seconds from its beginning; False when it was done before."""
    process = started(verb, place, store, digest)
    assert process.stdout is not None
    assert process.stdout.readline() == b"begins\n"
    deadline = time.monotonic() + after
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.stdout.close()
    return process.wait() == -signal.SIGKILL


def finished(verb: str, place: str, store: Store, digest: Digest) -> int:
    process = started(verb, place, store, digest)
    process.communicate()
    return process.returncode


def measured(host: str, folder: Path, sizes: tuple[int, ...] = SIZES) -> float:
    """The seconds that a push of such an image takes when nobody kills it."""
    source = Store(folder / "measured")
    digest = source.add(image(source, -1, sizes=sizes))
    process = started("push", f"{host}/killed/measured:1", source, digest)
    assert process.stdout is not None
    assert process.stdout.readline() == b"begins\n"
    begun = time.monotonic()
    assert 0 == process.wait()
    process.stdout.close()
    return time.monotonic() - begun


def started(verb: str, place: str, store: Store, digest: Digest) -> subprocess.Popen[bytes]:
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    return subprocess.Popen(
        [sys.executable, __file__, verb, place, store.root, digest],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
    )


def main(verb: str, place: str, root: str, digest: str) -> None:
    store, named = Store(Path(root)), reference.parse(place)
    with Registry(named.host) as door:
        print("begins", flush=True)
        if verb == "push":
            remote.push(Digest(digest), named, store, door=door)
        else:
            remote.pull(named, store, door=door, architecture="amd64")


if __name__ == "__main__":
    main(*sys.argv[1:])
