"""The whole line, as processes: a model's repository, the command, and results to build on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import line_repository
import pytest
from line_command import Command, Done, Story


@pytest.fixture(scope="session")
def harness(cache: Path, tabular: object) -> Command:
    """The command, with a cache that holds the curated environment."""
    return Command(cache)


@pytest.fixture(scope="session")
def story(harness: Command, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Promote the tiny model, again, a better one, one that is no better, and a broken one."""
    folder = line_repository.make(tmp_path_factory.mktemp("story") / "tiny")

    def promote(*more: str) -> Done:
        return harness("promote", folder, "--output", "json", *more)

    runs = {
        "first": promote(),
        "again": promote(),
        "other": promote("--challenger", "other"),
        "best": promote("--challenger", "best"),
        "worse": promote("--challenger", "worse"),
        "required": promote("--challenger", "worse", "--require", "promoted"),
        "broken": promote("--challenger", "broken"),
    }
    return Story(folder, runs)


@pytest.fixture
def tiny(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that makes a repository of the tiny model for this test alone."""
    return lambda **how: line_repository.make(tmp_path / "tiny", **how)
