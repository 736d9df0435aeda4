"""Packages without a wheel among those that have one: the same answer as if all had wheels."""

from __future__ import annotations

import platform
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from lock_fakes import (
    ARCHITECTURE,
    Server,
    make_wheel,
    python_source,
    run_this_python,
    served,
    write_simple_index,
)

from harness.core.digest import of_bytes
from harness.core.errors import ResolutionFailed
from harness.lock import choose, from_source
from harness.lock.from_source import FromSource, Resolved
from harness.lock.lock import Source, Wheel
from harness.lock.pip_tools import PipTools
from harness.lock.resolver import Question, Resolver, Unsolvable
from harness.lock.uv import Uv
from harness.lock.wheel_index import WheelIndex
from harness.world import sources
from harness.world.store import Store

pytest.importorskip("uv", reason="uv is not installed")
PYTHON = platform.python_version()
FOREIGN = "arm64" if ARCHITECTURE == "amd64" else "amd64"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One resolver's cache for all: its tools are then copied and compiled once."""
    return tmp_path_factory.mktemp("cache")


@dataclass
class World:
    """An index in a folder; what sources build lies beside it, where no resolver looks."""

    root: Path
    address: str
    cache: Path
    kind: str
    needs: tuple[str, ...] = ()
    built: list[str] = field(default_factory=list)
    given: list[tuple[str, ...]] = field(default_factory=list)

    def wheel(self, name: str, version: str, *requires: str) -> Wheel:
        return make_wheel(self.root / "files", name, version, requires=requires)

    def source(self, name: str, version: str, *requires: str, tag: str = "py3-none-any") -> None:
        """Offer a source whose build gives a wheel that *requires*."""
        (self.root / "files").mkdir(parents=True, exist_ok=True)
        (self.root / f"files/{name}-{version}.tar.gz").write_bytes(f"{name} {version}".encode())
        make_wheel(self.root / "hidden", name, version, requires=requires, tag=tag)

    def door(self, index: str = "simple") -> Resolver:
        source = self.place(index)
        if self.kind == "uv":
            return Uv(source=source, cache=self.cache)
        return PipTools(run_python=run_this_python, source=source, cache=self.cache)

    def place(self, index: str = "simple") -> sources.Python:
        return python_source(f"{self.address}/{index}")

    def resolver(self, *names: str, keep: dict[str, dict[str, str]] | None = None) -> FromSource:
        write_simple_index(self.root / "simple", self.root / "files")
        return FromSource(
            resolver=self.door(),
            index=WheelIndex(self.place()),
            store=Store(self.root / "store"),
            names=names,
            python=PYTHON,
            architecture=ARCHITECTURE,
            make=self.make,
            keep=keep or {},
        )

    def make(self, source: Source, resolved: Resolved) -> Wheel:
        self.built.append(source.filename)
        needs = resolved(self.needs)
        self.given.append(tuple(f"{need.name} {need.version}" for need in needs))
        name, version = source.filename.removesuffix(".tar.gz").rsplit("-", 1)
        file = next((self.root / "hidden").glob(f"{name}-{version}-*.whl"))
        digest = Store(self.root / "store").add(file.read_bytes())
        source = replace(source, requires=needs)
        return Wheel(name=name, version=version, filename=file.name, digest=digest, built=source)


@pytest.fixture
def world(request: pytest.FixtureRequest, tmp_path: Path, index: Server, cache: Path) -> World:
    index.root = tmp_path
    return World(tmp_path, index.address, cache, getattr(request, "param", "uv"))


with_both = pytest.mark.parametrize("world", ["uv", "pip-tools"], indirect=True)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with served(tmp_path_factory.mktemp("index")) as server:
        yield server


def question(*requirements: str, **more: object) -> Question:
    values = {"requirements": requirements, "python": PYTHON, "architecture": ARCHITECTURE}
    return Question(**values | more)  # type: ignore[arg-type]


