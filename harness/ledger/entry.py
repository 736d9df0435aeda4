"""An entry of the ledger, and the line it is written as.

A line is the canonical JSON of all but the digest; the digest is that of the line's bytes. So one
bit changed anywhere in a line is another digest, and the next line names the old one as *previous*.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.core import canonical
from harness.core.digest import Digest, of_bytes
from harness.core.errors import LedgerInvalid

SCHEMA = "harness.ledger/1"

GENESIS = "genesis"
POLICY = "policy"
LOOK = "look"
RESULT = "result"
ROLLBACK = "rollback"

_FIELDS: Mapping[str, type | tuple[type, ...]] = {
    "number": int,
    "kind": str,
    "time": str,
    "body": dict,
    "previous": (str, type(None)),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One entry. *number* counts from 0, the genesis; *time* is RFC 3339; *body* a JSON object.

    *previous* is the digest of the entry before, None for the genesis.
    """

    number: int
    kind: str
    time: str
    body: Mapping[str, Any]
    previous: Digest | None
    digest: Digest


def sealed(
    *, number: int, kind: str, time: str, body: Mapping[str, Any], previous: Digest | None
) -> Entry:
    """Return the entry with its digest; its body is what reading it back will give."""
    line = canonical.dumps(
        {"number": number, "kind": kind, "time": time, "body": dict(body), "previous": previous}
    )
    return Entry(digest=of_bytes(line), **json.loads(line))


def line(entry: Entry) -> bytes:
    """Return the bytes that the entry's digest is of."""
    return canonical.dumps(
        {
            "number": entry.number,
            "kind": entry.kind,
            "time": entry.time,
            "body": entry.body,
            "previous": entry.previous,
        }
    )


def parse(text: bytes, digest: Digest, *, number: int) -> Entry:
    """Return the entry that *text* is the line of, its stated *digest* unchecked.

    Raises LedgerInvalid, naming entry *number*, unless *text* is exactly what ``line`` would write:
    a line that means the same in other bytes is a changed line.
    """
    try:
        value = json.loads(text)
        same = isinstance(value, dict) and canonical.dumps(value) == text
    except (ValueError, RecursionError):
        same = False
    if not (
        same
        and set(value) == set(_FIELDS)
        and all(isinstance(value[name], kind) for name, kind in _FIELDS.items())
    ):
        raise invalid(number, "its line is not what was written")
    return Entry(digest=digest, **value)


def invalid(number: int, why: str) -> LedgerInvalid:
    """Return the error that names the first wrong entry."""
    return LedgerInvalid(
        f"entry {number} of the ledger is wrong: {why}",
        hint="go back to a copy in which `harness ledger verify` finds nothing; what this entry "
        "and all after it say can't be relied on",
    )
