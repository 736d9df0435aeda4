"""What a model receives, made of columns: a pandas DataFrame, a numpy array, a pyarrow Table, or a
list of JSON documents."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from harness.runtime.categories import categorical, dictionary
    from harness.runtime.cells import EXTENSIONS, decode, decode_array, library
    from harness.runtime.frame import NUMBERS, Column
    from harness.runtime.layout import LAYOUTS, laid
else:
    from categories import categorical, dictionary
    from cells import EXTENSIONS, decode, decode_array, library
    from frame import NUMBERS, Column
    from layout import LAYOUTS, laid

KINDS = ("pandas", "numpy", "pyarrow", "documents")
DOCUMENT = "document"
"""The one column of documents: JSON values, or their text."""
INDEXES = ("range", "shifted", "shuffled", "string", "repeated")


class Unbuildable(ValueError):
    """These cells don't fit into this kind of input; the message names the column."""


def build(columns: Sequence[Column], *, kind: str, index: str = "range") -> Any:
    """Return *columns*, in their order, as the object that a model takes.

    pandas: a DataFrame as ``read_parquet`` would give it, each column's ``dtype`` honoured; a
    number type that has no missing value becomes float64 where cells are missing. numpy: float64
    of shape (rows, columns) when all are numbers or booleans, else objects (NaN for a
    missing number, else None).
    pyarrow: a Table. documents: a list of JSON values, a fresh one a row, from the one column
    ``document``. *index* is the row index of a DataFrame (``range``, ``shifted``, ``shuffled``,
    ``string``, ``repeated``), or how an array or a Table lies in memory (``layout.LAYOUTS``). A
    *dtype* may say more: ``category:["a", "b"]`` for these categories and whatever else is there,
    ``category:reversed`` and ``category:extra`` for other ones than the sorted ones that are there,
    ``object:nan`` and ``object:NA`` for what a missing cell is.
    Raises Unbuildable, or LibraryMissing when the environment lacks the library.
    """
    if kind not in KINDS:
        raise Unbuildable(f"input {kind!r} is none of {', '.join(KINDS)}")
    known = (*INDEXES, *LAYOUTS.get(kind, ()))
    if index not in known:
        raise Unbuildable(f"index {index!r} is none of {', '.join(known)}")
    rows = {column.rows for column in columns}
    if len(rows) > 1:
        raise Unbuildable(f"columns of unequal lengths: {sorted(rows)}")
    count = rows.pop() if rows else 0
    if kind == "pandas":
        return _frame(columns, count, index)
    if kind == "documents":
        return _documents(columns)
    return laid(_matrix(columns, count) if kind == "numpy" else _table(columns), index)


def _frame(columns: Sequence[Column], rows: int, index: str) -> Any:
    pandas = library("pandas")
    held = {place: _held(column) for place, column in enumerate(columns)}
    frame = pandas.DataFrame(held, index=None if held else range(rows))
    if held:
        frame.columns = [column.name for column in columns]
    frame.index = _index(rows, index)
    return frame


