"""Bodies of the Open Inference Protocol (V2 REST, JSON): a request's columns, an answer's tensors.

https://github.com/kserve/open-inference-protocol, specification/protocol/inference_rest.md. Two
extensions: a null in ``data`` is a missing cell, and extra tensors are passed over. A body that
can't be read is Refused, with a reason that names columns and rows and quotes no cell.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING or __package__:
    from harness.runtime import cells, dtypes
    from harness.runtime.frame import Column
else:
    import cells
    import dtypes
    from frame import Column

ROWS_NAMED = 5
"""How many row numbers an error lists."""
_INTEGERS = {
    f"{sign}INT{size}": (f"{'u' if sign else 'i'}{size // 8}", size)
    for sign in ("", "U")
    for size in (8, 16, 32, 64)
}
_FLOATS = {"FP64": "f8", "FP32": "f4"}
DATATYPES = ("BOOL", *_INTEGERS, *_FLOATS, "BYTES")
_NAMES = {"b1": "BOOL", "str": "BYTES", "json": "BYTES", "us": "BYTES"} | {
    **{code: name for name, (code, _) in _INTEGERS.items()},
    **{code: name for name, code in _FLOATS.items()},
}


class Refused(Exception):
    """A request that gets a 4xx: its *status* and the reason."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


class Unanswerable(Exception):
    """The model's own answer can't be sent: a 5xx, and a broken promise of the model."""


@dataclass(frozen=True)
class Request:
    """One infer request. *outputs* are the names of the tensors asked for; empty means all."""

    id: str | None
    columns: tuple[Column, ...]
    outputs: tuple[str, ...]

    @property
    def rows(self) -> int:
        """The number of rows."""
        return self.columns[0].rows


def parse(body: bytes) -> Any:
    """Return the JSON value of *body*; raises Refused for what is not strict JSON in UTF-8."""
    try:
        text = body.decode()
    except UnicodeDecodeError as wrong:
        raise Refused(f"the body is not UTF-8 (at byte {wrong.start})") from None
    try:
        return json.loads(text, parse_constant=_no_constant, object_pairs_hook=_once)
    except json.JSONDecodeError as wrong:
        raise Refused(
            f"the body is not JSON: {wrong.msg} at line {wrong.lineno}, column {wrong.colno}"
        ) from None
    except RecursionError:
        raise Refused("the body is nested too deep") from None
    except ValueError:  # an integer with more digits than Python converts
        raise Refused("the body holds a number with too many digits") from None


def _no_constant(name: str) -> NoReturn:
    raise Refused(f"the body holds {name}, which is not JSON; a missing cell is null")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Refused(f"an object has the key {_shown(twice)} twice")
    return found


def read(body: bytes, *, outputs: Sequence[str], inputs: Mapping[str, Any] | None = None,
         held: Mapping[str, str] | None = None) -> Request:  # fmt: skip
    """Return what an infer request asks for.

    *outputs* are the tensors that this model has. *inputs* is the JSON Schema of one row, if there
    is one: then its columns must all be there, come in its order, and others are passed over.
    *held* says how columns are to be held (the words of ``frame.Column.dtype``). Raises Refused.
    """
    request = parse(body)
    if not isinstance(request, dict):
        raise Refused("the body is not a JSON object")
    identity = request.get("id")
    if identity is not None and not isinstance(identity, str):
        raise Refused("id is not a string")
    tensors = request.get("inputs")
    if not isinstance(tensors, list) or not tensors:
        raise Refused("inputs is not a list of tensors, one a column")
    columns: dict[str, Column] = {}
    for place, tensor in enumerate(tensors):
        column = _column(tensor, place, held or {})
        if column.name in columns:
            raise Refused(f"column {_shown(column.name)} is there twice")
        columns[column.name] = column
    lengths = {column.rows for column in columns.values()}
    if len(lengths) > 1:
        told = ", ".join(f"{_shown(c.name)}: {c.rows}" for c in [*columns.values()][:ROWS_NAMED])
        raise Refused(f"the columns have unequal numbers of rows ({told})")
    return Request(identity, _declared(columns, inputs), _wanted(request, outputs))


