"""How much of the combinations of levels was tried: t-way coverage, counted, not estimated.

The levels that count are the stated ones of each pool (``harness.contract.levels``: bounds and
their neighbours, the median, zero, a missing value, common and unseen categories).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import comb, prod

import numpy as np

from harness.contract.batch import Array, Mask

_SETS = {2: 500, 3: 500, 4: 120}
"""How many sets of t columns are counted, at most; beyond that, an even sample of them."""


class Coverage:
    """Counts which combinations of stated levels rows have held, for t = 3 and 4 (or 2)."""

    def __init__(self, levels: Sequence[int], *, sizes: Sequence[int] = (3, 4)) -> None:
        """Take the number of stated levels of each column, and the t that are counted."""
        self._levels = tuple(levels)
        self._seen: dict[tuple[int, ...], Mask] = {}
        for size in sizes:
            most = _SETS[size]
            for columns in _sets(len(levels), size, most):
                self._seen[columns] = np.zeros(prod(levels[c] for c in columns), bool)

    def add(self, codes: Array) -> None:
        """Count rows of stated levels: *codes* (n, columns), each the position of a level."""
        wide = codes.astype(np.int32)
        for columns, seen in self._seen.items():
            if seen.all():
                continue
            flat = wide[:, columns[0]]
            for column in columns[1:]:
                flat = flat * self._levels[column] + wide[:, column]
            seen[flat] = True

    def shares(self) -> Mapping[int, float]:
        """Return the share of combinations tried, by t; t columns or more must exist."""
        found: dict[int, float] = {}
        for size in _SETS:
            masks = [seen for columns, seen in self._seen.items() if len(columns) == size]
            if masks:
                tried = sum(int(mask.sum()) for mask in masks)
                found[size] = tried / sum(len(mask) for mask in masks)
        return found


def _sets(columns: int, size: int, most: int) -> list[tuple[int, ...]]:
    if comb(columns, size) <= most:
        return list(combinations(range(columns), size))
    draw = np.random.default_rng(size)  # fixed: the same sets in every run
    found: set[tuple[int, ...]] = set()
    while len(found) < most:
        found.add(tuple(sorted(draw.choice(columns, size, replace=False).tolist())))
    return sorted(found)