def answer(resolver: Resolver, asked: Question) -> dict[str, str] | None:
    try:
        return {pin.name: pin.version for pin in resolver.pins(asked)}
    except Unsolvable:
        return None


NAMES = ("ant", "bee", "cat", "dog")
VERSIONS = ("1.0", "2.0", "3.0")


@pytest.mark.parametrize("seed", range(16))
def test_a_source_counts_as_its_wheel_does(
    seed: int, tmp_path: Path, index: Server, cache: Path
) -> None:
    """Random packages, some versions of which are sources: the pins are those of the same index
    with a wheel in place of each source, and what was built is among what had to be looked at."""
    index.root = tmp_path
    chance = random.Random(seed)
    world = World(tmp_path, index.address, cache, "pip-tools" if seed == 0 else "uv")
    hidden = set()
    for place, name in enumerate(NAMES):
        for version in VERSIONS:
            others = NAMES[place + 1 :]
            needs = [
                f"{other}{chance.choice(['', '<3', '>=2', '==1.0', '<2', '!=2.0'])}"
                for other in chance.sample(others, min(len(others), chance.randrange(3)))
            ]
            make_wheel(tmp_path / "whole", name, version, requires=needs)
            if chance.random() < 0.5:
                world.source(name, version, *needs)
                hidden.add((name, version))
            else:
                world.wheel(name, version, *needs)
    write_simple_index(tmp_path / "all", tmp_path / "whole")
    resolver = world.resolver(*NAMES)

    asked = [("ant", "bee"), ("ant", "cat<3"), ("bee", "dog>=2"), ("ant", "dog==1.0")]
    for roots in asked[:1] if world.kind == "pip-tools" else asked:
        expected = answer(world.door("all"), question(*roots))
        assert expected == answer(resolver, question(*roots))
        built = {f"{n}-{v}.tar.gz" for n, v in (expected or {}).items() if (n, v) in hidden}
        assert built <= set(world.built)
    assert len(set(world.built)) == len(world.built)


@with_both
def test_only_what_is_chosen_and_has_no_wheel_is_built(world: World) -> None:
    world.source("app", "1.0")
    world.source("app", "1.1", "lib")
    world.source("app", "2.0")
    world.source("lib", "1.0")
    world.wheel("lib", "1.0")

    pins = answer(world.resolver("app", "lib"), question("app<2"))

    assert {"app": "1.1", "lib": "1.0"} == pins
    assert ["app-1.1.tar.gz"] == world.built


def test_the_chosen_wheel_is_the_built_one(world: World) -> None:
    world.source("app", "1.0", "lib")
    world.wheel("lib", "1.0")
    world.needs = ("tool",)
    world.wheel("tool", "1.0")
    resolver = world.resolver("app")
    pins = resolver.pins(question("app"))

    app, lib = choose.wheels(
        pins,
        python=PYTHON,
        architecture=ARCHITECTURE,
        index=resolver.index,
        built=resolver.built(pins),
    )

    assert ("app", ("lib",)) == (app.name, app.dependencies)
    assert app.built is not None and lib.built is None
    assert of_bytes(b"app 1.0") == app.built.digest
    assert ["tool"] == [need.name for need in app.built.requires]
    assert resolver.store.has(app.built.digest) and resolver.store.has(app.built.requires[0].digest)


def test_build_requirements_keep_their_pins(world: World) -> None:
    world.source("app", "1.0")
    for version in ("1.0", "2.0"):
        world.wheel("tool", version)
    world.needs = ("tool",)

    for keep in ({"app": {"tool": "1.0"}}, {}):
        world.resolver("app", keep=keep).pins(question("app"))

    assert [("tool 1.0",), ("tool 2.0",)] == world.given


