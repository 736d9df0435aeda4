"""Reading a data file, Parquet or CSV, with what the environment has."""

from __future__ import annotations

import csv
import importlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from harness.runtime import cells
    from harness.runtime.frame import NUMBERS, Column
    from harness.runtime.outputs import encode_arrow, encode_series
else:
    import cells
    from frame import NUMBERS, Column
    from outputs import encode_arrow, encode_series

NOTHING = frozenset(
    ("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
     "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null")
)  # fmt: skip
"""Texts that mean a missing cell in a CSV file: those of ``pandas.read_csv``."""
_USUAL = (
    *("float64", "float32", "bool", "str"),
    *(f"{sign}int{size}" for sign in ("", "u") for size in (8, 16, 32, 64)),
)
"""Dtypes that a column's type says already."""
_MOST = 1000  # categories that a dtype names


def read_table(
    path: Path | str,
    columns: Sequence[str] | None = None,
    start: int = 0,
    stop: int | None = None,
) -> tuple[int, dict[str, str], list[Column]]:
    """Return a data file's number of rows, its columns' kinds, and rows *start* to *stop* of it.

    Kinds are ``integer``, ``number``, ``boolean``, ``string``, ``datetime``, ``date``,
    ``category``, ``mixed``. Parquet is read by pyarrow, else by pandas; CSV by pandas, else by the
    csv module. *columns* selects, in its order. Raises ValueError for another kind of file, a
    column that is not there, or one whose cells no frame carries.
    """
    path = Path(path)
    if path.suffix in (".parquet", ".pq"):
        rows, found = _parquet(path, columns, start, stop)
    elif path.suffix == ".csv":
        rows, found = _csv(path, columns, start, stop)
    else:
        raise ValueError(f"{path.name} is neither Parquet nor CSV by its name")
    found = [replace(c, dtype="" if c.dtype in _USUAL else c.dtype) for c in found]
    return rows, {column.name: kind_of(column) for column in found}, found


def kind_of(column: Column) -> str:
    """Return the kind of a column as ``read_table`` names it."""
    if column.dtype.startswith("category"):
        return "category"
    if column.dtype == "date":
        return "date"
    if column.type in NUMBERS:
        return "number" if column.type.startswith("f") else "integer"
    return {"b1": "boolean", "us": "datetime", "str": "string"}.get(column.type, "mixed")


def _pick(path: Path, there: Sequence[str], columns: Sequence[str] | None) -> list[str]:
    double = sorted(name for name, count in Counter(there).items() if count > 1)
    if double:
        raise ValueError(f"{path.name} has two columns of one name: {', '.join(map(repr, double))}")
    if columns is None:
        return list(there)
    absent = [name for name in columns if name not in there]
    if absent:
        raise ValueError(f"{path.name} has no column {', '.join(map(repr, absent))}")
    return list(columns)


def _parquet(
    path: Path, columns: Sequence[str] | None, start: int, stop: int | None
) -> tuple[int, list[Column]]:
    try:
        parquet = importlib.import_module("pyarrow.parquet")
    except ModuleNotFoundError:
        frame = cells.library("pandas").read_parquet(path)
        return _pandas(path, frame, columns, start, stop)
    with parquet.ParquetFile(path) as file:
        schema = file.schema_arrow
        hints = (schema.pandas_metadata or {}) if schema.metadata else {}
        index = {name for name in hints.get("index_columns", []) if isinstance(name, str)}
        names = _pick(path, [name for name in schema.names if name not in index], columns)
        total: int = file.metadata.num_rows
        table = _rows(file, names, start, total if stop is None else min(stop, total))
    extension = {
        hint["name"]: hint["numpy_type"]
        for hint in hints.get("columns", [])
        if hint["numpy_type"] in cells.EXTENSIONS
    }
    found = []
    for name in names:
        column = encode_arrow(name, table.column(name))
        dtype = extension.get(name, column.dtype)
        if dtype == "category" and (chunks := table.column(name).unify_dictionaries().chunks):
            dtype = _categories(chunks[0].dictionary.to_pylist())
        found.append(replace(column, dtype=dtype))
    return total, found


def _rows(file: Any, names: list[str], start: int, stop: int) -> Any:
    groups, skipped, at = [], 0, 0
    for group in range(file.metadata.num_row_groups):
        rows = file.metadata.row_group(group).num_rows
        if at + rows <= start:
            skipped = at + rows
        elif at < stop:
            groups.append(group)
        at += rows
    if not groups:
        return file.schema_arrow.empty_table().select(names)
    table = file.read_row_groups(groups, columns=names, use_pandas_metadata=False)
    return table.slice(start - skipped, max(0, stop - start))


def _csv(
    path: Path, columns: Sequence[str] | None, start: int, stop: int | None
) -> tuple[int, list[Column]]:
    try:
        pandas = importlib.import_module("pandas")
    except ModuleNotFoundError:
        return _plain_csv(path, columns, start, stop)
    return _pandas(path, pandas.read_csv(path, low_memory=False), columns, start, stop)


def _pandas(
    path: Path, frame: Any, columns: Sequence[str] | None, start: int, stop: int | None
) -> tuple[int, list[Column]]:
    frame = frame.set_axis([str(name) for name in frame.columns], axis=1)
    names = _pick(path, list(frame.columns), columns)
    part = frame.iloc[start:stop]
    return len(frame), [_usual(_encoded(name, part[name])) for name in names]


def _encoded(name: str, series: Any) -> Column:
    column = encode_series(name, series)
    if column.dtype != "category":
        return column
    return replace(column, dtype=_categories(series.dtype.categories.tolist()))


def _categories(known: list[Any]) -> str:
    """Return the dtype that keeps the *known* categories and their order in every batch; more than
    a thousand of them, or such that JSON has no word for, are left to each batch."""
    plain = {type(value) for value in known} <= {str, int, bool} and 0 < len(known) <= _MOST
    return f"category:{json.dumps(known)}" if plain else "category"


def _usual(column: Column) -> Column:
    if column.type == "b1" and column.nulls is not None and column.dtype == "object":
        return replace(column, dtype="object:nan")  # what pandas puts where a CSV cell is empty
    plain = column.dtype == "object" and column.type in ("str", "json", "b1")
    return replace(column, dtype="") if plain else column


def _plain_csv(
    path: Path, columns: Sequence[str] | None, start: int, stop: int | None
) -> tuple[int, list[Column]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file)
        header = next(lines, [])
        rows = [line for line in lines if line]
    ragged = next((i for i, line in enumerate(rows) if len(line) != len(header)), None)
    if ragged is not None:
        raise ValueError(
            f"{path.name}: row {ragged} has {len(rows[ragged])} cells, not {len(header)}"
        )
    found = []
    for name in _pick(path, header, columns):
        place = header.index(name)
        whole = _guess([line[place] for line in rows])
        found.append(cells.encode(name, whole[start:stop]))
    return len(rows), found


def _guess(texts: list[str]) -> list[Any]:
    present = [text for text in texts if text not in NOTHING]
    if present and all(
        text in ("True", "False", "TRUE", "FALSE", "true", "false") for text in present
    ):
        return [None if t in NOTHING else t.lower() == "true" for t in texts]
    for kind in (int, float):
        try:
            held = {text: kind(text) for text in present}
        except ValueError:
            continue
        if not any("_" in text for text in present):
            return [held.get(text) for text in texts]
    return [None if text in NOTHING else text for text in texts]
