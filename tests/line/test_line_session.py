"""Sessions for others: a model's repository outside of this tree, with a noxfile of two lines."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import line_ledger
import line_repository as repository
import pytest
from line_command import Command, Story

NOXFILE = """
from harness.sessions import register

register()
"""


@pytest.mark.network
def test_a_repository_of_one_s_own_is_promoted_by_its_own_noxfile(
    harness: Command, tiny: Callable[..., Path], story: Story
):
    """Harness is installed into the session's own environment, from this checkout."""
    folder = repository.with_results_of(tiny(), story.folder)
    (folder / "noxfile.py").write_text(NOXFILE)

    done = subprocess.run(
        [sys.executable, "-m", "nox", "--session", "promote"],
        cwd=folder,
        env={**harness.env, "HARNESS_REQUIREMENT": str(repository.ROOT)},
        capture_output=True,
        text=True,
    )

    assert 0 == done.returncode, done.stdout + done.stderr
    assert "tiny:1 is the first champion" in done.stdout
    assert [1] == line_ledger.numbers(folder)
    assert (folder / ".nox" / "promote" / "bin" / "harness").is_file()
