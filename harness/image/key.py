"""The names under which the store keeps what is a function of something else."""

from __future__ import annotations

from harness.core import canonical
from harness.core.digest import hexadecimal


def key(*parts: object) -> str:
    """Return the store's key for what is a function of *parts*."""
    return hexadecimal(canonical.digest(list(parts)))[:24]
