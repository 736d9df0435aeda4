"""environment.lock: a name stands for the same lock, until somebody takes another on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest
from lock_environments import body, declared, harness, locked, refused, wheel

from harness.core.errors import (
    EnvironmentChanged,
    LockInvalid,
    LockOutOfDate,
    ReleaseBroken,
)
from harness.flows import environment as flow
from harness.lock import parent, pylock, releases, resolved
from harness.lock.lock import Parent
from harness.spec import parse
from harness.spec.environment import Environment
from harness.world import files
from harness.world.store import Store

CHILD = 'from = "above:1"\nadd = ["six"]\n'
PROJECT = '[environments]\nsource = "envs"\n[model]\nname = "m"\nenvironment = "above:1"\n'


@pytest.fixture
def envs(tmp_path: Path) -> Path:
    return tmp_path / "envs"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


@pytest.fixture
def child(envs: Path, store: Store) -> Environment:
    """A customized environment whose parent is recorded."""
    above = locked(declared(envs))
    own = declared(envs, "child", body=CHILD, more="")
    inherited = Parent(reference="above:1", lock=pylock.read(above).digest)
    parent.record(locked(own, parent=inherited), store)
    return own


def other_lock(envs: Path) -> None:
    locked(declared(envs), [wheel(content=b"another build")])


def test_the_record_says_name_digest_and_the_way_to_the_source(
    child: Environment, envs: Path
) -> None:
    (one,) = resolved.read(child.folder)

    assert ("above:1", "..") == (one.name, one.source)
    assert files.digest_of(envs / "above/pylock.1.toml") == one.lock


def test_the_recorded_parent_is_taken(child: Environment, store: Store) -> None:
    assert ["above:1"] == [lock.reference for lock in parent.locks(child, store)]


def test_a_parent_with_another_lock_is_refused_until_it_is_accepted(
    child: Environment, envs: Path, store: Store
) -> None:
    other_lock(envs)

    with pytest.raises(EnvironmentChanged, match="above:1") as failed:
        parent.locks(child, store)
    accepted = harness("env", "accept", child.folder, "--output", "json", cache=store.root)

    assert f"harness env accept {child.folder}" in failed.value.hint
    assert 0 == accepted.exit_code, accepted.output
    (change,) = body(accepted)["environments"]
    assert change["before"] != change["lock"]
    assert 1 == len(parent.locks(child, store))


def test_a_parent_that_was_accepted_and_not_locked_from_is_named(
    child: Environment, envs: Path, store: Store
) -> None:
    assert 0 == harness("env", "check", child.folder, cache=store.root).exit_code
    other_lock(envs)
    refused_first = harness("env", "check", child.folder, cache=store.root)
    harness("env", "accept", child.folder, cache=store.root)

    done = harness("env", "check", child.folder, cache=store.root)

    assert (1, 1) == (refused_first.exit_code, done.exit_code)
    assert "is another lock than the one recorded" in refused_first.stdout
    assert "was made from another lock of above:1" in done.stdout
    assert "harness lock child" in done.stdout


def test_a_parent_whose_lock_is_older_than_its_specification_is_refused(
    child: Environment, envs: Path, store: Store
) -> None:
    spec = envs / "above/environment.toml"
    spec.write_text(spec.read_text().replace('"app"', '"app>=2"'))

    with pytest.raises(LockOutOfDate, match="changed after pylock") as failed:
        parent.locks(child, store)

    assert "harness lock above" in failed.value.hint


def test_a_parents_next_version_may_be_under_way(
    child: Environment, envs: Path, store: Store
) -> None:
    spec = envs / "above/environment.toml"
    text = spec.read_text().replace('"app"', '"app>=2"')
    spec.write_text(text.replace("version = 1", "version = 2"))

    assert 1 == len(parent.locks(child, store))


def test_a_released_parent_that_was_touched_is_refused(
    child: Environment, envs: Path, store: Store
) -> None:
    releases.record(parse.environment(envs / "above"), releases.datetime.date(2026, 12, 1))
    other_lock(envs)

    with pytest.raises(ReleaseBroken, match="has other bytes"):
        parent.locks(child, store)


@pytest.fixture
def project(tmp_path: Path, envs: Path) -> Path:
    """A model's repository that names an environment."""
    locked(declared(envs))
    (tmp_path / "harness.toml").write_text(PROJECT)
    return tmp_path


def test_a_model_records_its_environment_at_its_first_use(project: Path, store: Store) -> None:
    flow.found(parse.project(project), "above:1", store)
    before = (project / resolved.FILE).read_bytes()
    flow.found(parse.project(project), "above:1", store)

    (one,) = resolved.read(project)
    assert ("above:1", "envs") == (one.name, one.source)
    assert before == (project / resolved.FILE).read_bytes()


def test_a_model_refuses_another_lock_until_it_is_accepted(
    project: Path, envs: Path, store: Store
) -> None:
    flow.found(parse.project(project), "above:1", store)
    other_lock(envs)

    with pytest.raises(EnvironmentChanged, match="above:1 in envs is another lock"):
        flow.found(parse.project(project), "above:1", store)
    assert 1 == harness("env", "check", project, cache=store.root).exit_code
    assert 0 == harness("env", "accept", project, cache=store.root).exit_code

    flow.found(parse.project(project), "above:1", store)


def test_names_that_are_not_used_any_more_are_forgotten(
    project: Path, envs: Path, store: Store
) -> None:
    flow.found(parse.project(project), "above:1", store)
    locked(declared(envs, "other"))
    (project / "harness.toml").write_text(PROJECT.replace("above:1", "other:1"))

    flow.found(parse.project(project), "other:1", store)

    assert ["other:1"] == [one.name for one in resolved.read(project)]


@pytest.mark.parametrize(
    "text",
    ["environments = 1", "[[environments]]\nname = 'a:1'", "environments = [1]"],
)
def test_a_damaged_record_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / resolved.FILE).write_text(text)

    with pytest.raises(LockInvalid, match="environments"):
        resolved.read(tmp_path)


def test_what_has_no_parent_has_nothing_to_accept(envs: Path, store: Store) -> None:
    locked(declared(envs))

    done = harness("env", "accept", envs / "above", cache=store.root)

    refused(done, 2, "above:1 has no parent")
