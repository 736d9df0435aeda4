"""The locks that this repository ships, and what the documentation says of them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.pylock import Pylock, is_valid_pylock_path
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from harness.lock import pylock
from harness.lock.deb_resolve import PRUNED
from harness.lock.resolve import BASE, base_packages
from harness.lock.tools import TOOL
from harness.spec import parse
from harness.world import sources

ROOT = Path(__file__).parents[2]
CURATED = sorted(path.parent for path in ROOT.glob("envs/*/environment.toml"))
LOCKS = pytest.mark.parametrize("folder", CURATED, ids=lambda folder: folder.name)


def test_there_are_curated_environments() -> None:
    assert "tabular" in [folder.name for folder in CURATED]


@LOCKS
def test_a_curated_lock_is_up_to_date(folder: Path) -> None:
    spec = parse.environment(folder)

    lock = pylock.read(spec)

    assert (spec.name, spec.version) == (lock.name, lock.version)
    assert {*base_packages(spec)} <= {deb.name for deb in lock.debs}
    assert spec.lock_path.read_text(encoding="utf-8") == pylock.dumps(lock)


@LOCKS
def test_a_curated_lock_is_valid_pep_751(folder: Path) -> None:
    path = parse.environment(folder).lock_path

    Pylock.from_dict(tomllib.loads(path.read_text(encoding="utf-8"))).validate()

    assert is_valid_pylock_path(path)


@LOCKS
def test_a_curated_lock_names_no_place(folder: Path) -> None:
    text = parse.environment(folder).lock_path.read_text(encoding="utf-8")

    assert not re.search(r"[a-z]+://", text)
    assert not re.search(r'"(/|\.\.)', text)


@LOCKS
def test_every_wheel_is_wanted_by_somebody(folder: Path) -> None:
    lock = pylock.read(parse.environment(folder))
    needs = {wheel.name: wheel.dependencies for wheel in lock.packages}
    reached: set[str] = set()
    queue = [canonicalize_name(Requirement(text).name) for text in lock.requirements]
    while queue:
        name = queue.pop()
        if name not in reached:
            reached.add(name)
            queue += needs[name]

    assert reached == set(needs)


@LOCKS
def test_every_wheel_is_the_file_of_its_package(folder: Path) -> None:
    for wheel in pylock.read(parse.environment(folder)).packages:
        name, version, _, _ = parse_wheel_filename(wheel.filename)

        assert (wheel.name, wheel.version) == (name, str(version))


def test_the_documentation_names_every_package_that_is_left_out_or_always_in() -> None:
    text = (ROOT / "docs/lock.md").read_text(encoding="utf-8")

    for dependant, name in PRUNED:
        assert f"`{name}`" in text
        assert dependant == "*" or f"`{dependant}`" in text
    assert all(f"`{name}`" in text for name in BASE)


def test_the_documentation_names_every_source_setting() -> None:
    text = (ROOT / "docs/lock.md").read_text(encoding="utf-8")

    assert all(re.search(rf"^{key} = ", text, re.MULTILINE) for key in sources.KEYS)


def test_the_curated_resolver_is_the_one_that_is_built() -> None:
    assert {TOOL} == {parse.environment(folder).resolver for folder in CURATED}
