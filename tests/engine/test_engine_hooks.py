"""Hooks run in the sandbox: what a build may not do fails, told in words, and leaves no trace."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from harness.content import backend
from harness.content.sdist import Sdist
from harness.core.errors import BuildFailed
from harness.engine import hooks
from harness.engine.engine import Engine, Job
from harness.engine.hooks import Place

THING = Sdist(name="thing", version="1.0", requires=(), backend="b", path=(".",))
NAME = "thing-1.0-py3-none-any.whl"
GOOD = f"""
import zipfile
def build_wheel(folder, config_settings=None, metadata_directory=None):
    with zipfile.ZipFile(folder + "/{NAME}", "w") as out:
        out.writestr("thing.py", SAID)
    return "{NAME}"
"""


@pytest.fixture
def place(sandbox_engine: Engine, base: Job) -> Place:
    return Place(
        engine=sandbox_engine,
        root=base.root,
        argv=(base.argv[0], "-P", "-S"),
        mounts=base.mounts,
        seconds=60.0,
        memory=512 << 20,
    )


def built(place: Place, folder: Path, code: str, said: str = "'x'") -> bytes:
    source = folder / "source"
    source.mkdir()
    (source / "b.py").write_text(code.replace("SAID", said))
    assert NAME == hooks.wheel(place, THING, source, folder / "out.whl")
    with zipfile.ZipFile(folder / "out.whl") as wheel:
        return wheel.read("thing.py")


def broken(place: Place, folder: Path, body: str) -> BuildFailed:
    with pytest.raises(BuildFailed) as caught:
        built(
            place, folder, f"import os, sys, time\ndef build_wheel(folder, *_, **__):\n    {body}"
        )
    return caught.value


def test_a_build_sees_a_fixed_world(place: Place, tmp_path: Path) -> None:
    said = "repr((sorted(os.environ.items()), os.getcwd(), os.umask(0), os.getuid()))"
    seen = built(place, tmp_path, "import os\n" + GOOD, said).decode()

    assert f"'{backend.FOLDER}/source', 18, 65532" in seen
    for name, value in hooks.ENV.items():
        assert f"('{name}', '{value}')" in seen


def test_what_a_build_prints_is_not_its_answer(place: Place, tmp_path: Path) -> None:
    loud = "import sys\nsys.stdout.write('x' * 20_000_000)\nprint('{}', flush=True)\n"

    assert b"x" == built(place, tmp_path, loud + GOOD)


def test_the_source_on_disk_is_not_changed(place: Place, tmp_path: Path) -> None:
    built(place, tmp_path, "open('left', 'w').write('x')\n" + GOOD)

    assert ["b.py"] == [path.name for path in (tmp_path / "source").iterdir()]


def test_more_requirements_are_told_sorted_and_once(place: Place, tmp_path: Path) -> None:
    code = "def get_requires_for_build_wheel(config_settings=None): return ['b>1', 'a', 'a']\n"
    (tmp_path / "b.py").write_text(code)

    assert ("a", "b>1") == hooks.requires(place, THING, tmp_path)


def test_a_backend_without_that_hook_needs_no_more(place: Place, tmp_path: Path) -> None:
    (tmp_path / "b.py").write_text(GOOD)

    assert () == hooks.requires(place, THING, tmp_path)


def test_a_build_that_wants_the_network_fails_and_is_told(place: Place, tmp_path: Path) -> None:
    error = broken(
        place,
        tmp_path,
        "import socket; socket.create_connection(('192.0.2.1', 80), 5)",
    )

    assert "no network" in error.hint


def test_a_build_that_writes_outside_fails_and_is_told(place: Place, tmp_path: Path) -> None:
    error = broken(place, tmp_path, "open('/etc/motd', 'w').write('x')")

    assert "nowhere else" in error.hint


def test_a_build_can_not_write_into_its_source(place: Place, tmp_path: Path) -> None:
    error = broken(place, tmp_path, "open('/data/source/b.py', 'w').write('x')")

    assert "Read-only" in error.message


def test_a_build_that_hangs_is_ended(place: Place, tmp_path: Path) -> None:
    impatient = Place(
        engine=place.engine, root=place.root, argv=place.argv, mounts=place.mounts, seconds=2.0
    )

    error = broken(impatient, tmp_path, "time.sleep(600)")

    assert "did not end within 2 s" in error.message


def test_a_build_that_fills_its_folder_fails(place: Place, tmp_path: Path) -> None:
    small = Place(
        engine=place.engine,
        root=place.root,
        argv=place.argv,
        mounts=place.mounts,
        seconds=60.0,
        memory=64 << 20,
    )

    error = broken(
        small, tmp_path, "[open(f'b{n}', 'wb').write(bytes(1 << 20)) for n in range(200)]"
    )

    assert "No space left" in error.message


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return 'x.whl'", "made no wheel"),
        ("open(folder + '/a.whl', 'w'); open(folder + '/b.whl', 'w'); return 'a.whl'", "2 wheels"),
        ("open(folder + '/a.whl', 'w'); return 'b.whl'", "returned 'b.whl' and made a.whl"),
        ("raise ValueError('no good')", "ValueError: no good"),
        ("sys.exit(3)", "SystemExit: 3"),
        ("os._exit(7)", "exited 7"),
        ("os._exit(0)", "without an answer"),
        ("import nothing_of_that_name", "ModuleNotFoundError"),
    ],
)
def test_a_build_that_goes_wrong_is_told(
    place: Place, tmp_path: Path, body: str, said: str
) -> None:
    assert said in broken(place, tmp_path, body).message


def test_a_backend_outside_of_its_path_is_refused(place: Place, tmp_path: Path) -> None:
    elsewhere = Sdist(name="thing", version="1.0", requires=(), backend="json", path=(".",))

    with pytest.raises(BuildFailed, match="not in backend-path"):
        hooks.wheel(place, elsewhere, tmp_path, tmp_path / "out.whl")
