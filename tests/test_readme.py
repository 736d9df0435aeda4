"""Every command of the README is run, in a copy of this repository, by a user who has nothing else.

What the README shows of the output must come out again, in that order; only figures and digests
may differ.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
FAILS = {
    "harness check model.joblib --data train.csv --target late --trust": 1,
    "nox -s promote -- examples/flights --challenger broken": 1,
}
"""Commands that the README says end with another exit code than 0."""

MODEL = """
import joblib, numpy, pandas
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

draw = numpy.random.default_rng(0)
rows = pandas.DataFrame({
    "dep_delay": draw.integers(-20, 400, 2000).astype(float),
    "distance": draw.integers(80, 5000, 2000),
    "carrier": draw.choice(["AA", "B6", "UA"], 2000),
    "origin": draw.choice(["EWR", "JFK", "LGA"], 2000),
})
late = numpy.where(rows.dep_delay > 15, "late", "on_time")
rows.assign(late=late).to_csv("train.csv", index=False)
model = make_pipeline(
    make_column_transformer(
        (StandardScaler(), ["dep_delay", "distance"]), (OneHotEncoder(), ["carrier", "origin"])
    ),
    LogisticRegression(max_iter=500),
)
joblib.dump(model.fit(rows, late), "model.joblib")
"""


@dataclass(frozen=True)
class Shown:
    command: str
    output: tuple[str, ...]


def shown() -> list[Shown]:
    found: list[Shown] = []
    for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append(Shown(line[2:], ()))
            elif found and line != "...":
                found[-1] = Shown(found[-1].command, (*found[-1].output, line))
    return found


def shape(line: str) -> str:
    """Return *line* without what may differ from run to run: figures, digests, the commit."""
    line = re.sub(r"(commit|sha256:|replay |replay-)\s?[0-9a-f]+\+?", r"\1#", line)
    line = re.sub(r"-[0-9a-f]{12}\.html", "-#.html", line)
    return re.sub(r"\s+", " ", re.sub(r"[\d,.]*\d", "#", line)).strip()


@dataclass(frozen=True)
class User:
    """Somebody with a fresh copy, a fresh virtual environment, and a model of their own."""

    copy: Path
    model: Path
    venv: Path
    environment: dict[str, str]

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        folder = self.model if "model.joblib" in command else self.copy
        command = command.replace("pip install model-harness", f"pip install {self.copy}")
        return subprocess.run(
            ["bash", "-c", f"set -e; {command}"],
            cwd=folder,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> User:
    folder = tmp_path_factory.mktemp("user")
    copy, model, venv = folder / "harness", folder / "model", folder / "venv"
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    git = ["git", "-C", copy, "-c", "user.name=user", "-c", "user.email=user@example.org"]
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "A fresh clone"]):
        subprocess.run([*git, *arguments], check=True)
    model.mkdir()
    subprocess.run([sys.executable, "-c", MODEL], cwd=model, check=True)
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    kept = {k: v for k, v in os.environ.items() if k not in ("CI", "VIRTUAL_ENV", "PYTHONPATH")}
    environment = {
        **kept,
        "PATH": f"{venv}/bin:/usr/bin:/bin",
        "HARNESS_CACHE": str(cache),
        "NOXSESSION": "",
    }
    environment.pop("NOXSESSION")
    # The model's own libraries, which whoever has a model has installed.
    subprocess.run(
        [venv / "bin" / "pip", "install", "-q", "scikit-learn", "pandas"],
        check=True,
        env=environment,
    )
    return User(copy, model, venv, environment)


@pytest.mark.network
@pytest.mark.parametrize("example", shown(), ids=lambda e: e.command)
def test_the_command_does_what_the_readme_shows(user: User, example: Shown) -> None:
    if example.command == "nox -s lint types tests documents":
        assert "nox --sessions lint types tests documents" in (ROOT / ".ci" / "run").read_text()
        assert user.run("nox --list").returncode == 0
        return

    done = user.run(example.command)

    assert done.returncode == FAILS.get(example.command, 0), done.stdout
    lines = [shape(line) for line in done.stdout.splitlines()]
    at = 0
    for wanted in map(shape, filter(str.strip, example.output)):
        assert wanted in lines[at:], f"{wanted!r} is not in the rest of\n{done.stdout}"
        at = lines.index(wanted, at) + 1


def test_the_test_file_that_the_readme_shows_is_that_of_the_examples() -> None:
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    code = [re.sub(r"\s+#.*", "", block).split() for block in blocks]

    for name in ("penguins", "flights"):
        own = (ROOT / "examples" / name / "test_contract.py").read_text()
        assert re.sub(r"\s+#.*", "", own).split() in code


def test_every_page_that_the_readme_names_is_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_number_of_packages_is_the_one_that_is_counted() -> None:
    from test_weight import MOST_PACKAGES

    found = re.search(r"core installs (\d+) packages", README)

    assert found is not None
    assert int(found[1]) <= MOST_PACKAGES
