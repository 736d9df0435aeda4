"""Cells: how a column's cells lie in a frame, to and from Python values and numpy arrays.

Standard library; numpy only where an array goes in or comes out. No other container is known here.
"""

from __future__ import annotations

import importlib
import math
import sys
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import accumulate, pairwise
from json import dumps, loads  # by name: a model may put its own into json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from harness.runtime.frame import NUMBERS, Column
else:
    from frame import NUMBERS, Column

_CODES = {
    **{"f8": "d", "f4": "f", "i8": "q", "i4": "i", "i2": "h", "i1": "b"},
    **{"u8": "Q", "u4": "I", "u2": "H", "u1": "B", "b1": "B", "us": "q"},
}
EXTENSIONS = {
    **{f"Int{size}": f"int{size}" for size in (8, 16, 32, 64)},
    **{f"UInt{size}": f"uint{size}" for size in (8, 16, 32, 64)},
    **{"Float32": "float32", "Float64": "float64", "boolean": "bool", "string": "str"},
}
"""pandas' nullable dtypes that a column may ask for, and what they hold."""
_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)
_EXACT = 2**53  # every integer up to here is a float64


class Unrepresentable(ValueError):
    """A value that no column can carry; the message names its type and never its content."""


class LibraryMissing(ImportError):
    """The environment lacks a library that this kind of input needs."""


def library(name: str) -> Any:
    """Return the environment's module *name*; raises LibraryMissing with what to do."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as missing:
        raise LibraryMissing(
            f"this environment has no {name}; add it to the environment's requirements, "
            'or choose another `input` under [model] ("pandas", "numpy", "pyarrow")'
        ) from missing


def is_missing(value: object) -> bool:
    """Return whether *value* is one of the forms of nothing: None, NaN, NaT, pandas.NA."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float) and value != value


def mask(column: Column) -> list[bool]:
    """Return which of the column's cells are missing, one bool a row."""
    if column.nulls is None:
        return [False] * column.rows
    bits = column.nulls
    return [bool(bits[row >> 3] >> (row & 7) & 1) for row in range(column.rows)]


