"""Which packages share a layer, so that one package's change touches one layer.

Packages of at least 1 MiB lie alone, the largest first while the budget lasts; the rest share
buckets chosen by the hash of their name, which no other package can move.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

ALONE = 1 << 20
LIMIT = 50
"""Layers that packages may take, of the 60 that an image may have (Docker's own limit is 125)."""


def partition(sizes: Mapping[str, int], *, prefix: str, buckets: int) -> dict[str, tuple[str, ...]]:
    """Return layer titles and the packages in each, given every package's bytes."""
    large = sorted(
        (name for name, size in sizes.items() if size >= ALONE),
        key=lambda name: (-sizes[name], name),
    )[: LIMIT // 2 - buckets]
    groups: dict[str, list[str]] = {f"{prefix} {name}": [name] for name in large}
    for name in sorted(set(sizes) - set(large)):
        digest = hashlib.sha256(name.encode()).digest()
        groups.setdefault(f"{prefix} bucket {digest[0] % buckets}", []).append(name)
    return {title: tuple(groups[title]) for title in sorted(groups)}
