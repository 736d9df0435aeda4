"""A lock as text: deterministic, valid PEP 751, mirror-neutral, and hard to damage unnoticed."""

from __future__ import annotations

import random
import re
import tomllib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.pylock import Pylock, is_valid_pylock_path

from harness.core.digest import Digest, of_bytes
from harness.core.errors import LockInvalid, LockMissing, LockOutOfDate, PlatformMissing
from harness.lock import pylock, toml
from harness.lock.lock import Deb, Lock, Move, Parent, Source, Wheel
from harness.spec.environment import Environment

NAMES = st.from_regex(r"[a-z][a-z0-9]{0,6}(-[a-z0-9]{1,4})?", fullmatch=True)
DIGESTS = st.binary(max_size=8).map(of_bytes)
VERSIONS = st.tuples(st.integers(0, 99), st.integers(0, 99)).map(lambda v: f"{v[0]}.{v[1]}")


@st.composite
def locks(draw: st.DrawFn) -> Lock:
    names = draw(st.lists(NAMES, unique=True, max_size=6))
    packages = []
    for name in names:
        version = draw(VERSIONS)
        packages.append(
            Wheel(
                name=name,
                version=version,
                filename=f"{name.replace('-', '_')}-{version}-py3-none-any.whl",
                digest=draw(DIGESTS),
                size=draw(st.none() | st.integers(0, 10**9)),
                dependencies=tuple(sorted(draw(st.sets(st.sampled_from(names), max_size=3)))),
            )
        )
    debs = [
        Deb(
            name=name,
            version=version,
            architecture="amd64",
            filename=f"pool/main/{name[0]}/{name}/{name}_{version}+b1~x_amd64.deb",
            digest=draw(DIGESTS),
            size=draw(st.integers(0, 10**9)),
        )
        for name in draw(st.lists(NAMES, unique=True, max_size=5))
        for version in [draw(VERSIONS)]
    ]
    moment = draw(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)))
    return Lock(
        name=draw(NAMES),
        version=draw(st.integers(1, 99)),
        python=draw(st.sampled_from(["3.11", "3.13"])),
        suite="bookworm",
        architecture=draw(st.sampled_from(["amd64", "arm64"])),
        spec=draw(DIGESTS),
        released=moment.replace(microsecond=0, tzinfo=UTC),
        requirements=tuple(sorted(draw(st.sets(NAMES, max_size=3)))),
        packages=tuple(sorted(packages, key=lambda wheel: wheel.name)),
        debs=tuple(sorted(debs, key=lambda deb: deb.name)),
    )


@given(locks())
def test_a_lock_comes_back_from_its_text(lock: Lock) -> None:
    assert lock == pylock.loads(pylock.dumps(lock))


@given(locks(), st.data())
def test_two_platforms_share_one_file_and_come_back(lock: Lock, data: st.DataObject) -> None:
    wheels = list(lock.packages)
    for index, wheel in enumerate(wheels):
        kind = data.draw(st.sampled_from(["same", "native", "moved", "gone"]))
        if kind == "native":
            name = wheel.filename.replace("py3-none-any", "cp311-cp311-manylinux_2_28_{}")
            wheels[index] = replace(wheel, filename=name.format("aarch64"))
        elif kind == "moved":
            name = wheel.filename.replace(f"-{wheel.version}-", "-999.0-")
            wheels[index] = replace(wheel, filename=name, version="999.0")
        elif kind == "gone" and not any(wheel.name in w.dependencies for w in wheels):
            wheels[index] = replace(wheel, name="")
    amd64 = replace(lock, architecture="amd64")
    kept = tuple(wheel for wheel in wheels if wheel.name)
    arm64 = replace(lock, architecture="arm64", packages=kept, debs=lock.debs[1:])

    text = pylock.dumps(arm64, amd64)

    Pylock.from_dict(tomllib.loads(text)).validate()
    assert (amd64, arm64) == pylock.loads_all(text)
    assert arm64 == pylock.loads(text, architecture="arm64")
    assert text == pylock.dumps(amd64, arm64)


def test_a_platform_that_is_not_locked_is_named(tmp_path: Path) -> None:
    text = pylock.dumps(lock_of(environment(tmp_path)))

    with pytest.raises(PlatformMissing, match="not locked for aarch64, only for x86_64") as failed:
        pylock.loads(text, architecture="arm64")

    assert "platforms" in failed.value.hint


