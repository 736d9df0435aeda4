"""Cells: one column of a batch, as numpy holds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Mask = NDArray[np.bool_]

KINDS = ("number", "integer", "boolean", "string", "datetime", "mixed")
HELD: Mapping[str, Any] = {
    "number": np.float64,
    "integer": np.int64,
    "boolean": np.bool_,
    "string": object,
    "datetime": np.int64,
    "mixed": object,
}
_EMPTY: Mapping[str, Any] = {
    "number": np.nan,
    "integer": 0,
    "boolean": False,
    "string": "",
    "datetime": 0,
    "mixed": None,
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Cells:
    """One column. *values* by *kind*: number float64, integer int64, boolean bool, string object
    of str, datetime int64 microseconds since 1970 in UTC, mixed object of any JSON value.

    *missing* marks the cells that hold nothing (None: all are there). *dtype* says how the other
    side should hold the column (the words of ``harness.runtime.frame.Column.dtype``).
    """

    name: str
    kind: str
    values: Array
    missing: Mask | None = None
    dtype: str = ""

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.values)

    @property
    def absent(self) -> Mask:
        """Where nothing is held, as a mask of its own."""
        return np.zeros(len(self), bool) if self.missing is None else self.missing

    def take(self, indices: Array) -> Cells:
        """Return the cells at *indices* (integers, a slice of them, or a mask)."""
        missing = None if self.missing is None else self.missing[indices]
        return replace(self, values=self.values[indices], missing=missing)

    def at(self, row: int) -> Any:
        """Return one cell as a Python value: a datetime as RFC 3339 text, missing as None."""
        if self.missing is not None and self.missing[row]:
            return None
        value = self.values[row]
        if self.kind == "datetime":
            return moment_text(int(value))
        return value.item() if isinstance(value, np.generic) else value


def cells(name: str, kind: str, values: Sequence[Any], *, dtype: str = "") -> Cells:
    """Return the Python *values* as cells; None is missing (kept as it is in a mixed column)."""
    absent = np.fromiter((v is None for v in values), bool, len(values))
    held = np.empty(len(values), HELD[kind])
    held[:] = [_EMPTY[kind] if v is None else v for v in values] if len(values) else []
    return Cells(
        name=name, kind=kind, values=held, missing=absent if absent.any() else None, dtype=dtype
    )


def mixed(column: Cells) -> Cells:
    """Return *column* as Python objects, so that any one cell may be replaced by anything."""
    return cells(column.name, "mixed", [column.at(i) for i in range(len(column))])


def joined(parts: Sequence[Cells]) -> Cells:
    """Return the cells of *parts* under each other; of whole and other numbers as numbers, of any
    two kinds mixed."""
    kinds = {part.kind for part in parts}
    if kinds == {"integer", "number"}:
        parts = [replace(p, kind="number", values=p.values.astype(float), dtype="") for p in parts]
    elif len(kinds) > 1:
        parts = [mixed(part) for part in parts]
    missing = None
    if any(part.missing is not None for part in parts):
        missing = np.concatenate([part.absent for part in parts])
    return replace(
        parts[0], values=np.concatenate([part.values for part in parts]), missing=missing
    )


def with_gaps(column: Cells) -> Cells:
    """Return *column* with every NaN marked as missing, as tables mean it."""
    if column.kind == "number":
        missing = np.isnan(column.values) | column.absent
    elif column.kind == "mixed":
        held = column.values.tolist()
        missing = np.fromiter((v is None or v != v for v in held), bool, len(column))
    else:
        return column
    return replace(column, missing=missing if missing.any() else None)


def moment_text(microseconds: int) -> str:
    """Return a moment as RFC 3339 in UTC; out of years 0001-9999 as the plain number."""
    try:
        moment = _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return f"{microseconds} us since 1970"
    return moment.isoformat().replace("+00:00", "Z")


def moment(text: str) -> int:
    """Return the microseconds since 1970 in UTC of an RFC 3339 date or date-time.

    Raises ValueError for what is neither.
    """
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=UTC)
    return (parsed - _EPOCH) // timedelta(microseconds=1)
