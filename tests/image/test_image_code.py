"""What goes into a model's image as its code, and what never does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.core.errors import PackageRefused
from harness.image import code, model
from harness.spec.project import Data, Ledger, Model, Project

FILES = (
    "flights/model.py",
    "flights/weights.json",
    "README.md",
    "harness.toml",
    "prepare.py",
    "test_contract.py",
    "tests/test_more.py",
    "data/train.csv",
    "data/undeclared.csv",
    ".harness/ledger.db",
    ".hidden",
    "artifact/model.json",
    "flights/__pycache__/model.cpython-311.pyc",
)


@pytest.mark.parametrize("with_git", [True, False])
def test_code_and_what_it_reads_goes_in_and_nothing_else(tmp_path: Path, with_git: bool) -> None:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    if with_git:
        subprocess.run(["git", "init", "-q", tmp_path], check=True)
    project = Project(
        folder=tmp_path,
        file=tmp_path / "harness.toml",
        model=Model(name="m"),
        data=Data(train=tmp_path / "data" / "train.csv", target="y"),
        ledger=Ledger(location=tmp_path / ".harness" / "ledger.db"),
    )

    assert sorted(code.files(project)) == ["flights/model.py", "flights/weights.json"]


LISTED = """
import sys
from pathlib import Path
from harness.image import code, model
from harness.spec.project import Ledger, Model, Project
from harness.world.store import Store
folder = Path(sys.argv[1])
project = Project(
    folder=folder,
    file=folder / "harness.toml",
    model=Model(name="m"),
    ledger=Ledger(location=folder / "ledger"),
)
store = Store(Path(sys.argv[2]))
for found in (code.files(project), model.below(next(folder.glob("gr*")))):
    names = sorted(found)
    print(ascii(names), model.tree("code", found, store))
"""
ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}


@pytest.mark.parametrize("with_git", [True, False])
def test_the_tree_of_a_model_s_files_is_the_same_in_every_locale(
    tmp_path: Path, with_git: bool
) -> None:
    folder = tmp_path / "model"
    (folder / "größe").mkdir(parents=True)
    (folder / "größe" / "é.py").write_text("x")
    (folder / "größe" / "maß.json").write_text("1")
    if with_git:
        subprocess.run(["git", "init", "-q", folder], check=True)

    def told(name: str, locale: dict[str, str]) -> str:
        return subprocess.run(
            [sys.executable, "-c", LISTED, folder, tmp_path / name],
            env={**os.environ, **locale, "PYTHONPATH": os.pathsep.join(sys.path)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    plain = told("one", {"LC_ALL": "C.UTF-8"})

    assert ascii(["größe/maß.json", "größe/é.py"]) in plain
    assert plain == told("two", ASCII)


@pytest.mark.parametrize("with_git", [True, False])
def test_a_name_that_is_no_utf_8_is_refused_with_what_to_do(tmp_path: Path, with_git: bool) -> None:
    (tmp_path / "caf\udce9.py").write_text("x")
    if with_git:
        subprocess.run(["git", "init", "-q", tmp_path], check=True)
    project = Project(
        folder=tmp_path,
        file=tmp_path / "harness.toml",
        model=Model(name="m"),
        ledger=Ledger(location=tmp_path / "ledger"),
    )

    for listed in (lambda: code.files(project), lambda: model.below(tmp_path)):
        with pytest.raises(PackageRefused, match="not UTF-8") as raised:
            listed()
        assert raised.value.hint
