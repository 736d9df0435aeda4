"""An image in the store as a side of a comparison: its packages are read from its trees."""

from __future__ import annotations

from pathlib import Path

import pytest
from diff_scene import Scene, image, scene, side, soname

from harness.image import contents
from harness.lock import diff, diff_told
from harness.lock.diff_facts import Shelf


@pytest.fixture
def stage(tmp_path: Path) -> Scene:
    return scene(tmp_path / "store")


def kinds(found: diff.Difference) -> dict[str, str]:
    return {change.name: change.kind for change in found.changes}


def test_two_images_differ_as_their_locks_do(stage: Scene) -> None:
    sides = [
        contents.side(image(lock, stage.store), stage.store, label=lock.reference)
        for lock in (stage.before, stage.after)
    ]

    found = diff.compare(*sides)

    assert kinds(diff.compare(*stage.sides)) == kinds(found)
    environments = [(name, *ends) for name, *ends in found.settings if name == "environment"]
    assert [("environment", "scene:1", "scene:2")] == environments


def test_an_image_holds_what_its_lock_names_and_nothing_else(stage: Scene) -> None:
    here = contents.side(image(stage.before, stage.store), stage.store, label="image")
    locked = contents.keyed(side(stage.before, "lock"))

    assert {} == kinds(diff.compare(locked, here))
    assert {} == kinds(diff.compare(here, locked))
    assert "3.11" == here.python


def test_an_image_of_another_lock_differs_by_package(stage: Scene) -> None:
    here = contents.side(image(stage.after, stage.store), stage.store, label="image")

    found = diff.compare(contents.keyed(stage.sides[0]), here)

    assert kinds(diff.compare(*stage.sides)) == kinds(found)


def test_facts_come_from_the_trees(stage: Scene) -> None:
    sides = [
        contents.side(image(lock, stage.store), stage.store, label=lock.reference)
        for lock in (stage.before, stage.after)
    ]

    account = diff_told.tell(diff.compare(*sides), shelf=Shelf(stage.store, soname))

    told = {one.change.name: one for one in account.told}
    assert () == account.unread
    assert (("engine-check",), ("engine-old",)) == told["engine"].moved("scripts")
    libraries = (("engine/_more.so", "libengine.so.2"), ("libengine.so.1",))
    assert libraries == told["engine"].moved("libraries")
    assert [("libfoo1.so.1",)] * 2 == [one and one.libraries for one in told["libfoo1"].facts]
    helper = "engine 2.0 requires helper>=2, which excludes 1.5"
    assert (helper,) == told["helper"].why.cause
    assert "an image doesn't say what was asked for" == told["engine"].why.unknown


def test_an_image_is_found_by_its_names_and_the_beginning_of_its_digest(stage: Scene) -> None:
    environment = image(stage.before, stage.store)
    model = image(stage.before, stage.store, name="churn")

    def found(name: str) -> list[str]:
        return [one.config for one in contents.named(name, stage.store)]

    assert [environment.config] == found("scene:1")
    assert [model.config] == found("churn")
    assert [model.config] == found(model.config[:19])
    assert [] == found(model.config[:18])
    assert [] == found("scene:2")
