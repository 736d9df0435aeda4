"""What the runtime's tests share: one model repo, one probe, one server a session."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from runtime_models import Repo, Server, Session, make, probing, serving


@pytest.fixture(scope="session")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Repo:
    return make(tmp_path_factory.mktemp("repo"))


@pytest.fixture(scope="session")
def probe(repo: Repo) -> Iterator[Session]:
    with probing(repo, repo.settings()) as session:
        yield session


@pytest.fixture(scope="session")
def odd(repo: Repo) -> Iterator[Session]:
    with probing(repo, repo.odd()) as session:
        yield session


@pytest.fixture
def sockets() -> Iterator[Path]:
    """A short path: a socket's name has at most 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="s") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def server(repo: Repo) -> Iterator[Server]:
    limit = ("--limit", "200000")
    with (
        tempfile.TemporaryDirectory(prefix="s") as folder,
        serving(repo, repo.settings(), Path(folder, "s"), *limit) as running,
    ):
        yield running


@pytest.fixture(scope="session")
def odd_server(repo: Repo) -> Iterator[Server]:
    with (
        tempfile.TemporaryDirectory(prefix="s") as folder,
        serving(repo, repo.odd(), Path(folder, "s")) as running,
    ):
        yield running
