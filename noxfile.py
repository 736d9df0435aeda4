"""This repository's sessions: ``nox`` runs lint, types, tests, documents; ``nox -l`` lists all.

Needs nothing but ``pip install nox``: harness/sessions.py is found beside this file.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nox

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT))

from harness.sessions import register  # noqa: E402

nox.needs_version = ">=2025.2.9"
nox.options.sessions = ["lint", "types", "tests", "documents"]
nox.options.reuse_existing_virtualenvs = True

EVERYTHING = "promote,uv,debian,registry,sign"
APART = (
    *("tests/benchmarks", "tests/cli", "tests/content", "tests/contract", "tests/decision"),
    *("tests/ledger", "tests/report", "tests/runtime", "tests/spec", "tests/world"),
)


def _group(name: str) -> tuple[str, ...]:
    return nox.project.dependency_groups(nox.project.load_toml("pyproject.toml"), name)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, formatting and the direction of imports."""
    session.install(*_group("lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("lint-imports", "--no-cache", env={"PYTHONPATH": str(ROOT)})


@nox.session
def types(session: nox.Session) -> None:
    """Check types, strictly."""
    session.install("-e", f".[{EVERYTHING}]", *_group("types"))
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests; what follows -- goes to pytest."""
    session.install("-e", f".[{EVERYTHING}]", *_group("tests"))
    if session.posargs:
        session.run("pytest", *session.posargs)
        return
    session.run("pytest", "-n", "2", *APART)  # thousands of small tests that share nothing
    session.run("pytest", *(f"--ignore={place}" for place in APART))


@nox.session
def documents(session: nox.Session) -> None:
    """Run the tests of documents with a Hypothesis that hypothesis-jsonschema works with."""
    session.install("--require-hashes", "-r", "tests/documents/requirements.txt")
    session.install("--no-deps", "-e", ".")
    session.run("pytest", "tests/documents", *session.posargs)


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Run a benchmark: nox -s bench -- benchmarks/ROOM/NAME.py [its arguments]."""
    if not session.posargs:
        found = sorted(str(path) for path in Path("benchmarks").rglob("*.py"))
        session.error("name one after --: " + ", ".join(found))
    session.install("-e", f".[{EVERYTHING}]", *_group("tests"))
    session.run("python", *session.posargs)


register(folder="examples/penguins")
