"""What a model gives back: any container, as a shape and one column of cells in row-major order."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING or __package__:
    from harness.runtime import cells
    from harness.runtime.cells import Unrepresentable
    from harness.runtime.frame import Column
else:
    import cells
    from cells import Unrepresentable
    from frame import Column


class Output(NamedTuple):
    """An answer taken apart. *names* are a table's column names; *type* is the answer's class.

    *container* is ``ndarray``, ``list``, ``frame``, ``series``, ``table``, ``array``, ``scalar``,
    or ``unknown`` for what is none of them or holds what can't be sent (then *column* holds one
    missing cell and *why* says more).
    """

    shape: tuple[int, ...]
    container: str
    names: list[str] | None
    column: Column
    type: str
    why: str = ""


def take_apart(answer: Any) -> Output:
    """Return *answer* as an Output; never raises for an answer's own sake."""
    kind = type(answer)
    full = kind.__qualname__ if kind.__module__ == "builtins" else (
        f"{kind.__module__}.{kind.__qualname__}"
    )  # fmt: skip
    try:
        shape, container, names, column = _parts(answer)
    except (Unrepresentable, TypeError, ValueError, OverflowError, AttributeError) as wrong:
        why = str(wrong) if isinstance(wrong, Unrepresentable) else type(wrong).__name__
        return Output((), "unknown", None, cells.encode("answer", [None]), full, why)
    return Output(shape, container, names, column, full)


Parts = tuple[tuple[int, ...], str, list[str] | None, Column]


def _parts(answer: Any) -> Parts:
    root = type(answer).__module__.partition(".")[0]
    if isinstance(answer, list | tuple):
        return _list(answer)
    if root == "pandas":
        return _pandas(answer)
    if root == "pyarrow":
        return _pyarrow(answer)
    if root == "polars":
        return _polars(answer)
    if root == "torch":
        return _parts(_of_torch(answer))
    if isinstance(answer, Mapping):
        values = list(answer.values())
        if len(values) == 1 and hasattr(values[0], "__array__"):
            return _parts(values[0])  # what a graph's signature gives: its only output, by name
        raise Unrepresentable(f"a mapping of {len(answer)} things; one array is wanted")
    np = sys.modules.get("numpy")
    if np is not None and isinstance(answer, np.ndarray):
        return answer.shape, "ndarray", None, cells.encode_array("answer", answer)
    if np is not None and isinstance(answer, np.generic):
        return (), "scalar", None, cells.encode_array("answer", np.asarray(answer))
    if isinstance(answer, bool | int | float | str):
        return (), "scalar", None, cells.encode("answer", [answer])
    if np is not None and hasattr(answer, "__array__"):  # tensorflow, jax, cupy's like
        return _parts(np.asarray(answer))
    raise Unrepresentable("neither numpy, list, pandas, pyarrow, polars nor a tensor")


def _of_torch(answer: Any) -> Any:
    if not hasattr(answer, "detach"):
        raise Unrepresentable("no tensor of torch")
    held = answer.detach().cpu()
    if str(held.dtype) == "torch.bfloat16":
        held = held.float()
    return held.resolve_conj().resolve_neg().numpy()


def _polars(answer: Any) -> Parts:
    if hasattr(answer, "collect"):
        answer = answer.collect()
    if hasattr(answer, "get_columns"):
        names = [str(name) for name in answer.columns]
        columns = [_polars_series(series) for series in answer.get_columns()]
        return tuple(answer.shape), "table", names, interleave(columns)
    if hasattr(answer, "to_list"):
        return (len(answer),), "series", None, _polars_series(answer)
    raise Unrepresentable("no frame or series of polars")


def _polars_series(series: Any) -> Column:
    if series.null_count() or not series.dtype.is_numeric():
        return cells.encode("answer", series.to_list())
    return cells.encode_array("answer", series.to_numpy())


