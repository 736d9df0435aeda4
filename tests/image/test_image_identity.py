"""One lock, one digest: user, clock, order of names, locale, umask, time zone, hash seed, folder,
file system and workers can't be seen in an image, and a builder that let one be seen is caught.

All of them, each alone, for twelve environments and three builders' Pythons:
``benchmarks/image/surroundings.py``.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.image.surroundings import PLAIN, differences, images, surroundings
from harness.image import build
from harness.lock import pylock
from harness.lock.lock import Lock
from harness.world.store import Store

SMALL = (
    "click",
    "h11",
    "joblib",
    "cloudpickle",
    "threadpoolctl",
    "uvicorn",
    "python-dateutil",
    "tzdata",
)
LEAKS = {"clock": "clock", "order": "order of names", "seed": "hash seed"}


@pytest.fixture(scope="module")
def locks(tabular_lock: Lock, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two small environments of the curated one's packages."""
    folder = tmp_path_factory.mktemp("locks")
    paths = []
    for name, chosen in (("small", SMALL), ("smaller", SMALL[:4])):
        packages = tuple(p for p in tabular_lock.packages if p.name in chosen)
        paths.append(folder / f"pylock.{name}.toml")
        pylock.write(paths[-1], replace(tabular_lock, name=name, packages=packages))
    return paths


@pytest.fixture(scope="module")
def os_trees(tabular: build.Built, fetched: Store) -> list[Path]:
    """The OS packages unpacked, for builds in which only wheels are of interest."""
    groups = (layer.trees for layer in tabular.image.layers if layer.title.startswith("os"))
    return sorted({fetched.root / "t" / tree for group in groups for tree in group})


@pytest.mark.requires_tool("faketime")
def test_nothing_around_a_build_can_be_seen_in_it(locks: list[Path], fetched: Store) -> None:
    """Two environments from nothing, in plain surroundings and with all that may differ at once."""
    *_, everything = surroundings()
    assert everything.clock and everything.umask != PLAIN.umask

    one = images(PLAIN, locks, fetched.root)
    other = images(everything, locks[::-1], fetched.root)

    assert {"small:1", "smaller:1"} == set(one)
    assert [] == differences(one, other)


@pytest.mark.requires_tool("faketime")
@pytest.mark.parametrize("leak", sorted(LEAKS))
def test_a_builder_that_leaks_is_caught(
    leak: str, locks: list[Path], fetched: Store, os_trees: list[Path]
) -> None:
    """By the comparison that finds nothing in an honest one."""
    (varied,) = (one for one in surroundings() if one.name == LEAKS[leak])
    planted = {"HARNESS_UNPACKED": "1", "HARNESS_PLANT": leak}

    plain, other = (
        images(one, locks[1:], fetched.root, ready=os_trees, variables=planted)
        for one in (PLAIN, varied)
    )

    found = differences(plain, other)
    assert "smaller:1: config" in found
    assert any(part.startswith("smaller:1: python ") for part in found)
