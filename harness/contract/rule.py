"""A rule: what a row must hold to fail, as conditions on named cells."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.contract.batch import Batch, Cells, Mask, moment, moment_text

_COMPARE: Mapping[str, Any] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """One cell's part in a rule: *column* *sign* *value*.

    *sign* is ``< <= > >= ==``, ``in`` (*value* is a tuple), ``missing``, or ``unseen`` (*value* is
    the tuple of known values). A comparison of a moment is in microseconds since 1970; *form* is
    then ``date`` or ``datetime``, as the moment is written.
    """

    column: str
    sign: str
    value: Any = None
    form: str = ""

    def matches(self, cells: Cells) -> Mask:
        """Return which of *cells* hold it."""
        there = ~cells.absent
        match self.sign:
            case "missing":
                return ~there
            case "==":
                return there & _equal(cells, (self.value,))
            case "in":
                return there & _equal(cells, self.value)
            case "unseen":
                return there & ~_equal(cells, self.value)
        ordered = cells.values
        if cells.kind == "string":
            ordered = np.array([_moment(text) for text in cells.values], float)
        elif cells.kind == "mixed":
            return np.zeros(len(cells), bool)
        with np.errstate(invalid="ignore"):
            compared: Mask = np.asarray(_COMPARE[self.sign](ordered, self.value), bool)
        return there & compared

    @property
    def text(self) -> str:
        """The condition for a reader."""
        match self.sign:
            case "missing":
                return f"{self.column} is missing"
            case "unseen":
                return f"{self.column} is a value that training data don't have"
            case "in":
                return f"{self.column} in {self.value!r}"
        shown = self.value
        if self.form and isinstance(shown, int):
            shown = moment_text(shown)[: 10 if self.form == "date" else None]
        return f"{self.column} {self.sign} {shown!r}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """Conditions that hold together; none at all is a rule for every row."""

    conditions: tuple[Condition, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it speaks of."""
        return tuple(dict.fromkeys(condition.column for condition in self.conditions))

    @property
    def text(self) -> str:
        """The rule for a reader: ``age < 18 and region == 'north'``."""
        if not self.conditions:
            return "every row"
        return " and ".join(condition.text for condition in self.conditions)

    def matches(self, batch: Batch) -> Mask:
        """Return which rows of *batch* hold every condition."""
        found = np.ones(batch.rows, bool)
        for condition in self.conditions:
            found &= condition.matches(batch[condition.column])
        return found


def _equal(cells: Cells, values: tuple[Any, ...]) -> Mask:
    held = set(values)
    if cells.kind == "datetime":
        held = {moment(v) if isinstance(v, str) else v for v in values}
    return np.fromiter((v in held for v in cells.values.tolist()), bool, len(cells))


def _moment(text: str) -> float:
    try:
        return moment(text)
    except ValueError:
        return np.nan
