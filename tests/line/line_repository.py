"""A model's repository for a test to use up: the tiny model, its made-up data, git."""

from __future__ import annotations

import csv
import random
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
TINY = Path(__file__).parent / "tiny"
CITIES = {"Ghent": 8.0, "Lille": -8.0, "Trier": 0.0, "Metz": 0.0}
"""Metz is rare enough for no training to have a column of its own."""
ROWS = {"train": (500, 1), "dev": (300, 2), "holdout": (400, 3)}
"""Rows and seed of each file."""


def make(folder: Path, *, edits: Mapping[str, str] | None = None, dev: bool = True) -> Path:
    """Write the tiny model's repository at *folder*; *edits* replace texts in its harness.toml."""
    shutil.copytree(TINY, folder, ignore=shutil.ignore_patterns("__pycache__"))
    edit(folder / "harness.toml", {'"../envs"': f'"{ROOT / "envs"}"', **(edits or {})})
    if not dev:
        edit(folder / "harness.toml", {'dev = "data/dev.csv"\n': ""})
    (folder / "data").mkdir()
    for name, (rows, seed) in ROWS.items():
        write_rows(folder / "data" / f"{name}.csv", rows, seed=seed)
    (folder / ".gitignore").write_text(".harness/\nartifact/\n__pycache__/\n")
    git(folder, "init", "--quiet")
    commit(folder, "The tiny model")
    return folder


def edit(file: Path, edits: Mapping[str, str]) -> None:
    """Replace each key of *edits* in *file*; each must be there."""
    text = file.read_text()
    for old, new in edits.items():
        assert old in text, f"{file} has no {old!r}"
        text = text.replace(old, new)
    file.write_text(text)


def write_rows(file: Path, rows: int, *, seed: int) -> None:
    """Write visits to a shop: minutes, basket (one in ten is missing), city, and who bought."""
    drawn = random.Random(seed)
    with file.open("w", newline="") as out:
        table = csv.writer(out)
        table.writerow(["minutes", "basket", "city", "bought"])
        for _ in range(rows):
            minutes, basket = (round(drawn.uniform(0, 100), 4) for _ in range(2))
            city = drawn.choice(list(CITIES))
            score = 0.3 * (minutes - 50) + 0.3 * (basket - 50) + CITIES[city]
            bought = int(score + drawn.gauss(0, 2) > 0)
            table.writerow([minutes, "" if drawn.random() < 0.1 else basket, city, bought])


def commit(folder: Path, message: str) -> None:
    """Commit all that is there."""
    git(folder, "add", "--all")
    identity = ("-c", "user.name=Tester", "-c", "user.email=tester@example.org")
    git(folder, *identity, "commit", "--quiet", "--message", message)


def git(folder: Path, *arguments: str) -> None:
    """Run git in *folder*."""
    subprocess.run(["git", "-C", folder, *arguments], check=True, capture_output=True)


def with_results_of(folder: Path, known: Path) -> Path:
    """Give *folder* the stages' results of *known*: they count where all that went in is equal."""
    shutil.copytree(known / ".harness" / "stages", folder / ".harness" / "stages")
    return folder
