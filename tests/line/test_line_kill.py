"""kill -9 at any moment: the same command goes on, and nothing is left of the one that was killed.

One repository is taken along the line. In each step the command is killed three times, at moments
that are seen from outside, and each time the next one must get past what the last had reached.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import line_ledger
import line_repository
import pytest
from line_command import Command
from line_processes import at, awaited, no_orphans

MOMENTS = {
    "data": (("read holdout.csv", 0.3), ("read train.csv", 0.0), ("read train.csv", 0.3)),
    "training": (("train", 0.0), ("train", 0.2), ("train", 0.3)),
    "imports": (("imports", 0.0), ("imports", 0.4), ("imports", 1.2)),
    "contract": (("contract", 0.0), ("contract", 0.4), ("contract", 0.6)),
    "smoke_train": (("sample", 0.0), ("train", 0.3), ("predict", 0.3)),
    "integration": (("probe", 0.2), ("serve", 0.0), ("serve", 0.8)),
    "decision": (("judge", 0.0), ("judge", 0.2), ("judge", 0.3)),
}
"""For each step: the job that runs, and up to how much of its time is let pass before the kill."""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose code nobody has trained before, without rows for a dev screen."""
    folder = line_repository.make(tmp_path_factory.mktemp("killed") / "tiny", dev=False)
    (folder / "tiny" / "__init__.py").write_text(f"NAME = {os.urandom(8).hex()!r}\n")
    for name, (rows, _) in line_repository.ROWS.items():
        drawn = random.SystemRandom().randrange(2**32)
        line_repository.write_rows(folder / "data" / f"{name}.csv", rows, seed=drawn)
    return folder


def kill(
    harness: Command, arguments: tuple[str | Path, ...], seen: Callable[[int], bool], log: Path
):
    """Start the command, kill it once *seen* of its process id is true, await the end of all."""
    with no_orphans():
        process = harness.start(*arguments, output=log)
        try:
            awaited(process, lambda: seen(process.pid))
        finally:
            process.kill()
        assert -signal.SIGKILL == process.wait(), log.read_text()


@pytest.mark.parametrize("step", MOMENTS)
def test_a_run_that_is_killed_leaves_nothing_and_the_next_goes_on(
    harness: Command, repository: Path, tmp_path: Path, step: str
):
    drawn = random.Random(step)
    stages = repository / ".harness" / "stages"
    for label, most in MOMENTS[step]:
        moment = at(label, drawn.uniform(most / 2, most))
        kill(harness, ("promote", repository), moment, tmp_path / "log")

        kinds = line_ledger.kinds(repository)
        if step == "decision":
            assert ["genesis", "policy", "look"] == kinds
        elif step != "data":
            assert ["genesis", "policy"] == kinds
        for result in stages.glob(f"{step}-*"):  # the kill came late: whole, and off for the next
            assert json.loads(result.read_text())
            result.unlink()
        assert [] == sockets(harness.cache)
        assert [] == mounts(harness.cache)


def test_the_run_that_is_let_go_on_ends_with_one_look_and_all_whole(
    harness: Command, repository: Path
):
    left = scratch(harness.cache)
    known = set(os.listdir(harness.cache / "blobs" / "sha256"))
    done = harness("promote", repository, "--output", "json")
    verified = harness("ledger", "verify", "--folder", repository)

    assert 0 == done.code, done.err
    assert ("PROMOTE", 1) == (done.body["verdict"], done.body["number"])
    assert 0 == verified.code, verified.err
    assert ["genesis", "policy", "look", "result"] == line_ledger.kinds(repository)
    assert not left & scratch(harness.cache), "what killed runs left is removed by the next"
    assert known <= set(os.listdir(harness.cache / "blobs" / "sha256"))
    assert [] == half(harness.cache)


def test_a_build_that_is_killed_leaves_nothing_and_the_next_goes_on(
    harness: Command, cold: Path, tmp_path: Path, tabular
):
    mine = harness.having(cache=cold)
    command = ("build", "tabular", "--envs", line_repository.ROOT / "envs")
    packages = len(os.listdir(cold / "blobs" / "sha256"))

    unpacking, compiling, layering = ("t", 1), ("t", packages + 5), ("d/layer", 1)
    left = set()
    for what, count in (unpacking, compiling, layering):
        kill(mine, command, lambda _, w=what, n=count: entries(cold / w) >= n, tmp_path / "log")
        assert [] == half(cold)
        left |= scratch(cold)
    done = mine(*command, "--output", "json")

    assert 0 == done.code, done.err
    assert tabular.image.config == done.body["config"]
    assert "passed" == done.body["imports"]["outcome"]
    assert left, "it was killed while it made something"
    assert not scratch(cold)
    assert [] == half(cold)


@pytest.fixture
def cold(cache: Path, tabular_lock) -> Iterator[Path]:
    """A cache that holds what the environment's lock names, and nothing made of it."""
    folder = cache.with_name(f"harness-cold-{os.getpid()}")
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    for item in (*tabular_lock.debs, *tabular_lock.packages):
        name = item.digest.removeprefix("sha256:")
        os.link(cache / "blobs" / "sha256" / name, blobs / name)
    yield folder
    shutil.rmtree(folder)


def entries(folder: Path) -> int:
    """Return how many names *folder* holds; 0 when it is not there."""
    return len(os.listdir(folder)) if folder.is_dir() else 0


def scratch(cache: Path) -> set[str]:
    """Return the scratch folders."""
    return set(os.listdir(cache / "run")) if (cache / "run").is_dir() else set()


def half(cache: Path) -> list[str]:
    """Return the blobs whose bytes are not those of their names."""
    wrong = []
    for path in (cache / "blobs" / "sha256").iterdir():
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != path.name:
                wrong.append(path.name)
    return wrong


def sockets(cache: Path) -> list[str]:
    """Return the unix sockets below *cache* that anybody listens on."""
    return [line for line in Path("/proc/net/unix").read_text().splitlines() if str(cache) in line]


def mounts(cache: Path) -> list[str]:
    """Return the mounts of this machine that show something of *cache*."""
    return [line for line in Path("/proc/mounts").read_text().splitlines() if str(cache) in line]
