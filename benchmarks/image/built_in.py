"""What ``surroundings.py`` starts in each of its surroundings: locks become images, and their
digests are printed as one line of JSON each.

    python built_in.py STORE WORKERS ORDER LOCK…

``HARNESS_SHUFFLE`` makes folders list their names in another order each time; ``HARNESS_PLANT``
(clock, order, seed) plants a leak of that kind into the builder, which a comparison must see.
Both reach the builder's own processes too, since each of them imports this file.
``HARNESS_UNPACKED`` leaves the layers uncompressed, and so no manifest to compare.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.content import union
from harness.image import build, tar
from harness.image.pack import packed
from harness.lock import pylock
from harness.world.store import Store


class Shuffled:
    """``os.scandir`` in an order of chance, as a file system may have it."""

    def __init__(self, *place: Any) -> None:
        with SCANDIR(*place) as entries:
            found = list(entries)
        CHANCE.shuffle(found)
        self.entries = iter(found)

    def __enter__(self) -> Iterator[os.DirEntry[str]]:
        return self.entries

    def __iter__(self) -> Iterator[os.DirEntry[str]]:
        return self.entries

    def __next__(self) -> os.DirEntry[str]:
        return next(self.entries)

    def __exit__(self, *_: object) -> None: ...

    def close(self) -> None: ...


SCANDIR, LISTDIR, CHANCE = os.scandir, os.listdir, random.Random(time.time_ns())


def shuffled(*place: Any) -> list[str]:
    names = LISTDIR(*place)
    CHANCE.shuffle(names)
    return names


def plant(kind: str) -> None:
    """Make the builder depend on what it must not depend on."""
    match kind:
        case "clock":
            tar.MOMENT = int(time.time())  # type: ignore[misc]
        case "order":  # as names are found on disk
            for module in (tar, union):
                module.sorted = lambda names, key=None: list(names)  # type: ignore[attr-defined]
        case "seed":  # as a set has them
            tar.sorted = lambda names, key=None: set(names)  # type: ignore[attr-defined]


if "HARNESS_SHUFFLE" in os.environ:
    os.scandir, os.listdir = Shuffled, shuffled  # type: ignore[assignment, misc]
plant(os.environ.get("HARNESS_PLANT", ""))


def backwards(names: list[str]) -> list[str]:
    return sorted(names, reverse=True)


def main() -> None:
    store = Store(Path(sys.argv[1]))
    order = {"sorted": sorted, "backwards": backwards}[sys.argv[3]]
    for path in sys.argv[4:]:
        lock = pylock.loads(Path(path).read_text(encoding="utf-8"))
        image = build.environment(lock, store, workers=int(sys.argv[2]), order=order).image
        said = {
            "environment": lock.reference,
            "config": image.config,
            "manifest": "" if "HARNESS_UNPACKED" in os.environ else packed(image, store).digest,
            "diff_ids": {layer.title: layer.diff_id for layer in image.layers},
        }
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
