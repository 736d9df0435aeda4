"""A repository outside of this tree: two lines in its noxfile, and the sessions are there."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import line_repository as repository
import pytest
from line_command import Command


@pytest.mark.network
def test_a_repository_elsewhere_goes_the_whole_line_by_nox(
    harness: Command, tiny: Callable[..., Path]
) -> None:
    folder = tiny()
    (folder / "noxfile.py").write_text("from harness.sessions import register\n\nregister()\n")

    done = subprocess.run(
        [sys.executable, "-m", "nox", "--sessions", "contract", "promote"],
        cwd=folder,
        env={**harness.env, "HARNESS_REQUIREMENT": str(repository.ROOT)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )

    assert done.returncode == 0, done.stdout
    verdict = json.loads((folder / ".harness" / "verdict.json").read_text())
    assert verdict["verdict"] == "PROMOTE"
    assert [s["outcome"] for s in verdict["stages"]] == ["passed"] * 5
    contract = next(s for s in verdict["stages"] if s["stage"] == "contract")
    assert contract["cached"], "the session before had run it"