def bits(missing: Iterable[object]) -> bytes | None:
    """Return *missing* (truth values) as a frame's bit mask; None when no cell is."""
    listed = list(missing)
    rows = [row for row, gone in enumerate(listed) if gone]
    if not rows:
        return None
    held = bytearray((len(listed) + 7) // 8)
    for row in rows:
        held[row >> 3] |= 1 << (row & 7)
    return bytes(held)


def texts(column: Column) -> list[str]:
    """Return the texts of a ``str`` or ``json`` column, also where the cell is missing."""
    if column.offsets is None:
        raise ValueError(f"column {column.name!r} holds text and has no offsets")
    offsets = _little(array("q", column.offsets)).tolist()
    if len(offsets) != column.rows + 1:
        raise ValueError(f"column {column.name!r} has {column.rows} rows, {len(offsets)} offsets")
    data = column.data
    return [data[a:b].decode() for a, b in pairwise(offsets)]


def decode(column: Column) -> list[Any]:
    """Return the cells as Python values, None where missing; a moment is a naive UTC datetime.

    Raises ValueError for a damaged column, or a moment outside the years 1 to 9999.
    """
    if column.type == "str":
        found: list[Any] = list(texts(column))
    elif column.type == "json":
        found = [loads(text) for text in texts(column)]
    elif column.type in _CODES:
        found = _little(array(_CODES[column.type], column.data)).tolist()
        if column.type == "b1":
            found = [bool(cell) for cell in found]
    else:
        raise ValueError(f"a column of type {column.type!r}: no frame has that")
    if len(found) != column.rows:
        raise ValueError(f"column {column.name!r} has {len(found)} cells, not {column.rows}")
    if column.nulls is not None:
        found = [None if gone else c for c, gone in zip(found, mask(column), strict=True)]
    if column.type == "us":
        found = [None if cell is None else moment(cell, column.name) for cell in found]
        if column.dtype == "date":
            found = [None if cell is None else cell.date() for cell in found]
    return found


def moment(microseconds: int, name: str) -> datetime:
    """Return a moment of column *name* as a naive datetime in UTC; ValueError out of its years."""
    try:
        return _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        raise ValueError(f"column {name!r} holds a moment outside the years 1 to 9999") from None


def microseconds(value: date) -> int:
    """Return a date, or a datetime (naive ones are UTC), as microseconds since 1970 in UTC."""
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    offset = value.utcoffset() or timedelta()  # taken away last: UTC may be in the year 0
    return (value.replace(tzinfo=None) - _EPOCH - offset) // _MICROSECOND


def encode(name: str, values: Sequence[Any], *, dtype: str = "") -> Column:
    """Return Python *values* as the narrowest column type that keeps every one of them exactly.

    None and its like are missing; a NaN among floats stays a NaN. Mixed cells become JSON texts.
    Raises Unrepresentable for what JSON can't carry either.
    """
    cells = list(values)
    types = set(map(type, cells))
    if any(kind.__module__ == "numpy" for kind in types):
        cells = [c.item() if type(c).__module__ == "numpy" and hasattr(c, "item") else c
                 for c in cells]  # fmt: skip
        types = set(map(type, cells))
    kinds = {_kind(kind) for kind in types} - {"nothing"}
    if kinds <= {"float"} and kinds:
        return numbers(name, "f8", cells, dtype)
    void = all(c != c for c in cells if isinstance(c, float))  # NaN beside what is no number
    if kinds == {"boolean"}:
        return numbers(name, "b1", cells, dtype)
    if kinds == {"boolean", "float"} and void:
        return numbers(name, "b1", [None if is_missing(c) else c for c in cells], dtype)
    if kinds == {"integer"} or kinds == {"integer", "float"}:
        whole = [c for c in cells if isinstance(c, int)]
        low, high = min(whole), max(whole)
        if "float" in kinds:
            if low >= -_EXACT and high <= _EXACT:
                return numbers(name, "f8", cells, dtype)
        elif low >= -(2**63) and high < 2**63:
            return numbers(name, "i8", cells, dtype)
        elif low >= 0 and high < 2**64:
            return numbers(name, "u8", cells, dtype)
    if kinds == {"moment"}:
        listed = [None if is_missing(c) else microseconds(c) for c in cells]
        return numbers(name, "us", listed, dtype)
    if kinds == {"date"}:
        listed = [None if is_missing(c) else microseconds(c) for c in cells]
        return numbers(name, "us", listed, "date")
    if kinds == {"text"} or (kinds == {"text", "float"} and void):
        try:
            return text(name, [None if is_missing(c) else c for c in cells], dtype)
        except UnicodeEncodeError:
            pass  # lone surrogates are no UTF-8; JSON escapes them
    return _json(name, cells, dtype)


def numbers(name: str, type: str, cells: Sequence[Any], dtype: str = "") -> Column:
    """Return numbers, booleans or microseconds as a column of *type*; None and NA are missing."""
    nulls = None
    if not {cell.__class__ for cell in cells} <= {float, int, bool}:
        gone = [_kind(cell.__class__) == "nothing" for cell in cells]
        filler = math.nan if type in ("f8", "f4") else 0
        cells = [filler if g else cell for cell, g in zip(cells, gone, strict=True)]
        nulls = bits(gone)
    held = array(_CODES[type], cells)
    return Column(name, type, len(cells), _little(held).tobytes(), None, nulls, dtype)


def text(name: str, cells: Sequence[str | None], dtype: str = "", *, type: str = "str") -> Column:
    """Return texts as a column, None as missing; raises UnicodeEncodeError for lone surrogates."""
    parts = [b"" if cell is None else cell.encode() for cell in cells]
    offsets = _little(array("q", [0, *accumulate(map(len, parts))]))
    gone = bits(cell is None for cell in cells)
    return Column(name, type, len(parts), b"".join(parts), offsets.tobytes(), gone, dtype)


def _json(name: str, cells: list[Any], dtype: str) -> Column:
    # None within JSON stays a value and is marked missing too, so that both readings agree.
    try:
        parts = [
            b"null" if _kind(type(c)) == "nothing" else dumps(c, default=_plain).encode()
            for c in cells
        ]
    except (TypeError, ValueError, RecursionError) as wrong:
        raise Unrepresentable(f"cells of column {name!r} can't be sent: {wrong}") from wrong
    offsets = _little(array("q", [0, *accumulate(map(len, parts))]))
    gone = bits(_kind(type(c)) == "nothing" for c in cells)
    return Column(name, "json", len(parts), b"".join(parts), offsets.tobytes(), gone, dtype)


def _plain(value: Any) -> Any:
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a {type(value).__module__}.{type(value).__qualname__}")


def _kind(kind: type) -> str:
    if kind is type(None) or kind.__name__ in ("NAType", "NaTType"):
        return "nothing"
    if issubclass(kind, bool):
        return "boolean"
    if issubclass(kind, int):
        return "integer"
    if issubclass(kind, float):
        return "float"
    if issubclass(kind, str):
        return "text"
    if issubclass(kind, datetime):
        return "moment"
    if issubclass(kind, date):
        return "date"
    return "other"


def encode_array(name: str, values: Any, *, missing: Any = None) -> Column:
    """Return a numpy array, flattened row by row, as a column; *dtype* is the array's own.

    *missing* is an array of bool of the same shape, or None. Raises Unrepresentable for complex
    numbers, durations and records.
    """
    np = library("numpy")
    if isinstance(values, np.ma.MaskedArray):
        missing = np.ma.getmaskarray(values)
        values = values.filled()
    values = np.asarray(values).ravel()
    gone = None if missing is None else np.asarray(missing, bool).ravel()
    kind, dtype = values.dtype.kind, values.dtype.name
    if kind in "UST":
        return _with(encode(name, _text_list(values, kind)), gone, "")
    if kind == "O":
        return _with(encode(name, values.tolist()), gone, "object")
    if kind == "M":
        unit = str(values.dtype)
        values = values.astype("datetime64[us]")
        nothing = np.isnat(values)
        gone = nothing if gone is None else gone | nothing
        data = np.where(gone, 0, values.view("i8")).astype("<i8")
        dtype = "" if unit == "datetime64[us]" else unit
        return Column(name, "us", len(data), data.tobytes(), None, packed(gone), dtype)
    if kind == "b":
        return Column(name, "b1", len(values), values.tobytes(), None, packed(gone), dtype)
    if kind not in "fiu":
        raise Unrepresentable(f"column {name!r}: an array of {dtype} can't be sent")
    code = f"{kind}{values.dtype.itemsize}"
    if code not in NUMBERS:
        code = "f4" if code == "f2" else "f8"
    data = values.astype(f"<{code}")
    return Column(name, code, len(values), data.tobytes(), None, packed(gone), dtype)


def packed(missing: Any) -> bytes | None:
    """Return a numpy mask as a frame's bit mask; None when it is None or marks nothing."""
    if missing is None or not missing.any():
        return None
    packed: bytes = library("numpy").packbits(missing, bitorder="little").tobytes()
    return packed


def decode_array(column: Column) -> tuple[Any, Any]:
    """Return the cells as a writable 1-d numpy array, and the mask of the missing ones or None.

    Numbers and booleans have their own numpy type; moments are ``datetime64[us]`` with NaT;
    texts and JSON are objects, None where missing.
    """
    np = library("numpy")
    gone = None
    if column.nulls is not None:
        raw = np.frombuffer(column.nulls, np.uint8)
        gone = np.unpackbits(raw, count=column.rows, bitorder="little").astype(bool)
    if column.type in ("str", "json"):
        values = np.fromiter(decode(column), object, column.rows)
        return values, gone
    if column.type == "us":
        values = np.frombuffer(column.data, "<i8").astype("i8").view("datetime64[us]")
        if gone is not None:
            values[gone] = np.datetime64("NaT", "us")
        return values, gone
    kind = np.dtype(bool) if column.type == "b1" else np.dtype(f"<{column.type}")
    return np.frombuffer(column.data, kind).astype(kind.newbyteorder("=")), gone


def _text_list(values: Any, kind: str) -> list[Any]:
    if kind == "S":
        return [cell.decode("utf-8", "backslashreplace") for cell in values.tolist()]
    return [None if is_missing(cell) else cell for cell in values.tolist()]


def _with(column: Column, gone: Any, dtype: str) -> Column:
    nulls = column.nulls
    if gone is not None:
        held = library("numpy").array(mask(column), bool)
        nulls = packed(held | gone)
    return replace(column, nulls=nulls, dtype=column.dtype or dtype)


def _little(held: array[Any]) -> array[Any]:
    if sys.byteorder == "big":
        held = held[:]
        held.byteswap()
    return held
