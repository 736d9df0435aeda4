"""One cell of a failing row, to be replaced by other values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.contract.axis import Axis, axis
from harness.contract.batch import Batch, Cells, cells, moment
from harness.contract.domain import admits
from harness.contract.levels import Pool
from harness.contract.oracle import Oracle
from harness.contract.rule import Condition


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """One cell of a failing row (*setting*, a batch of one), to be replaced by other values.

    *witness* is a value that passes there, *passes* are values that pass in other rows. *left* says
    how many questions may still be asked, *most* how many rows at once, *wide* whether to look
    for a second threshold.
    """

    oracle: Oracle
    setting: Batch
    name: str
    pool: Pool
    passes: tuple[Any, ...]
    left: Callable[[], int]
    most: int
    witness: Any = None
    wide: bool = True

    @property
    def bad(self) -> Any:
        """The value that fails."""
        return self.setting[self.name].at(0)

    @property
    def line(self) -> Axis | None:
        """The column's axis, if its values have an order."""
        column = self.setting[self.name]
        if column.kind == "mixed":
            return None
        return axis(self.pool.domain, column.kind, column.dtype)

    def build(self, values: Sequence[Any]) -> Batch:
        """Return the row once for each of *values*."""
        at = np.zeros(len(values), np.int64)
        return self.setting.take(at).put(put_values(self.setting[self.name], values))

    def fails(self, value: Any) -> bool:
        """Return whether the row fails with *value*."""
        return self.oracle.any(self.build([value]))

    def admitted(self, value: Any) -> bool:
        """Return whether the column admits *value*."""
        try:
            held = put_values(self.setting[self.name], [value])
        except (ValueError, OverflowError):
            return False
        return bool(admits(self.pool.domain, held)[0])


Found = tuple[tuple[Condition, ...], Any]
"""The conditions on one cell, and a plainer value that fails; None where there is none."""


def put_values(column: Cells, values: Sequence[Any]) -> Cells:
    """Return *values* (a moment as text) as cells of *column*'s kind, name and dtype."""
    if column.kind == "datetime":
        values = [moment(value) for value in values]
    return cells(column.name, column.kind, values, dtype=column.dtype)


def first_values(column: Cells, count: int) -> list[Any]:
    """Return the first *count* different values of *column*."""
    found = dict.fromkeys(column.at(i) for i in range(min(len(column), 20 * count)))
    return [value for value in found if value is not None][:count]
