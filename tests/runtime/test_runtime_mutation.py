"""Whether a model changed what it was given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runtime_strategies import tables

from harness.runtime import adapter, cells
from harness.runtime.frame import Column
from harness.runtime.inputs import build
from harness.runtime.mutation import changes, snapshot, unchanged

COLUMNS = [
    cells.encode("n", [0.0, float("nan"), 3.0]),
    cells.encode("i", [1, 2, 3]),
    cells.encode("t", ["x", None, "z"]),
    cells.encode("b", [True, None, False]),
    cells.encode("m", [[1, 2], None, {"k": 1}]),
    cells.encode("c", ["u", "v", "u"], dtype="category"),
    cells.encode("I", [1, None, 3], dtype="Int64"),
    cells.numbers("d", "us", [0, None, 1]),
]


@settings(max_examples=40)
@given(tables(), st.sampled_from(["pandas", "numpy", "pyarrow"]))
def test_an_input_that_nobody_touches_equals_its_snapshot(held: list[Column], kind: str) -> None:
    inputs = build(held, kind=kind)
    before = snapshot(inputs)

    assert unchanged(inputs, before)


def set_cell(column: str, value: Any) -> Callable[[pd.DataFrame], object]:
    def change(frame: pd.DataFrame) -> None:
        frame.loc[frame.index[0], column] = value

    return change


def append_to_a_cell(frame: pd.DataFrame) -> None:
    frame["m"].iloc[0].append(3)


def swap_nothing_for_nan(frame: pd.DataFrame) -> None:
    frame["b"] = frame["b"].map(lambda cell: float("nan") if cell is None else cell)


def rename_the_index(frame: pd.DataFrame) -> None:
    frame.index.name = "row"


CHANGES: dict[str, Callable[[pd.DataFrame], object]] = {
    "a number": set_cell("n", 2.0),
    "a number's sign": set_cell("n", -0.0),
    "an integer": set_cell("i", -1),
    "a text": set_cell("t", "y"),
    "a boolean": set_cell("b", False),
    "a category": set_cell("c", "v"),
    "a nullable": set_cell("I", pd.NA),
    "a moment": set_cell("d", pd.Timestamp(5, unit="us")),
    "within a cell": append_to_a_cell,
    "None to NaN": swap_nothing_for_nan,
    "a new column": lambda frame: frame.insert(0, "new", 1),
    "a column less": lambda frame: frame.drop(columns="n", inplace=True),
    "a column renamed": lambda frame: frame.rename(columns={"n": "N"}, inplace=True),
    "sorted rows": lambda frame: frame.sort_values("i", ascending=False, inplace=True),
    "a new index": lambda frame: frame.set_index("i", drop=False, inplace=True),
    "an index's name": rename_the_index,
    "a row less": lambda frame: frame.drop(index=frame.index[0], inplace=True),
    "a dtype": lambda frame: frame.isetitem(1, frame["i"].astype("int32")),
    "NaN filled": lambda frame: frame.__setitem__("n", frame["n"].fillna(0)),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:The inplace keyword")
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_frame_differs_from_its_snapshot(
    change: Callable[[pd.DataFrame], object],
) -> None:
    inputs = build(COLUMNS, kind="pandas")
    before = snapshot(inputs)

    change(inputs)

    assert not unchanged(inputs, before)


@pytest.mark.parametrize("columns", [COLUMNS[:2], COLUMNS[:3]], ids=["numbers", "objects"])
def test_a_changed_matrix_differs_from_its_snapshot(columns: list[Column]) -> None:
    inputs = build(columns, kind="numpy")
    before = snapshot(inputs)

    inputs[0, 0] = -0.0

    assert not unchanged(inputs, before)


def test_a_call_tells_of_a_mutation_and_answers_anyway() -> None:
    def spoil(frame: pd.DataFrame) -> np.ndarray:
        frame["n"] = 0.0
        return np.zeros(len(frame))

    header, column = adapter.call(spoil, "call", build(COLUMNS, kind="pandas"))

    assert ("answered", True, [3]) == (header["status"], header["mutated"], header["shape"])
    assert column is not None and [0.0] * 3 == cells.decode(column)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:The inplace keyword")
@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("a number", ["n"]),
        ("a dtype", ["i"]),
        ("a new column", ["new"]),
        ("a column less", ["n"]),
        ("a column renamed", ["n", "N"]),
        ("a new index", []),
    ],
)
def test_the_columns_that_changed_are_told_by_name(change: str, told: list[str]) -> None:
    inputs = build(COLUMNS, kind="pandas")
    before = snapshot(inputs)

    CHANGES[change](inputs)

    assert told == changes(inputs, before)


def test_the_columns_of_a_matrix_that_changed_are_told_by_their_place() -> None:
    inputs = build(COLUMNS[:2], kind="numpy")
    before = snapshot(inputs)

    inputs[0, 1] = -7

    assert [1] == changes(inputs, before)
