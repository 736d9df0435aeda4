"""What goes into a model's image as its code, and what never does."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from harness.image import code
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
