"""A smoke test passes when its script ends well, and says why when it doesn't."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.core.errors import SpecMissing
from harness.engine.fake import Fake, Process
from harness.image.model import Runnable
from harness.stages import smoke
from harness.stages.load import Bench, Limits

TRACEBACK = b'Traceback (most recent call last):\n  File "x", line 1\nOSError: libgomp.so.1\n'


def interpreter(process: Process) -> int:
    """Do what the script says in one word: a fake engine runs no Python."""
    with process.open(process.argv[1]) as script:
        right = script.read() == b"right"
    process.stdout.write(b"a first line\nall of it works\n")
    process.stderr.write(b"" if right else TRACEBACK)
    return 0 if right else 1


@pytest.fixture
def bench() -> Bench:
    minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
    engine = Fake(programs={f"/usr/bin/python{minor}": interpreter})
    return Bench(engine=engine, env=(), limits=Limits(seconds=30.0))


@pytest.fixture
def runnable(tmp_path: Path) -> Runnable:
    for name in ("app", "data", "dev", "proc", "run", "tmp"):
        (tmp_path / "root" / name).mkdir(parents=True)
    return Runnable(root=tmp_path / "root", python=f"{sys.version_info[0]}.{sys.version_info[1]}")


def test_what_it_prints_last_is_the_summary(
    bench: Bench, runnable: Runnable, tmp_path: Path
) -> None:
    script = tmp_path / "smoke.py"
    script.write_text("right")

    found = smoke.check(bench, runnable, script)

    assert (True, "all of it works") == (found.passed, found.summary)


def test_a_failure_names_the_script_and_the_exception(
    bench: Bench, runnable: Runnable, tmp_path: Path
) -> None:
    script = tmp_path / "wrong.py"
    script.write_text("wrong")

    found = smoke.check(bench, runnable, script)

    assert not found.passed
    told = dict(found.problems[0].lines)
    assert "wrong.py" == told["script"]
    assert "OSError: libgomp.so.1" in told["failed"]


def test_a_script_that_is_not_there_is_told(
    bench: Bench, runnable: Runnable, tmp_path: Path
) -> None:
    with pytest.raises(SpecMissing, match="names it as smoke"):
        smoke.check(bench, runnable, tmp_path / "nothing.py")
