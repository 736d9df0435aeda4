"""Digests: ``sha256:`` and 64 hexadecimal digits, the form of the OCI image specification."""

from __future__ import annotations

import hashlib
from typing import NewType

Digest = NewType("Digest", str)

PREFIX = "sha256:"


def of_bytes(data: bytes) -> Digest:
    """Return the digest of *data*."""
    return Digest(PREFIX + hashlib.sha256(data).hexdigest())


def of_hex(hexadecimal: str) -> Digest:
    """Return the digest whose 64 hexadecimal digits are given."""
    return Digest(PREFIX + hexadecimal)


def hexadecimal(digest: Digest) -> str:
    """Return the 64 hexadecimal digits of *digest*."""
    return digest.removeprefix(PREFIX)


def short(digest: Digest) -> str:
    """Return what a person reads: the algorithm and the first 12 digits."""
    return PREFIX + hexadecimal(digest)[:12]