@given(locks(), DIGESTS, st.lists(NAMES, min_size=1, max_size=2, unique=True))
def test_a_built_wheel_and_a_parent_come_back(lock: Lock, digest: Digest, names: list[str]) -> None:
    needs = tuple(
        Wheel(name=name, version="1.0", filename=f"{name}-1.0-py3-none-any.whl", digest=digest)
        for name in sorted(names)
    )
    packages = tuple(
        replace(
            wheel,
            built=Source(
                filename=f"{wheel.name.replace('-', '_')}-{wheel.version}.tar.gz",
                digest=digest,
                size=7,
                requires=needs,
            ),
        )
        for wheel in lock.packages
    )
    parent = Parent(
        reference="above:3",
        lock=digest,
        moved=(Move(name="numpy", before="1.0", after="2.0", why=("a needs b", "b needs c")),),
    )
    tools = tuple(replace(deb, name=f"z{deb.name}") for deb in lock.debs)
    shipped = replace(lock, packages=packages, parent=parent, os=("libgomp1",))
    lock = replace(shipped, build_os=("gcc",), build_debs=tools)

    text = pylock.dumps(lock)

    Pylock.from_dict(tomllib.loads(text)).validate()
    assert lock == pylock.loads(text)
    assert shipped.digest == lock.digest  # what a build needs is in no image


def test_what_has_a_wheel_on_one_platform_alone_is_built_on_the_other_alone() -> None:
    offered = Wheel(
        name="app",
        version="1.0",
        filename="app-1.0-cp311-cp311-manylinux_2_28_x86_64.whl",
        digest=of_bytes(b"offered"),
    )
    source = Source(filename="app-1.0.tar.gz", digest=of_bytes(b"source"))
    built = replace(offered, filename="app-1.0-py3-none-any.whl", built=source)
    common = {"name": "x", "version": 1, "python": "3.11", "suite": "bookworm", "debs": ()}
    common |= {"spec": of_bytes(b"spec"), "released": datetime(2026, 1, 1, tzinfo=UTC)}
    amd64 = Lock(architecture="amd64", packages=(offered,), **common)  # type: ignore[arg-type]
    arm64 = Lock(architecture="arm64", packages=(built,), **common)  # type: ignore[arg-type]

    assert (amd64, arm64) == pylock.loads_all(pylock.dumps(amd64, arm64))


@given(locks())
def test_the_text_is_valid_pep_751(lock: Lock) -> None:
    Pylock.from_dict(tomllib.loads(pylock.dumps(lock))).validate()


@given(locks(), st.randoms(use_true_random=False))
def test_the_order_of_packages_does_not_show(lock: Lock, chance: random.Random) -> None:
    packages, debs, needs = list(lock.packages), list(lock.debs), list(lock.requirements)
    for values in (packages, debs, needs):
        chance.shuffle(values)
    shuffled = replace(lock, packages=tuple(packages), debs=tuple(debs), requirements=tuple(needs))

    assert pylock.dumps(lock) == pylock.dumps(shuffled)
    assert lock.digest == shuffled.digest


@given(locks())
def test_every_file_is_named_relative_to_something(lock: Lock) -> None:
    text = pylock.dumps(lock)

    assert "://" not in text
    assert not re.search(r'path = "/', text)


@given(locks(), st.data())
def test_any_changed_digit_of_a_digest_is_noticed(lock: Lock, data: st.DataObject) -> None:
    text = pylock.dumps(lock)
    places = [m.start(1) for m in re.finditer(r'"(?:sha256:)?([0-9a-f]{64})"', text)]
    place = data.draw(st.sampled_from(places)) + data.draw(st.integers(0, 63))
    digit = "0" if text[place] != "0" else "1"

    with pytest.raises(LockInvalid):
        pylock.loads(text[:place] + digit + text[place + 1 :])


@given(
    st.recursive(
        st.booleans()
        | st.integers(-(2**60), 2**60)
        | st.text(st.characters(exclude_categories=["Cs"])),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3)
        ),
        max_leaves=8,
    )
)
def test_whatever_toml_can_say_reads_back_the_same(value: Any) -> None:
    document = {"key": value, "table": {"inner": value, "deeper": {"innermost": [value]}}}

    assert document == tomllib.loads(toml.dumps(document))


def test_a_value_without_a_form_is_refused() -> None:
    with pytest.raises(TypeError, match="no form for NoneType"):
        toml.dumps({"key": None})


