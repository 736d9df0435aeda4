"""Wheels resolved by the interpreter that ships, from an index that the tests serve."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
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

from harness.core.errors import NetworkUnavailable, ResolutionFailed, ToolMissing
from harness.lock import choose, pip_tools, tools
from harness.lock.lock import Wheel
from harness.lock.resolver import Question
from harness.lock.wheel_index import WheelIndex
from harness.world.process import Finished

PYTHON = platform.python_version()


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two versions of two packages, one of which needs the other; a foreign wheel; an sdist."""
    root = tmp_path_factory.mktemp("index")
    files = root / "files"
    for version in ("1.0", "1.1"):
        make_wheel(files, "lib", version)
        make_wheel(
            files,
            "app",
            version,
            requires=["lib>=1", "more; extra == 'more'", "nowhere; sys_platform == 'win32'"],
            extras=["more"],
        )
    make_wheel(files, "more", "3.0")
    make_wheel(files, "lib", "1.1", tag="cp311-cp311-win_amd64")
    make_wheel(files, "lib", "9.0", tag="cp311-cp311-win_amd64")
    (files / "source-1.0.tar.gz").write_bytes(b"an sdist")
    write_simple_index(root / "simple", files)
    with served(root) as server:
        yield server


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One resolver's cache for all: its tools are then copied and compiled once."""
    return tmp_path_factory.mktemp("cache")


def resolve(
    index: Server,
    cache: Path,
    *requirements: str,
    previous: tuple[Wheel, ...] = (),
    extra: tuple[str, ...] = (),
    links: tuple[str, ...] = (),
) -> tuple[Wheel, ...]:
    source = python_source(f"{index.address}/simple", extra=extra, links=links)
    door = pip_tools.PipTools(run_python=run_this_python, source=source, cache=cache)
    found = door.pins(question(*requirements, keep=pins(previous)))
    return choose.wheels(found, python=PYTHON, architecture=ARCHITECTURE, index=WheelIndex(source))


def question(*requirements: str, keep: dict[str, str] | None = None) -> Question:
    return Question(
        requirements=requirements, python=PYTHON, architecture=ARCHITECTURE, keep=keep or {}
    )


def pins(wheels: tuple[Wheel, ...]) -> dict[str, str]:
    return {wheel.name: wheel.version for wheel in wheels}


def test_a_package_comes_with_what_it_needs_by_exact_file(
    index: Server, cache: Path, tmp_path: Path
) -> None:
    app, lib, more = resolve(index, cache, "App[more]")

    assert ("app", "1.1", "app-1.1-py3-none-any.whl") == (app.name, app.version, app.filename)
    assert make_wheel(tmp_path / "again", "lib", "1.1").digest == lib.digest
    assert (("lib", "more"), (), ()) == (app.dependencies, lib.dependencies, more.dependencies)


def test_locking_again_moves_nothing_and_upgrading_moves_on_purpose(
    index: Server, cache: Path
) -> None:
    old = resolve(index, cache, "app", "lib<1.1")

    again = resolve(index, cache, "app", "lib", previous=old)
    moved = resolve(index, cache, "app", "lib")

    assert {"app": "1.1", "lib": "1.0"} == pins(old) == pins(again)
    assert {"app": "1.1", "lib": "1.1"} == pins(moved)


def test_nothing_of_this_machines_pip_decides(
    index: Server, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("1.2", "1.3"):
        make_wheel(tmp_path / "wheels", "lib", version)
    write_simple_index(tmp_path / "simple", tmp_path / "wheels")
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("lib<1.1\n")
    configuration = tmp_path / "pip.conf"
    configuration.write_text(f"[global]\nfind-links = {tmp_path / 'wheels'}\nno-binary = :all:\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(configuration))
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("PIP_CONSTRAINT", str(constraints))
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", (tmp_path / "simple").as_uri())

    (lib,) = resolve(
        index,
        cache,
        "lib",
        extra=((tmp_path / "simple").as_uri(),),
        links=(str(tmp_path / "wheels"),),
    )

    assert "1.1" == lib.version


def test_a_package_without_a_wheel_is_named(index: Server, cache: Path) -> None:
    with pytest.raises(ResolutionFailed, match="source") as failed:
        resolve(index, cache, "source")

    assert "wheels only" in failed.value.message


def test_requirements_that_exclude_each_other_are_shown(index: Server, cache: Path) -> None:
    with pytest.raises(ResolutionFailed, match="lib"):
        resolve(index, cache, "app", "lib<1")


def test_where_pip_gives_up_because_of_old_pins_only_those_in_the_way_move(
    index: Server, cache: Path
) -> None:
    """A pip-compile for which the old pin of ``mid`` rules everything out."""

    def run(arguments: Sequence[str], env: object, cwd: Path, path: object) -> Finished:
        file = cwd / "pinned.txt"
        text = file.read_text() if file.is_file() else ""
        old = dict(line.split("==") for line in text.splitlines())
        if old.get("mid") == "2":
            return Finished(code=1, stdout=b"", stderr=b"conflicting dependencies")
        file.write_text(f"low==1\nmid==1\nother=={old.get('other', '2')}\n")
        return Finished(code=0, stdout=b"", stderr=b"")

    door = pip_tools.PipTools(
        run_python=run, source=python_source(f"{index.address}/simple"), cache=cache
    )
    keep = {"low": "2", "mid": "2", "other": "1"}

    found = door.pins(question("lib", keep=keep))

    assert {"low": "1", "mid": "1", "other": "1"} == {pin.name: pin.version for pin in found}


def test_an_index_that_cannot_be_reached_is_no_failed_resolution(cache: Path) -> None:
    with pytest.raises(NetworkUnavailable, match=r"127\.0\.0\.1:1 could not be reached") as failed:
        pip_tools.PipTools(
            run_python=run_this_python,
            source=python_source("http://127.0.0.1:1/simple"),
            cache=cache,
        ).pins(question("app"))

    assert failed.value.hint


@pytest.mark.parametrize(
    "text", ["app @ http://host/app.whl", "--index-url http://host", "-r other.txt", "./app", ""]
)
def test_a_requirement_that_is_none_never_reaches_pip(text: str, tmp_path: Path) -> None:
    with pytest.raises(ResolutionFailed, match="requirements: "):
        pip_tools.PipTools(
            run_python=run_this_python, source=python_source(None), cache=tmp_path
        ).pins(question(text))


def test_a_resolver_that_is_not_installed_is_named() -> None:
    with pytest.raises(ToolMissing, match="no-such-tool is not installed"):
        tools.required("no-such-tool")


def test_only_the_resolver_and_what_it_requires_are_copied(cache: Path) -> None:
    folder = tools.folder(cache)

    copied = {path.name for path in folder.iterdir()}

    assert {"piptools", "pip", "click"} <= copied
    assert not {"pytest", "numpy", "harness"} & copied
    assert not list(folder.rglob("*.so"))
