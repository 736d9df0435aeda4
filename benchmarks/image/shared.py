"""How much twenty environments share, and how little a small change ships.

    python benchmarks/image/shared.py [--folder F] [--output json]

The twenty customized environments of ``benchmarks/lock/customized.py`` are locked, built and
packed. Their distinct layers together are compared with images of one layer for each environment,
in bytes of tar and in bytes as they travel. Then one small package of ``tabular`` is another
version: what part of the image's bytes is new? Ends with 1 above 35 % and 2 %.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks" / "lock")]

import commands  # noqa: E402
import customized  # noqa: E402

from harness.image import build, pack  # noqa: E402
from harness.image.pack import Packed  # noqa: E402
from harness.lock import pylock  # noqa: E402
from harness.lock.fetch import fetch  # noqa: E402
from harness.spec import parse  # noqa: E402
from harness.world.store import Store  # noqa: E402

SHARED, SHIPPED = 0.35, 0.02
SMALL = "threadpoolctl<3.6"
"""The small package that changes."""


def image(name: str, envs: Path, store: Store) -> Packed:
    """Return a locked environment's image, packed."""
    (lock,) = pylock.read_all(parse.find(name, envs))
    fetch(lock, store)
    return pack.packed(build.environment(lock, store).image, store)


def measured(folder: Path) -> dict[str, Any]:
    """Return the figures."""
    envs, cache = folder / "envs", folder / "cache"
    store = Store(cache)
    commands.curated("tabular", envs, "uv")
    commands.lock("tabular", envs, cache, "uv")
    parent = image("tabular", envs, store)
    packed = []
    for place, added in enumerate((*customized.ADDED, (SMALL,))):
        name = customized.child(place, added, envs, "uv")
        commands.lock(name, envs, cache, "uv")
        packed.append(image(name, envs, store))
        print(f"{name}  {', '.join(added)}", file=sys.stderr, flush=True)
    *twenty, changed = packed
    tars = {layer.diff_id: layer.size for one in twenty for layer in one.image.layers}
    blobs = {blob.digest: blob.size for one in twenty for blob in one.blobs}
    known = {blob.digest for blob in parent.blobs}
    new = sum(blob.size for blob in changed.blobs if blob.digest not in known)
    return {
        "schema": "harness.benchmark.shared/1",
        "environments": len(twenty),
        "tar": sum(tars.values()) / sum(x.size for one in twenty for x in one.image.layers),
        "packed": sum(blobs.values()) / sum(blob.size for one in twenty for blob in one.blobs),
        "megabytes": sum(blobs.values()) / 1e6,
        "changed": SMALL,
        "new": new / sum(blob.size for blob in changed.blobs),
        "new_bytes": new,
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="an empty folder for locks and the store")
    parser.add_argument("--output", choices=["text", "json"], default="text")
    asked = parser.parse_args()
    with commands.working(asked.folder) as folder:
        body = measured(folder)
    text = (
        f"{body['environments']} environments  {body['tar']:.1%} of their tars, "
        f"{body['packed']:.1%} as they travel ({body['megabytes']:.0f} MB)\n"
        f"{body['changed']} changed  {body['new']:.2%} of the bytes are new ({body['new_bytes']:,})"
    )
    print(json.dumps(body, indent=2) if asked.output == "json" else text)
    sys.exit(0 if body["packed"] <= SHARED and body["new"] <= SHIPPED else 1)


if __name__ == "__main__":
    main()
