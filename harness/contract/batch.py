"""The nouns that pass between a check and a model: cells, a batch, an answer, a refusal.

A batch is columns of numpy arrays; nothing here knows pandas. The doors (``in_process``,
``probe``) turn a batch into what the model takes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from harness.runtime.frame import Column

Array = NDArray[Any]
Mask = NDArray[np.bool_]

KINDS = ("number", "integer", "boolean", "string", "datetime", "mixed")
_HELD: Mapping[str, Any] = {
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
_WIRE: Mapping[str, str] = {
    "number": "f8",
    "integer": "i8",
    "boolean": "b1",
    "string": "str",
    "datetime": "us",
    "mixed": "json",
}
_NARROW: Mapping[str, str] = {
    "float32": "f4",
    "int32": "i4",
    "int16": "i2",
    "int8": "i1",
    "uint64": "u8",
    "uint32": "u4",
    "uint16": "u2",
    "uint8": "u1",
}
_WIDE = {wire: name for name, wire in _NARROW.items()}
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
    held = np.empty(len(values), _HELD[kind])
    held[:] = [_EMPTY[kind] if v is None else v for v in values] if len(values) else []
    return Cells(
        name=name, kind=kind, values=held, missing=absent if absent.any() else None, dtype=dtype
    )


def mixed(column: Cells) -> Cells:
    """Return *column* as Python objects, so that any one cell may be replaced by anything."""
    return cells(column.name, "mixed", [column.at(i) for i in range(len(column))])


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
        return cls(columns=tuple(_gaps(from_column(column)) for column in columns))


def join(batches: Sequence[Batch]) -> Batch:
    """Return the rows of *batches* under each other.

    A column of whole and other numbers becomes one of numbers, one of any two kinds mixed.
    """
    first = batches[0]
    return replace(first, columns=tuple(_join([b[name] for b in batches]) for name in first.names))


def _join(parts: Sequence[Cells]) -> Cells:
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


def mosaic(pool: Batch, source: Array) -> Batch:
    """Return rows put together from cells of *pool*: cell (i, j) is row ``source[i, j]`` of
    column j. *source* has shape (rows, columns)."""
    return replace(pool, columns=tuple(c.take(source[:, j]) for j, c in enumerate(pool.columns)))


def to_column(column: Cells) -> Column:
    """Return *column* as it lies on the wire (``harness.runtime.frame``)."""
    kind, dtype = _WIRE[column.kind], column.dtype
    nulls = None
    if column.missing is not None and column.missing.any():
        nulls = np.packbits(column.missing, bitorder="little").tobytes()
    offsets: bytes | None = None
    if column.kind == "string":
        data, offsets = _encode(column.values)
    elif column.kind == "mixed":
        data, offsets = _encode([json.dumps(_plain(value)) for value in column.values])
    else:
        if dtype in _NARROW:
            narrow = np.dtype(dtype)
            if _fits(column, narrow):
                kind = _NARROW[dtype]
            dtype = ""
        elif dtype.startswith("datetime64[ns") and not _fits_nanoseconds(column):
            dtype = dtype.replace("[ns", "[us")
        data = np.ascontiguousarray(column.values.astype(_wire_dtype(kind))).tobytes()
    return Column(
        name=column.name,
        type=kind,
        rows=len(column),
        data=data,
        offsets=offsets,
        nulls=nulls,
        dtype=dtype,
    )


def from_column(column: Column) -> Cells:
    """Return what *column* describes; raises ValueError for a type that no frame has."""
    missing = None
    if column.nulls is not None:
        bits = np.frombuffer(column.nulls, np.uint8)
        missing = np.unpackbits(bits, count=column.rows, bitorder="little").astype(bool)
    dtype = column.dtype
    if column.type in ("str", "json"):
        texts = _decode(column)
        kind = "string" if column.type == "str" else "mixed"
        values = np.empty(column.rows, object)
        values[:] = texts if kind == "string" else [json.loads(text) for text in texts]
    elif column.type in _WIDE or column.type in ("f8", "i8", "b1", "us"):
        raw = np.frombuffer(column.data, _wire_dtype(column.type))
        kind = {"f": "number", "b": "boolean"}.get(column.type[0], "integer")
        if column.type == "us":
            kind = "datetime"
        elif column.type == "u8" and raw.size and raw.max() > np.iinfo(np.int64).max:
            kind = "number"
        values = raw.astype(_HELD[kind])
        dtype = dtype or _WIDE.get(column.type, "")
    else:
        raise ValueError(f"a column of type {column.type}: no frame has that")
    return Cells(name=column.name, kind=kind, values=values, missing=missing, dtype=dtype)


def _gaps(column: Cells) -> Cells:
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


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _wire_dtype(kind: str) -> np.dtype[Any]:
    if kind == "b1":
        return np.dtype(bool)
    return np.dtype("<i8" if kind == "us" else f"<{kind}")


def _fits(column: Cells, narrow: np.dtype[Any]) -> bool:
    if narrow.kind == "f":
        with np.errstate(over="ignore"):
            back = column.values.astype(narrow).astype(np.float64)
        return bool(np.array_equal(back, column.values, equal_nan=True))
    if not len(column) or column.kind != "integer":
        return column.kind == "integer"
    limits = np.iinfo(narrow)
    return int(column.values.min()) >= limits.min and int(column.values.max()) <= limits.max


def _fits_nanoseconds(column: Cells) -> bool:
    limit = np.iinfo(np.int64).max // 1000
    return bool((np.abs(column.values) < limit).all())


def _encode(texts: Sequence[str] | Array) -> tuple[bytes, bytes]:
    whole = "".join(texts)
    data = whole.encode()
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    if len(data) != len(whole):  # not ASCII alone: bytes are counted, not characters
        lengths = np.fromiter((len(text.encode()) for text in texts), np.int64, len(texts))
    offsets = np.zeros(len(texts) + 1, "<i8")
    np.cumsum(lengths, out=offsets[1:])
    return data, offsets.tobytes()


def _decode(column: Column) -> list[str]:
    if column.offsets is None:
        raise ValueError(f"column {column.name}: text without offsets")
    at = np.frombuffer(column.offsets, "<i8").tolist()
    data = column.data
    return [data[start:stop].decode() for start, stop in pairwise(at)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a model said: *values* of shape (n,) or (n, k), or any other when it errs.

    *names* are the columns' names where a frame came back; *mutated* says that the model changed
    its input; *container* is what came back (``ndarray``, ``list``, ``frame``, ...).
    """

    values: Array
    names: tuple[str, ...] | None = None
    mutated: bool = False
    container: str = "ndarray"

    @classmethod
    def from_frame(cls, header: Mapping[str, Any], column: Column) -> Answer:
        """Return the answer of one ``answered`` frame."""
        held = from_column(column)
        values = held.values
        if column.type in _WIDE:
            values = values.astype(_WIDE[column.type])
        if held.missing is not None and held.missing.any():
            values = values.astype(float if held.kind in ("number", "integer") else object)
            values[held.missing] = np.nan if values.dtype.kind == "f" else None
        names = header.get("names")
        return cls(
            values=values.reshape(header["shape"]),
            names=None if names is None else tuple(str(name) for name in names),
            mutated=bool(header.get("mutated")),
            container=str(header.get("container", "")),
        )


class Written:
    """The last batch as it lies on the wire: two methods are asked about one batch, in turn."""

    def __init__(self) -> None:
        """Remember nothing yet."""
        self._last: tuple[Batch, list[Column]] | None = None

    def columns(self, batch: Batch) -> list[Column]:
        """Return *batch*'s columns on the wire."""
        last = self._last
        if last is None or last[0] is not batch:
            last = self._last = (batch, batch.to_columns())
        return last[1]


class Refusal(Exception):
    """The model raised. *type* is the exception's class, *mro* its classes' names."""

    def __init__(self, type: str, mro: Sequence[str], message: str) -> None:
        """Take what the model's exception said of itself."""
        super().__init__(f"{type}: {message}" if message else type)
        self.type = type
        self.mro = tuple(mro)
        self.message = message

    @classmethod
    def from_header(cls, error: Mapping[str, Any]) -> Refusal:
        """Return the refusal of one ``refused`` frame."""
        return cls(str(error["type"]), error["mro"], str(error["message"]))


class Broken(Exception):
    """The model can't answer any more: it died, hangs, or left the protocol."""


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
