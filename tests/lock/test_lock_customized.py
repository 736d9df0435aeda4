"""A child keeps its parent's pins: every move is forced, and its reason holds, by brute force."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from lock_fakes import ARCHITECTURE, make_wheel, python_source, served, write_simple_index
from packaging.requirements import Requirement

from harness.core.digest import of_bytes
from harness.core.errors import SpecInvalid
from harness.lock import choose, conflict, customized
from harness.lock.lock import Lock
from harness.lock.resolver import Question, Unsolvable
from harness.lock.uv import Uv
from harness.lock.wheel_index import WheelIndex
from harness.spec.environment import Change, Environment
from harness.world.store import Store

pytest.importorskip("uv", reason="uv is not installed")

NAMES = ("ant", "bee", "cat", "dog", "eel")
VERSIONS = ("1.0", "2.0", "3.0")
Universe = Mapping[tuple[str, str], tuple[str, ...]]


def universe(chance: random.Random) -> Universe:
    """Return five packages of three versions, each with up to two needs of later packages."""
    made = {}
    for place, name in enumerate(NAMES):
        for version in VERSIONS:
            others = NAMES[place + 1 :]
            needs = []
            for other in chance.sample(others, min(len(others), chance.randrange(3))):
                sign = chance.choice(["", "<3", ">=2", "==1.0", "<2", "!=2.0"])
                needs.append(f"{other}{sign}")
            made[name, version] = tuple(needs)
    return made


def answers(world: Universe, roots: tuple[str, ...]) -> list[dict[str, str]]:
    """Return every choice of versions that meets *roots*, with no package that nobody needs."""
    found = []
    for versions in itertools.product((None, *VERSIONS), repeat=len(NAMES)):
        chosen = {n: v for n, v in zip(NAMES, versions, strict=True) if v is not None}
        needs = [Requirement(text) for text in roots]
        reached: set[str] = set()
        good = True
        while needs and good:
            need = needs.pop()
            version = chosen.get(need.name)
            good = version is not None and need.specifier.contains(version)
            if good and need.name not in reached:
                reached.add(need.name)
                needs += [Requirement(text) for text in world[need.name, str(version)]]
        if good and reached == set(chosen):
            found.append(chosen)
    return found


@dataclass
class World:
    made: Universe
    door: Uv
    index: WheelIndex
    store: Store

    def question(self, *roots: str) -> Question:
        return Question(requirements=roots, python="3.11.2", architecture=ARCHITECTURE)


@pytest.fixture(params=range(12))
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    made = universe(random.Random(request.param))
    for (name, version), needs in made.items():
        make_wheel(tmp_path / "index/files", name, version, requires=needs)
    write_simple_index(tmp_path / "index/simple", tmp_path / "index/files")
    with served(tmp_path / "index") as server:
        source = python_source(f"{server.address}/simple")
        store = Store(tmp_path / "store")
        yield World(made, Uv(source=source, cache=tmp_path / "cache"), WheelIndex(source), store)


def parent_lock(world: World, roots: tuple[str, ...]) -> Lock | None:
    question = world.question(*roots)
    try:
        pins = world.door.pins(question)
    except Unsolvable:
        assert not answers(world.made, roots)
        return None
    wheels = choose.wheels(
        pins, python=question.python, architecture=ARCHITECTURE, index=world.index
    )
    return Lock(
        name="above",
        version=1,
        python="3.11",
        suite="bookworm",
        architecture=ARCHITECTURE,
        spec=of_bytes(b"spec"),
        released=datetime(2026, 1, 1, tzinfo=UTC),
        requirements=roots,
        packages=wheels,
        debs=(),
    )


def test_every_move_is_forced_and_every_reason_holds(world: World) -> None:
    """For each package and bound that a child may add: the moves are a minimal set, which brute
    force over all answers confirms, and each line of a reason is true of the index."""
    above = parent_lock(world, ("ant", "bee"))
    if above is None:
        return
    for added in ("dog<2", "eel>=2", "cat==1.0"):
        roots = ("ant", "bee", added)
        possible = answers(world.made, roots)
        question = world.question(*roots)
        try:
            pins, moved = customized.least(question, world.door, above.pins)
        except Unsolvable as unsolvable:
            assert not possible
            check_conflict(world, question, roots, unsolvable)
            continue
        got = {pin.name: pin.version for pin in pins}
        assert got in possible
        held = {n: v for n, v in above.pins.items() if n not in moved}
        for one in ({**held, name: above.pins[name]} for name in moved):
            assert not any(keeps(answer, one) for answer in possible)
        wheels = choose.wheels(
            pins, python=question.python, architecture=ARCHITECTURE, index=world.index
        )
        moves = customized.explained(
            moved, pins, wheels, question, world.door, above, index=world.index, store=world.store
        )
        assert {m.name for m in moves} == {n for n in moved if got.get(n) != above.pins[n]}
        for move in moves:
            assert move.before == above.pins[move.name] and move.after == got.get(move.name, "")
            assert move.why
            for line in move.why:
                assert true(line, world.made, {**above.pins, **got}, above.pins, roots), line


def keeps(answer: Mapping[str, str], held: Mapping[str, str]) -> bool:
    return all(answer.get(name, version) == version for name, version in held.items())


def true(
    line: str,
    made: Universe,
    versions: Mapping[str, str],
    before: Mapping[str, str],
    roots: tuple[str, ...],
) -> bool:
    if line.endswith(" is asked for"):
        return line.removesuffix(" is asked for") in roots
    if line.endswith(" stays"):
        name, _, version = line.removesuffix(" stays").partition("==")
        return before[name] == version
    package, _, need = line.partition(" requires ")
    name, _, version = package.partition(" ")
    return version in (versions[name], before.get(name)) and any(
        str(Requirement(text)) == str(Requirement(need)) for text in made[name, version]
    )


def check_conflict(
    world: World, question: Question, roots: tuple[str, ...], unsolvable: Unsolvable
) -> None:
    """The smallest set is one that nothing meets, and without any one of it something does."""
    found = conflict.smallest(question, world.door, {})
    texts = tuple(part.removesuffix(" is asked for") for part in found)
    assert set(texts) <= set(roots)
    assert not answers(world.made, texts)
    for left_out in texts:
        assert answers(world.made, tuple(text for text in texts if text != left_out))
    told = conflict.told(unsolvable, question, world.door, dict.fromkeys(roots, "requirements"))
    assert all(text in told.message for text in texts)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 12])
def test_the_smallest_conflict_is_found_among_many(size: int) -> None:
    parts = [f"p{number}" for number in range(40)]
    guilty = set(random.Random(size).sample(parts, size))

    found = conflict.quick_explain(parts, lambda some: not guilty <= set(some))

    assert guilty == set(found)
    assert [] == conflict.quick_explain(parts, lambda some: True)


def child(**change: tuple[str, ...]) -> Environment:
    return Environment(
        folder=Path("child"),
        name="child",
        version=1,
        python="",
        suite="",
        requirements=(),
        os=("libgomp1",),
        change=Change(parent="above:1", source="..", **change),
    )


ABOVE = Lock(
    name="above",
    version=1,
    python="3.11",
    suite="bookworm",
    architecture="amd64",
    spec=of_bytes(b"spec"),
    released=datetime(2026, 1, 1, tzinfo=UTC),
    requirements=("numpy>=2", "pandas~=3.0"),
    os=("libopenblas0",),
    packages=(),
    debs=(),
)


def test_a_change_adds_removes_and_replaces_by_name() -> None:
    effective = customized.effective(
        child(add=("six",), remove=("numpy",), replace=("pandas<3",)), (ABOVE,)
    )

    assert ("pandas<3", "six") == effective.requirements
    assert ("libgomp1", "libopenblas0") == effective.os
    assert ("3.11", "bookworm", ("amd64",)) == (
        effective.python,
        effective.suite,
        effective.platforms,
    )


@pytest.mark.parametrize("key", ["remove", "replace"])
def test_what_the_parent_does_not_ask_for_cannot_be_taken_away(key: str) -> None:
    with pytest.raises(SpecInvalid, match=f"{key}: above:1 does not ask for six") as failed:
        customized.effective(child(**{key: ("six",)}), (ABOVE,))

    assert "numpy, pandas" in failed.value.hint


def test_an_environment_without_a_parent_is_itself() -> None:
    plain = replace(child(), change=None)

    assert plain is customized.effective(plain, ())
