"""What a ledger says, read and verified by the product's own reader."""

from __future__ import annotations

from pathlib import Path

from harness.ledger import sqlite
from harness.ledger.entry import Entry
from harness.world import clock


def entries(folder: Path) -> tuple[Entry, ...]:
    """Return the verified entries of the ledger of the model in *folder*."""
    with sqlite.open(folder / ".harness" / "ledger.db", create=False, clock=clock.now) as ledger:
        return ledger.entries()


def kinds(folder: Path) -> list[str]:
    """Return the kinds of the entries, oldest first."""
    return [entry.kind for entry in entries(folder)]


def numbers(folder: Path) -> list[int]:
    """Return the numbers that promotions gave, oldest first."""
    found = [entry.body.get("number") for entry in entries(folder) if entry.kind == "result"]
    return [number for number in found if number is not None]
