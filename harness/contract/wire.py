"""Cells on the wire: to and from the columns of a frame (``harness.runtime.frame``)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from harness.contract.cells import HELD, Array, Cells
from harness.runtime.dtypes import NANOSECONDS, NARROW
from harness.runtime.frame import Column

_WIRE: Mapping[str, str] = {
    "number": "f8",
    "integer": "i8",
    "boolean": "b1",
    "string": "str",
    "datetime": "us",
    "mixed": "json",
}
WIDE = {wire: name for name, wire in NARROW.items()}


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
        if dtype in NARROW:
            narrow = np.dtype(dtype)
            if _fits(column, narrow):
                kind = NARROW[dtype]
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
    elif column.type in WIDE or column.type in ("f8", "i8", "b1", "us"):
        raw = np.frombuffer(column.data, _wire_dtype(column.type))
        kind = {"f": "number", "b": "boolean"}.get(column.type[0], "integer")
        if column.type == "us":
            kind = "datetime"
        elif column.type == "u8" and raw.size and raw.max() > np.iinfo(np.int64).max:
            kind = "number"
        values = raw.astype(HELD[kind])
        dtype = dtype or WIDE.get(column.type, "")
    else:
        raise ValueError(f"a column of type {column.type}: no frame has that")
    return Cells(name=column.name, kind=kind, values=values, missing=missing, dtype=dtype)


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
    return bool((np.abs(column.values) < NANOSECONDS).all())


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
