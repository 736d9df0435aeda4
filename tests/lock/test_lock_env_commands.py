"""``harness env list``, ``show`` and ``check``, and the hooks that call them."""

from __future__ import annotations

import re
import shlex
from datetime import date
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from lock_environments import ABOUT, PLAIN, body, declared, harness, locked, refused

from harness.cli.main import main
from harness.flows import curated
from harness.lock import releases

ROOT = Path(__file__).parents[2]


@pytest.fixture
def envs(tmp_path: Path) -> Path:
    return tmp_path / "envs"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_each_environment_is_listed_with_its_state(envs: Path, cache: Path) -> None:
    locked(declared(envs, "plain"))
    releases.record(locked(declared(envs, "done")), date(2026, 12, 1))
    declared(envs, "bare")
    locked(declared(envs, "stale"))
    declared(envs, "stale", body=PLAIN.replace('"app"', '"app>=2"'))
    locked(declared(envs, "spoilt")).lock_path.write_text("lock-version = '1.0'\n")
    releases.record(locked(declared(envs, "lost")), date(2026, 12, 1))
    (envs / "lost/pylock.1.toml").unlink()
    (envs / "wrong").mkdir()
    (envs / "wrong/environment.toml").write_text("nothing = 1\n")

    found = body(harness("env", "list", "--envs", envs, "--output", "json", cache=cache))

    assert {
        "bare:1": "not locked",
        "done:1": "released",
        "lost:1": "release broken",
        "plain:1": "not released",
        "spoilt:1": "lock damaged",
        "stale:1": "lock out of date",
        "wrong": "broken",
    } == {one["name"]: one["state"] for one in found["environments"]}
    assert "harness.env-list/1" == found["schema"]


@pytest.mark.parametrize(
    ("today", "ended"),
    [(date(2028, 6, 29), False), (date(2028, 6, 30), False), (date(2028, 7, 1), True)],
)
def test_an_environment_ends_after_the_last_day_of_its_life(
    envs: Path, today: date, ended: bool
) -> None:
    locked(declared(envs))

    assert [ended] == [one.ended for one in curated.listed(envs, today)]


def test_a_life_that_has_ended_is_marked(envs: Path, cache: Path) -> None:
    locked(declared(envs, more=ABOUT.replace("2028", "2020")))

    assert "END OF LIFE passed on 2020-06-30" in harness(
        "env", "list", "--envs", envs, cache=cache
    ).stdout  # fmt: skip


def test_an_environment_is_shown_with_what_is_in_it(envs: Path, cache: Path) -> None:
    releases.record(locked(declared(envs)), date(2026, 12, 1))

    text = harness("env", "show", "above", "--envs", envs, cache=cache)
    found = body(harness("env", "show", "above", "--envs", envs, "--output", "json", cache=cache))

    assert 0 == text.exit_code, text.output
    for said in ("released 2026-12-01", "To test", "Somebody", "until 2028-06-30", "1 wheels"):
        assert said in text.stdout
    assert {"app": "1.0"} == found["platforms"]["x86_64"]["packages"]
    assert [1] == found["versions"]


def test_a_check_names_every_folder_that_is_wrong(envs: Path, cache: Path) -> None:
    locked(declared(envs, "fine"))
    declared(envs, "bare")
    locked(declared(envs, "smokeless", more='smoke = "smoke.py"\n'))

    done = harness("env", "check", "--envs", envs, "--output", "json", cache=cache)

    assert 1 == done.exit_code
    assert [("bare", "LockMissing"), ("smokeless", "SpecMissing")] == [
        (Path(one["folder"]).name, one["error"]) for one in body(done)["problems"]
    ]


def test_a_check_of_files_is_that_of_their_folders(envs: Path, cache: Path) -> None:
    locked(declared(envs, "fine"))
    declared(envs, "bare")
    fine = envs / "fine"

    done = harness("env", "check", fine / "environment.toml", fine / "pylock.1.toml", cache=cache)

    assert (0, "1 checked, 0 with problems\n") == (done.exit_code, done.stdout)


def test_a_list_of_no_folder_is_exit_2(tmp_path: Path, cache: Path) -> None:
    done = harness("env", "list", "--envs", tmp_path / "nothing", cache=cache)

    refused(done, 2, "there is no folder")


def hooks() -> list[dict[str, object]]:
    found: list[dict[str, object]] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    return found


@pytest.mark.parametrize("hook", hooks(), ids=lambda hook: hook["id"])
def test_a_hooks_command_exists_with_its_options(hook: dict[str, object]) -> None:
    program, *arguments = shlex.split(str(hook["entry"]))

    done = CliRunner().invoke(main, [*arguments, "--help"])

    assert ("harness", 0) == (program, done.exit_code)
    assert all(word in done.stdout for word in arguments if word.startswith("--"))


@pytest.mark.parametrize("hook", hooks(), ids=lambda hook: hook["id"])
def test_a_hook_runs_for_each_file_that_it_is_about(hook: dict[str, object]) -> None:
    pattern = re.compile(str(hook["files"]))

    for path in ("environment.toml", "envs/tabular/environment.toml", "envs/a/pylock.12.toml"):
        assert pattern.search(path)
    for path in ("envs/a/environment.toml.bak", "my-environment.toml", "pylock.toml"):
        assert not pattern.search(path)


@pytest.mark.parametrize("name", ["list", "show", "release", "check", "accept", "venv"])
def test_each_command_is_documented(name: str) -> None:
    assert f"harness env {name}" in (ROOT / "docs/environments.md").read_text()


def test_each_hook_is_documented() -> None:
    text = (ROOT / "docs/environments.md").read_text()

    assert all(f"id: {hook['id']}" in text for hook in hooks())