def _records(rows: Sequence[Mapping[Any, Any]]) -> Parts | None:
    """Take apart maps from label to number, one a row (ONNX's ZipMap); None for other maps."""
    keys = list(rows[0])
    known = set(keys)
    numbers = (int, float)
    for row in rows:
        if set(row) != known or not all(isinstance(value, numbers) for value in row.values()):
            return None
    column = cells.encode("answer", [float(row[key]) for row in rows for key in keys])
    return (len(rows), len(keys)), "list", [str(key) for key in keys], column


def _list(answer: Sequence[Any]) -> Parts:
    if answer and all(type(row).__module__.partition(".")[0] == "torch" for row in answer):
        answer = [_of_torch(row) for row in answer]
        answer = [row.item() if row.ndim == 0 else row for row in answer]
    if answer and all(isinstance(row, Mapping) and row for row in answer):
        found = _records(answer)
        if found is not None:
            return found
    shape, flat = _flatten(answer)
    np = sys.modules.get("numpy")
    if np is not None and flat and isinstance(flat[0], np.generic) and len({*map(type, flat)}) == 1:
        return shape, "list", None, cells.encode_array("answer", np.array(flat))
    return shape, "list", None, cells.encode("answer", flat)


def _flatten(rows: Sequence[Any]) -> tuple[tuple[int, ...], list[Any]]:
    """Open nested rows of one length; rows of unequal lengths stay whole, each one cell."""
    opened = [row.tolist() if _is_array(row) and row.ndim else row for row in rows]
    lengths = {len(row) if isinstance(row, list | tuple) else -1 for row in opened}
    if len(lengths) != 1 or -1 in lengths:
        return (len(opened),), opened
    inner, flat = _flatten([cell for row in opened for cell in row])
    return (len(opened), lengths.pop(), *inner[1:]), flat


def _is_array(value: Any) -> bool:
    np = sys.modules.get("numpy")
    return np is not None and isinstance(value, np.ndarray)


def _pandas(answer: Any) -> Parts:
    pandas = sys.modules["pandas"]
    if isinstance(answer, pandas.DataFrame):
        names = [str(name) for name in answer.columns]
        columns = [encode_series("answer", answer.iloc[:, i]) for i in range(len(names))]
        return answer.shape, "frame", names, interleave(columns)
    if isinstance(answer, pandas.Series):
        return answer.shape, "series", None, encode_series("answer", answer)
    if isinstance(answer, pandas.Index | pandas.api.extensions.ExtensionArray):
        return answer.shape, "array", None, encode_series("answer", pandas.Series(answer))
    if cells.is_missing(answer) or isinstance(answer, pandas.Timestamp):
        return (), "scalar", None, cells.encode("answer", [answer])
    raise Unrepresentable("no frame, series, index or array of pandas")


def encode_series(name: str, series: Any) -> Column:
    """Return a pandas Series as a column named *name*; its *dtype* is the Series' own."""
    dtype = series.dtype
    if str(dtype) == "category":
        if not len(dtype.categories):
            return cells.encode(name, [None] * len(series), dtype="category")
        codes = series.cat.codes.to_numpy()
        named = dtype.categories.take(codes.clip(0)).to_series()  # nothing has the code -1
        held = replace(encode_series(name, named), nulls=cells.packed(codes < 0))
        return replace(held, dtype="category")
    plain = getattr(dtype, "numpy_dtype", None)
    if plain is not None and plain.kind in "biuf":
        missing = series.isna().to_numpy()
        values = series.to_numpy(dtype=plain, na_value=plain.type(0))
        return replace(cells.encode_array(name, values, missing=missing), dtype=str(dtype))
    if getattr(dtype, "tz", None) is not None:
        utc = series.dt.tz_convert("UTC").dt.tz_localize(None)
        return replace(cells.encode_array(name, utc.to_numpy()), dtype=str(dtype))
    values = series.to_numpy()
    column = cells.encode_array(name, values)
    if values.dtype.kind == "O" and str(dtype) != "object":
        return replace(column, dtype=str(dtype))
    return column