def test_build_requirements_of_the_environment_bound_each_build(world: World) -> None:
    world.source("app", "1.0")
    for version in ("1.0", "2.0"):
        world.wheel("tool", version)
    world.needs = ("tool",)

    replace(world.resolver("app"), requirements=("tool<2",)).pins(question("app"))

    assert [("tool 1.0",)] == world.given


def test_a_build_requirement_without_a_wheel_is_no_conflict_of_the_environment(
    world: World,
) -> None:
    world.source("app", "1.0")
    world.source("tool", "1.0")
    world.needs = ("tool",)

    with pytest.raises(ResolutionFailed, match=r"build of app 1\.0 requires .*: tool") as failed:
        world.resolver("app", "tool").pins(question("app"))

    assert not isinstance(failed.value, Unsolvable)


@with_both
def test_what_the_specification_does_not_name_is_not_built_but_suggested(world: World) -> None:
    world.wheel("app", "1.0", "old")
    world.source("old", "1.0")
    world.source("lib", "1.0")
    world.wheel("lib", "2.0")
    resolver = world.resolver()

    found = []
    for roots in (("app",), ("lib<2",), ("lib",)):
        try:
            resolver.pins(question(*roots))
            found.append(())
        except Unsolvable as failed:
            asked = question(*roots)
            found.append(from_source.without_wheels(asked, failed.said, resolver.index))

    assert [("old",), ("lib",), ()] == found
    assert [] == world.built


def test_looking_for_a_conflict_builds_nothing(world: World) -> None:
    world.source("app", "1.0")

    pins = world.resolver("app").known().pins(question("app"))

    assert ["app"] == [pin.name for pin in pins]
    assert [] == world.built


@with_both
def test_a_withdrawn_source_is_passed_over_or_told(world: World, index: Server) -> None:
    """PEP 592: it is chosen only where exactly it is asked for; a lock refuses it all the same."""
    for version in ("1.0", "1.1"):
        world.source("app", version)
    resolver = world.resolver("app")
    page = world.root / "simple/app/index.html"
    page.write_text(page.read_text().replace('">app-1.1', '" data-yanked="leaks">app-1.1'))

    assert {"app": "1.0"} == answer(resolver, question("app"))
    for asked in (question("app==1.1"), question("app", keep={"app": "1.1"})):
        with pytest.raises(ResolutionFailed, match=r"app 1\.1 was withdrawn.*leaks"):
            resolver.pins(asked)


def test_a_source_without_a_digest_is_refused(world: World) -> None:
    world.source("app", "1.0")
    resolver = world.resolver("app")
    page = world.root / "simple/app/index.html"
    page.write_text(page.read_text().partition("#")[0] + '">app-1.0.tar.gz</a>')

    with pytest.raises(ResolutionFailed, match=r"app-1\.0\.tar\.gz is offered without a SHA-256"):
        resolver.pins(question("app"))


def test_a_wheel_of_this_machine_is_not_locked_for_another(world: World) -> None:
    machine = {"amd64": "x86_64", "arm64": "aarch64"}[ARCHITECTURE]
    minor = "".join(PYTHON.split(".")[:2])
    world.source("app", "1.0", tag=f"cp{minor}-cp{minor}-linux_{machine}")
    world.source("lib", "1.0")
    resolver = world.resolver("app", "lib")

    def chosen(name: str, architecture: str) -> Wheel:
        pins = resolver.pins(question(name, architecture=architecture))
        (wheel,) = choose.wheels(
            pins,
            python=PYTHON,
            architecture=architecture,
            index=resolver.index,
            built=resolver.built(pins),
        )
        return wheel

    assert chosen("lib", ARCHITECTURE) == chosen("lib", FOREIGN)
    assert chosen("app", ARCHITECTURE).filename.endswith(f"linux_{machine}.whl")
    with pytest.raises(ResolutionFailed, match=r"app 1\.0 builds app-1\.0-cp"):
        chosen("app", FOREIGN)
    assert ["lib-1.0.tar.gz", "app-1.0.tar.gz"] == world.built
