"""What a ledger is to its callers: all that was ever appended, and one more entry on top."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from harness.core.digest import Digest
from harness.ledger.entry import Entry


class Ledger(Protocol):
    """An open ledger; the same tests hold for every backend."""

    def entries(self) -> tuple[Entry, ...]:
        """Return every entry, the genesis first, verified; raises LedgerInvalid."""

    def append(self, kind: str, body: Mapping[str, Any], *, expected: Digest) -> Entry:
        """Append an entry and return it, durable, if the last entry's digest is *expected*.

        Raises LedgerMoved when somebody else appended first, LedgerInvalid when the entry breaks a
        rule of ``chain``; neither writes anything.
        """
