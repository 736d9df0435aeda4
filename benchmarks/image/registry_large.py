"""What a large layer costs: time and memory of pushing and pulling it (default: 1,000 MB).

The registry is docker-registry on a loopback port; each command is a process of its own, whose
largest resident memory the kernel tells (getrusage(2), ru_maxrss).

    python benchmarks/image/registry_large.py [MEGABYTES]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import registry_kills  # noqa: E402
from registries import registry  # noqa: E402
from registry_images import image  # noqa: E402

from harness.core.digest import Digest, of_hex  # noqa: E402
from harness.world.store import Store  # noqa: E402


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("megabytes", nargs="?", type=int, default=1000)
    megabytes = arguments.parse_args().megabytes
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        os.environ["DOCKER_CONFIG"] = str(folder / "docker")
        source, target = Store(folder / "from"), Store(folder / "to")
        digest = large(source, megabytes)
        with registry(folder / "registry") as host:
            for told, verb, store in (
                ("push", "push", source),
                ("push again", "push", source),
                ("pull", "pull", target),
                ("pull again", "pull", target),
            ):
                begun = time.monotonic()
                process = registry_kills.started(verb, f"{host}/large:1", store, digest)
                assert process.stdout is not None
                process.stdout.read()
                _, status, used = os.wait4(process.pid, 0)
                seconds = time.monotonic() - begun
                assert status == 0
                print(f"{told:<11} {seconds:>6.1f} s  {used.ru_maxrss / 1024:>6.0f} MB of memory")


def large(store: Store, megabytes: int) -> Digest:
    """Put an image into the store whose one layer has that many random megabytes."""
    drawn, hasher = random.Random(1), hashlib.sha256()
    document = json.loads(image(store, 1, sizes=()))
    with store.scratch() as folder:
        with (folder / "layer").open("wb") as file:
            for _ in range(megabytes):
                chunk = drawn.randbytes(1_000_000)
                hasher.update(chunk)
                file.write(chunk)
        layer = of_hex(hasher.hexdigest())
        os.replace(folder / "layer", store.path(layer))
    kind = "application/vnd.oci.image.layer.v1.tar+gzip"
    document["layers"] = [{"mediaType": kind, "digest": layer, "size": megabytes * 1_000_000}]
    return store.add(json.dumps(document).encode())


if __name__ == "__main__":
    main()
