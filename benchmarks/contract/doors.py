"""How the corpus' own models read a table: columns by name, checked, as plain arrays.

A cell of a wrong type, outside its bounds or not in its list is refused by a ValueError or a
TypeError that names the column; an absent column by a KeyError. Frames of pandas, tables of
pyarrow and arrays of numpy (whose columns go by position) are read alike.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

Arrays = dict[str, np.ndarray]
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def read(schema: Mapping[str, Any], rows: Any, *, fold: bool = False) -> Arrays:
    """Return each column of *rows* that *schema* names: float64 with NaN for numbers (booleans are
    0 and 1), days since 1970 for dates, seconds for moments, objects with None for text.

    With *fold*, the case and the surrounding spaces of listed values are no matter.
    """
    columns = schema["properties"]
    if isinstance(rows, np.ndarray) and rows.ndim == 2 and rows.shape[1] != len(columns):
        raise ValueError(f"{len(columns)} columns are needed, not {rows.shape[1]}")
    found = {}
    for place, (name, column) in enumerate(columns.items()):
        found[name] = _column(name, column, _cells(rows, name, place), fold)
    return found


def _cells(rows: Any, name: str, place: int) -> np.ndarray:
    if isinstance(rows, np.ndarray):
        return rows[:, place]
    held = rows[name]
    if isinstance(held, pd.Series):
        if held.dtype.kind in "iufb" and isinstance(held.dtype, np.dtype):
            return held.to_numpy()
        return held.astype(object).to_numpy()
    kind = held.type
    import pyarrow as pa

    if pa.types.is_floating(kind) or (pa.types.is_integer(kind) and not held.null_count):
        return held.to_numpy()
    return np.array(held.to_pylist(), dtype=object)


def _column(name: str, column: Mapping[str, Any], cells: np.ndarray, fold: bool) -> np.ndarray:
    types = column["type"]
    kind = types if isinstance(types, str) else types[0]
    if kind in ("number", "integer"):
        held = _numbers(name, cells)
        low, high = column.get("minimum", -np.inf), column.get("maximum", np.inf)
        if np.isinf(held).any() or (held < low).any() or (held > high).any():
            raise ValueError(f"{name} lies outside its bounds")
        if kind == "integer" and (held[~np.isnan(held)] % 1 != 0).any():
            raise ValueError(f"{name} is no whole number")
    elif kind == "boolean":
        held = _each(name, cells, _flag, np.float64, np.nan)
    elif column.get("format") == "date":
        held = _each(name, cells, _day, np.float64, np.nan)
        _within(name, held, column, _day)
    elif column.get("format") == "date-time":
        held = _each(name, cells, _seconds, np.float64, np.nan)
        _within(name, held, column, _seconds)
    else:
        known = [value for value in column.get("enum", ()) if value is not None]
        held = _texts(name, cells, known, column.get("maxLength"), fold)
    nullable = not isinstance(types, str)
    missing = pd.isna(held)
    if not nullable and missing.any():
        raise ValueError(f"{name} is missing in {int(missing.sum())} rows")
    return held


def _within(
    name: str, held: np.ndarray, column: Mapping[str, Any], value: Callable[[Any], float]
) -> None:
    low, high = column.get("formatMinimum"), column.get("formatMaximum")
    if (low and (held < value(low)).any()) or (high and (held > value(high)).any()):
        raise ValueError(f"{name} lies outside its bounds")


def _numbers(name: str, cells: np.ndarray) -> np.ndarray:
    if cells.dtype.kind in "iuf":
        return cells.astype(np.float64)
    if cells.dtype.kind == "b":
        raise TypeError(f"{name} is no number")
    return _each(name, cells, _number, np.float64, np.nan)


def _each(
    name: str, cells: np.ndarray, value: Callable[[Any], Any], dtype: Any, nothing: Any
) -> np.ndarray:
    seen: dict[Any, Any] = {}
    held = np.empty(len(cells), dtype)
    for place, cell in enumerate(cells):
        if cell is None or cell is pd.NA or cell is pd.NaT or cell != cell:
            held[place] = nothing
            continue
        try:
            key = (type(cell), cell)
            if key not in seen:
                seen[key] = value(cell)
            held[place] = seen[key]
        except (ValueError, TypeError, OverflowError) as wrong:
            raise type(wrong)(f"{name} can't be read") from None
    return held


def _number(cell: Any) -> float:
    if isinstance(cell, bool | np.bool_) or not isinstance(cell, int | float | np.number):
        raise TypeError("no number")
    return float(cell)


def _flag(cell: Any) -> float:
    if not isinstance(cell, bool | np.bool_ | float | int):
        raise TypeError("no boolean")
    if cell not in (0, 1):
        raise ValueError("no boolean")
    return float(cell)


def _day(cell: Any) -> float:
    if not isinstance(cell, str):
        raise TypeError("no date")
    if not _DAY.fullmatch(cell):
        raise ValueError("no date")
    return float(datetime.date.fromisoformat(cell).toordinal() - 719_163)


def _seconds(cell: Any) -> float:
    if not isinstance(cell, str):
        raise TypeError("no moment")
    if not _MOMENT.fullmatch(cell):
        raise ValueError("no moment")
    whole, _, rest = cell.upper().partition(".")
    digits = re.match(r"\d*", rest)
    fraction = digits.group() if digits else ""
    zone = rest[len(fraction) :]
    stamp = datetime.datetime.fromisoformat((whole + zone).replace("Z", "+00:00"))
    since = stamp - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    return since.total_seconds() + (float(f"0.{fraction}") if fraction else 0.0)


def _texts(
    name: str, cells: np.ndarray, known: list[str], longest: int | None, fold: bool
) -> np.ndarray:
    listed = {_folded(value) if fold else value: value for value in known}

    def value(cell: Any) -> str:
        if not isinstance(cell, str):
            raise TypeError("no text")
        if longest is not None and len(cell) > longest:
            raise ValueError("too long")
        if not listed:
            return str(cell)
        return listed[_folded(cell) if fold else str(cell)]

    try:
        return _each(name, cells, value, object, None)
    except KeyError:
        raise ValueError(f"{name} holds an unknown value") from None


def _folded(value: str) -> str:
    import unicodedata

    return unicodedata.normalize("NFC", value).strip().casefold()
