"""What the clean room says of what it finds: who lacks it, who asked for that, what to paste."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from harness.core.digest import of_bytes
from harness.image import installed
from harness.image.installed import Distribution, EntryPoint
from harness.image.validate import Missing
from harness.lock.deb_contents import Holder
from harness.lock.lock import Lock, Wheel
from harness.stages import import_report
from harness.stages.import_advice import Outside
from harness.stages.import_cause import cause
from harness.stages.import_report import Found
from harness.stages.stage import StageResult

SITE = "usr/local/lib/python3.11/dist-packages"
HOLDERS = {
    "libgomp.so.1": Holder(library="libgomp.so.1", package="libgomp1"),
    "libzbar.so": Holder(library="libzbar.so.0", package="libzbar0"),
    "libffi.so.7": Holder(library="libffi.so.8", package="libffi8"),
}


def wheel(name: str, *needs: str) -> Wheel:
    return Wheel(
        name=name,
        version="1.0",
        filename=f"{name}-1.0-py3-none-any.whl",
        digest=of_bytes(name.encode()),
        dependencies=needs,
    )


LOCK = Lock(
    name="thing",
    version=1,
    python="3.11",
    suite="bookworm",
    architecture="amd64",
    spec=of_bytes(b""),
    released=datetime(2026, 1, 1, tzinfo=UTC),
    requirements=("app",),
    os=("libgl1",),
    packages=(wheel("app", "boost"), wheel("boost"), wheel("learn")),
    debs=(),
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("app", "boost", "learn"):
        info = tmp_path / SITE / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        needs = "Requires-Dist: learn>=0.5\n" if name == "app" else ""
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{needs}"
        )
        (info / "WHEEL").write_text("Wheel-Version: 1.0\n")
        (info / "RECORD").write_text(f"{name}/__init__.py,,\n{name}/lib.so,,\n")
    return tmp_path


def report(root: Path, *, outside: Outside | None = None, **seen: Any) -> StageResult:
    wheels = installed.distributions(root, "3.11")
    modules = {one.name: f"{one.name}-1.0" for one in wheels}
    nothing: dict[str, Any] = {"missing": (), "failures": {}, "scripts": (), "metadata": ()}
    found = Found(root=root, python="3.11", wheels=wheels, modules=modules, **{**nothing, **seen})
    return import_report.result(found, outside or known(), checked=len(modules))


def known(**more: Any) -> Outside:
    def holds(libraries: Collection[str]) -> tuple[Mapping[str, Holder], str]:
        return {one: HOLDERS.get(one, Holder(library=one)) for one in libraries}, ""

    return Outside(**{"lock": LOCK, "holds": holds, **more})


def raised(kind: str, message: str, *files: str) -> dict[str, Any]:
    paths = [f"/{SITE}/{file}" for file in files]
    return {"type": kind, "message": message, "before": [], "files": paths}


def lines(result: StageResult) -> list[tuple[str, str]]:
    return [line for problem in result.problems for line in problem.lines]


def test_nothing_wrong_passes(root: Path) -> None:
    found = report(root)

    assert (True, "3 modules", ()) == (found.passed, found.summary, found.problems)


def test_a_missing_library_comes_with_who_needs_it_and_the_line_to_paste(root: Path) -> None:
    found = report(root, missing=(Missing(f"{SITE}/boost/lib.so", "libgomp.so.1"),))

    assert not found.passed
    assert [
        ("paste", 'os = ["libgl1", "libgomp1"]'),
        ("object", f"/{SITE}/boost/lib.so"),
        ("needs", "libgomp.so.1"),
        ("from", "boost 1.0 ← app ← asked for"),
        ("debian", "libgomp1 has libgomp.so.1"),
    ] == lines(found)


def test_a_library_that_no_package_has_can_be_done_without(root: Path) -> None:
    missing = (Missing(f"{SITE}/boost/lib.so", "libvendor.so.3"),)

    before = report(root, missing=missing)
    after = report(root, missing=missing, outside=known(without=("libvendor.so.3",)))

    assert ("or paste", 'without = ["libvendor.so.3"]') in lines(before)
    assert not before.passed
    assert after.passed
    assert ["libvendor.so.3 is not there: without says so"] == after.details["notes"]


def test_another_version_of_a_library_is_no_advice(root: Path) -> None:
    found = report(root, missing=(Missing(f"{SITE}/boost/lib.so", "libffi.so.7"),))

    assert [] == found.details["os"]
    assert ("debian", "has libffi.so.8 (libffi8), which is another version") in lines(found)


def test_a_library_of_a_driver_fails_nobody(root: Path) -> None:
    found = report(root, missing=(Missing(f"{SITE}/boost/lib.so", "libcuda.so.1"),))

    assert found.passed
    assert ["libcuda.so.1 is not there: comes with a driver"] == found.details["notes"]


def test_a_version_of_symbols_that_is_missing_fails_and_no_package_is_advised(root: Path) -> None:
    missing = (Missing(f"{SITE}/boost/lib.so", "libc.so.6", "GLIBC_2.38"),)

    found = report(root, missing=missing)

    assert ("needs", "libc.so.6 with GLIBC_2.38") in lines(found)
    assert [] == found.details["os"]


def test_an_index_that_cannot_be_asked_costs_the_advice_alone(root: Path) -> None:
    silent = known(holds=lambda _: ({}, "the source could not be reached"))

    found = report(root, missing=(Missing(f"{SITE}/boost/lib.so", "libgomp.so.1"),), outside=silent)

    assert not found.passed
    assert ("unknown", "which packages have them: the source could not be reached") in lines(found)


def test_a_library_opened_while_importing_has_the_same_advice(root: Path) -> None:
    said = raised("OSError", "libgomp.so.1: cannot open shared object file: No such file")

    found = report(root, failures={"boost": said})

    assert ["libgomp1"] == found.details["os"]
    assert ("from", "boost 1.0 ← app ← asked for") in lines(found)


def test_code_that_looks_for_a_library_by_name_needs_what_finds_it_too(root: Path) -> None:
    said = raised("ImportError", "Unable to find zbar shared library")

    found = report(root, failures={"boost": said})

    assert ["libc-bin", "libzbar0"] == found.details["os"]


SILENT = raised("ImportError", "zbar shared library not found", "boost/api.py")


def test_a_package_that_imports_nothing_itself_is_red_by_what_lies_below_it(root: Path) -> None:
    found = report(root, inner={"boost.api": SILENT}, hollow=frozenset({"boost"}))

    assert not found.passed
    assert [
        ("paste", 'os = ["libc-bin", "libgl1", "libzbar0"]'),
        ("or paste", 'without = ["libzbar.so.0"]'),
        ("", "if nothing that you use needs it"),
        ("module", "boost.api"),
        ("error", "ImportError: zbar shared library not found"),
        ("from", "boost 1.0 ← app ← asked for"),
        ("debian", "libzbar0 has libzbar.so.0"),
        ("", "find_library asks ldconfig, which libc-bin has"),
    ] == lines(found)


@pytest.mark.parametrize(
    ("without", "hollow", "note"),
    [
        ((), (), "boost.api opens libzbar.so.0, which is not there"),
        (("libzbar.so.0",), ("boost",), "boost.api opens what is not there: without says so"),
    ],
)
def test_a_library_of_a_module_further_down_is_noted_where_the_package_does_without(
    root: Path, without: tuple[str, ...], hollow: tuple[str, ...], note: str
) -> None:
    found = report(
        root,
        inner={"boost.api": SILENT},
        hollow=frozenset(hollow),
        outside=known(without=without),
    )

    assert (True, [note], []) == (found.passed, found.details["notes"], found.details["os"])


def test_a_module_further_down_that_fails_for_another_reason_is_its_own_affair(
    root: Path,
) -> None:
    said = raised("ModuleNotFoundError", "No module named 'pytest'", "boost/api.py")

    found = report(root, inner={"boost.api": said}, hollow=frozenset({"boost"}))

    assert (True, []) == (found.passed, found.details["notes"])


def test_a_name_that_is_gone_comes_with_the_requirement_and_the_version_that_had_it(
    root: Path,
) -> None:
    said = raised(
        "ImportError",
        f"cannot import name 'old' from 'learn.metrics' (/{SITE}/learn/metrics.py)",
        "app/__init__.py",
    )
    asked = []

    def last(*what: str) -> str:
        asked.append(what)
        return "0.9"

    found = report(root, failures={"app": said}, outside=known(last=last))

    assert [("learn", "learn.metrics", "old")] == asked
    assert [
        ("module", "app"),
        ("error", f"ImportError: {said['message']}"),
        ("from", "app 1.0 ← asked for"),
        ("gone", "learn 1.0 has no old in learn.metrics"),
        ("though", "app 1.0 requires learn>=0.5, which admits learn 1.0"),
        ("last had", "learn 0.9"),
        ("paste", '"learn<=0.9" among the requirements'),
    ] == lines(found)


def test_an_exception_raised_elsewhere_names_where_and_what_was_required(root: Path) -> None:
    said = raised("ValueError", "'max_error' is no score", "learn/__init__.py", "app/__init__.py")

    found = report(root, failures={"app": said})

    assert [
        ("raised in", "learn 1.0, which nothing of the lock asks for"),
        ("though", "app 1.0 requires learn>=0.5, which admits learn 1.0"),
    ] == lines(found)[3:]


def test_a_known_module_without_its_package_names_what_to_require(root: Path) -> None:
    said = raised("ModuleNotFoundError", "No module named 'pkg_resources'", "app/__init__.py")

    found = report(root, failures={"app": said})

    assert ("paste", '"setuptools<82" among the requirements') in lines(found)
    assert not any(title == "or paste" for title, _ in lines(found))


def test_modules_that_fail_alike_are_one_problem(root: Path) -> None:
    said = raised("ValueError", "no")

    found = report(root, failures={"app": said, "boost": said})

    assert "1 imports broken, of 3 modules" == found.summary
    assert ("module", "app, boost") in lines(found)


@pytest.mark.parametrize(
    ("message", "passes"),
    [("No module named 'extra'", True), ("No module named 'app.gone'", False), ("oh", False)],
)
def test_a_script_may_need_an_extra_and_nothing_else(
    root: Path, message: str, passes: bool
) -> None:
    entry = EntryPoint(
        distribution="app",
        group="console_scripts",
        name="run",
        module="app",
        inner="main",
        extra=False,
    )

    found = report(root, scripts=((entry, raised("ImportError", message)),))

    assert passes == found.passed


def test_files_that_two_wheels_claim_are_noted(root: Path) -> None:
    for name in ("app", "boost"):
        with (root / SITE / f"{name}-1.0.dist-info/RECORD").open("a") as record:
            record.write("tests/__init__.py,,\ntests/b.py,,\n")

    found = report(root)

    assert ["app and boost both have tests/__init__.py and 1 more, of equal bytes"] == (
        found.details["notes"]
    )


def only(root: Path, name: str) -> Distribution:
    return next(one for one in installed.distributions(root, "3.11") if one.name == name)


def test_whole_metadata_has_no_problem(root: Path) -> None:
    assert [] == list(installed.metadata_problems(only(root, "app")))


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("METADATA", None, "app-1.0.dist-info has no METADATA"),
        ("WHEEL", None, "app-1.0.dist-info has no WHEEL"),
        ("METADATA", "Name: other\nVersion: 1.0\n", "METADATA of app is that of other"),
        ("METADATA", "Name: app\n", "METADATA of app names no Version"),
    ],
)
def test_missing_metadata_is_named(root: Path, file: str, text: str | None, expected: str) -> None:
    path = root / SITE / "app-1.0.dist-info" / file
    path.unlink() if text is None else path.write_text(text)

    assert [expected] == list(installed.metadata_problems(only(root, "app")))


@pytest.mark.parametrize(
    ("value", "nowhere"),
    [
        ("app:x", False),
        ("app.inner:x", False),
        ("app.native:x", False),
        ("app.space:x", False),
        ("app.gone:x", True),
        ("app.Kind", False),  # as fsspec writes it: a name in a module
        ("app.inner.Kind", False),
        ("app.gone.Kind", True),
        ("gone:x", True),
        ("gone.Kind", True),
        ("json.tool:main", False),
    ],
)
def test_an_entry_point_leads_to_a_file_or_nowhere(root: Path, value: str, nowhere: bool) -> None:
    library = root / SITE
    (library / "app/space").mkdir(parents=True)
    (library / "app/inner.py").write_text("")
    (library / "app/native.cpython-311-x86_64-linux-gnu.so").write_text("")
    (library / "app-1.0.dist-info/entry_points.txt").write_text(f"[any.group]\nit = {value}\n")
    (entry,) = installed.entry_points(only(root, "app"))

    assert nowhere == installed.leads_nowhere(entry, library, {"app": "app-1.0"})


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("libGL.so.1: cannot open shared object file: No such file", ("libGL.so.1",)),
        ("Unable to find zbar shared library", ("libzbar.so",)),
        ("failed to find libmagic.  Check your installation", ("libmagic.so",)),
        ("PortAudio library not found", ("libPortAudio.so",)),
        ("The 'enchant' C library was not found", ("libenchant.so",)),
        ("MagickWand shared library not found.", ("libMagickWand.so",)),
        ("cannot load library 'libpango-1.0-0': nope", ("libpango-1.0.so.0",)),
        ('Library "GL" not found.', ("libGL.so",)),
        ("/usr/lib/libobjc.dylib: cannot open shared object file: No such file", ()),
        ("numpy.dtype size changed", ()),
    ],
)
def test_an_exception_says_which_library_it_lacks(
    tmp_path: Path, message: str, expected: tuple[str, ...]
) -> None:
    found = cause(raised("ImportError", message), tmp_path)

    assert set(expected) <= {*found.libraries, *found.sought}
    assert bool(expected) == bool(found.libraries or found.sought)


def test_the_code_on_the_way_says_which_libraries_it_opens(root: Path) -> None:
    code = root / SITE / "app/ffi.py"
    code.parent.mkdir()
    code.write_text(
        "a = find_library('zbar')\nb = _dlopen(\n    ffi, 'libpango-1.0-0', 'pango')\n"
        'c = ctypes.CDLL("libgomp.so.1")\nd = CDLL(ctypes.util.find_library("magic"))\n'
        "e = CDLL('bin.dll')\n"
    )

    found = cause(raised("OSError", "no luck", "app/ffi.py"), root)

    assert {
        "libzbar.so",
        "libpango-1.0-0.so",
        "libpango-1.0.so.0",
        "libgomp.so.1",
        "libmagic.so",
    } == set(found.sought)