def _wanted(request: Mapping[str, Any], outputs: Sequence[str]) -> tuple[str, ...]:
    asked = request.get("outputs")
    if asked is None:
        return ()
    if not isinstance(asked, list) or not all(isinstance(output, dict) for output in asked):
        raise Refused("outputs is not a list of objects with a name")
    for output in asked:
        if output.get("name") not in outputs:
            raise Refused(
                f"there is no output {_shown(output.get('name'))}; there is {', '.join(outputs)}"
            )
    return tuple(dict.fromkeys(output["name"] for output in asked))


def _declared(columns: dict[str, Column], inputs: Mapping[str, Any] | None) -> tuple[Column, ...]:
    declared = (inputs or {}).get("properties")
    if not declared:
        return tuple(columns.values())
    absent = [name for name in declared if name not in columns]
    if absent:
        raise Refused(f"missing: column {', '.join(map(_shown, absent))}")
    for name, described in declared.items():
        _fits(columns[name], described)
    return tuple(columns[name] for name in declared)


def _fits(column: Column, described: Any) -> None:
    types = described.get("type") if isinstance(described, dict) else None
    if types is None:
        return
    wanted = {types} if isinstance(types, str) else set(types)
    kind = {"b1": "boolean", "str": "string", "us": "string"}.get(column.type, "number")
    if kind == "number" and wanted & {"integer", "number"}:
        return
    if kind not in wanted and not (column.nulls is not None and all(cells.mask(column))):
        raise Refused(
            f"column {_shown(column.name)} came as {_NAMES[column.type]}; "
            f"it is declared as {' or '.join(sorted(wanted))}"
        )


def _column(tensor: Any, place: int, held: Mapping[str, str]) -> Column:
    if not isinstance(tensor, dict):
        raise Refused(f"inputs[{place}] is not an object")
    name = tensor.get("name")
    if not isinstance(name, str) or not name or not _encodable(name):
        raise Refused(f"inputs[{place}] has no name that is text")
    where = f"column {_shown(name)}"
    datatype = tensor.get("datatype")
    if datatype not in DATATYPES:
        raise Refused(f"{where}: datatype {_shown(datatype)} is none of {', '.join(DATATYPES)}")
    rows = _rows(tensor.get("shape"), where)
    data = tensor.get("data")
    if not isinstance(data, list):
        raise Refused(f"{where}: data is not a list")
    if len(tensor["shape"]) == 2 and data and all(isinstance(row, list) for row in data):
        wrong = [i for i, row in enumerate(data) if len(row) != 1]
        if wrong:
            raise Refused(f"{where}: not one cell in {_listed(wrong)}")
        data = [row[0] for row in data]
    if len(data) != rows:
        raise Refused(f"{where}: shape says {rows} rows, data has {len(data)}")
    dtype = held.get(name, "")
    if datatype == "BYTES" or (dtypes.of_text(dtype) and data == [None] * rows):
        return _texts(name, data, where, dtype)
    if datatype == "BOOL":
        _check(data, lambda cell: cell is True or cell is False, where, "neither true nor false")
        return cells.numbers(name, "b1", data, dtypes.booleans(dtype))
    return _numbers(name, data, datatype, where, dtype)


def _rows(shape: Any, where: str) -> int:
    good = isinstance(shape, list) and 1 <= len(shape) <= 2
    if not good or not all(type(size) is int and 0 <= size < 2**63 for size in shape):
        raise Refused(f"{where}: shape is neither [rows] nor [rows, 1]")
    if len(shape) == 2 and shape[1] != 1:
        raise Refused(f"{where}: shape is neither [rows] nor [rows, 1]; one tensor is one column")
    return int(shape[0])


