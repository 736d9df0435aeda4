"""A released version never changes: not by locking, not by an edit, not by a deletion."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from lock_environments import ABOUT, PLAIN, body, declared, harness, locked, refused, wheel

from harness.core.errors import ReleaseFinal, SpecInvalid
from harness.lock import releases

TODAY = date(2026, 12, 1)


@pytest.fixture
def envs(tmp_path: Path) -> Path:
    return tmp_path / "envs"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def released(envs: Path) -> None:
    releases.record(locked(declared(envs)), TODAY)


def test_a_release_is_read_as_it_was_written(envs: Path) -> None:
    environment = locked(declared(envs))

    new = releases.record(environment, TODAY)

    assert (new,) == releases.read(environment.folder)
    assert (1, TODAY, date(2028, 6, 30)) == (new.version, new.date, new.end_of_life)
    assert environment.digest == new.spec


def test_releasing_again_changes_nothing(envs: Path) -> None:
    environment = locked(declared(envs))
    first = releases.record(environment, TODAY)
    before = (environment.folder / releases.FILE).read_bytes()

    again = releases.record(environment, date(2027, 1, 1))

    assert first == again
    assert before == (environment.folder / releases.FILE).read_bytes()


def test_the_command_says_what_to_commit_and_which_version_is_next(envs: Path, cache: Path) -> None:
    locked(declared(envs))

    done = harness("env", "release", "above", "--envs", envs, cache=cache)

    assert 0 == done.exit_code, done.output
    assert "releases.toml and pylock.1.toml" in done.stdout
    assert "version = 2" in done.stdout


@pytest.mark.parametrize(
    "more", [(), ("--check",), ("--upgrade",), ("--upgrade-package", "app>=2")], ids=" ".join
)
def test_locking_a_released_version_otherwise_is_refused_and_the_next_is_named(
    envs: Path, cache: Path, more: tuple[str, ...]
) -> None:
    released(envs)
    before = (envs / "above/pylock.1.toml").read_bytes()
    if more in ((), ("--check",)):
        declared(envs, body=PLAIN.replace('"app"', '"app>=2"'))

    done = harness("lock", "above", "--envs", envs, *more, cache=cache)

    refused(done, 2, "above:1 was released on 2026-12-01", "version = 2", "harness lock above")
    assert before == (envs / "above/pylock.1.toml").read_bytes()


@pytest.mark.parametrize("more", [(), ("--check",)], ids=" ".join)
def test_locking_a_released_version_as_it_is_needs_no_source(
    envs: Path, cache: Path, more: tuple[str, ...]
) -> None:
    released(envs)
    nowhere = {"HARNESS_CONFIG": str(cache / "none.toml"), "PIP_INDEX_URL": "http://127.0.0.1:1"}

    done = harness(
        "lock", "above", "--envs", envs, *more, "--output", "json", cache=cache, variables=nowhere
    )

    assert (0, False) == (done.exit_code, body(done)["changed"])


@pytest.mark.parametrize("how", ["other bytes", "gone"])
@pytest.mark.parametrize(
    "command", [("lock", "above", "--check"), ("env", "release", "above")], ids=" ".join
)
def test_a_released_lock_that_was_touched_is_named_also_after_the_next_version(
    envs: Path, cache: Path, how: str, command: tuple[str, ...]
) -> None:
    released(envs)
    lock = envs / "above/pylock.1.toml"
    if how == "gone":
        lock.unlink()
    else:
        locked(declared(envs), [wheel(content=b"another build")])  # its seal is whole
    locked(declared(envs, version=2))

    done = harness(*command, "--envs", envs, cache=cache)

    refused(done, 1, f"pylock.1.toml {'is gone' if how == 'gone' else 'has other bytes'}")


def test_the_next_version_is_released_beside_the_first(envs: Path) -> None:
    released(envs)

    second = releases.record(locked(declared(envs, version=2)), TODAY)

    assert [1, 2] == [one.version for one in releases.read(envs / "above")]
    assert 3 == releases.following(envs / "above")
    assert second == releases.of(declared(envs, version=2))


def test_a_version_before_the_last_one_is_not_released(envs: Path) -> None:
    releases.record(locked(declared(envs, version=3)), TODAY)

    with pytest.raises(ReleaseFinal, match="above:2 comes before above:3") as failed:
        releases.record(locked(declared(envs, version=2)), TODAY)

    assert "version = 4" in failed.value.hint


def test_what_an_environment_is_for_may_change_after_its_release(envs: Path) -> None:
    released(envs)

    changed = declared(envs, more=ABOUT.replace("Somebody", "Somebody else"))

    releases.refuse_change(changed)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("releases = 1", "releases: expected tables"),
        ("[[releases]]\nversion = '1'", "releases[0].version: expected int"),
        ("[[releases]]\nversion = 1", "releases[0].date: expected a date"),
        ("[[releases]]\nversion = 1\nlock = 'x'", "releases[0].lock: expected sha256:"),
        ("[[releases]]\nversion = 1\nfoo = 1", "releases[0].foo: unknown key"),
        ("[[releases]]\nversion = 1\n[[releases]]\nversion = 1", "version 1 is there twice"),
    ],
)
def test_a_damaged_record_is_refused_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / releases.FILE).write_text(text)

    with pytest.raises(SpecInvalid) as failed:
        releases.read(tmp_path)

    assert said in failed.value.message
