"""A project's own functions on rows and on answers: what a declared relation names."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from harness.runtime import cells
    from harness.runtime.frame import Column
    from harness.runtime.inputs import build
    from harness.runtime.outputs import encode_arrow, encode_series
else:
    import cells
    from frame import Column
    from inputs import build
    from outputs import encode_arrow, encode_series


class Unusable(Exception):
    """The function isn't there, or gives back something else than it should."""


def changed(columns: Sequence[Column], function: str, *, kind: str) -> list[Column]:
    """Return the rows that *function* (``module:name``) makes of *columns*' rows, as columns.

    It gets what the model gets (*kind*: ``pandas``, ``numpy`` or ``pyarrow``), and gives back as
    many rows of the same sort. Raises Unusable, or whatever the function raises.
    """
    made = _function(function)(build(columns, kind=kind))
    found = _taken_apart(made, [column.name for column in columns], function)
    rows = columns[0].rows if columns else 0
    if any(column.rows != rows for column in found):
        raise Unusable(f"{function} gave back {found[0].rows} rows for {rows}")
    return found


def holds(columns: Sequence[Column], function: str, *, shape: Sequence[int]) -> Column:
    """Return what *function* (``module:name``) says of two answers: one truth value a row.

    *columns* are the answers before and after, each of *shape* in row-major order; the function
    gets them as two numpy arrays. Raises Unusable, or whatever the function raises.
    """
    np = cells.library("numpy")
    before, after = (_array(np, column).reshape(tuple(shape)) for column in columns)
    said = np.asarray(_function(function)(before, after))
    if said.shape != (shape[0],) or said.dtype != bool:
        raise Unusable(
            f"{function} gave back {said.dtype} of shape {said.shape}; "
            f"one truth value for each of {shape[0]} rows is wanted"
        )
    return cells.encode_array("holds", said)


def _array(np: Any, column: Column) -> Any:
    if column.offsets is None and column.nulls is None:
        return cells.decode_array(column)[0]
    held = np.empty(column.rows, object)
    held[:] = cells.decode(column)
    return held


def _function(address: str) -> Callable[..., Any]:
    module, _, name = address.partition(":")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise Unusable(f"{module} has no function {name}")
    return found  # type: ignore[no-any-return]


def _taken_apart(made: Any, names: Sequence[str], function: str) -> list[Column]:
    root = type(made).__module__.partition(".")[0]
    if root == "pandas" and isinstance(made, sys.modules["pandas"].DataFrame):
        return [encode_series(str(name), made.iloc[:, i]) for i, name in enumerate(made.columns)]
    if root == "pyarrow" and isinstance(made, sys.modules["pyarrow"].Table):
        return [encode_arrow(str(n), made.column(i)) for i, n in enumerate(made.column_names)]
    if root == "numpy" and getattr(made, "shape", ())[1:] == (len(names),):
        return [cells.encode_array(name, made[:, i]) for i, name in enumerate(names)]
    raise Unusable(f"{function} gave back {type(made).__name__}, not rows like those it got")
