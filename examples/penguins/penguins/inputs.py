"""The one door for rows: what a caller sends, checked against ``inputs.schema.json``.

Training and prediction both come through here, so that a row means the same to both. Columns are
found by name; their order, the index, further columns and the dtype that holds a value make no
difference.
"""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

SCHEMA: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).parent.with_name("inputs.schema.json").read_text(encoding="utf-8")
)["properties"]


class Refused(ValueError):
    """Rows that the schema doesn't admit; says which columns and rows, and quotes no cell."""


def read(frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return every column of the schema: numbers as float64 with NaN where missing, text as
    objects with None where missing.

    Raises Refused, with all that is wrong in one message.
    """
    if not isinstance(frame, pd.DataFrame):
        raise Refused(f"expected a pandas DataFrame, found {type(frame).__name__}")
    problems = [f"{name}: no such column" for name in SCHEMA if name not in frame.columns]
    problems += [f"{name}: more than one such column" for name in _twice(frame)]
    columns = {}
    if not problems:
        for name, said in SCHEMA.items():
            column = _text if "string" in said["type"] else _numbers
            columns[name], found = column(frame[name], said)
            problems += [f"{name}: {what}" for what in found]
    if problems:
        raise Refused("; ".join(problems))
    return columns


def _twice(frame: pd.DataFrame) -> list[str]:
    again = set(frame.columns[frame.columns.duplicated()])
    return [name for name in SCHEMA if name in again]


def _numbers(column: pd.Series, said: dict[str, Any]) -> tuple[np.ndarray, list[str]]:
    missing = column.isna().to_numpy(dtype=bool)
    if pd.api.types.is_float_dtype(column) or pd.api.types.is_integer_dtype(column):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    else:  # objects, categories, text: a cell at a time; True and "5" are no numbers
        cells = zip(column.to_numpy(dtype=object), missing, strict=True)
        found = [np.nan if gone else _number(cell) for cell, gone in cells]
        alien = np.array([value is None for value in found], dtype=bool)
        if alien.any():
            return np.empty(0), [f"not a number in {_rows(alien)}"]
        values = np.array(found, dtype=np.float64)
    problems = _missing(missing, said)
    low, high = said["minimum"], said["maximum"]
    outside = ~missing & ~((values >= low) & (values <= high))
    if outside.any():
        problems.append(f"not within {low} and {high} in {_rows(outside)}")
    if "integer" in said["type"]:
        broken = ~missing & ~outside & (values != np.floor(values))
        if broken.any():
            problems.append(f"not a whole number in {_rows(broken)}")
    return values, problems


def _number(cell: Any) -> float | None:
    if isinstance(cell, bool) or not isinstance(cell, int | float | np.integer | np.floating):
        return None
    try:
        return float(cell)
    except OverflowError:  # an integer beyond every float64 is beyond every bound
        return np.inf


def _text(column: pd.Series, said: dict[str, Any]) -> tuple[np.ndarray, list[str]]:
    missing = column.isna().to_numpy(dtype=bool)
    values = column.to_numpy(dtype=object, copy=True)
    values[missing] = None
    if pd.api.types.infer_dtype(values, skipna=True) != "string":
        alien = np.array([cell is not None and not isinstance(cell, str) for cell in values], bool)
        if alien.any():
            return values, [f"not text in {_rows(alien)}"]
    problems = _missing(missing, said)
    if "enum" in said:  # a closed category: exactly these spellings
        unknown = ~missing & ~pd.Series(values, dtype=object).isin(said["enum"]).to_numpy()
        if unknown.any():
            problems.append(f"none of the known values in {_rows(unknown)}")
    elif said.get("x-harness-open"):  # an open category: any spelling of a value is that value
        codes, different = pd.factorize(values)
        spelt = np.array([*(_clean(value) for value in different), None], dtype=object)
        values = spelt[codes]  # code -1 is a missing cell, the last place
    return values, problems


def _clean(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip().title()


def _missing(missing: np.ndarray, said: dict[str, Any]) -> list[str]:
    if "null" in said["type"] or not missing.any():
        return []
    return [f"missing in {_rows(missing)}"]


def _rows(wrong: np.ndarray) -> str:
    rows = np.flatnonzero(wrong)
    shown = ", ".join(str(row) for row in rows[:5])
    more = f" and {len(rows) - 5} more" if len(rows) > 5 else ""
    return f"row{'s' if len(rows) > 1 else ''} {shown}{more}"
