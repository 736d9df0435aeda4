"""A domain: what one column may hold, and which cells it admits."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.contract.batch import Array, Cells, Mask, moment

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MOMENT = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)  # RFC 3339 section 5.6
EARLIEST, LATEST = moment("0001-01-01"), moment("9999-12-31T23:59:59.999999Z")


@dataclass(frozen=True, kw_only=True, slots=True)
class Domain:
    """What one column may hold.

    *kind*: number, integer, boolean, string, date or datetime (the last two are RFC 3339 text or
    moments). *minimum* and *maximum* are inclusive, in microseconds since 1970 for dates. *values*
    is a closed list, unless *open*: then it is what is known, and anything else must be answered.
    """

    name: str
    kind: str
    nullable: bool = False
    minimum: float | int | None = None
    maximum: float | int | None = None
    multiple_of: float | None = None
    values: tuple[Any, ...] = ()
    open: bool = False
    shortest: int = 0
    longest: int | None = None
    pattern: str | None = None

    @property
    def closed(self) -> bool:
        """Whether only *values* are admitted."""
        return bool(self.values) and not self.open

    @property
    def low(self) -> float | int:
        """The least value admitted: any finite float64, any int64, years 0001-9999."""
        if self.minimum is not None:
            return self.minimum
        return {"number": -np.finfo(float).max, "integer": -(2**63)}.get(self.kind, EARLIEST)

    @property
    def high(self) -> float | int:
        """The largest value admitted."""
        if self.maximum is not None:
            return self.maximum
        return {"number": np.finfo(float).max, "integer": 2**63 - 1}.get(self.kind, LATEST)


def admits(domain: Domain, column: Cells) -> Mask:
    """Return which of *column*'s cells *domain* admits."""
    absent = column.absent
    if column.kind == "mixed":
        good = np.fromiter((_admits_one(domain, v) for v in column.values), bool, len(column))
    elif domain.kind in ("number", "integer"):
        good = _admits_numbers(domain, column)
    elif domain.kind == "boolean":
        good = np.full(len(column), column.kind == "boolean")
        if domain.closed and column.kind == "boolean":
            good &= np.isin(column.values, list(domain.values))
    elif domain.kind in ("date", "datetime") and column.kind == "datetime":
        good = (column.values >= domain.low) & (column.values <= domain.high)
    elif column.kind == "string":
        texts = column.values.tolist()
        each = {text: _admits_one(domain, text) for text in dict.fromkeys(texts)}
        good = np.fromiter((each[text] for text in texts), bool, len(texts))
    else:
        good = np.zeros(len(column), bool)
    return np.where(absent, domain.nullable, good)


def _admits_numbers(domain: Domain, column: Cells) -> Mask:
    if column.kind not in ("number", "integer"):
        return np.zeros(len(column), bool)
    values: Array = column.values
    with np.errstate(invalid="ignore"):
        good = np.isfinite(values) & (values >= domain.low) & (values <= domain.high)
        if domain.kind == "integer" and column.kind == "number":
            good &= values == np.floor(values)
        if domain.multiple_of:
            off = np.abs(snap(values, domain.multiple_of) - values)
            good &= off <= 1e-9 * np.maximum(np.abs(values), domain.multiple_of)
    if domain.closed:
        good &= np.isin(values, list(domain.values))
    return good


def snap(values: Array, step: float) -> Array:
    """Return the multiples of *step* nearest to *values* (JSON Schema ``multipleOf``)."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.round(values / step) * step


def _admits_one(domain: Domain, value: Any) -> bool:
    if value is None:
        return domain.nullable
    kind = type_of(value)
    if domain.kind == "boolean" or kind == "boolean":
        return domain.kind == kind and (not domain.closed or value in domain.values)
    if domain.kind in ("number", "integer"):
        if kind not in ("number", "integer"):
            return False
        held = np.array([value], float if kind == "number" else object).astype(float)
        return bool(_admits_numbers(domain, Cells(name="", kind="number", values=held))[0])
    if kind != "string":
        return False
    if domain.kind in ("date", "datetime"):
        form = _DATE if domain.kind == "date" else _MOMENT
        try:
            return bool(form.fullmatch(value)) and domain.low <= moment(value) <= domain.high
        except (ValueError, OverflowError):
            return False
    if domain.closed and value not in domain.values:
        return False
    fits = len(value) >= domain.shortest
    fits = fits and (domain.longest is None or len(value) <= domain.longest)
    return fits and (domain.pattern is None or re.search(domain.pattern, value) is not None)


def type_of(value: Any) -> str:
    """Return the JSON Schema type of a Python value; its class's name where there is none."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    return "string" if isinstance(value, str) else type(value).__name__
