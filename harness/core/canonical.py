"""Canonical JSON: one value, one sequence of bytes.

Sorted keys, no spaces, UTF-8, no NaN or infinity (the rules of RFC 8785 that Python's encoder
can keep; numbers are written as Python writes them, which is the shortest form that round-trips).
"""

from __future__ import annotations

import json
from typing import Any

from harness.core.digest import Digest, of_bytes


def dumps(value: Any) -> bytes:
    """Return *value* as canonical JSON; raises ValueError for NaN and infinities."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def digest(value: Any) -> Digest:
    """Return the digest of *value*'s canonical JSON."""
    return of_bytes(dumps(value))
