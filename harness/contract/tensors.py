"""Batches and answers as tensors of the Open Inference Protocol (V2 REST, JSON)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from harness.contract.batch import Array, Batch, Cells, Refusal, Unsendable

_BY_KIND: Mapping[str, str] = {
    "number": "FP64",
    "integer": "INT64",
    "boolean": "BOOL",
    "string": "BYTES",
    "datetime": "BYTES",
    "mixed": "BYTES",
}
_INTEGERS = tuple(f"{sign}INT{size}" for sign in ("", "U") for size in (8, 16, 32, 64))
_FLOATS = ("FP16", "FP32", "FP64")


def inputs_of(batch: Batch, described: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return *batch* as input tensors; *described* is the server's metadata of its inputs.

    One tensor a column; where one input is described that is no column of ours, one matrix.
    A column keeps its own kind's datatype unless all its cells fit the described one. Raises
    Unsendable for cells that JSON has no word for, or that don't go into one matrix.
    """
    known = {str(tensor["name"]): tensor for tensor in described}
    if len(known) == 1 and batch.names != tuple(known):
        return [_matrix(batch, next(iter(known.values())))]
    return [_tensor(column, known.get(column.name, {})) for column in batch.columns]


def _tensor(column: Cells, described: Mapping[str, Any]) -> dict[str, Any]:
    datatype = str(described.get("datatype") or "")
    data = _cells(column)
    if column.kind == "mixed":
        datatype = datatype or _BY_KIND["mixed"]
    else:
        data, datatype = _fitted(column, data, datatype)
    shape = [len(column), 1] if len(described.get("shape") or ()) == 2 else [len(column)]
    found = {"name": column.name, "shape": shape, "datatype": datatype, "data": data}
    return found | ({"parameters": {"content_type": "str"}} if datatype == "BYTES" else {})


def _fitted(column: Cells, data: list[Any], wanted: str) -> tuple[list[Any], str]:
    usual = _BY_KIND[column.kind]
    if wanted in _FLOATS and column.kind == "integer":
        held = [cell if cell is None else float(cell) for cell in data]
        same = all(a is None or int(a) == b for a, b in zip(held, data, strict=True))
        return (held, wanted) if same else (data, usual)
    if wanted in _FLOATS and column.kind == "number":
        return data, wanted
    if wanted in _INTEGERS and column.kind in ("number", "integer"):
        if all(cell is None or float(cell).is_integer() for cell in data):
            return [cell if cell is None else int(cell) for cell in data], wanted
        return data, usual
    return data, usual


def _cells(column: Cells) -> list[Any]:
    """Return the cells as JSON has them, None where missing."""
    if column.kind == "datetime":
        texts = [column.at(row) for row in range(len(column))]
        cut = 10 if column.dtype == "date" else None
        return [text if text is None else text[:cut] for text in texts]
    listed = column.values.tolist()
    gone = column.absent.tolist()
    data = [None if nothing else cell for cell, nothing in zip(listed, gone, strict=True)]
    if column.kind in ("number", "mixed"):
        for cell in data:
            if isinstance(cell, float) and not math.isfinite(cell):
                raise Unsendable(f"column {column.name}: JSON has no NaN and no infinity")
    return data


def _matrix(batch: Batch, described: Mapping[str, Any]) -> dict[str, Any]:
    wrong = [c.name for c in batch.columns if c.kind not in ("number", "integer", "boolean")]
    if wrong:
        raise Unsendable(
            f"the server takes one matrix of numbers, and {', '.join(wrong)} holds other cells"
        )
    columns = [_cells(column) for column in batch.columns]
    datatype = str(described.get("datatype") or "FP64")
    as_held = float if datatype in _FLOATS else lambda cell: cell
    data = [None if c is None else as_held(c) for row in zip(*columns, strict=True) for c in row]
    shape = [batch.rows, len(columns)]
    return {"name": described["name"], "shape": shape, "datatype": datatype, "data": data}


def values_of(tensor: Mapping[str, Any]) -> Array:
    """Return an output tensor's values in its shape: float64, float32 for FP32 and FP16, int64,
    bool, or objects for texts. Raises Refusal for one that isn't as it says."""
    datatype, data, shape = tensor.get("datatype"), tensor.get("data"), tensor.get("shape")
    name = str(tensor.get("name"))
    if not isinstance(shape, list) or not isinstance(data, list):
        raise _bad(name, "has no shape or no data")
    flat = list(_flat(data))
    if len(flat) != math.prod(shape):
        raise _bad(name, f"says shape {shape} and holds {len(flat)} values")
    values: Array
    try:
        if datatype in _FLOATS:
            kind = np.float64 if datatype == "FP64" else np.float32
            values = np.array([math.nan if v is None else v for v in flat], kind)
        elif datatype in _INTEGERS:
            values = np.array(flat, np.int64)
        elif datatype == "BOOL":
            values = np.array(flat, bool)
        else:
            values = np.empty(len(flat), object)
            values[:] = [_opened(v) for v in flat] if _is_json(tensor) else flat
    except (ValueError, TypeError, OverflowError) as wrong:
        raise _bad(name, f"is no {datatype}: {type(wrong).__name__}") from wrong
    return values.reshape(shape)


def _flat(data: Sequence[Any]) -> Any:
    for value in data:
        if isinstance(value, list):
            yield from _flat(value)
        else:
            yield value


def _is_json(tensor: Mapping[str, Any]) -> bool:
    return (tensor.get("parameters") or {}).get("content_type") == "application/json"


def _opened(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return text


def _bad(name: str, problem: str) -> Refusal:
    return Refusal("BadAnswer", ("BadAnswer",), f"output {name} {problem}")