def environment(folder: Path, **changes: Any) -> Environment:
    values: dict[str, Any] = {
        "folder": folder,
        "name": "tiny",
        "version": 1,
        "python": "3.11",
        "suite": "bookworm",
        "requirements": ("six",),
    }
    return Environment(**values | changes)


def lock_of(spec: Environment) -> Lock:
    return Lock(
        name=spec.name,
        version=spec.version,
        python=spec.python,
        suite=spec.suite,
        architecture="amd64",
        spec=spec.digest,
        released=datetime(2026, 7, 11, tzinfo=UTC),
        requirements=spec.requirements,
        packages=(
            Wheel(
                name="six",
                version="1.17.0",
                filename="six-1.17.0-py2.py3-none-any.whl",
                digest=of_bytes(b"six"),
            ),
        ),
        debs=(
            Deb(
                name="libc6",
                version="2.36",
                architecture="amd64",
                filename="pool/main/g/glibc/libc6_2.36_amd64.deb",
                digest=of_bytes(b"libc6"),
                size=5,
            ),
        ),
    )


def test_a_written_lock_is_read_for_its_environment(tmp_path: Path) -> None:
    spec = environment(tmp_path)
    pylock.write(spec.lock_path, lock_of(spec))

    assert lock_of(spec) == pylock.read(spec)
    assert is_valid_pylock_path(spec.lock_path)


def test_an_environment_without_a_lock_is_told_the_command(tmp_path: Path) -> None:
    with pytest.raises(LockMissing, match="tiny:1 has no lock") as failed:
        pylock.read(environment(tmp_path))

    assert "harness lock tiny" == failed.value.hint


@pytest.mark.parametrize(
    "change",
    [{"requirements": ("six>=1",)}, {"os": ("git",)}, {"suite": "trixie"}, {"python": "3.13"}],
)
def test_a_lock_older_than_its_specification_is_refused(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    spec = environment(tmp_path)
    pylock.write(spec.lock_path, lock_of(spec))

    with pytest.raises(LockOutOfDate, match=r"changed after pylock\.1\.toml") as failed:
        pylock.read(environment(tmp_path, **change))

    assert "harness lock tiny" == failed.value.hint


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('lock-version = "1.0"', "lock-version = ", "Invalid value"),
        ('lock-version = "1.0"', 'lock-version = "2.0"', "2.0"),
        ("layout = 1", "layout = 99", r"tool\.harness\.layout: 99"),
        ('suite = "bookworm"\n', "", r"tool\.harness\.suite: missing"),
        ("size = 5", 'size = "5"', r"tool\.harness\.debian\.amd64\.debs\[0\]\.size: expected int"),
        ("pool/main/g", "../main/g", r"amd64\.debs\[0\]\.path: not allowed"),
        ("pool/main/g", "http://host/g", r"amd64\.debs\[0\]\.path: not allowed"),
        ('path = "wheels/', 'path = "/etc/', r"packages\[0\]\.wheels\[0\]\.path: not allowed"),
        ('version = "1.17.0"', 'version = "1.18.0"', "not consistent"),
        ('version = "2.36"', 'version = "2.37"', "changed by hand"),
        ('created-by = "harness"', 'created-by = "somebody"', "changed by hand"),
        ('["six"]', '["seven"]', "changed by hand"),
    ],
)
def test_a_damaged_lock_is_refused_with_the_place(
    tmp_path: Path, old: str, new: str, problem: str
) -> None:
    text = pylock.dumps(lock_of(environment(tmp_path)))
    assert old in text

    with pytest.raises(LockInvalid, match=problem):
        pylock.loads(text.replace(old, new))


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    text = pylock.dumps(lock_of(environment(tmp_path)))
    text = text.replace("size = 5", "size = -5").replace('suite = "bookworm"', "suite = 7")

    with pytest.raises(LockInvalid) as failed:
        pylock.loads(text)

    assert "tool.harness.debian.amd64.debs[0].size" in failed.value.message
    assert "tool.harness.suite: expected str" in failed.value.message


def test_a_lock_of_another_tool_is_refused_by_name() -> None:
    text = 'lock-version = "1.0"\ncreated-by = "uv"\npackages = []\n'

    with pytest.raises(LockInvalid, match="Harness did not write this lock"):
        pylock.loads(text)


def test_the_name_of_a_lock_does_not_change_what_it_builds(tmp_path: Path) -> None:
    lock = lock_of(environment(tmp_path))

    assert lock.digest == replace(lock, name="other", version=7).digest
    assert lock.digest != replace(lock, debs=()).digest
    assert lock.digest != replace(lock, layout=2).digest
