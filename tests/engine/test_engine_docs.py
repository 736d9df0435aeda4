"""docs/engine.md: its example runs, and its remedies are those that are given."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from engine_bench import Workbench, plain_root

import harness
from harness.engine import select

HOME = Path(harness.__file__).parents[1]
PAGE = HOME / "docs" / "engine.md"


@pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="the example runs that Python")
def test_the_example_shows_the_mounted_file_twice(sandbox: Workbench, tmp_path: Path) -> None:
    example = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert example is not None
    root = plain_root(tmp_path / "example", Path("/usr/bin/python3")).root
    for home in ("usr", "bin", "lib", "lib64"):  # an image has its own
        place = root / home
        if place.is_dir() and not place.is_symlink():
            place.rmdir()
            place.symlink_to(f"/proc/self/cwd/{home}")
    rows = tmp_path / "rows.csv"
    rows.write_text("id,late\n1,0")

    done = subprocess.run(
        [sys.executable, "-c", example[1], root, rows],
        env={**os.environ, "PYTHONPATH": str(HOME)},
        capture_output=True,
        check=False,
    )

    assert done.stdout.decode().splitlines()[:2] == ["exited 0 id,late", "1,0"], done.stderr


def test_every_remedy_is_documented(tmp_path: Path) -> None:
    text = PAGE.read_text()
    source = Path(select.__file__).read_text()

    remedies = re.findall(r'"((?:sudo|docker run) [^"]+)"', source) + [select.INSTALL]

    assert len(remedies) == 6
    assert [remedy for remedy in remedies if f"`{remedy}`" not in text] == []
