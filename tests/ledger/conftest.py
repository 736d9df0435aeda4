"""Every backend runs the same tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.ledger import sqlite
from harness.ledger.ledger import Ledger
from harness.ledger.memory import MemoryLedger
from tests.ledger.scenes import clock


@pytest.fixture(params=["memory", "sqlite"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    if request.param == "memory":
        yield MemoryLedger(clock=clock)
    else:
        with sqlite.open(tmp_path / "ledger.db", create=True, clock=clock) as opened:
            yield opened
