"""Builds of small environments as processes of their own, on a store of their own.

``python store_builds.py STORE LOCK…`` builds each in a process of its own, all at once, and says
its digest as JSON, a line each.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import packages

from harness.image import build
from harness.lock import pylock
from harness.lock.lock import Lock, Wheel
from harness.world.store import Store


def main() -> None:
    codes = []
    for path in sys.argv[3:]:  # the first is ours
        if not os.fork():
            one(path)
            sys.stdout.flush()
            os._exit(0)
    one(sys.argv[2])
    for _ in sys.argv[3:]:
        codes.append(os.waitstatus_to_exitcode(os.wait()[1]))
    sys.exit(max(codes, key=abs, default=0))


def one(path: str) -> None:
    lock = pylock.loads(Path(path).read_text())
    built = build.environment(lock, Store(Path(sys.argv[1])), workers=1)
    os.write(1, json.dumps(built.image.config).encode() + b"\n")


def small(lock: Lock, store: Store, name: str, folder: Path, wheels: int = 2) -> Lock:
    """Return a lock of the OS packages of *lock* and a few wheels made here, put into *store*."""
    made = []
    for number in range(wheels):
        title = f"{name}{number}"
        path = packages.wheel(folder, title, files={f"{title}/code.py": f"x = {number}\n".encode()})
        digest = store.add(path.read_bytes())
        made.append(Wheel(name=title, version="1.0", filename=path.name, digest=digest))
    return replace(lock, name=name, packages=tuple(made), requirements=())


def seeded(seed: Store, root: Path) -> Store:
    """Return a copy of the store *seed* at *root*: trees and blobs linked, records copied."""
    for folder in ("t", "blobs"):
        shutil.copytree(seed.root / folder, root / folder, symlinks=True, copy_function=os.link)
    shutil.copytree(seed.root / "d", root / "d")
    return Store(root)


def command(store: Store, *locks: Path) -> list[str]:
    """Return the command that builds *locks* in *store*."""
    return [sys.executable, __file__, str(store.root), *map(str, locks)]


def environment() -> dict[str, str]:
    """Return what such a process is told."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sys.path))}


def start(store: Store, *locks: Path) -> subprocess.Popen[str]:
    """Start the builds of *locks* in *store*."""
    return subprocess.Popen(
        command(store, *locks),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


if __name__ == "__main__":
    main()
