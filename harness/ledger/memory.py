"""A ledger in memory: for trying things out and for tests; gone with its process."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import Any

from harness.core.digest import Digest
from harness.core.errors import LedgerMoved
from harness.ledger import entry as lines
from harness.ledger.chain import Chain
from harness.ledger.entry import GENESIS, SCHEMA, Entry
from harness.world.clock import Clock, stamp


class MemoryLedger:
    """A ledger of this process; safe for its threads."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._lock = Lock()
        self._chain = Chain()
        self._entries: tuple[Entry, ...] = ()
        self._add(GENESIS, {"schema": SCHEMA})

    def entries(self) -> tuple[Entry, ...]:
        """Return every entry."""
        return self._entries

    def append(self, kind: str, body: Mapping[str, Any], *, expected: Digest) -> Entry:
        """Append an entry if the last one's digest is *expected*; see ``Ledger``."""
        with self._lock:
            if self._entries[-1].digest != expected:
                raise LedgerMoved("somebody else appended first", hint="run the same command again")
            return self._add(kind, body)

    def _add(self, kind: str, body: Mapping[str, Any]) -> Entry:
        entry = lines.sealed(
            number=len(self._entries),
            kind=kind,
            time=stamp(self._clock()),
            body=body,
            previous=self._entries[-1].digest if self._entries else None,
        )
        self._chain.admit(entry)
        self._entries = (*self._entries, entry)
        return entry
