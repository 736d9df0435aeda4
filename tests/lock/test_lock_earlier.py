"""Which earlier version still had a name: read in its wheel, and no code of it is run."""

from __future__ import annotations

from pathlib import Path

import pytest
from lock_fakes import ARCHITECTURE, make_wheel, python_source, served, write_simple_index

from harness.lock import earlier
from harness.lock.lock import Wheel
from harness.lock.wheel_index import WheelIndex
from harness.world.store import Store

OLD = "def old(): ...\n"
VERSIONS = {
    "1.0.0": OLD,
    "1.1.0": OLD,
    "1.1.4": OLD,
    "1.2.0": "older = 1\n",
    "1.3.0rc1": OLD,
    "1.3.0": "raise SystemExit('nobody runs me')\n",
    "1.4.0": "",
}


@pytest.mark.parametrize(
    ("module", "name", "expected"),
    [
        ("learn", "old", "1.1.4"),
        ("learn", "older", "1.2.0"),
        ("learn", "never", ""),
        ("learn", "VERSION", ""),  # the locked version has it: something else is wrong
        ("learn.inner", "old", ""),
    ],
)
def test_the_newest_version_that_mentions_the_name_is_found(
    tmp_path: Path, module: str, name: str, expected: str
) -> None:
    made: dict[str, Wheel] = {
        version: make_wheel(tmp_path / "files", "learn", version, content=content)
        for version, content in VERSIONS.items()
    }
    write_simple_index(tmp_path / "simple", tmp_path / "files")
    store = Store(tmp_path / "store")
    with served(tmp_path) as server:
        index = WheelIndex(python_source(f"{server.address}/simple"))
        index.download(made["1.4.0"], store=store)

        found = earlier.last_with(
            made["1.4.0"],
            module,
            name,
            python="3.11",
            architecture=ARCHITECTURE,
            index=index,
            store=store,
        )

    assert expected == found
