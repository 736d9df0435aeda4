"""Digests: ``sha256:`` and 64 hexadecimal digits, the form of the OCI image specification."""

from __future__ import annotations

import hashlib
import re
from typing import NewType

from harness.core.errors import HashMismatch

Digest = NewType("Digest", str)

PREFIX = "sha256:"
_FORM = re.compile(r"sha256:[0-9a-f]{64}")


def of_bytes(data: bytes) -> Digest:
    """Return the digest of *data*."""
    return Digest(PREFIX + hashlib.sha256(data).hexdigest())


def of_hex(hexadecimal: str) -> Digest:
    """Return the digest whose 64 hexadecimal digits are given."""
    return Digest(PREFIX + hexadecimal)


def hexadecimal(digest: Digest) -> str:
    """Return the 64 hexadecimal digits of *digest*, which name files: so HashMismatch is raised for
    what is no digest, whoever said it."""
    if not is_digest(digest):
        raise HashMismatch(
            f"{digest!r} is no digest: sha256: and 64 of 0-9, a-f",
            hint="get what names it from another source",
        )
    return digest.removeprefix(PREFIX)


def is_digest(text: object) -> bool:
    """Tell whether *text* is a digest of the one algorithm that we know."""
    return isinstance(text, str) and _FORM.fullmatch(text) is not None


def short(digest: Digest) -> str:
    """Return what a person reads: the algorithm and the first 12 digits."""
    return digest[: len(PREFIX) + 12]
