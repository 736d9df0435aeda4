"""The street is one-way, and `nox -s lint` sees whoever drives against it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = Path(sys.executable).parent
STREET = "Rooms import only from rooms earlier on the street"
TRAVELS = "What travels into an image, and the sessions, import nothing of ours"
PURE = "Core is pure: no process, disk, network or clock"
WIRE = "Only the rooms that talk to a model know its wire format"
ADAPTER = "Only the contract and the runtime turn columns into a model's own frames"
HOST = "The host side needs numpy and no frame library"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what the linters read."""
    shutil.copytree(
        ROOT / "harness", tmp_path / "harness", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint_imports(tree: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPTS / "lint-imports", "--no-cache"],
        cwd=tree,
        env={"PYTHONPATH": str(tree), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
    )


def ruff(tree: Path, file: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPTS / "ruff", "check", "--no-cache", "--output-format", "concise", file],
        cwd=tree,
        capture_output=True,
        text=True,
    )


def test_the_tree_as_it_is_keeps_every_contract(tree: Path):
    done = lint_imports(tree)

    assert 0 == done.returncode, done.stdout
    for contract in (STREET, TRAVELS, PURE, WIRE, ADAPTER, HOST):
        assert f"{contract} KEPT" in done.stdout


@pytest.mark.parametrize(
    ("room", "planted", "contract"),
    [
        ("core", "import harness.cli", STREET),
        ("core", "def late():\n    import harness.world.files", PURE),
        ("engine", "import harness.contract", STREET),
        ("contract", "import harness.engine", STREET),
        ("decision", "from harness import ledger", STREET),
        ("runtime", "import harness.core.digest", TRAVELS),
        ("spec", "import harness.runtime.frame", WIRE),
        ("stages", "import harness.runtime.adapter", ADAPTER),
        ("stages", "def late():\n    import pandas", HOST),
    ],
)
def test_a_planted_back_edge_is_named(tree: Path, room: str, planted: str, contract: str):
    (tree / "harness" / room / "planted.py").write_text(planted + "\n")
    (tree / "harness" / "runtime" / "adapter.py").touch()

    done = lint_imports(tree)

    assert 0 != done.returncode
    assert f"{contract} BROKEN" in done.stdout
    assert f"harness.{room}.planted" in done.stdout


def test_a_room_that_is_not_on_the_street_is_named(tree: Path):
    (tree / "harness" / "attic").mkdir()
    (tree / "harness" / "attic" / "__init__.py").touch()

    done = lint_imports(tree)

    assert 0 != done.returncode
    assert "harness.attic" in done.stdout


@pytest.mark.parametrize(("line", "code"), [("print(1)", "T201"), ("sys.exit(1)", "TID251")])
def test_only_the_front_door_prints_and_exits(tree: Path, line: str, code: str):
    text = f'"""A file."""\n\nimport sys\n\nsys.path.sort()\n{line}\n'
    for room in ("decision", "cli"):
        (tree / "harness" / room / "planted.py").write_text(text)

    assert code in ruff(tree, "harness/decision/planted.py").stdout
    assert code not in ruff(tree, "harness/cli/planted.py").stdout