def interleave(columns: Sequence[Column]) -> Column:
    """Return columns of a table as one column in row-major order, of a type that holds them all."""
    plain = all(c.nulls is None and c.offsets is None for c in columns)
    if plain and len({(c.type, c.dtype) for c in columns}) == 1:
        np = cells.library("numpy")
        arrays = [cells.decode_array(c)[0] for c in columns]
        return cells.encode_array("answer", np.stack(arrays, axis=1))
    listed = [cells.decode(column) for column in columns]
    column = cells.encode("answer", [cell for row in zip(*listed, strict=True) for cell in row])
    dtypes = {c.dtype for c in columns}
    return replace(column, dtype=dtypes.pop() if len(dtypes) == 1 else "object")


def _pyarrow(answer: Any) -> Parts:
    arrow = sys.modules["pyarrow"]
    if isinstance(answer, arrow.Table | arrow.RecordBatch):
        names = [str(name) for name in answer.schema.names]
        columns = [encode_arrow("answer", answer.column(i)) for i in range(len(names))]
        shape = (answer.num_rows, len(names))
        return shape, "table", names, interleave(columns)
    if isinstance(answer, arrow.Array | arrow.ChunkedArray):
        return (len(answer),), "array", None, encode_arrow("answer", answer)
    if isinstance(answer, arrow.Scalar):
        return (), "scalar", None, cells.encode("answer", [answer.as_py()])
    raise Unrepresentable("no table, array or scalar of pyarrow")


def encode_arrow(name: str, values: Any) -> Column:
    """Return a pyarrow Array or ChunkedArray as a column named *name*."""
    arrow = cells.library("pyarrow")
    types = arrow.types
    if isinstance(values, arrow.ChunkedArray):
        values = arrow.concat_arrays(values.chunks) if values.num_chunks else arrow.array(
            [], values.type
        )  # fmt: skip
    kind = values.type
    if types.is_dictionary(kind):
        return replace(encode_arrow(name, values.dictionary_decode()), dtype="category")
    if types.is_decimal(kind):
        values, kind = values.cast(arrow.float64()), arrow.float64()
    missing = values.is_null().to_numpy(zero_copy_only=False) if values.null_count else None
    if types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind):
        filled = values.fill_null(False if types.is_boolean(kind) else arrow.scalar(0, kind))
        return cells.encode_array(name, filled.to_numpy(zero_copy_only=False), missing=missing)
    if types.is_timestamp(kind) or types.is_date(kind):
        dtype = "date" if types.is_date(kind) else f"datetime64[{kind.unit}]"
        if types.is_timestamp(kind) and kind.tz:
            dtype = f"datetime64[{kind.unit}, {kind.tz}]"
        stamps = values.cast(arrow.timestamp("s")) if types.is_date(kind) else values
        whole = stamps.cast(arrow.timestamp("us", kind.tz if types.is_timestamp(kind) else None),
                            safe=False).cast(arrow.int64())  # fmt: skip
        held = cells.encode_array(name, whole.fill_null(0).to_numpy(), missing=missing)
        dtype = "" if dtype == "datetime64[us]" else dtype
        return Column(name, "us", held.rows, held.data, None, held.nulls, dtype)
    if types.is_string(kind) or types.is_large_string(kind) or _is_view(kind):
        return _arrow_text(name, values.cast(arrow.large_string()).fill_null(""), missing)
    if types.is_null(kind) or types.is_list(kind) or types.is_struct(kind):
        return cells.encode(name, values.to_pylist())
    raise Unrepresentable(f"column {name!r}: Arrow's {kind} can't be sent")


def _arrow_text(name: str, values: Any, missing: Any) -> Column:
    np = cells.library("numpy")
    _, offsets, data = values.buffers()
    at = np.frombuffer(offsets, "<i8", len(values) + 1, values.offset * 8) if len(values) else (
        np.zeros(1, "<i8")
    )  # fmt: skip
    held = b"" if data is None else data[int(at[0]) : int(at[-1])].to_pybytes()
    return Column(
        name, "str", len(values), held, (at - at[0]).astype("<i8").tobytes(), cells.packed(missing)
    )


def _is_view(kind: Any) -> bool:
    return str(kind) == "string_view"
