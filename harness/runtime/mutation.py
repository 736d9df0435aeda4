"""Whether a model changed the input that it was given."""

from __future__ import annotations

import copy
import sys
from typing import Any


def snapshot(inputs: Any) -> Any:
    """Return a copy of *inputs* that shares nothing that could be changed in place.

    Arrow tables can't be changed: they are their own copy.
    """
    if type(inputs).__module__.partition(".")[0] == "pyarrow":
        return inputs
    pandas, np = sys.modules.get("pandas"), sys.modules.get("numpy")
    if np is not None and isinstance(inputs, np.ndarray):
        return _copied(inputs)
    if pandas is None or not isinstance(inputs, pandas.DataFrame):
        return copy.deepcopy(inputs)
    held = inputs.copy(deep=True)
    for place, dtype in enumerate(held.dtypes):
        if str(dtype) == "object":  # pandas copies the references alone
            values = _copied(held.iloc[:, place].to_numpy())
            held.isetitem(place, pandas.Series(values, held.index, dtype=object))
    return held


def _copied(values: Any) -> Any:
    inner = values.dtype.kind == "O" and any(isinstance(c, list | dict) for c in values.flat)
    return copy.deepcopy(values) if inner else values.copy()


def unchanged(inputs: Any, before: Any) -> bool:
    """Return whether *inputs* equals its *snapshot* to the bit: cells, dtypes, columns, index.

    A missing cell equals itself only; None, NaN and NaT are three values.
    """
    if inputs is before:
        return True
    pandas, np = sys.modules.get("pandas"), sys.modules.get("numpy")
    if pandas is not None and isinstance(before, pandas.DataFrame):
        return (
            inputs.shape == before.shape
            and _same_index(inputs.columns, before.columns)
            and _same_index(inputs.index, before.index)
            and all(
                _same_values(inputs.iloc[:, place], before.iloc[:, place])
                for place in range(before.shape[1])
            )
        )
    if np is not None and isinstance(before, np.ndarray):
        return inputs.shape == before.shape and _same_array(inputs, before)
    return _same_json(inputs, before)


def changes(inputs: Any, before: Any) -> list[str | int]:
    """Return which columns of *inputs* are others than in its *snapshot*: names of a frame's (those
    that came or went, too), positions of an array's; none of what has no columns."""
    pandas, np = sys.modules.get("pandas"), sys.modules.get("numpy")
    if pandas is not None and isinstance(before, pandas.DataFrame):
        names, known = [str(n) for n in inputs.columns], [str(n) for n in before.columns]
        found = [name for name in (*known, *names) if (name in names) != (name in known)]
        if len(inputs) == len(before):
            found += [
                name
                for place, name in enumerate(known)
                if names.count(name) == known.count(name) == 1
                and not _same_values(inputs.iloc[:, names.index(name)], before.iloc[:, place])
            ]
        return list(found)
    if np is None or not isinstance(before, np.ndarray) or before.ndim != 2:
        return []
    if inputs.shape != before.shape:
        return []
    pairs = enumerate(zip(inputs.T, before.T, strict=True))
    return [place for place, (one, other) in pairs if not _same_array(one, other)]


def _same_json(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same; 1, 1.0 and true are three values."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same_json(one[k], other[k]) for k in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same_json, one, other))
    return _same_cell(one, other)


def _same_index(one: Any, other: Any) -> bool:
    return bool(
        one.dtype == other.dtype and one.equals(other) and list(one.names) == list(other.names)
    )


def _same_values(one: Any, other: Any) -> bool:
    np = sys.modules["numpy"]
    if one.dtype != other.dtype:
        return False
    if isinstance(one.dtype, np.dtype):
        return _same_array(one.to_numpy(), other.to_numpy())
    return bool(one.array.equals(other.array))


def _same_array(one: Any, other: Any) -> bool:
    if one.dtype != other.dtype:
        return False
    if one.dtype.kind != "O":
        return bool(one.tobytes() == other.tobytes())
    return all(map(_same_cell, one.ravel().tolist(), other.ravel().tolist()))


def _same_cell(one: Any, other: Any) -> bool:
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return bool(one.hex() == other.hex())  # NaN equals NaN, and -0.0 is not 0.0
    return bool(one == other)
