"""Columns of every type, for laws."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from harness.runtime import cells
from harness.runtime.frame import Column

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
MOMENTS = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31), timezones=st.none())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
RANGES = {f"i{n}": (-(2 ** (8 * n - 1)), 2 ** (8 * n - 1) - 1) for n in (1, 2, 4, 8)} | {
    f"u{n}": (0, 2 ** (8 * n) - 1) for n in (1, 2, 4, 8)
}
CELLS: dict[str, st.SearchStrategy[Any]] = {
    "f8": st.floats(allow_nan=False),
    "f4": st.floats(allow_nan=False, width=32),
    **{code: st.integers(low, high) for code, (low, high) in RANGES.items()},
    "b1": st.booleans(),
    "us": MOMENTS.map(lambda moment: cells.microseconds(moment.replace(tzinfo=UTC))),
    "str": TEXT,
}


@st.composite
def columns(
    draw: st.DrawFn,
    types: tuple[str, ...] = tuple(CELLS),
    *,
    rows: int | None = None,
    missing: bool = True,
) -> Column:
    """Draw a column of one of *types* with its usual dtype."""
    code = draw(st.sampled_from(types))
    size = draw(st.integers(0, 9)) if rows is None else rows
    cell = st.none() | CELLS[code] if missing else CELLS[code]
    held = draw(st.lists(cell, min_size=size, max_size=size))
    name = draw(NAMES)
    return cells.text(name, held) if code == "str" else cells.numbers(name, code, held)


@st.composite
def tables(draw: st.DrawFn, types: tuple[str, ...] = tuple(CELLS)) -> list[Column]:
    """Draw columns of one length."""
    rows = draw(st.integers(0, 9))
    return draw(st.lists(columns(types, rows=rows), min_size=1, max_size=4))
