"""A rule: what a row must hold to fail, as conditions on named cells."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.contract.axis import shortest
from harness.contract.batch import Array, Batch, Cells, Mask, moment, moment_text

_COMPARE: Mapping[str, Any] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
}
_JOIN: Mapping[str, Any] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
}
_LISTED = 6
_LONG_TEXT, _SHOWN_OF_TEXT = 120, 60
_TURNED: Mapping[str, str] = {">": "<", ">=": "<="}


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """One cell's part in a rule: *column* *sign* *value*.

    *sign* is ``< <= > >= ==``, ``in`` (*value* is a tuple), ``missing``, ``there`` (not missing),
    ``not in``, ``unseen`` (*value* is the tuple of known values), ``or unseen`` (*value* is known
    values that fail, and known ones that pass) or ``text`` (*value* is a ``texts.Property``).
    A comparison of a moment is in microseconds since 1970; *form* is then ``date`` or ``datetime``,
    as the moment is written. Where the threshold was not found exactly, *known* is the value
    nearest to it that is known to fail.
    """

    column: str
    sign: str
    value: Any = None
    form: str = ""
    known: Any = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it speaks of."""
        return (self.column,)

    def holds(self, batch: Batch) -> Mask:
        """Return which rows of *batch* hold it."""
        return self.matches(batch[self.column])

    def matches(self, cells: Cells) -> Mask:
        """Return which of *cells* hold it."""
        there = ~cells.absent
        match self.sign:
            case "missing":
                return ~there
            case "there":
                return there
            case "==":
                return there & _equal(cells, (self.value,))
            case "in":
                return there & _equal(cells, self.value)
            case "unseen" | "not in":
                return there & ~_equal(cells, self.value)
            case "or unseen":
                return there & ~_equal(cells, self.value[1])
            case "text":
                if cells.kind != "string":
                    return np.zeros(len(cells), bool)
                held = (self.value.holds(text) for text in cells.values.tolist())
                return np.asarray(there & np.fromiter(held, bool, len(cells)), bool)
        if cells.kind == "mixed":
            return np.zeros(len(cells), bool)
        with np.errstate(invalid="ignore"):
            compared: Mask = np.asarray(_COMPARE[self.sign](ordered(cells), self.value), bool)
        return there & compared

    @property
    def text(self) -> str:
        """The condition for a reader."""
        match self.sign:
            case "missing":
                return f"{self.column} is missing"
            case "there":
                return f"{self.column} is not missing"
            case "unseen":
                return f"{self.column} is a value that training data don't have"
            case "or unseen":
                fails = _listed(self.value[0])
                return f"{self.column} is one of {fails} or a value that training data don't have"
            case "in" | "not in":
                return f"{self.column} {self.sign} {_listed(self.value)}"
            case "text":
                return f"{self.column} {self.value.text}"
        if self.known is None:
            return f"{self.column} {self.sign} {self.shown}"
        return f"{self.column} {self.sign} {self.shown} (known to fail from {self.known!r})"

    @property
    def shown(self) -> str:
        """The value for a reader."""
        shown = self.value
        if isinstance(shown, float) and isinstance(self.known, float):
            shown = shortest(shown, shown + (self.known - shown) / 16)  # the threshold is beyond
        if self.form and isinstance(shown, int):
            shown = moment_text(shown)[: 10 if self.form == "date" else None]
        return brief(shown)


