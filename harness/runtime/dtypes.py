"""How the cells of a request are held: as the training data hold them, where every cell fits that.

The rule is the probe's too (``harness.contract.wire``), so that a model gets the same from both. No
value changes on the way: what does not fit into a narrow type, or into nanoseconds, stays wide.

Standard library only: this file travels into images.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Sequence
from functools import lru_cache

NARROW = {
    "float32": "f4",
    **{f"int{size}": f"i{size // 8}" for size in (8, 16, 32)},
    **{f"uint{size}": f"u{size // 8}" for size in (8, 16, 32, 64)},
}
"""Dtypes that a column type of the frame says by itself."""
NANOSECONDS = (2**63 - 1) // 1000
"""Microseconds from where on a moment is no int64 of nanoseconds."""


def of_text(dtype: str) -> bool:
    """Return whether a column of *dtype* comes as text, whatever a tensor of nothing but null says
    that it is."""
    moments = dtype.startswith("datetime64") or dtype == "date"
    return moments or dtype in ("string", "str") or _categories(dtype) == "text"


def text(dtype: str) -> str:
    """Return how texts are held."""
    known = dtype in ("string", "object", "category") or _categories(dtype) == "text"
    return dtype if known else ""


def booleans(dtype: str) -> str:
    """Return how booleans are held."""
    known = dtype in ("boolean", "object", "object:nan", "category")
    return dtype if known or _categories(dtype) == "boolean" else ""


def moments(cells: Sequence[int | None], dtype: str) -> str:
    """Return how moments, in microseconds, are held."""
    far = (cell is not None and abs(cell) >= NANOSECONDS for cell in cells)
    if dtype.startswith("datetime64[ns") and any(far):
        dtype = dtype.replace("[ns", "[us", 1)
    return "" if dtype == "datetime64[us]" else dtype


def numbers(cells: Sequence[float | None], type: str, dtype: str) -> tuple[str, str]:
    """Return the column type and the dtype by which numbers are held that came as *type*."""
    if (narrow := NARROW.get(dtype)) is not None:
        known = [cell for cell in cells if cell is not None]
        return (narrow if _fit(known, type, narrow) else type), ""
    category = dtype == "category" or _categories(dtype) == "number"
    if category or dtype in ("object", "object:nan", "object:NA", "float64", "float16"):
        return type, dtype
    return type, dtype if dtype[:3] in ("Int", "UIn", "Flo") else ""


def _fit(cells: list[float], type: str, narrow: str) -> bool:
    if narrow == "f4":
        return type[0] == "f" and array("f", cells).tolist() == cells
    size = 8 * int(narrow[1])
    low, high = (0, 2**size) if narrow[0] == "u" else (-(2 ** (size - 1)), 2 ** (size - 1))
    return type[0] != "f" and all(low <= cell < high for cell in cells)


@lru_cache(maxsize=1024)
def _categories(dtype: str) -> str:
    """Return of what kind the categories are that *dtype* names; "" for none, or several kinds."""
    if not dtype.startswith("category:["):
        return ""
    kinds = {str: "text", bool: "boolean", int: "number", float: "number"}
    found = {kinds.get(type(one), "") for one in json.loads(dtype.partition(":")[2])}
    return found.pop() if len(found) == 1 else ""