def _index(rows: int, index: str) -> Any:
    pandas = library("pandas")
    if index == "shifted":
        return pandas.RangeIndex(1000, 1000 + rows)
    if index == "shuffled":
        step = next(s for s in range(rows // 2 + 1, rows + 2) if math.gcd(s, rows) == 1)
        return pandas.Index([(row * step + 1) % rows for row in range(rows)], dtype="int64")
    if index == "string":
        return pandas.Index([f"row {row}" for row in range(rows)])
    if index == "repeated":
        return pandas.Index([row // 2 for row in range(rows)], dtype="int64")
    return pandas.RangeIndex(rows)


def _held(column: Column) -> Any:
    try:
        held = _hold(column)
        # Said aloud, or pandas would look into objects and make strings or moments of them.
        return library("pandas").Series(held, dtype=held.dtype, copy=False)
    except (TypeError, ValueError, OverflowError) as wrong:
        raise Unbuildable(
            f"column {column.name!r} of type {column.type} can't be held as "
            f"{column.dtype or 'its usual dtype'}: {type(wrong).__name__}"
        ) from wrong


def _hold(column: Column) -> Any:
    pandas = library("pandas")
    np = library("numpy")
    dtype = column.dtype
    if column.type == "str":
        return _strings(column)
    if column.type == "json" or (dtype == "date" and column.type == "us"):
        values = _objects(column)
        return categorical(values, dtype) if dtype.startswith("category") else values
    values, gone = decode_array(column)
    if dtype.startswith("object"):
        return _objects(column)
    if dtype.startswith("category"):
        return categorical(_usual(values, gone), dtype)
    if column.type == "us":
        return pandas.Series(values).dt.tz_localize("UTC").astype(dtype) if "," in dtype else (
            values.astype(dtype) if dtype.startswith("datetime64") else values
        )  # fmt: skip
    if dtype in EXTENSIONS and dtype != "string":
        return _nullable(values, gone, dtype)
    if dtype in ("", "string", "str", "date") or dtype.startswith("datetime64"):
        return _usual(values, gone)
    wanted = np.dtype(dtype)
    if wanted.kind not in "biuf":
        raise ValueError("no dtype for numbers")
    if gone is not None and wanted.kind != "f":
        return _usual(values, gone)
    with np.errstate(all="ignore"):
        held = values.astype(wanted)
    if wanted.kind != "f" and not np.array_equal(held, values):
        raise ValueError("some cells would change")
    return _usual(held, gone)


def _usual(values: Any, gone: Any) -> Any:
    np = library("numpy")
    if gone is None or values.dtype.kind == "M":
        return values
    if values.dtype.kind == "b":
        held = values.astype(object)
        held[gone] = None
        return held
    held = values if values.dtype.kind == "f" else values.astype(np.float64)
    held[gone] = np.nan
    return held


def _nullable(values: Any, gone: Any, dtype: str) -> Any:
    pandas = library("pandas")
    np = library("numpy")
    nothing = np.zeros(len(values), bool) if gone is None else gone
    if values.dtype.kind == "f":
        nothing = nothing | np.isnan(values)
    with np.errstate(all="ignore"):
        held = np.where(nothing, values.dtype.type(0), values).astype(EXTENSIONS[dtype])
    if not EXTENSIONS[dtype].startswith("float") and not np.array_equal(
        held[~nothing], values[~nothing]
    ):
        raise ValueError("some cells would change")
    arrays = pandas.arrays
    if dtype == "boolean":
        return arrays.BooleanArray(held, nothing)
    floating = dtype.startswith("Float")
    return (arrays.FloatingArray if floating else arrays.IntegerArray)(held, nothing)


def _objects(column: Column) -> Any:
    cells = decode(column)
    if column.dtype == "object:nan":
        cells = [math.nan if cell is None else cell for cell in cells]
    elif column.dtype == "object:NA":
        nothing = library("pandas").NA
        cells = [nothing if cell is None else cell for cell in cells]
    return library("numpy").fromiter(cells, object, column.rows)


def _strings(column: Column) -> Any:
    pandas = library("pandas")
    if column.dtype.startswith("object"):
        return _objects(column)
    if column.dtype.startswith("category"):
        return categorical(decode(column), column.dtype)
    if column.dtype == "string":
        return pandas.array(decode(column), dtype="string")
    if int(pandas.__version__.split(".")[0]) < 3:
        return _objects(column)
    wanted = pandas.StringDtype(na_value=library("numpy").nan)
    if wanted.storage == "pyarrow":
        return wanted.__from_arrow__(_arrow_text(column))
    return pandas.array(decode(column), dtype=wanted)


def _matrix(columns: Sequence[Column], rows: int) -> Any:
    np = library("numpy")
    if all(column.type in NUMBERS or column.type == "b1" for column in columns):
        matrix = np.empty((rows, len(columns)), np.float64)
        for place, column in enumerate(columns):
            values, gone = decode_array(column)
            matrix[:, place] = values
            if gone is not None:
                matrix[gone, place] = np.nan
        return matrix
    matrix = np.empty((rows, len(columns)), object)
    for place, column in enumerate(columns):
        try:
            cells = decode(column)
        except ValueError as wrong:
            raise Unbuildable(str(wrong)) from wrong
        nothing = math.nan if column.type in NUMBERS else None
        listed = (nothing if cell is None else cell for cell in cells)
        matrix[:, place] = np.fromiter(listed, object, rows)
    return matrix


def _documents(columns: Sequence[Column]) -> list[Any]:
    if [column.name for column in columns] != [DOCUMENT]:
        raise Unbuildable(f"documents come as one column, {DOCUMENT!r}")
    column = columns[0]
    if column.type not in ("json", "str"):
        raise Unbuildable(f"column {DOCUMENT!r} of type {column.type} holds no documents")
    cells = decode(column)
    if column.type == "json":
        return cells
    try:
        return [None if cell is None else json.loads(cell) for cell in cells]
    except (ValueError, RecursionError) as wrong:
        raise Unbuildable(f"column {DOCUMENT!r} holds text that is not JSON") from wrong


def _table(columns: Sequence[Column]) -> Any:
    arrow = library("pyarrow")
    return arrow.table([_arrow(column) for column in columns], [c.name for c in columns])


def _arrow(column: Column) -> Any:
    arrow = library("pyarrow")
    try:
        if column.type == "json":
            held = arrow.array(decode(column))
        elif column.type == "str":
            held = _arrow_text(column).cast(arrow.string())
        elif column.dtype == "date":
            held = arrow.array(decode(column), arrow.date32())
        else:
            held = _arrow_values(column)
        return dictionary(held, column.dtype) if column.dtype.startswith("category") else held
    except (arrow.ArrowInvalid, arrow.ArrowTypeError, ValueError, TypeError, OverflowError) as bad:
        raise Unbuildable(
            f"column {column.name!r} of type {column.type} does not fit into one Arrow type: "
            f"{type(bad).__name__}"
        ) from bad


def _arrow_values(column: Column) -> Any:
    arrow = library("pyarrow")
    values, gone = decode_array(column)
    if column.type == "us":
        held = arrow.array(values.view("i8"), arrow.int64(), mask=gone)
        unit, _, zone = (column.dtype[11:-1] or "us").partition(", ")
        stamped = held.cast(arrow.timestamp("us", "UTC" if zone else None))
        return stamped.cast(arrow.timestamp(unit, zone or None))
    wanted = EXTENSIONS.get(column.dtype, column.dtype)
    held = arrow.array(values, mask=gone)
    if wanted.partition(":")[0] in ("", "object", "category", "string"):
        return held
    return held.cast(arrow.bool_() if wanted == "bool" else getattr(arrow, wanted)())


def _arrow_text(column: Column) -> Any:
    arrow = library("pyarrow")
    valid = None
    if column.nulls is not None:  # Arrow marks what is there, a frame what is not
        valid = arrow.py_buffer(bytes(byte ^ 0xFF for byte in column.nulls))
    buffers = [valid, arrow.py_buffer(column.offsets), arrow.py_buffer(column.data)]
    held = arrow.Array.from_buffers(arrow.large_string(), column.rows, buffers)
    held.validate(full=True)
    return held