def _listed(values: Sequence[Any]) -> str:
    """Return *values* as a tuple for a reader, many of them by the first ones and their number."""
    if len(values) <= _LISTED:
        few = ", ".join(brief(value) for value in values)
        return f"({few},)" if len(values) == 1 else f"({few})"
    few = ", ".join(brief(value) for value in values[: _LISTED // 2])
    return f"({few}, … {len(values)} such values)"


def brief(value: Any) -> str:
    """Return *value* as Python writes it; a long text by its beginning and its length."""
    if isinstance(value, str) and len(value) > _LONG_TEXT:
        return f"{value[:_SHOWN_OF_TEXT]!r}… ({len(value):,} characters)"
    return repr(value)


@dataclass(frozen=True, kw_only=True, slots=True)
class Relation:
    """Two cells' part in a rule: *column* *sign* *other*, or, with an arithmetic *join*
    (``+ - * /``), *column* *join* *other* *sign* *value*. *form* is ``date`` or ``datetime`` where
    the two are moments: their difference is in microseconds."""

    column: str
    other: str
    sign: str
    join: str = ""
    value: float = 0.0
    form: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it speaks of."""
        return self.column, self.other

    def holds(self, batch: Batch) -> Mask:
        """Return which rows of *batch* hold it."""
        left, right = batch[self.column], batch[self.other]
        there = ~(left.absent | right.absent)
        if not self.join and self.sign == "==" and left.kind == right.kind == "string":
            return np.asarray(there & (left.values == right.values), bool)
        one, other = ordered(left), ordered(right)
        with np.errstate(all="ignore"):
            if not self.join:
                return np.asarray(there & _COMPARE[self.sign](one, other), bool)
            joined = _JOIN[self.join](one.astype(float), other.astype(float))
            return np.asarray(there & _COMPARE[self.sign](joined, self.value), bool)

    @property
    def text(self) -> str:
        """The relation for a reader."""
        if not self.join:
            return f"{self.column} {self.sign} {self.other}"
        return f"{self.column} {self.join} {self.other} {self.sign} {self._shown}"

    @property
    def _shown(self) -> str:
        return span(self.value) if self.form and self.join == "-" else repr(self.value)


Part = Condition | Relation


_UNITS = (("day", 86_400_000_000), ("h", 3_600_000_000), ("min", 60_000_000), ("s", 1_000_000))


def span(microseconds: float) -> str:
    """Return a duration for a reader, in the largest unit that it is a whole number of."""
    for unit, size in _UNITS:
        count, rest = divmod(microseconds, size)
        if not rest and microseconds:
            return f"{count:.0f} {unit}{'s' if unit == 'day' and abs(count) != 1 else ''}"
    return f"{microseconds / 1_000_000:.12g} s"


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """Conditions that hold together; none at all is a rule for every row, or where no few cells
    decide: so *many* of them together, or none that was found, where only a *share* of rows fails.
    Of two bounds of a column on one side the tighter one is kept.
    *times* says of a row that does not always fail how often it did, and how often it was asked.
    """

    conditions: tuple[Part, ...]
    many: int = 0
    share: float | None = None
    times: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        """Leave out bounds that say nothing beside a tighter one."""
        kept: list[Part] = []
        for part in self.conditions:
            if part not in kept and not any(_tighter(one, part) for one in self.conditions):
                kept.append(part)
        object.__setattr__(self, "conditions", tuple(kept))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it speaks of."""
        return tuple(dict.fromkeys(name for part in self.conditions for name in part.columns))

    @property
    def _unexplained(self) -> str:
        if self.times is not None:
            fails, asked = self.times
            if fails == asked:
                return "no rule: the same rows are not answered alike each time they are asked"
            return f"fails only sometimes: {fails} of {asked} times that the same was asked"
        if self.many:
            return f"{self.many} cells together, no few of them"
        if self.share is None:
            return "every row"
        if not self.share:
            return "no few cells of the row explain it, and other rows pass"
        return (
            f"no few cells of the row explain it: {self.share * 100:.3g} % of other rows fail, too"
        )

    @property
    def text(self) -> str:
        """The rule for a reader: ``age < 18 and 5 < visits <= 7``."""
        if not self.conditions:
            return self._unexplained
        told: list[str] = []
        parts = list(self.conditions)
        for number, part in enumerate(parts):
            before = parts[number - 1] if number else None
            lower = None if before is None else _chained(before, part)
            if lower is None:
                told.append(part.text)
            else:
                told[-1] = f"{lower} {part.text}"
        return " and ".join(told)

    def matches(self, batch: Batch) -> Mask:
        """Return which rows of *batch* hold every condition."""
        found = np.ones(batch.rows, bool)
        for part in self.conditions:
            found &= part.holds(batch)
        return found


def _tighter(one: Part, other: Part) -> bool:
    """Return whether whatever holds *one* bound of a column holds the *other*, and not only so."""
    if isinstance(one, Relation) or isinstance(other, Relation) or one.column != other.column:
        return False
    for strict, loose in ((">", ">="), ("<", "<=")):
        if {one.sign, other.sign} <= {strict, loose}:
            if one.value == other.value:
                return (one.sign, other.sign) == (strict, loose)
            return bool((one.value > other.value) == (strict == ">"))
    return False


def _chained(lower: Part, upper: Part) -> str | None:
    """Return the lower bound as it is written before its column (``5 <``) where *upper* is the
    upper bound of the same column; None where it isn't."""
    if isinstance(lower, Relation) or isinstance(upper, Relation):
        return None
    exact = lower.known is None and upper.known is None
    if lower.column != upper.column or lower.sign not in _TURNED or not exact:
        return None
    return f"{lower.shown} {_TURNED[lower.sign]}" if upper.sign in ("<", "<=") else None


def ordered(cells: Cells) -> Array:
    """Return *cells* as numbers in their order: a moment's text as microseconds since 1970, what
    has no order as NaN."""
    if cells.kind == "string":
        return np.array([_moment(text) for text in cells.values], float)
    if cells.kind == "mixed":
        return np.full(len(cells), np.nan)
    return cells.values


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