def _numbers(name: str, data: list[Any], datatype: str, where: str, dtype: str) -> Column:
    if datatype in _INTEGERS:
        code, size = _INTEGERS[datatype]
        low, high = (0, 2**size) if code[0] == "u" else (-(2 ** (size - 1)), 2 ** (size - 1))
        _check(data, lambda cell: type(cell) is int, where, "no integer")
        _check(data, lambda cell: low <= cell < high, where, f"out of the range of {datatype}")
        code, dtype = dtypes.numbers(data, code, dtype)
        return cells.numbers(name, code, data, dtype)
    _check(data, lambda cell: type(cell) in (int, float), where, "no number")
    limit = 3.4028235677973366e38 if datatype == "FP32" else math.inf
    # half a step above the largest float32: from there on rounding gives infinity (IEEE 754)
    _check(data, lambda cell: _size(cell) < limit, where, f"out of the range of {datatype}")
    held = [None if cell is None else float(cell) for cell in data]
    code, dtype = dtypes.numbers(held, _FLOATS[datatype], dtype)
    return cells.numbers(name, code, held, dtype)


def _size(cell: int | float) -> float:
    try:
        return abs(float(cell))
    except OverflowError:
        return math.inf


def _texts(name: str, data: list[Any], where: str, dtype: str) -> Column:
    _check(data, lambda cell: type(cell) is str, where, "no text")
    if dtype == "date" or dtype.startswith("datetime64"):
        held = [None if cell is None else _moment(cell) for cell in data]
        wrong = [i for i, (a, b) in enumerate(zip(data, held, strict=True)) if a and b is None]
        wrong += [i for i, cell in enumerate(data) if cell == ""]
        if wrong:
            raise Refused(f"{where}: no date or time of RFC 3339 in {_listed(sorted(wrong))}")
        return cells.numbers(name, "us", held, dtypes.moments(held, dtype))
    _check(data, _encodable, where, "text that is no Unicode (a lone surrogate)")
    return cells.text(name, data, dtypes.text(dtype))


def _moment(text: str) -> int | None:
    try:
        return cells.microseconds(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        return None


def _encodable(cell: str) -> bool:
    try:
        cell.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check(data: list[Any], good: Callable[[Any], bool], where: str, wrong: str) -> None:
    bad = [i for i, cell in enumerate(data) if cell is not None and not good(cell)]
    if bad:
        raise Refused(f"{where}: {wrong} in {_listed(bad)}")


def _listed(rows: Sequence[int]) -> str:
    shown = ", ".join(map(str, rows[:ROWS_NAMED]))
    more = f" and {len(rows) - ROWS_NAMED} more" if len(rows) > ROWS_NAMED else ""
    return f"row {shown}{more}" if len(rows) == 1 else f"rows {shown}{more}"


def _shown(name: object) -> str:
    text = json.dumps(name) if isinstance(name, str) else f"a {type(name).__name__}"
    return text if len(text) <= 80 else text[:77] + "..."


def tensor(name: str, shape: Sequence[int], column: Column, rows: int) -> dict[str, Any]:
    """Return an answer of *rows* rows as the output tensor *name*.

    A float is written so that it reads back to the same bits (``float.__repr__``), a moment as
    RFC 3339. Raises Unanswerable for another number of rows, and for a number that is not finite,
    which JSON can't say and no client should get.
    """
    if not shape or shape[0] != rows:
        raise Unanswerable(f"{rows} rows got an answer of shape {list(shape)} in {name}")
    found: dict[str, Any] = {"name": name, "shape": list(shape), "datatype": _NAMES[column.type]}
    data: list[Any] = cells.texts(column) if column.type == "json" else cells.decode(column)
    if column.type == "json":
        data = [None if gone else cell for cell, gone in zip(data, cells.mask(column), strict=True)]
        found["parameters"] = {"content_type": "application/json"}
    if column.type == "us":
        data = [None if cell is None else cell.isoformat() for cell in data]
    if column.type in ("f8", "f4"):
        width = math.prod(shape[1:])
        bad = [i // width for i, cell in enumerate(data) if cell is None or not math.isfinite(cell)]
        if bad:
            raise Unanswerable(f"{name} is not finite in {_listed(list(dict.fromkeys(bad)))}")
    return found | {"data": data}


def answer(model: str, request: Request, tensors: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the infer response; it repeats the request's id if it had one."""
    identity = {} if request.id is None else {"id": request.id}
    return {"model_name": model, **identity, "outputs": list(tensors)}
