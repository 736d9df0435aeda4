"""Bodies of the Open Inference Protocol (V2 REST, JSON): what is asked, what came back, and what
no server may answer with anything but a 4xx."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from harness.contract.batch import Batch

TENSORS: dict[str, Any] = {
    "BOOL": np.bool_,
    "FP32": np.float32,
    "FP64": np.float64,
    **{
        f"{sign}INT{bits}": f"{sign.lower()}int{bits}"
        for sign in ("", "U")
        for bits in (8, 16, 32, 64)
    },
}
KINDS = {"number": "FP64", "integer": "INT64", "boolean": "BOOL"}


def tensors(batch: Batch) -> list[dict[str, Any]]:
    """Return one tensor a column, shape [n]; a missing cell is null (our documented extension)."""
    return [
        {
            "name": cells.name,
            "shape": [batch.rows],
            "datatype": KINDS.get(cells.kind, "BYTES"),
            "data": _data(cells),
        }
        for cells in batch.columns
    ]


def _data(cells: Any) -> list[Any]:
    values = cells.values
    if cells.kind == "datetime":
        values = np.datetime_as_string(values.astype("datetime64[us]"))
    listed = values.tolist()
    if cells.missing is not None:
        listed = [None if gone else v for v, gone in zip(listed, cells.missing, strict=True)]
    return [None if isinstance(v, float) and v != v else v for v in listed]


def infer_body(batch: Batch) -> bytes:
    """Return the request that asks for *batch*."""
    return json.dumps({"inputs": tensors(batch)}).encode()


def values_of(answer: dict[str, Any], method: str) -> np.ndarray:
    """Return the output tensor of *method* as an array of its declared shape."""
    wanted = "probabilities" if method == "predict_proba" else "predict"
    outputs = {output["name"]: output for output in answer["outputs"]}
    output = outputs.get(wanted) or next(iter(outputs.values()))
    kind = TENSORS.get(output["datatype"], object)
    return np.array(output["data"], dtype=kind).reshape(output["shape"])


def malformed(batch: Batch) -> Iterator[tuple[str, bytes, dict[str, str]]]:
    """Yield (title, body, headers) of requests that must be refused."""
    one = batch.take(np.array([0]))
    good = {"inputs": tensors(one)}
    first = good["inputs"][0]

    def changed(**changes: Any) -> bytes:
        return json.dumps({"inputs": [{**first, **changes}, *good["inputs"][1:]]}).encode()

    yield "empty", b"", {}
    yield "not JSON", b"{", {}
    yield "not UTF-8", b'{"inputs": "\xff\xfe"}', {}
    yield "a list", b"[]", {}
    yield "null", b"null", {}
    yield "no inputs", b"{}", {}
    yield "inputs is a number", b'{"inputs": 1}', {}
    yield "inputs is empty", b'{"inputs": []}', {}
    yield "a tensor is null", b'{"inputs": [null]}', {}
    yield "a column is missing", json.dumps({"inputs": good["inputs"][1:]}).encode(), {}
    yield "a column twice", json.dumps({"inputs": [first, *good["inputs"]]}).encode(), {}
    yield "no datatype", changed(datatype=None), {}
    yield "an unknown datatype", changed(datatype="FP17"), {}
    yield "a wrong shape", changed(shape=[7]), {}
    yield "a negative shape", changed(shape=[-1]), {}
    yield "a huge shape", changed(shape=[10**18]), {}
    yield "data is a word", changed(data="x"), {}
    yield "data holds an object", changed(data=[{"a": 1}]), {}
    yield "data is nested", changed(data=[[[[1]]]]), {}
    yield "unequal lengths", changed(data=first["data"] * 2, shape=[2]), {}
    yield "deep nesting", b'{"inputs": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", {}
