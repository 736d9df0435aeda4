"""A difference as people and programs read it, against golden files.

A golden file is rewritten by ``GOLDEN=write`` in the environment; read the diff like code.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click
import pytest
from diff_scene import Scene, scene

from harness.lock import diff, diff_told, model_usage
from harness.lock.diff_told import Account
from harness.report import diff_json, diff_markdown, diff_text

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def stage(tmp_path: Path) -> Scene:
    return scene(tmp_path / "store")


@pytest.fixture
def account(stage: Scene, tmp_path: Path) -> Account:
    model = tmp_path / "model"
    model.mkdir()
    (model / "train.py").write_text("import engine, gone\nengine.old()\n")
    found = diff_told.tell(
        diff.compare(*stage.sides),
        shelf=stage.shelf,
        uses=model_usage.of_folder(model),
        folder="model",
        advisories=lambda room, name, version: {"engine1.0": ["A-1"]}.get(name + version, []),
    )
    return found


def as_text(account: Account) -> str:
    return click.unstyle(diff_text.render([account]))


def as_markdown(account: Account) -> str:
    return diff_markdown.render([account])


def as_json(account: Account) -> str:
    return json.dumps(diff_json.body([account]), indent=2, ensure_ascii=False) + "\n"


@pytest.mark.parametrize(
    ("name", "render"), [("diff.txt", as_text), ("diff.md", as_markdown), ("diff.json", as_json)]
)
def test_it_reads_as_the_golden_file(
    account: Account, name: str, render: Callable[[Account], str]
) -> None:
    file = GOLDEN / name
    if os.environ.get("GOLDEN") == "write":
        file.write_text(render(account), encoding="utf-8")

    assert file.read_text(encoding="utf-8") == render(account)


def test_unknown_is_said_and_is_null_in_json(stage: Scene) -> None:
    found = diff_told.tell(diff.compare(*stage.sides), shelf=None)
    text, body = as_text(found), json.loads(as_json(found))
    (one,) = body["diffs"]

    assert "not known    licence, unpacked size, libraries" in text
    assert "advisories   no data" in text
    assert "no data" == one["advisories"]
    assert one["names"] is None
    for package in one["packages"]:
        assert package["advisories"] is None
        assert package["libraries"] is None
        assert all(end is None or end["facts"] is None for end in (package["before"],))


def test_no_difference_is_one_line(stage: Scene) -> None:
    one = stage.sides[0]
    found = diff_told.tell(diff.compare(one, one), shelf=stage.shelf)

    assert "a (scene:1) → a (scene:1)\n  no difference; the same: 5 Python, 2 OS\n" == as_text(
        found
    )
    assert json.loads(as_json(found))["differs"] is False


def test_what_packages_say_cannot_steer_a_terminal_or_a_page(stage: Scene) -> None:
    nasty = "1.0\x1b[2J|`@team`</details>\u202e"
    packages = tuple(replace(p, version=nasty) for p in stage.after.packages[:1])
    after = replace(stage.after, packages=packages, requirements=(f"x{nasty}",))
    found = diff_told.tell(
        diff.compare(stage.sides[0], replace(stage, after=after).sides[1]), shelf=None
    )
    text, page = diff_text.render([found]), as_markdown(found)

    assert "\x1b[2J" not in text
    assert "\u202e" not in text + page
    assert "\\|'@team'</details>" in page
    for line in page.splitlines():
        outside = "".join(line.split("`")[::2])
        assert "@team" not in outside
        assert "</details>" not in outside or outside == "</details>"


def test_colour_adds_nothing_but_colour(account: Account) -> None:
    coloured = diff_text.render([account])

    assert "\x1b[32m+ fresh" in coloured
    assert "\x1b[31m- gone" in coloured
    assert as_text(account) == click.unstyle(coloured)
