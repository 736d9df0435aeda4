"""A large artifact streams through every step, and is shipped once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from harness.image.build import Built
from harness.world.store import Store

GIGABYTE = 1 << 30
MOST = 300 << 20
"""Bytes of memory that none of the processes may exceed."""

SHIPPED = """
import json, resource, shutil, sys
from pathlib import Path
from harness.image import build, layout, model, pack
from harness.lock import pylock
from harness.world.store import Store

if __name__ == "__main__":
    store, lock, large, out = Store(Path(sys.argv[1])), *map(Path, sys.argv[2:5])
    built = build.environment(pylock.loads(lock.read_text()), store)

    def image(code):
        source = out / "model.py"
        source.write_text(code)
        trees = {
            "runtime": model.runtime_tree(store),
            "settings": model.settings_tree({"name": "large"}, store),
            "code": model.tree("code", {"model.py": source}, store),
            "artifact": model.tree("artifact", {"weights": large}, store),
        }
        return pack.packed(model.assemble(built, trees, store, name="large"), store)

    first, second = image("A = 1"), image("A = 2")
    layout.archive(first, store, out / "first.tar", reference="large:1")
    # Not RUSAGE_SELF: that begins with the size of the process that started this one.
    status = Path("/proc/self/status").read_text()
    own = int(status.partition("VmHWM:")[2].split()[0])
    peak = 1024 * max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    new = [b.size for b in second.blobs if b not in first.blobs]
    heavy = first.image.layers[-1]
    shutil.rmtree(store.root / "t" / heavy.trees[0])  # the tests' store outlives them
    print(json.dumps({"peak": peak, "new": new, "last": heavy.title}))
"""


def test_a_gigabyte_takes_little_memory_and_is_not_shipped_again_for_a_change_of_code(
    tabular: Built, fetched: Store, tabular_lock_file: Path, tmp_path: Path
) -> None:
    large = tmp_path / "weights"
    with large.open("wb") as file:
        file.write(b"weights")
        file.truncate(GIGABYTE)
    script = tmp_path / "shipped.py"
    script.write_text(SHIPPED)

    done = subprocess.run(
        [sys.executable, script, fetched.root, tabular_lock_file, large, tmp_path],
        capture_output=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr.decode()
    seen = json.loads(done.stdout)
    assert seen["last"] == "artifact"
    assert seen["peak"] < MOST
    assert len(seen["new"]) == 1
    assert sum(seen["new"]) < 1000
