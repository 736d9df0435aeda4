"""Which rows fail: asked for many at once, for any of many, or for one at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from harness.contract.batch import Batch, Mask, Refusal

_PROBES = 5


class Oracle(Protocol):
    """Says which rows fail.

    A *bulk* one judges each of many rows in one call of the model; a *group* one says in one call
    whether any of many rows fails; one that is neither must be asked row by row.
    """

    bulk: bool
    group: bool

    def mask(self, batch: Batch) -> Mask:
        """Return which rows fail."""
        ...

    def any(self, batch: Batch) -> bool:
        """Return whether any row fails."""
        ...

    def first(self, batch: Batch) -> int | None:
        """Return the first row that fails; rows after a failing one may be taken to fail too."""
        ...


class Bulk:
    """An oracle that judges many rows in one call. Rows that the model refuses do not count.

    Where it refuses a few rows that are spread over a part, it is taken to refuse the whole part.
    """

    bulk, group = True, True

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
            if batch.rows == 1 or (batch.rows > 2 * _PROBES and self._refuses(batch)):
                return np.zeros(batch.rows, bool)
            half = batch.rows // 2
            parts = np.arange(half), np.arange(half, batch.rows)
            return np.concatenate([self.mask(batch.take(part)) for part in parts])

    def _refuses(self, batch: Batch) -> bool:
        for at in np.linspace(0, batch.rows - 1, _PROBES).astype(int):
            try:
                self._fails(batch.take(np.array([at])))
            except Refusal:
                continue
            return False
        return True

    def any(self, batch: Batch) -> bool:
        """Return whether any row fails."""
        return bool(self.mask(batch).any())

    def first(self, batch: Batch) -> int | None:
        """Return the first row that fails."""
        found = np.flatnonzero(self.mask(batch))
        return int(found[0]) if len(found) else None


class _Bit:
    """An oracle that answers a question with one bit."""

    bulk, group = False, False

    def __init__(self, fails: Callable[[Batch], bool]) -> None:
        """Take what says whether a batch fails."""
        self._fails = fails

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


class Group(_Bit):
    """An oracle for rows that spoil their batch, as one that the model refuses: a batch fails
    when any of its rows does."""

    group = True

    def any(self, batch: Batch) -> bool:
        """Return whether any row fails."""
        return batch.rows > 0 and self._fails(batch)

    def mask(self, batch: Batch) -> Mask:
        """Return which rows fail, by asking for ever smaller groups."""
        found = np.zeros(batch.rows, bool)
        stack = [(np.arange(batch.rows), False)]
        while stack:
            part, known = stack.pop()
            if not len(part) or not (known or self._fails(batch.take(part))):
                continue
            if len(part) == 1:
                found[part] = True
                continue
            half = len(part) // 2
            if self._fails(batch.take(part[:half])):
                stack += [(part[half:], False), (part[:half], True)]
            else:
                stack.append((part[half:], True))
        return found


class Single(_Bit):
    """An oracle that must be asked one row at a time."""

    def any(self, batch: Batch) -> bool:
        """Return whether any row fails; up to one question a row."""
        return any(self._fails(batch.take(np.array([i]))) for i in range(batch.rows))

    def mask(self, batch: Batch) -> Mask:
        """Return which rows fail; one question a row."""
        rows = (batch.take(np.array([i])) for i in range(batch.rows))
        return np.fromiter((self._fails(row) for row in rows), bool, batch.rows)


class Counted:
    """An oracle that counts what it is asked."""

    def __init__(self, oracle: Oracle) -> None:
        """Take whom to ask."""
        self.oracle = oracle
        self.bulk, self.group = oracle.bulk, oracle.group
        self.count = 0

    def mask(self, batch: Batch) -> Mask:
        """Return which rows fail."""
        self.count += 1 if self.bulk else batch.rows
        return self.oracle.mask(batch)

    def any(self, batch: Batch) -> bool:
        """Return whether any row fails."""
        self.count += 1 if self.group else batch.rows
        return self.oracle.any(batch)

    def first(self, batch: Batch) -> int | None:
        """Return the first row that fails."""
        self.count += 1 if self.bulk else 1 + batch.rows.bit_length()
        return self.oracle.first(batch)
