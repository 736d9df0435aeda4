"""Locks that two sides changed, merged package by package; and what may be done with the result."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from test_lock_diff_edits import LOCKS, edit, moved

from harness.core.errors import LockInvalid, LockOutOfDate
from harness.lock import lines, merge, pylock
from harness.lock.lock import Lock, Wheel
from harness.lock.merge import UNRESOLVED
from harness.spec import parse

TABULAR = next(path for path in LOCKS if path.parent.name == "tabular")
BASE = pylock.loads_all(TABULAR.read_text(encoding="utf-8"))[0]


def bumped(lock: Lock, name: str, version: str, **more: object) -> Lock:
    packages = [
        replace(moved(p, version, random.Random(0)), **more) if p.name == name else p
        for p in lock.packages
    ]
    return replace(lock, packages=tuple(packages))


def versions(lock: Lock) -> dict[str, str]:
    return {p.name: p.version for p in (*lock.packages, *lock.debs)}


def test_different_packages_are_merged_and_wait_for_a_resolver() -> None:
    ours, theirs = bumped(BASE, "numpy", "9.1"), bumped(BASE, "pandas", "9.2")

    done = merge.merge([BASE], [ours], [theirs])

    expected = {**versions(BASE), "numpy": "9.1", "pandas": "9.2"}
    assert expected == versions(done.locks[0])
    assert () == done.conflicts
    assert UNRESOLVED == done.locks[0].spec
    assert done.locks == pylock.loads_all(pylock.dumps(*done.locks))


def test_one_package_moved_to_two_versions_is_a_conflict_that_names_them() -> None:
    ours, theirs = bumped(BASE, "numpy", "9.1"), bumped(BASE, "numpy", "9.2")

    done = merge.merge([BASE], [ours], [theirs])

    assert ("numpy: was 2.4.6, ours 9.1, theirs 9.2",) == done.conflicts
    assert "9.1" == versions(done.locks[0])["numpy"]


def test_two_files_of_one_version_are_a_conflict_too() -> None:
    ours = bumped(BASE, "numpy", "9.1")
    theirs = bumped(BASE, "numpy", "9.1", digest=BASE.packages[0].digest)

    done = merge.merge([BASE], [ours], [theirs])

    told = "numpy: was 2.4.6, ours 9.1 (another file), theirs 9.1 (another file)"
    assert (told,) == done.conflicts


def test_a_lock_with_conflicts_is_refused_until_its_lines_are_gone() -> None:
    text = merge.marked(pylock.dumps(BASE), ["numpy: was 1, ours 2, theirs 3"])

    with pytest.raises(LockInvalid, match="merge conflict: numpy: was 1, ours 2, theirs 3") as told:
        pylock.loads_all(text)

    kept = "".join(
        line for line in text.splitlines(keepends=True) if not line.startswith(merge.CONFLICT)
    )
    assert "CONFLICT lines" in told.value.hint
    assert pylock.dumps(BASE) == kept
    assert (BASE,) == pylock.loads_all(kept)


def test_the_marks_of_git_are_told_as_a_conflict() -> None:
    text = pylock.dumps(BASE).replace("[[packages]]", "<<<<<<< ours\n[[packages]]", 1)

    with pytest.raises(LockInvalid, match="merge conflict: git's own marks"):
        pylock.loads_all(text)


def test_a_merged_lock_is_out_of_date_until_it_is_locked_again(tmp_path: Path) -> None:
    folder = tmp_path / "tabular"
    folder.mkdir()
    written = (TABULAR.parent / "environment.toml").read_bytes()
    (folder / "environment.toml").write_bytes(written)
    done = merge.merge([BASE], [bumped(BASE, "numpy", "9")], [bumped(BASE, "pandas", "9")])
    environment = parse.environment(folder)
    pylock.write(environment.lock_path, *done.locks)

    with pytest.raises(LockOutOfDate, match="merged from two sides") as told:
        pylock.read(environment)

    assert "harness lock tabular" == told.value.hint


def test_what_one_side_removed_and_the_other_needs_stays() -> None:
    lone = Wheel(
        name="lone",
        version="1",
        filename="lone-1-py3-none-any.whl",
        digest=BASE.packages[0].digest,
    )
    base = replace(BASE, packages=(*BASE.packages, lone))
    theirs = bumped(base, "numpy", "9", dependencies=("lone",))

    done = merge.merge([base], [BASE], [theirs])

    assert ("lone",) == done.back
    assert "1" == versions(done.locks[0])["lone"]
    assert done.locks == tuple(
        replace(one, packages=tuple(sorted(one.packages, key=lambda p: p.name)))
        for one in pylock.loads_all(pylock.dumps(*done.locks))
    )


def test_requirements_are_merged_by_name() -> None:
    ours = replace(BASE, requirements=(*BASE.requirements, "httpx"))
    kept = tuple(text for text in BASE.requirements if not text.startswith("uvicorn"))
    theirs = replace(BASE, requirements=(*kept, "uvicorn>=0.40"))

    done = merge.merge([BASE], [ours], [theirs])

    assert tuple(sorted((*kept, "httpx", "uvicorn>=0.40"))) == done.locks[0].requirements
    assert () == done.conflicts


def test_one_requirement_changed_by_both_is_a_conflict() -> None:
    kept = tuple(text for text in BASE.requirements if not text.startswith("uvicorn"))
    ours = replace(BASE, requirements=(*kept, "uvicorn>=0.40"))
    theirs = replace(BASE, requirements=kept)

    done = merge.merge([BASE], [ours], [theirs])

    told = "requirements: uvicorn: was uvicorn>=0.30, ours uvicorn>=0.40, theirs absent"
    assert (told,) == done.conflicts


def test_a_side_that_has_all_of_the_other_stays_resolved() -> None:
    ours = bumped(BASE, "numpy", "9")
    theirs = replace(bumped(ours, "pandas", "9"), spec=BASE.packages[0].digest)

    done = merge.merge([BASE], [ours], [theirs])

    assert (theirs,) == done.locks
    assert not done.unresolved


def test_generated_edits_of_both_sides_are_all_there_or_told() -> None:
    clashes = 0
    for seed in range(300):
        ours, told_ours = edit(BASE, random.Random(seed))
        theirs, told_theirs = edit(BASE, random.Random(seed + 5000))
        both = {(r, n) for r, n, _ in told_ours} & {(r, n) for r, n, _ in told_theirs}

        done = merge.merge([BASE], [ours], [theirs])

        merged = done.locks[0]
        for side, told in ((ours, told_ours), (theirs, told_theirs)):
            here, there = _by_key(merged), _by_key(side)
            for room, name, _ in told:
                if (room, name) not in both and name not in done.back:
                    assert there.get((room, name)) == here.get((room, name)), (seed, name)
        untouched = {(r, n) for r, n, _ in told_ours | told_theirs}
        base, here = _by_key(BASE), _by_key(merged)
        assert all(base[key] == here[key] for key in base if key not in untouched)
        assert {n for _, n in both} >= {told.partition(":")[0] for told in done.conflicts}
        assert pylock.loads_all(pylock.dumps(*done.locks)), seed
        clashes += bool(done.conflicts)
    assert clashes > 20


def test_swapping_the_sides_changes_the_names_of_the_sides_alone() -> None:
    for seed in range(100):
        ours, _ = edit(BASE, random.Random(seed))
        theirs, _ = edit(BASE, random.Random(seed + 5000))
        one = merge.merge([BASE], [ours], [theirs])
        other = merge.merge([BASE], [theirs], [ours])

        assert len(one.conflicts) == len(other.conflicts)
        if not one.conflicts:
            assert one.locks == other.locks


def test_locks_that_differ_never_read_the_same() -> None:
    before = list(lines.lines([BASE]))
    for seed in range(300):
        after, told = edit(BASE, random.Random(seed))
        read = list(lines.lines([after]))

        assert bool(told) == (before != read), seed
        assert len(set(before) ^ set(read)) <= 8 * len(told)


def test_a_package_on_one_platform_is_told_as_such() -> None:
    other = replace(BASE, architecture="arm64", packages=BASE.packages[1:])
    name = BASE.packages[0].name

    read = list(lines.lines([BASE, other]))

    only = [line for line in read if line.startswith(f"{name} ")]
    assert [f"{name} {BASE.packages[0].version}  (only x86_64)"] == only


def _by_key(lock: Lock) -> dict[tuple[str, str], object]:
    found: dict[tuple[str, str], object] = {("python", p.name): p for p in lock.packages}
    return {**found, **{("debian", d.name): d for d in lock.debs}}
