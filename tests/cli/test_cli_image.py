"""``harness image``: what it writes for others, and where it doesn't."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli.main import main


@pytest.mark.parametrize("verb", [("export",), ("evidence", "--layout")])
def test_a_folder_of_something_else_is_left_alone(verb: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text("mine")

    done = CliRunner().invoke(
        main,
        ["image", *verb, "anything", "--to", str(tmp_path)],
        env={"HARNESS_CACHE": str(tmp_path / "cache")},
        catch_exceptions=False,
    )

    assert (2, "mine") == (done.exit_code, (tmp_path / "index.json").read_text())
    assert "holds something else than an image" in done.output
    assert "hint: " in done.output
