"""An onnxruntime session as a model that takes frames and arrays.

A graph with one input gets all columns as one matrix; with several, each input gets the column of
its name, or (by width) the next columns of its kind, text or numbers. Of its outputs, labels are
``predict`` and a matrix or the maps of ZipMap are ``predict_proba``; a graph with one output only
is called. An output of shape (rows, 1) is one value a row. A graph of exactly one row is asked row
by row, and says so; one of any other fixed number is refused.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_TYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(int16)": "int16",
    "tensor(int8)": "int8",
    "tensor(uint8)": "uint8",
    "tensor(uint16)": "uint16",
    "tensor(uint32)": "uint32",
    "tensor(uint64)": "uint64",
    "tensor(bool)": "bool",
    "tensor(string)": "object",
}
_ROW_BY_ROW = (
    "the graph takes exactly one row, so it is asked row by row, here and when it is served; "
    "any other caller has to do so too, unless it is exported with a free first dimension"
)
_REFUSED = ("InvalidArgument", "InvalidGraph", "Fail", "RuntimeException")


class OnnxModel:
    """A graph ready to run. *path* is its file (None: unknown), for the numbers in its trees."""

    refusals = ()  # the library's own errors become ValueErrors

    def __init__(self, session: Any, path: Path | None) -> None:
        """Take an open session; raises ValueError for inputs that are no tensors of columns."""
        self.session = session
        self.path = path
        self.inputs = list(session.get_inputs())
        for given in self.inputs:
            if given.type not in _TYPES or len(given.shape) not in (1, 2):
                raise ValueError(
                    f"input {given.name} is a {given.type} of shape {given.shape}; "
                    "columns go into tensors of shape [rows] or [rows, columns]"
                )
        first = {given.shape[0] for given in self.inputs if isinstance(given.shape[0], int)}
        self._batch = first.pop() if first else 0
        if self._batch > 1:
            raise ValueError(
                f"the graph takes batches of exactly {self._batch} rows; "
                "export it with a free first dimension"
            )
        self.remarks = (_ROW_BY_ROW,) if self._batch == 1 else ()
        text = any(given.type == "tensor(string)" for given in self.inputs)
        single = len(self.inputs) == 1 and self._width(self.inputs[0]) != 1
        self.input_kind = "numpy" if single and not text else "pandas"
        self.width = self._width(self.inputs[0]) if single else 0
        self.feature_names = None
        if not single and all(self._width(given) == 1 for given in self.inputs):
            self.feature_names = [given.name for given in self.inputs]
        self._ways(list(session.get_outputs()))

    def _ways(self, outputs: Sequence[Any]) -> None:
        maps = [out.name for out in outputs if "map(" in out.type]
        labels = [out.name for out in outputs if out.type in ("tensor(int64)", "tensor(string)")]
        tables = [out.name for out in outputs if out.type in ("tensor(float)", "tensor(double)")]
        self.output_kind = ""
        self.classes_: list[Any] | None = None
        if len(outputs) > 1 and labels and (maps or tables):
            self.output_kind = "probabilities"
            chosen = (maps or tables)[0]
            self.predict = lambda rows: self._ask(rows, labels[0])
            self.predict_proba = lambda rows: self._ask(rows, chosen)
            if maps:
                self.classes_ = self._labels(chosen)
        self._first = outputs[0].name

    def _labels(self, output: str) -> list[Any] | None:
        """Return the keys of ZipMap's maps, which only an answer shows: that to one row of zeros
        or empty texts. None where the graph refuses it."""
        shapes = {
            given.name: (1,) if len(given.shape) == 1 else (1, self._width(given) or 1)
            for given in self.inputs
        }
        try:
            return list(self._run(self._blank(shapes), output)[0])
        except ValueError:
            return None

    def _blank(self, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
        """Return tensors of zeros and empty texts."""
        np = importlib.import_module("numpy")
        kinds = {given.name: _TYPES[given.type] for given in self.inputs}
        return {
            name: np.full(shape, "", object) if kinds[name] == "object" else np.zeros(
                shape, kinds[name]
            )
            for name, shape in shapes.items()
        }  # fmt: skip

    def __call__(self, rows: Any) -> Any:
        """Return the first output."""
        return self._ask(rows, self._first)

    def _ask(self, rows: Any, output: str) -> Any:
        feed = self._feed(rows)
        if not self._batch:
            return self._run(feed, output)
        count = len(next(iter(feed.values())))
        if not count:  # the answer's shape and type are those of any row's
            one = self._blank({name: (1, *held.shape[1:]) for name, held in feed.items()})
            return self._run(one, output)[:0]
        parts = [
            self._run({n: v[i : i + 1] for n, v in feed.items()}, output) for i in range(count)
        ]
        if isinstance(parts[0], list):
            return [cell for part in parts for cell in part]
        return importlib.import_module("numpy").concatenate(parts)

    def _run(self, feed: dict[str, Any], output: str) -> Any:
        try:
            (answer,) = self.session.run([output], feed)
        except Exception as raised:
            if type(raised).__name__ in _REFUSED:  # classes of onnxruntime's own, no ValueErrors
                raise ValueError(f"{type(raised).__name__}: {raised}") from raised
            raise
        if isinstance(answer, list) and self.classes_:  # ZipMap's maps, from a float32 tensor
            np, keys = importlib.import_module("numpy"), self.classes_
            flat = (row[key] for row in answer for key in keys)
            return np.fromiter(flat, np.float32).reshape(len(answer), len(keys))
        shape = tuple(getattr(answer, "shape", ()))
        return answer[:, 0] if shape[1:] == (1,) else answer

    def _feed(self, rows: Any) -> dict[str, Any]:
        rows = rows.to_pandas() if hasattr(rows, "to_pandas") else rows
        if not hasattr(rows, "columns"):
            if len(self.inputs) != 1:
                raise ValueError(f"the graph takes {len(self.inputs)} tensors, not one matrix")
            return {self.inputs[0].name: self._tensor(rows, self.inputs[0])}
        held = {str(name): rows[name].to_numpy() for name in rows.columns}
        names = [given.name for given in self.inputs]
        if len(self.inputs) == 1 and (self._width(self.inputs[0]) != 1 or names[0] not in held):
            return {names[0]: self._tensor(self._stacked(list(held.values())), self.inputs[0])}
        if self.feature_names is not None and set(names) & set(held):
            absent = [name for name in names if name not in held]
            if absent:
                raise KeyError(f"no column {', '.join(map(repr, absent))}")
            return {g.name: self._tensor(held[g.name], g) for g in self.inputs}
        return self._by_width(held)

    def _by_width(self, held: dict[str, Any]) -> dict[str, Any]:
        texts = [v for v in held.values() if v.dtype.kind not in "biuf"]
        numbers = [v for v in held.values() if v.dtype.kind in "biuf"]
        feed = {}
        for given in self.inputs:
            waiting = texts if given.type == "tensor(string)" else numbers
            width = self._width(given) or len(waiting)
            if len(waiting) < width:
                raise ValueError(f"too few columns for input {given.name} of {width} columns")
            feed[given.name] = self._tensor(self._stacked(waiting[:width]), given)
            del waiting[:width]
        return feed

    def _stacked(self, columns: Sequence[Any]) -> Any:
        np = importlib.import_module("numpy")
        if any(column.dtype.kind not in "biuf" for column in columns):
            columns = [column.astype(object) for column in columns]
        return np.stack(columns, axis=1)

    def _tensor(self, values: Any, given: Any) -> Any:
        np = importlib.import_module("numpy")
        values, wanted = np.asarray(values), _TYPES[given.type]
        if wanted == "object":
            held = values.astype(object)
            if any(not isinstance(cell, str) for cell in held.ravel()):
                raise ValueError(f"input {given.name} is text, and some cells are none")
        else:
            if values.dtype.kind not in "biuf":
                values = values.astype(float)  # raises ValueError for text that is no number
            if np.dtype(wanted).kind in "iub" and values.dtype.kind == "f":
                whole = np.isfinite(values) & (values == np.floor(values))
                if not whole.all():
                    raise ValueError(f"input {given.name} takes whole numbers")
            with np.errstate(over="ignore"):  # beyond float32 it is infinite, as for every caller
                held = values.astype(wanted)
        if len(given.shape) == 1:
            return held.reshape(len(held)) if held.ndim == 1 or held.shape[1] == 1 else held
        return held.reshape(len(held), 1) if held.ndim == 1 else held

    def _width(self, given: Any) -> int:
        """Return how many columns an input takes, 0 for any number."""
        if len(given.shape) == 1:
            return 1
        return given.shape[1] if isinstance(given.shape[1], int) else 0
