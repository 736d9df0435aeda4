"""The same input held otherwise in memory, and some rows of it in another order."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

LAYOUTS = {
    "numpy": ("fortran", "strided", "readonly", "single"),
    "pyarrow": ("chunked", "sliced", "large"),
}
"""How an input of a kind may be held: column by column, as every other cell of a larger array,
read-only, in float32; as chunks, as a part of a larger table, with 64-bit offsets of texts."""


def laid(inputs: Any, how: str) -> Any:
    """Return the same cells held as *how* says (one of ``LAYOUTS``, else unchanged)."""
    if how in LAYOUTS["numpy"]:
        return _array(inputs, how)
    return _table(inputs, how) if how in LAYOUTS["pyarrow"] else inputs


def _array(matrix: Any, how: str) -> Any:
    np = sys.modules["numpy"]
    if how == "fortran":
        return np.asfortranarray(matrix)
    if how == "strided":
        held = np.zeros((matrix.shape[0] * 2, matrix.shape[1] * 2), matrix.dtype)
        held[::2, ::2] = matrix
        return held[::2, ::2]
    if how == "readonly":
        matrix.setflags(write=False)
        return matrix
    return matrix.astype(np.float32) if matrix.dtype.kind == "f" else matrix


def _table(table: Any, how: str) -> Any:
    arrow = sys.modules["pyarrow"]
    if how == "chunked":
        ends = [0, 1, table.num_rows // 2, table.num_rows]
        parts = [table.slice(a, b - a) for a, b in pairwise(ends) if b > a]
        return arrow.concat_tables(parts) if parts else table
    if how == "sliced":
        return arrow.concat_tables([table.slice(0, 1), table]).combine_chunks().slice(
            min(1, table.num_rows)
        )  # fmt: skip
    fields = [
        field.with_type(arrow.large_string()) if field.type == arrow.string() else field
        for field in table.schema
    ]
    return table.cast(arrow.schema(fields))


def taken(inputs: Any, order: Sequence[int]) -> Any:
    """Return the rows of *inputs* at the positions *order*, in that order, as an input of its own:
    a DataFrame, an array, a Table or a list."""
    root = type(inputs).__module__.partition(".")[0]
    if root == "pandas":
        return inputs.iloc[list(order)].reset_index(drop=True)
    if root == "numpy":
        return inputs[list(order)]
    if root == "pyarrow":
        return inputs.take(list(order))
    return [inputs[row] for row in order]
