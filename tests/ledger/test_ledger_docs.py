"""docs/ledger.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.ledger import entry

PAGE = (Path(__file__).parents[2] / "docs" / "ledger.md").read_text()


def test_its_example_runs() -> None:
    (block,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
    names: dict[str, object] = {}

    exec(block, names)

    assert "look" in names


@pytest.mark.parametrize(
    "word", [entry.GENESIS, entry.POLICY, entry.LOOK, entry.RESULT, entry.ROLLBACK]
)
def test_it_explains_every_kind_of_entry(word: str) -> None:
    assert f"| `{word}` |" in PAGE


@pytest.mark.parametrize(
    "error",
    [
        "LedgerMissing",
        "LedgerInvalid",
        "LedgerUnavailable",
        "LedgerMoved",
        "PolicyChanged",
        "NoLooksLeft",
        "UnknownModel",
    ],
)
def test_it_explains_every_error_of_the_ledger(error: str) -> None:
    assert f"| `{error}` |" in PAGE
