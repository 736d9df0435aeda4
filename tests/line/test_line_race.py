"""Two people promote at once: one order of champions, and every number given once."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import line_ledger
import line_repository
import pytest
from line_command import Command, Story
from line_processes import at, awaited

from harness.core.errors import LedgerMissing


@pytest.fixture
def repository(tmp_path: Path, story: Story) -> Path:
    """A repository with no ledger yet, whose stages have all passed before."""
    folder = line_repository.make(tmp_path / "tiny")
    return line_repository.with_results_of(folder, story.folder)


def result(process: subprocess.Popen[bytes], output: Path) -> dict:
    """Return the JSON of a run that was started, once it has ended well."""
    assert 0 == process.wait(120), output.read_text()
    return json.loads(output.read_text())


def test_the_same_model_promoted_twice_at_once_gets_one_number_for_one_look(
    harness: Command, repository: Path, tmp_path: Path
):
    command = ("promote", repository, "--output", "json")
    outputs = [tmp_path / "one", tmp_path / "two"]
    processes = [harness.start(*command, output=output) for output in outputs]
    found = [result(*pair) for pair in zip(processes, outputs, strict=True)]

    assert {1} == {run["number"] for run in found}
    assert "PROMOTE" in {run["verdict"] for run in found}
    assert ["genesis", "policy", "look", "result"] == line_ledger.kinds(repository)
    assert {1} == {run["look"]["number"] for run in found}
    assert 0 == harness("ledger", "verify", "--folder", repository).code


def test_two_good_ones_at_once_end_in_one_order_with_numbers_in_a_row(
    harness: Command, repository: Path, tmp_path: Path
):
    variants = {"": tmp_path / "one", "best": tmp_path / "two"}
    processes = {
        name: harness.start(
            "promote", repository, "--challenger", name, "--output", "json", output=output
        )
        for name, output in variants.items()
    }
    found = {name: result(processes[name], output) for name, output in variants.items()}

    numbers = line_ledger.numbers(repository)
    assert list(range(1, len(numbers) + 1)) == numbers
    assert found["best"]["number"] == len(numbers), "the better one is champion in the end"
    assert ("PROMOTE" == found[""]["verdict"]) == (2 == len(numbers))
    assert 0 == harness("ledger", "verify", "--folder", repository).code


def test_who_is_overtaken_after_the_look_is_compared_with_the_new_champion(
    harness: Command, repository: Path, tmp_path: Path
):
    output = tmp_path / "slow"
    slow = harness.start(
        "promote", repository, "--challenger", "best", "--output", "json", output=output
    )
    try:
        awaited(slow, lambda: _looks(repository) and at("judge", 0.0)(slow.pid))
        slow.send_signal(signal.SIGSTOP)
        overtaking = harness("promote", repository, "--output", "json")
    finally:
        slow.send_signal(signal.SIGCONT)
    overtaken = result(slow, output)

    assert ("PROMOTE", 1) == (overtaking.body["verdict"], overtaking.body["number"])
    assert ("PROMOTE", 2) == (overtaken["verdict"], overtaken["number"])
    assert "tiny:1" == overtaken["champion"]["name"]
    looks = [e for e in line_ledger.entries(repository) if e.kind == "look"]
    results = [e for e in line_ledger.entries(repository) if e.kind == "result"]
    assert 3 == len(looks), "the look at the baseline is spent, its bit was never told"
    assert [looks[1].digest, looks[2].digest] == [e.body["look"] for e in results]
    assert 0 == harness("ledger", "verify", "--folder", repository).code


def _looks(repository: Path) -> int:
    try:
        return line_ledger.kinds(repository).count("look")
    except LedgerMissing:  # a run that has just begun has none yet
        return 0
