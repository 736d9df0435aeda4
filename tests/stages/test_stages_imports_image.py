"""The clean room over a real image: what resolves green and does not work comes out red."""

from __future__ import annotations

import importlib.util
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from packages import wheel

from harness.core.digest import of_bytes
from harness.engine.select import select
from harness.image import build, model
from harness.lock.deb_contents import Holder
from harness.lock.lock import Lock, Wheel
from harness.stages import imports
from harness.stages.import_advice import Outside
from harness.stages.load import Bench, Limits
from harness.stages.stage import StageResult
from harness.world.store import Store


def booster() -> bytes:
    """Return lightgbm's own shared library, which needs libgomp.so.1."""
    spec = importlib.util.find_spec("lightgbm")
    assert spec is not None and spec.origin is not None
    return (Path(spec.origin).parent / "lib/lib_lightgbm.so").read_bytes()


FILES = {
    "good": {"good/__init__.py": b"def main(): ...\n"},
    "boost": {
        "boost/__init__.py": b"import ctypes, os\n"
        b"ctypes.CDLL(os.path.join(os.path.dirname(__file__), 'lib.so'))\n",
    },
    "checks": {"checks/__init__.py": b"from good import max_error\n"},
    "hollow": {
        "hollow/__init__.py": b"",
        "hollow/api.py": b"import ctypes\nctypes.CDLL('libgomp.so.1')\n",
    },
    "dies": {"dies/__init__.py": b"import os; os.abort()\n"},
}


@pytest.fixture(scope="module")
def proved(
    fetched: Store, tabular_lock: Lock, tmp_path_factory: pytest.TempPathFactory
) -> StageResult:
    """What the clean room says of four small wheels on the curated environment's OS packages."""
    folder = tmp_path_factory.mktemp("wheels")
    packages = []
    for name, files in FILES.items():
        more = {"boost/lib.so": booster()} if name == "boost" else {}
        scripts = "[console_scripts]\nrun = good:main\nlost = good:gone\n" if name == "good" else ""
        path = wheel(folder, name, files={**files, **more}, entry_points=scripts)
        data = path.read_bytes()
        fetched.add(data)
        packages.append(
            Wheel(
                name=name,
                version="1.0",
                filename=path.name,
                digest=of_bytes(data),
                dependencies=("good",) if name == "checks" else (),
            )
        )
    lock = replace(
        tabular_lock,
        name="red",
        packages=tuple(sorted(packages, key=lambda one: one.name)),
        requirements=("boost", "checks", "dies", "hollow"),
        debs=tuple(deb for deb in tabular_lock.debs if deb.name != "libgomp1"),
    )
    built = build.environment(lock, fetched)

    def holds(libraries: Collection[str]) -> tuple[Mapping[str, Holder], str]:
        known = {"libgomp.so.1": Holder(library="libgomp.so.1", package="libgomp1")}
        return {one: known.get(one, Holder(library=one)) for one in libraries}, ""

    bench = Bench(
        engine=select("sandbox")[0], env=built.image.settings.env, limits=Limits(seconds=300)
    )
    runnable = model.partial(built, {"runtime": model.runtime_tree(fetched)}, fetched)
    return imports.check(bench, runnable, outside=Outside(lock=lock, holds=holds))


def paragraph(proved: StageResult, *line: str) -> dict[str, str]:
    return next(dict(p.lines) for p in proved.problems if line in p.lines)


def test_a_booster_without_its_library_is_red_and_has_the_line_to_paste(
    proved: StageResult,
) -> None:
    assert not proved.passed
    assert [("paste", 'os = ["libgomp1"]')] == [
        line for p in proved.problems for line in p.lines if line[0] == "paste"
    ]
    needs = paragraph(proved, "needs", "libgomp.so.1")
    assert "/usr/local/lib/python3.11/dist-packages/boost/lib.so" == needs["object"]
    raised = paragraph(proved, "module", "boost")
    assert raised["error"].startswith("OSError: libgomp.so.1: cannot open shared object file")
    assert "libgomp1 has libgomp.so.1" == raised["debian"]


def test_a_package_that_is_empty_above_the_module_that_opens_a_library_is_red(
    proved: StageResult,
) -> None:
    raised = paragraph(proved, "module", "hollow.api")

    assert "libgomp1 has libgomp.so.1" == raised["debian"]
    assert raised["from"].startswith("hollow 1.0")


def test_a_name_that_is_gone_is_red_with_module_exception_and_chain(proved: StageResult) -> None:
    raised = paragraph(proved, "module", "checks")

    assert raised["error"].startswith("ImportError: cannot import name 'max_error' from 'good'")
    assert "checks 1.0 ← asked for" == raised["from"]
    assert "good 1.0 has no max_error in good" == raised["gone"]


def test_a_module_that_kills_its_process_hides_no_other(proved: StageResult) -> None:
    assert (
        "Died: importing it ended the process by signal 6"
        == (paragraph(proved, "module", "dies")["error"])
    )
    assert {"boost", "checks", "dies"} == set(proved.details["failures"])


def test_a_script_without_its_function_is_red(proved: StageResult) -> None:
    assert (
        "AttributeError: module 'good' has no attribute 'gone'"
        == (paragraph(proved, "script", "lost = good:gone")["error"])
    )
    assert not any("run = good:main" in text for p in proved.problems for _, text in p.lines)
