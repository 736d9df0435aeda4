"""Which rows fail: asked for many at once, or for one at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from harness.contract.batch import Batch, Mask, Refusal


class Oracle(Protocol):
    """Says which rows fail. *bulk* ones answer for many rows in one call of the model."""

    bulk: bool

    def mask(self, batch: Batch) -> Mask:
        """Return which rows fail."""
        ...

    def first(self, batch: Batch) -> int | None:
        """Return the first row that fails; rows after a failing one may be taken to fail too."""
        ...


class Bulk:
    """An oracle that judges many rows in one call. Rows that the model refuses do not count."""

    bulk = True

    def __init__(self, fails: Callable[[Batch], Mask]) -> None:
        """Take what says which rows of a batch fail."""
        self._fails = fails

    def mask(self, batch: Batch) -> Mask:
        """Return which rows fail."""
        if not batch.rows:
            return np.zeros(0, bool)
        try:
            return self._fails(batch)
        except Refusal:
            if batch.rows == 1:
                return np.zeros(1, bool)
            half = batch.rows // 2
            parts = np.arange(half), np.arange(half, batch.rows)
            return np.concatenate([self.mask(batch.take(part)) for part in parts])

    def first(self, batch: Batch) -> int | None:
        """Return the first row that fails."""
        found = np.flatnonzero(self.mask(batch))
        return int(found[0]) if len(found) else None


class Single:
    """An oracle that must be asked one row at a time, as when a failing row spoils its batch."""

    bulk = False

    def __init__(self, fails: Callable[[Batch], bool]) -> None:
        """Take what says whether a batch of one row fails."""
        self._fails = fails

    def mask(self, batch: Batch) -> Mask:
        """Return which rows fail; one question a row."""
        rows = (batch.take(np.array([i])) for i in range(batch.rows))
        return np.fromiter((self._fails(row) for row in rows), bool, batch.rows)

    def first(self, batch: Batch) -> int | None:
        """Return the first row that fails by bisection: rows after it are taken to fail too."""
        low, high = 0, batch.rows - 1
        if high < 0 or not self._fails(batch.take(np.array([high]))):
            return None
        while low < high:
            middle = (low + high) // 2
            if self._fails(batch.take(np.array([middle]))):
                high = middle
            else:
                low = middle + 1
        return high
