"""What is built from its source is built where its interpreter runs, or refused in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness.core.digest import of_bytes
from harness.core.errors import BuildFailed
from harness.engine.engine import Engine
from harness.flows import sdist as flow
from harness.lock.lock import Lock, Source, Wheel
from harness.lock.pylock_reading import MACHINES
from harness.world import machine
from harness.world.store import Store

HERE = machine.architecture()
THERE = next(name for name in MACHINES if name != HERE)


def lock_of(store: Store, architecture: str, need: str) -> Lock:
    tool = Wheel(name="tool", version="1.0", filename=need, digest=of_bytes(b"tool"))
    source = Source(filename="odd-1.0.tar.gz", digest=of_bytes(b"source"), requires=(tool,))
    odd = Wheel(
        name="odd",
        version="1.0",
        filename="odd-1.0-py3-none-any.whl",
        digest=of_bytes(b"built"),
        built=source,
    )
    return Lock(
        name="odd",
        version=1,
        python="3.11",
        suite="bookworm",
        architecture=architecture,
        spec=of_bytes(b"spec"),
        released=datetime(2026, 1, 1, tzinfo=UTC),
        packages=(odd,),
        debs=(),
    )


def no_engine() -> Engine:
    raise AssertionError("nothing is to be built")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.mark.parametrize(
    ("architecture", "need", "said"),
    [
        (THERE, "tool-1.0-py3-none-any.whl", f"this machine is {MACHINES[HERE]}"),
        (
            HERE,
            f"tool-1.0-cp311-cp311-manylinux_2_28_{MACHINES[THERE]}.whl",
            f"can't be built on {MACHINES[HERE]}",
        ),
    ],
)
def test_what_cannot_run_here_is_not_tried(
    store: Store, architecture: str, need: str, said: str
) -> None:
    with pytest.raises(BuildFailed, match=said) as failed:
        flow.complete(lock_of(store, architecture, need), store, no_engine, print)

    assert failed.value.hint


def test_what_the_store_has_needs_no_engine(store: Store) -> None:
    lock = lock_of(store, THERE, "tool-1.0-py3-none-any.whl")
    (odd,) = lock.packages
    lock = replace(lock, packages=(replace(odd, digest=store.add(b"built elsewhere")),))

    flow.complete(lock, store, no_engine, print)

    assert ("odd",) == tuple(wheel.name for wheel in lock.built)
