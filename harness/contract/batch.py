"""The nouns that pass between a check and a model: cells, a batch, an answer, a refusal.

A batch is columns of numpy arrays; nothing here knows pandas. The doors (``in_process``,
``probe``) turn a batch into what the model takes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from harness.contract.cells import (
    Array,
    Cells,
    Mask,
    cells,
    joined,
    mixed,
    moment,
    moment_text,
    with_gaps,
)
from harness.contract.wire import WIDE, from_column, to_column
from harness.runtime.frame import Column

__all__ = [
    "Answer",
    "Array",
    "Batch",
    "Broken",
    "Cells",
    "Mask",
    "Model",
    "Refusal",
    "Unsendable",
    "Written",
    "cells",
    "from_column",
    "join",
    "mixed",
    "moment",
    "moment_text",
    "mosaic",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Some rows, as columns in the order in which the model gets them.

    *index* is the row index of a frame: ``range``, ``shifted``, ``shuffled`` or ``string``.
    """

    columns: tuple[Cells, ...]
    index: str = "range"

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(self.columns[0]) if self.columns else 0

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(column.name for column in self.columns)

    def __getitem__(self, name: str) -> Cells:
        """Return the column called *name*; raises KeyError."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    def take(self, indices: Array) -> Batch:
        """Return the rows at *indices* (integers or a mask), in that order."""
        return replace(self, columns=tuple(c.take(indices) for c in self.columns))

    def head(self, rows: int) -> Batch:
        """Return the first *rows* rows."""
        return self.take(np.arange(min(rows, self.rows)))

    def row(self, index: int) -> dict[str, Any]:
        """Return one row as Python values by column name."""
        return {column.name: column.at(index) for column in self.columns}

    def put(self, column: Cells) -> Batch:
        """Return the batch with *column* in the place of the one of that name, or at the end."""
        if column.name not in self.names:
            return replace(self, columns=(*self.columns, column))
        return replace(
            self, columns=tuple(column if c.name == column.name else c for c in self.columns)
        )

    def only(self, names: Sequence[str]) -> Batch:
        """Return the columns called *names*, in that order."""
        return replace(self, columns=tuple(self[name] for name in names))

    def to_columns(self) -> list[Column]:
        """Return the columns as they lie on the wire."""
        return [to_column(column) for column in self.columns]

    @classmethod
    def from_columns(cls, columns: Sequence[Column]) -> Batch:
        """Return the batch that *columns* describe; NaN is a missing cell, as tables have it."""
        return cls(columns=tuple(with_gaps(from_column(column)) for column in columns))


def join(batches: Sequence[Batch]) -> Batch:
    """Return the rows of *batches* under each other.

    A column of whole and other numbers becomes one of numbers, one of any two kinds mixed.
    """
    first = batches[0]
    return replace(first, columns=tuple(joined([b[name] for b in batches]) for name in first.names))


def mosaic(pool: Batch, source: Array) -> Batch:
    """Return rows put together from cells of *pool*: cell (i, j) is row ``source[i, j]`` of
    column j. *source* has shape (rows, columns)."""
    return replace(pool, columns=tuple(c.take(source[:, j]) for j, c in enumerate(pool.columns)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a model said: *values* of shape (n,) or (n, k), or any other when it errs.

    *names* are the columns' names where a frame came back; *mutated* says that the model changed
    its input, *changed* which columns of it, by name or position; *container* is what came back
    (``ndarray``, ``list``, ``frame``, ...).
    """

    values: Array
    names: tuple[str, ...] | None = None
    mutated: bool = False
    changed: tuple[str | int, ...] = ()
    container: str = "ndarray"

    @classmethod
    def from_frame(cls, header: Mapping[str, Any], column: Column) -> Answer:
        """Return the answer of one ``answered`` frame."""
        held = from_column(column)
        values = held.values
        if column.type in WIDE:
            values = values.astype(WIDE[column.type])
        if held.missing is not None and held.missing.any():
            values = values.astype(float if held.kind in ("number", "integer") else object)
            values[held.missing] = np.nan if values.dtype.kind == "f" else None
        names = header.get("names")
        return cls(
            values=values.reshape(header["shape"]),
            names=None if names is None else tuple(str(name) for name in names),
            mutated=bool(header.get("mutated")),
            changed=tuple(header.get("changed") or ()),
            container=str(header.get("container", "")),
        )


class Written:
    """The last batches as they lie on the wire: one is asked about more than once, in turn."""

    def __init__(self) -> None:
        """Remember nothing yet."""
        self._last: tuple[Batch, list[Column]] | None = None
        self._next: tuple[Batch, list[Column]] | None = None

    def columns(self, batch: Batch) -> list[Column]:
        """Return *batch*'s columns on the wire."""
        for held in (self._last, self._next):
            if held is not None and held[0] is batch:
                self._last = held
                return held[1]
        self._last = (batch, batch.to_columns())
        return self._last[1]

    def ahead(self, batch: Batch) -> None:
        """Write *batch* before it is asked about; another thread may do so."""
        self._next = (batch, batch.to_columns())


_LONGEST = 400  # characters of an exception's message


class Refusal(Exception):
    """The model raised. *type* is the exception's class, *mro* its classes' names, *module* whose
    code raised it, where that is known."""

    def __init__(self, type: str, mro: Sequence[str], message: str, module: str = "") -> None:
        """Take what the model's exception said of itself."""
        super().__init__(f"{type}: {message}" if message else type)
        self.type = type
        self.mro = tuple(mro)
        self.module = module
        self.message = message

    @classmethod
    def from_header(cls, error: Mapping[str, Any]) -> Refusal:
        """Return the refusal of one ``refused`` frame."""
        said = useful(str(error["message"]))
        return cls(str(error["type"]), error["mro"], said, str(error.get("module") or ""))


def useful(message: str) -> str:
    """Return what of an exception's *message* helps a reader: without the clock and the source
    line that a native library puts before it, without its stack, and not a whole table."""
    text = re.sub(r"^\[\d\d:\d\d:\d\d\]\s+\S+:\d+:\s*", "", message.strip())
    text = re.split(r"\n\s*Stack trace:|\n\s*\[bt\] ", text)[0].strip()
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST].rstrip()} …"


class Broken(Exception):
    """The model can't answer any more: it died, hangs, or left the protocol."""


class Hangs(Broken):
    """The model gave no answer in the time that it had."""


class Unsendable(Exception):
    """A batch that this model's kind of input can't hold (mixed types in an Arrow column)."""


class Model(Protocol):
    """Anything that maps a batch to an answer.

    A model may also have ``constants`` (numbers by column that its own rules use, as edges worth
    trying) and ``together`` (several batches at once, from threads).
    """

    methods: tuple[str, ...]

    def answer(self, batch: Batch, *, method: str) -> Answer:
        """Answer *batch*; raises Refusal when the model raises, Broken when it is gone."""
        ...
