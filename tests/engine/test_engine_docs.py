"""docs/engine.md: its example runs, and its remedies are those that are given."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import harness
from harness.engine import reachable, select
from harness.engine.engine import Engine

HOME = Path(harness.__file__).parents[1]
PAGE = HOME / "docs" / "engine.md"


def test_the_example_shows_the_mounted_file_twice(sandbox_engine: Engine, tmp_path: Path) -> None:
    example = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert example is not None
    root = tmp_path / "root"
    for name in ("proc", "dev", "tmp", "run", "data"):
        (root / name).mkdir(parents=True)
    needed = subprocess.run(["ldd", "/usr/bin/cat"], capture_output=True, check=True).stdout
    for path in ("/usr/bin/cat", *re.findall(r"(/\S+) \(", needed.decode())):
        (root / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, root / path[1:])
    rows = tmp_path / "rows.csv"
    rows.write_text("id,late\n1,0\n")

    done = subprocess.run(
        [sys.executable, "-c", example[1], root, rows],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HOME), *sys.path])},
        capture_output=True,
        check=False,
    )

    said = done.stdout.decode().split("\n")
    assert said == ["exited 0 id,late", "1,0", "", "id,late", "", "True", ""], done.stderr


def test_every_remedy_is_documented() -> None:
    text = PAGE.read_text()
    source = Path(select.__file__).read_text() + Path(reachable.__file__).read_text()

    remedies = [*re.findall(r'"((?:sudo|docker run) [^"]+)"', source), select.INSTALL]

    assert len(remedies) == 8  # sudo five times, docker twice, pip
    assert [remedy for remedy in remedies if f"`{remedy}`" not in text] == []
