"""A patch moves what it is about and what that forces, in every environment or in none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from patch_world import ABOVE, CHILD, World, advisory, world

from harness.flows import patch as flow
from harness.lock import pylock, resolved
from harness.lock.lock import Lock
from harness.spec import parse
from harness.spec.environment import Environment
from harness.world.store import Store

__all__ = ["world"]  # the fixture
pytest.importorskip("uv", reason="uv is not installed")


def debs(lock: Lock) -> dict[str, str]:
    return {deb.name: deb.version for deb in lock.debs}


def test_one_package_moves_everywhere_and_nothing_else(world: World) -> None:
    world.child("child", 'add = ["alone"]')
    world.child("moved", 'add = ["geo"]')
    world.write("spared", ABOVE.replace("above", "spared").replace('"app"', '"alone"'))
    world.lock("above", "child", "moved", "spared")
    before = {name: world.pins(name) for name in ("above", "child", "moved")}
    spared = world.contents()["spared/environment.toml"]

    done = world.command("CVE-2026-1", "--all", "--advisories", str(world.snapshot(advisory())))

    assert 0 == done.exit_code, done.output
    assert {"app": "1.0", "flawed": "1.0", "base": "1.0", "other": "1.1"} == before["above"]
    assert "1.0" == before["moved"]["other"]
    for name, pins in before.items():
        assert pins | {"flawed": "1.1"} == world.pins(name)
        assert 2 == parse.environment(world.envs / name).version
    assert spared == world.contents()["spared/environment.toml"]
    assert "spared:1 not affected: it has no such package" in done.stdout


def test_only_the_version_and_the_parent_change_in_a_specification(world: World) -> None:
    world.child("child", 'add = ["alone"]')
    world.lock("above", "child")

    world.command("flawed>=1.1", "--all")

    found = world.contents()
    above = found["above/environment.toml"].decode()
    assert ABOVE.replace("version = 1 ", "version = 2 ") == above
    assert resolved.recorded(world.envs / "child", "above:2") is not None
    text = CHILD.format(name="child", change='add = ["alone"]').replace(
        "version = 1", "version = 2"
    )
    assert text.replace("'above:1'", '"above:2"') == found["child/environment.toml"].decode()


def test_a_patched_lock_is_what_locking_again_gives(world: World) -> None:
    world.child("child", 'add = ["alone"]')
    world.child("moved", 'add = ["geo"]')
    world.lock("above", "child", "moved")

    world.command("flawed>=1.1", "--all")

    for name in ("above", "child", "moved"):
        assert pylock.read_all(parse.environment(world.envs / name)) == world.resolved(name)


def test_the_earlier_versions_locks_stay_as_they_are(world: World) -> None:
    world.lock("above")
    before = world.contents()["above/pylock.1.toml"]

    world.command("flawed>=1.1", "--all")

    assert before == world.contents()["above/pylock.1.toml"]


def test_what_a_fix_forces_moves_with_its_reason(world: World) -> None:
    world.lock("above")

    (one,) = world.patched("CVE-2026-1", advisory(fixed="2.0")).patched

    assert [
        ("base", "1.0", "2.1", ("CVE-2026-1 asks for flawed>=2.0", "flawed 2.0 requires base>=2")),
        ("flawed", "1.0", "2.0", ("CVE-2026-1 names flawed 1.0",)),
        ("fresh", "", "1.0", ("flawed 2.0 requires it",)),
    ] == [(m.name, m.before, m.after, m.why) for m in one.moves]


def test_the_nearest_version_without_any_known_flaw_is_taken(world: World) -> None:
    world.lock("above")
    another = advisory(id="PYSEC-2026-2", aliases=["CVE-2026-2"])
    another["affected"] = [
        {"package": {"ecosystem": "PyPI", "name": "flawed"}, "versions": ["1.1"]}
    ]

    (one,) = world.patched("CVE-2026-1", advisory(), another).patched

    assert "1.2" == one.locks[0].pins["flawed"]


def test_the_nearest_version_within_a_bound_is_taken(world: World) -> None:
    world.lock("above")

    (one,) = world.patched("flawed>=1.2").patched

    assert "1.2" == one.locks[0].pins["flawed"]


def test_a_package_without_a_bound_moves_to_the_newest_it_can_alone(
    world: World,
) -> None:
    world.lock("above")

    other, flawed = world.patched("other"), world.patched("flawed")

    assert {"above:1": "other 1.1 is the newest that moves nothing else"} == other.fine
    assert "1.2" == flawed.patched[0].locks[0].pins["flawed"]  # 2.0 needs another base


def test_what_is_fixed_already_is_said_to_be(world: World) -> None:
    world.lock("above", bounds=("flawed==1.2",))
    before = world.contents()

    done = world.command("flawed>=1.1", "--all")

    assert 0 == done.exit_code
    assert "above:1 fixed already: flawed 1.2" in done.stdout
    assert before == world.contents()


@pytest.fixture
def stuck(world: World) -> World:
    """One environment that can be patched, and one whose requirements forbid the fix."""
    world.write("stuck", ABOVE.replace("above", "stuck").replace('"app"', '"app", "flawed<1.1"'))
    world.lock("above", "stuck")
    return world


def test_nothing_is_written_when_one_environment_cannot_be_patched(stuck: World) -> None:
    before = stuck.contents()

    done = stuck.command("flawed>=1.1", "--all", "--output", "json")

    assert 3 == done.exit_code
    assert before == stuck.contents()
    body = json.loads(done.stdout)
    assert (False, ["above:2"]) == (body["written"], [one["after"] for one in body["patched"]])
    assert "flawed<1.1 (requirements)" in body["failed"]["stuck:1"]["error"]
    assert "nothing was written" in done.stderr


def test_the_others_are_written_when_asked_to_keep_going(stuck: World) -> None:
    done = stuck.command("flawed>=1.1", "--all", "--keep-going")

    assert 3 == done.exit_code
    assert "1.1" == stuck.pins("above")["flawed"]
    assert 1 == parse.environment(stuck.envs / "stuck").version


def test_a_failure_while_writing_leaves_everything_as_it_was(world: World) -> None:
    world.child("child", 'add = ["alone"]')
    world.lock("above", "child")
    outcome = world.patched("flawed>=1.1")
    (world.envs / "child/pylock.2.toml/in the way").mkdir(parents=True)
    before = world.contents()

    with pytest.raises(OSError):
        flow.write(outcome.patched, world.store)

    assert before == world.contents()


def test_a_dry_run_writes_nothing(world: World) -> None:
    world.lock("above")
    before = world.contents()

    done = world.command("flawed>=1.1", "--all", "--dry-run")

    assert 0 == done.exit_code
    assert before == world.contents()
    assert "nothing written (--dry-run)" in done.stdout


def test_a_child_whose_parent_moved_on_is_told_to_follow_first(world: World) -> None:
    world.child("child", 'add = ["alone"]')
    world.lock("above", "child")
    spec = world.envs / "above/environment.toml"
    spec.write_text(ABOVE.replace("version = 1 ", "version = 2 "))
    world.lock("above")

    outcome = world.patched("flawed>=1.1")

    assert ["above:3"] == [one.after.reference for one in outcome.patched]
    assert "only above:2 is patched" in outcome.failed["child:1"].message
    assert 'from = "above:2"' in outcome.failed["child:1"].hint


def test_a_named_environment_brings_its_parent_and_its_children(world: World) -> None:
    world.child("child", 'add = ["alone"]')
    world.write("apart", ABOVE.replace("above", "apart"))

    def names(*asked: str) -> list[str]:
        return [one.name for one in flow.chosen([world.envs], asked)]

    assert ["above", "child"] == names("above")
    assert ["above", "child"] == names("child")
    assert ["apart"] == names("apart")
    assert ["above", "apart", "child"] == names()


def test_os_packages_stay_when_a_python_package_is_patched(world: World) -> None:
    world.lock("above")
    before = pylock.read(parse.environment(world.envs / "above"))
    world.archive.add("libssl3", "3.0.18-1~deb12u1", Source="openssl")
    world.archive.publish()

    (one,) = world.patched("flawed>=1.1").patched

    assert before.debs == one.locks[0].debs
    assert before.released == one.locks[0].released


def test_os_packages_that_this_machine_lacks_follow_the_suite_with_that_reason(
    world: World, tmp_path: Path
) -> None:
    world.lock("above")
    world.archive.add("libssl3", "3.0.18-1~deb12u1", Source="openssl")
    world.archive.publish()
    world.store = Store(tmp_path / "empty")

    (one,) = world.patched("flawed>=1.1").patched

    assert {
        "flawed": ("flawed>=1.1 is asked for",),
        "libssl3": ("the suite's index of 2026-07-11 has it",),
    } == {move.name: move.why for move in one.moves}


def debian(fixed: str) -> dict[str, object]:
    events = [{"introduced": "0"}, {"fixed": fixed}]
    return {
        "id": "DEBIAN-CVE-2026-7",
        "modified": "2026-11-30T00:00:00Z",
        "upstream": ["CVE-2026-7"],
        "affected": [
            {
                "package": {"ecosystem": "Debian:12", "name": "openssl"},
                "ranges": [{"type": "ECOSYSTEM", "events": events}],
            }
        ],
    }


def test_an_os_package_moves_with_the_suite_and_no_python_package_does(world: World) -> None:
    world.lock("above")
    before: Environment = parse.environment(world.envs / "above")
    pins = world.pins("above")
    world.archive.add("libssl3", "3.0.18-1~deb12u1", Source="openssl")
    world.archive.publish()

    (one,) = world.patched("CVE-2026-7", debian("3.0.18-1~deb12u1")).patched

    assert pins == one.locks[0].pins
    assert debs(pylock.read(before)) | {"libssl3": "3.0.18-1~deb12u1"} == debs(one.locks[0])
    assert [("libssl3", ("CVE-2026-7 names openssl 3.0.17-1~deb12u1",))] == [
        (m.name, m.why) for m in one.moves
    ]


def test_a_suite_without_the_fix_is_said_to_have_none(world: World) -> None:
    world.lock("above")

    outcome = world.patched("CVE-2026-7", debian("3.0.18-1~deb12u1"))

    assert () == outcome.patched
    assert (
        "the suite's index of 2026-07-11 has no fix of CVE-2026-7 yet: openssl 3.0.17-1~deb12u1"
        == outcome.failed["above:1"].message
    )


def test_an_advisory_that_the_snapshot_lacks_is_no_data(world: World) -> None:
    world.lock("above")
    snapshot = str(world.snapshot(advisory()))

    unknown = world.command("CVE-1999-1", "--all", "--advisories", snapshot)
    nothing = world.command("CVE-2026-1", "--all")

    assert (4, 4) == (unknown.exit_code, nothing.exit_code)
    assert "no data: the snapshot of 2026-11-30 has no advisory CVE-1999-1" in unknown.stderr
    assert "no data" in nothing.stderr


def test_a_lock_of_the_next_version_is_never_overwritten(world: World) -> None:
    world.lock("above")
    (world.envs / "above/pylock.2.toml").write_text("kept")

    done = world.command("flawed>=1.1", "--all")

    assert 2 == done.exit_code
    assert b"kept" == world.contents()["above/pylock.2.toml"]


def test_the_summary_is_a_pull_requests_text(world: World) -> None:
    world.child("child", 'add = ["alone"]')
    world.lock("above", "child")
    snapshot = str(world.snapshot(advisory()))

    done = world.command("CVE-2026-1", "--all", "--advisories", snapshot, "--summary", "-")

    assert SUMMARY == done.stdout


SUMMARY = """\
# Patch CVE-2026-1

Also known as PYSEC-2026-1.

## above 1 → 2

| package | from | to | why |
| --- | --- | --- | --- |
| flawed | 1.0 | 1.1 | CVE-2026-1 names flawed 1.0 |

The other 15 packages stay.

## child 1 → 2

Starts from above:2, was above:1.

| package | from | to | why |
| --- | --- | --- | --- |
| flawed | 1.0 | 1.1 | CVE-2026-1 names flawed 1.0 |

The other 16 packages stay.
"""
