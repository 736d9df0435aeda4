"""What a base image has, as a resolver meets it: stand-ins with what is met today, and moves that
can't be made told before anything is built."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.content.scheme import Scheme
from harness.core.digest import of_bytes
from harness.core.errors import LockInvalid, ResolutionFailed
from harness.lock import choose, merge, metadata, on_base, pylock
from harness.lock.base_image import MOMENT
from harness.lock.lock import Base, Installed, Lock, Move, OsPackage, Parent, Wheel
from harness.lock.on_base import Ground, Looked
from harness.lock.resolver import Question
from harness.lock.uv import _system
from harness.spec.environment import Environment
from harness.world.store import Store

SCHEME = Scheme(
    python="3.12",
    program="usr/local/bin/python3",
    site="usr/local/lib/python3.12/site-packages",
    scripts="usr/local/bin",
    prefix="usr/local",
)
BASE = Base(
    image=f"registry.example/team/python@sha256:{'1' * 64}",
    manifest=of_bytes(b"manifest"),
    python="3.12.7",
    scheme=SCHEME,
    platform="manylinux_2_28",
    packages=(
        Installed(name="app", version="1.0+corp", info="s/app-1.0+corp.dist-info"),
        Installed(name="lib", version="2.0", info="s/lib-2.0.dist-info"),
        Installed(name="lib", version="1.0", info="below/lib-1.0.dist-info"),
        Installed(name="old", version="3", info=""),
    ),
    suite="bookworm",
    os=(OsPackage(name="libc6", version="2", source="glibc", source_version="2"),),
)
NEEDS = {
    "app": (
        "lib>=2",
        "lib>=2; python_version < '3'",
        "old<3",
        "absent",
        "extra-only; extra == 'more'",
        "lib @ https://example.org/lib.whl",
    )
}


def environment(folder: Path) -> Environment:
    return Environment(
        folder=folder,
        name="on",
        version=1,
        python="",
        suite="",
        requirements=("app",),
        image=BASE.image,
    )


def ground(folder: Path, above: Lock | None = None) -> Ground:
    looked = Looked(
        base=BASE,
        architecture="amd64",
        created=MOMENT,
        needs=NEEDS,
        extras={"app": ("more",)},
    )
    return on_base.ground(environment(folder), looked, Store(folder / "store"), above=above)


def lock(base: Base) -> Lock:
    return Lock(
        name="on",
        version=1,
        python="3.12",
        suite="",
        architecture="amd64",
        spec=of_bytes(b"spec"),
        released=MOMENT,
        requirements=("app",),
        packages=(),
        debs=(),
        base=base,
    )


def test_a_stand_in_asks_for_what_the_base_meets_today(tmp_path: Path) -> None:
    found = ground(tmp_path)
    app = next(wheel for wheel in found.stand_ins if wheel.name == "app")

    needs = metadata.read(app, Store(tmp_path / "store")).get_all("Requires-Dist")

    assert ['extra-only; extra == "more"', "lib", "lib>=2"] == sorted(needs or ())


def test_what_the_base_has_is_wanted_beside_what_is_asked_for(tmp_path: Path) -> None:
    asked = ground(tmp_path).question(question("app>=1"))

    assert ("app>=1", "lib", "old") == asked.requirements
    assert "manylinux_2_28" == asked.platform


def test_what_the_base_has_is_the_first_choice_but_for_what_a_lock_has(tmp_path: Path) -> None:
    asked = ground(tmp_path).question(replace(question("app"), keep={"lib": "2.5", "more": "1"}))

    assert {"app": "1.0+corp", "lib": "2.5", "old": "3", "more": "1"} == asked.keep


def test_the_first_of_a_name_on_sys_path_is_the_pin() -> None:
    assert "2.0" == BASE.pins["lib"]


def resolved(found: Ground, *new: Wheel) -> tuple[Wheel, ...]:
    """Return what the base has with *new* in its place."""
    names = {wheel.name for wheel in new}
    return (*(wheel for wheel in found.stand_ins if wheel.name not in names), *new)


def test_a_package_without_a_record_cannot_move(tmp_path: Path) -> None:
    move = Move(name="old", before="3", after="2", why=("old<3 is asked for",))
    parent = Parent(reference="base", lock=of_bytes(b"x"), moved=(move,))
    new = Wheel(name="old", version="2", filename="old-2-py3-none-any.whl", digest=of_bytes(b"2"))

    with pytest.raises(ResolutionFailed, match="old 3 of the base image has to become 2") as raised:
        on_base.settled(found := ground(tmp_path), resolved(found, new), parent, requirements=())

    assert "old<3 is asked for" in raised.value.message


def test_what_the_base_has_is_told_as_such_in_a_chain(tmp_path: Path) -> None:
    why = ("app is asked for", "app 2 requires lib>=3")
    move = Move(name="lib", before="2.0", after="3", why=why)
    parent = Parent(reference="base", lock=of_bytes(b"x"), moved=(move,))
    new = Wheel(name="lib", version="3", filename="lib-3-py3-none-any.whl", digest=of_bytes(b"2"))

    found = ground(tmp_path)
    packages, base, inherited = on_base.settled(
        found, resolved(found, new), parent, requirements=("httpx",)
    )

    assert inherited is None
    assert ("the base has app 1.0+corp", "app 2 requires lib>=3") == base.moved[0].why
    assert ("lib",) == tuple(wheel.name for wheel in packages)
    assert {"app", "old"} == base.kept.keys()


def test_a_base_package_that_was_asked_for_or_has_moved_is_not_told_as_a_reason_it_is_not(
    tmp_path: Path,
) -> None:
    found = ground(tmp_path)
    app, lib = (
        Wheel(name=n, version=v, filename=f"{n}-{v}-py3-none-any.whl", digest=of_bytes(b"2"))
        for n, v in (("app", "2"), ("lib", "3"))
    )
    why = ("app is asked for", "app 2 requires lib>=3")
    moved = (
        Move(name="app", before="1.0+corp", after="2", why=("app>=2 is asked for",)),
        Move(name="lib", before="2.0", after="3", why=why),
    )
    parent = Parent(reference="base", lock=of_bytes(b"x"), moved=moved)

    for requirements, first in (
        (("app",), "app is asked for"),
        ((), "the base has app 1.0+corp, here 2"),
    ):
        _, base, _ = on_base.settled(
            found, resolved(found, app, lib), parent, requirements=requirements
        )
        assert (first, "app 2 requires lib>=3") == base.moved[1].why


@pytest.mark.parametrize(
    ("requirements", "http", "why"),
    [
        (("http==1",), "1", ("http==1 is asked for", "http 1 requires lib<2")),
        (("http==2",), "2", ("team:2 has lib 1.0",)),
        ((), "", ("team:2 has lib 1.0",)),
    ],
)
def test_what_a_parent_had_moved_is_told_with_its_reason_as_long_as_that_holds(
    tmp_path: Path, requirements: tuple[str, ...], http: str, why: tuple[str, ...]
) -> None:
    lib, web = (
        Wheel(name=n, version=v, filename=f"{n}-{v}-py3-none-any.whl", digest=of_bytes(b"2"))
        for n, v in (("lib", "1.0"), ("http", http))
    )
    reason = ("http==1 is asked for", "http 1 requires lib<2")
    move = Move(name="lib", before="2.0", after="1.0", why=reason)
    above = replace(lock(replace(BASE, moved=(move,))), name="team", version=2, packages=(lib, web))
    found = ground(tmp_path, above)

    packages, base, parent = on_base.settled(
        found,
        resolved(found, lib, *([web] if http else [])),
        Parent(reference="base", lock=of_bytes(b"x")),
        requirements=requirements,
    )

    assert (replace(move, why=why),) == base.moved
    assert Parent(reference="team:2", lock=above.digest) == parent
    assert ["lib"] == [wheel.name for wheel in packages if wheel.name != "http"]


def test_a_lock_on_a_base_is_read_as_it_was_written() -> None:
    move = Move(name="lib", before="2.0", after="3", why=("lib==3 is asked for",))
    above = Parent(reference="team:2", lock=of_bytes(b"above"), moved=(move,))
    written = replace(lock(replace(BASE, moved=(move,))), parent=above)

    assert (written,) == pylock.loads_all(pylock.dumps(written))


def test_a_base_that_was_edited_is_refused() -> None:
    text = pylock.dumps(lock(BASE))

    for old, new in (('"usr/local"', '"../local"'), ("manylinux_2_28", "windows"), ("sha256:", "")):
        assert old in text
        with pytest.raises(LockInvalid):
            pylock.loads_all(text.replace(old, new))


def test_an_image_is_a_function_of_the_base_and_not_of_its_name() -> None:
    renamed = replace(BASE, image=f"mirror.example/python@sha256:{'1' * 64}")
    other = replace(BASE, manifest=of_bytes(b"another"))

    assert lock(BASE).digest == lock(renamed).digest
    assert lock(BASE).digest != lock(other).digest


def test_two_bases_are_a_conflict_of_a_merge() -> None:
    ours, theirs = (lock(replace(BASE, manifest=of_bytes(name))) for name in (b"ours", b"theirs"))

    (told,) = merge.merge([lock(BASE)], [ours], [theirs]).conflicts

    assert told.startswith(f"base: was {BASE.manifest}, ours {of_bytes(b'ours')}")


@pytest.mark.parametrize(
    ("platform", "best", "word"),
    [
        ("manylinux_2_28", "cp312-cp312-manylinux_2_28_x86_64", "manylinux_2_28"),
        ("manylinux_2_27", "cp312-cp312-manylinux_2_27_x86_64", "manylinux_2_17"),
        ("manylinux_2_41", "cp312-cp312-manylinux_2_41_x86_64", "manylinux_2_40"),
        ("musllinux_1_2", "cp312-cp312-musllinux_1_2_x86_64", "unknown-linux-musl"),
    ],
)
def test_wheels_are_those_of_the_image_s_c_library(platform: str, best: str, word: str) -> None:
    ranks = {str(tag): rank for tag, rank in choose.ranks("3.12.7", "amd64", platform).items()}

    assert 0 == ranks[best]
    assert ("cp312-cp312-manylinux_2_17_x86_64" in ranks) == platform.startswith("many")
    assert word == _system(replace(question(), platform=platform))


def question(*requirements: str) -> Question:
    return Question(requirements=requirements, python="3.12.7", architecture="amd64")
