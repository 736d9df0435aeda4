"""An image on a base of others in the store: what its jobs run from stays while they run."""

from __future__ import annotations

import gzip
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from companies import tarred
from packages import member

from harness.content.scheme import Scheme
from harness.content.tree import Writer
from harness.core.digest import Digest, of_bytes
from harness.image import on_base, roots
from harness.image.image import FOREIGN, Image, Layer, Settings
from harness.lock import pylock
from harness.lock.base_image import MOMENT, BaseLayer, Pulled
from harness.lock.lock import Base, Lock
from harness.world.store import Store
from harness.world.store_gc import collect

SCHEME = Scheme(
    python="3.11",
    program="usr/bin/python3.11",
    site="usr/lib/python3.11/site-packages",
    scripts="usr/bin",
    prefix="usr",
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def locked() -> Lock:
    """A lock on a base, as it is once it was written and read."""
    base = Base(
        image=f"registry.example/python@{of_bytes(b'')}",
        manifest=of_bytes(b""),
        python="3.11.2",
        scheme=SCHEME,
        platform="manylinux_2_36",
    )
    lock = Lock(
        name="on",
        version=1,
        python="3.11",
        suite="",
        architecture="amd64",
        spec=of_bytes(b"spec"),
        released=MOMENT,
        packages=(),
        debs=(),
        base=base,
    )
    return pylock.loads(pylock.dumps(lock))


def built(lock: Lock, store: Store) -> Path:
    """Keep an image of *lock* as building it does; return its root."""
    layers = []
    for title, name in ((f"{FOREIGN}1", "theirs"), ("python", "ours")):
        store.tree(name, lambda root, name=name: Writer(root, name).file(name, name.encode()))  # type: ignore[misc]
        digest = of_bytes(name.encode())
        layers.append(Layer(title=title, diff_id=digest, size=1, trees=(name,)))
    image = Image(architecture="amd64", settings=Settings(env=()), layers=tuple(layers))
    store.remember("environment", on_base._identity(lock), image.body())
    return roots.environment(image, store)


RUN = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import test_image_on_base as room
from harness.image import on_base
from harness.world.store import Store
print(on_base._known(room.locked(), Store(Path(sys.argv[1]))).root, flush=True)
sys.stdin.readline()
"""


def test_the_root_that_a_job_runs_from_stays_while_it_runs(store: Store) -> None:
    root = built(locked(), store)
    with subprocess.Popen(
        [sys.executable, "-c", RUN, store.root, Path(__file__).parent],
        env={"PYTHONPATH": ":".join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as job:
        assert job.stdin and job.stdout
        assert f"{root}\n" == job.stdout.readline()

        collect(store, now=time.time_ns(), days=0)

        assert {"theirs", "ours"} == {path.name for path in root.iterdir()}
        job.stdin.close()
        job.wait()

    collect(store, now=time.time_ns(), days=0)
    assert not root.exists()


def test_a_root_that_is_gone_is_laid_out_again(store: Store) -> None:
    root = built(locked(), store)
    assert on_base._known(locked(), store) is not None

    root.rename(root.with_name("moved"))

    again = on_base._known(locked(), store)
    assert again is not None
    assert {"theirs", "ours"} == {path.name for path in again.root.iterdir()}
    assert again.root == root


def test_the_size_of_a_base_s_layer_is_found_again_once_its_record_was_collected(
    store: Store,
) -> None:
    tar = tarred([member("etc/x", b"x" * 5000)])
    data = gzip.compress(tar)
    digest = store.add(data)
    layer = BaseLayer(
        digest=digest,
        size=len(data),
        media_type="application/vnd.oci.image.layer.v1.tar+gzip",
        diff_id=of_bytes(tar),
    )
    pulled = Pulled(
        manifest=Digest(digest),
        config=digest,
        architecture="amd64",
        layers=(layer,),
        env=(),
        labels=(),
        created=MOMENT,
    )
    below = on_base.tree(pulled, store)
    (first,) = on_base._theirs(pulled, below, store)
    for record in (store.root / "d" / "tar").iterdir():
        record.unlink()

    (again,) = on_base._theirs(pulled, below, store)

    assert len(tar) == again.size
    assert first == again == replace(first, title=f"{FOREIGN}1")
