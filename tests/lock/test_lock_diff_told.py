"""What is told of a change: why, what it brings and weighs; the unknown is never "none"."""

from __future__ import annotations

from pathlib import Path

import pytest
from diff_scene import Scene, scene, side, soname, wheel

from harness.lock import diff, diff_told, model_usage
from harness.lock.diff_facts import Shelf
from harness.lock.diff_told import Account, Told


@pytest.fixture
def stage(tmp_path: Path) -> Scene:
    return scene(tmp_path / "store")


def account(stage: Scene, **more: object) -> Account:
    more.setdefault("shelf", stage.shelf)
    return diff_told.tell(diff.compare(*stage.sides), **more)  # type: ignore[arg-type]


def told(found: Account) -> dict[str, Told]:
    return {one.change.name: one for one in found.told}


def test_libraries_scripts_modules_and_licence_come_from_the_files(stage: Scene) -> None:
    engine = told(account(stage))["engine"]

    libraries = (("engine/_more.so", "libengine.so.2"), ("libengine.so.1",))
    assert libraries == engine.moved("libraries")
    assert (("engine-check",), ("engine-old",)) == engine.moved("scripts")
    assert ((), ()) == engine.moved("modules")
    assert ["MIT", "Apache-2.0"] == [one and one.license for one in engine.facts]
    assert (("leaf",), ()) == told(account(stage))["leaf"].moved("modules")
    assert ((), ("helper_more",)) == told(account(stage))["helper"].moved("modules")


def test_a_debian_package_is_opened_too(stage: Scene) -> None:
    libfoo = told(account(stage))["libfoo1"]

    assert [("libfoo1.so.1",)] * 2 == [one and one.libraries for one in libfoo.facts]
    assert ["Expat"] * 2 == [one and one.license for one in libfoo.facts]
    offered = "the suite of 2026-07-01 offers it, that of 2026-05-01 did not"
    assert (offered,) == libfoo.why.cause


def test_why_names_what_forces_each_change(stage: Scene) -> None:
    found = told(account(stage))

    assert ("engine>=2 is asked for, which excludes 1.0",) == found["engine"].why.cause
    helper = "engine 2.0 requires helper>=2, which excludes 1.5"
    assert (helper,) == found["helper"].why.cause
    assert ("gone is asked for (no more)",) == found["gone"].why.cause
    chain = ("fresh is asked for (new)", "fresh 3.0 requires leaf (new)")
    assert chain == found["leaf"].why.chain


def test_without_the_files_nothing_is_claimed(stage: Scene, tmp_path: Path) -> None:
    empty = Shelf(type(stage.store)(tmp_path / "empty"), soname)

    found = account(stage, shelf=empty)

    engine = told(found)["engine"]
    assert engine.moved("libraries") is None
    assert not engine.known
    assert {"engine 1.0", "engine 2.0", "libfoo1 1.0-1"} <= set(found.unread)
    helper = told(found)["helper"]
    assert () == helper.why.cause
    assert "what engine asks of it: not fetched" == helper.why.unknown


def test_one_absent_file_makes_the_change_unknown_not_added(stage: Scene) -> None:
    old = told(account(stage))["engine"].change.before
    assert old is not None
    assert old.digest is not None
    (stage.store.root / "d").joinpath("facts-1", f"{old.digest[7:]}.json").unlink()
    stage.store.path(old.digest).unlink()

    found = account(stage)

    assert told(found)["engine"].moved("scripts") is None
    assert ("engine 1.0",) == found.unread


def test_a_damaged_file_is_unknown(stage: Scene) -> None:
    digest = stage.after.packages[0].digest
    stage.store.path(digest).write_bytes(b"PK no wheel")

    found = account(stage)

    assert ("engine 2.0",) == found.unread


def test_a_file_is_read_once_and_only_when_its_package_changed(stage: Scene) -> None:
    read: list[bytes] = []

    def counting(data: bytes) -> str:
        read.append(data)
        return soname(data)

    account(stage, shelf=Shelf(stage.store, counting))
    first = len(read)
    account(stage, shelf=Shelf(stage.store, counting))

    # engine.libs twice, libfoo1 twice; libc6 and same didn't change, extensions go by their name
    assert 4 == first
    assert first == len(read)


def test_quick_opens_nothing(stage: Scene) -> None:
    found = account(stage, shelf=None)

    assert all(one.facts == (None, None) for one in found.told)
    assert not (stage.store.root / "d").exists()


def test_downloads_are_summed_only_when_every_size_is_known(stage: Scene, tmp_path: Path) -> None:
    sizes = [sum(p.size or 0 for p in (*k.packages, *k.debs)) for k in (stage.before, stage.after)]
    strange = wheel(type(stage.store)(tmp_path / "other"), "new", "1")

    found = account(stage)
    lacking = diff.Item(room="python", name="x", version="1", identity="x", digest=strange.digest)

    assert (("amd64", *sizes),) == found.downloads
    assert diff_told.size(lacking, stage.shelf) is None


def test_names_that_the_model_uses_and_that_are_gone(stage: Scene, tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    code = "import engine\nfrom gone import x\nengine.old()\nengine.kept()\nimport same\n"
    (model / "train.py").write_text(code)

    found = account(stage, uses=model_usage.of_folder(model), folder="model")

    assert found.names is not None
    assert ["engine.old"] == [one.name for one in found.names.gone if one.package == "engine"]
    (gone,) = [one for one in found.names.gone if one.package == "engine"]
    assert (True, 3) == (gone.certain, gone.uses[0].line)


def test_advisories_are_asked_by_source_name_and_told_by_what_came_and_went(stage: Scene) -> None:
    asked = set()

    def advisories(room: str, name: str, version: str) -> list[str]:
        asked.add((room, name, version))
        known = {("engine", "1.0"): ["A-1", "A-2"], ("engine", "2.0"): ["A-2", "A-3"]}
        return known.get((name, version), [])

    found = account(stage, advisories=advisories)

    assert (("A-3",), ("A-1",)) == told(found)["engine"].advisories
    assert ((), ()) == told(found)["helper"].advisories
    assert ("debian", "foo", "1.0-2") in asked
    assert ("python", "same", "1.0") not in asked
    assert found.advised


def test_without_advisories_there_is_no_data(stage: Scene) -> None:
    found = account(stage)

    assert all(one.advisories is None for one in found.told)
    assert not found.advised


def test_a_file_of_other_bytes_under_the_same_name_is_a_rebuild(stage: Scene) -> None:
    odd = told(account(stage))["odd"]

    assert diff.REBUILD == odd.change.kind
    assert (("odd",), ("odd",)) == tuple(one.modules for one in odd.facts if one)


def test_a_side_and_itself_are_told_without_a_word(stage: Scene) -> None:
    one = side(stage.before, "a")

    found = diff_told.tell(diff.compare(one, one), shelf=stage.shelf)

    assert () == found.told
    assert () == found.unread
