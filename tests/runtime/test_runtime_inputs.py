"""What a model receives: the same cells, held as its kind of input holds them."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from runtime_strategies import columns, tables

from harness.runtime import cells
from harness.runtime.frame import NUMBERS, Column
from harness.runtime.inputs import INDEXES, Unbuildable, build
from harness.runtime.outputs import encode_arrow, encode_series


def same(left: list[Any], right: list[Any]) -> bool:
    """Equal cells; NaN equals NaN and nothing equals nothing."""
    return [None if cells.is_missing(c) else c for c in left] == [
        None if cells.is_missing(c) else c for c in right
    ]


@settings(max_examples=40)
@given(tables())
def test_a_frame_holds_the_columns_cells_in_their_order(held: list[Column]) -> None:
    frame = build(held, kind="pandas")

    assert [column.name for column in held] == list(frame.columns)
    for place, column in enumerate(held):
        again = encode_series(column.name, frame.iloc[:, place])
        wanted = cells.decode(column)
        if column.type in NUMBERS and column.nulls is not None:
            wanted = [None if cell is None else float(cell) for cell in wanted]  # as pandas does
        assert same(wanted, cells.decode(again))


@settings(max_examples=40)
@given(tables())
def test_an_arrow_table_holds_the_columns_cells_in_their_order(held: list[Column]) -> None:
    table = build(held, kind="pyarrow")

    assert [column.name for column in held] == table.column_names
    for place, column in enumerate(held):
        again = encode_arrow(column.name, table.column(place))
        assert cells.decode(column) == cells.decode(again)
        assert column.type == again.type


@settings(max_examples=40)
@given(tables())
def test_a_frame_is_what_read_parquet_gives_of_the_same_table(held: list[Column]) -> None:
    held = [replace(column, name=str(place)) for place, column in enumerate(held)]
    file = io.BytesIO()
    parquet.write_table(build(held, kind="pyarrow"), file)

    pd.testing.assert_frame_equal(pd.read_parquet(file), build(held, kind="pandas"))


@settings(max_examples=40)
@given(tables((*NUMBERS, "b1")))
def test_numbers_alone_make_a_float64_matrix_with_nan_where_missing(held: list[Column]) -> None:
    matrix = build(held, kind="numpy")

    assert np.float64 == matrix.dtype
    assert (held[0].rows, len(held)) == matrix.shape
    for place, column in enumerate(held):
        wanted = [math.nan if cell is None else float(cell) for cell in cells.decode(column)]
        assert same(wanted, matrix[:, place].tolist())


def test_one_text_column_makes_the_matrix_objects() -> None:
    held = [cells.encode("n", [1.5, None]), cells.encode("t", ["x", None])]

    matrix = build(held, kind="numpy")

    assert np.dtype(object) == matrix.dtype
    assert [1.5, "x"] == matrix[0].tolist()
    assert math.isnan(matrix[1, 0]) and matrix[1, 1] is None


@settings(max_examples=40)
@given(tables(), st.sampled_from(INDEXES))
def test_the_index_changes_and_the_cells_do_not(held: list[Column], index: str) -> None:
    plain, other = build(held, kind="pandas"), build(held, kind="pandas", index=index)

    pd.testing.assert_frame_equal(plain, other.reset_index(drop=True), check_index_type=False)
    assert other.index.is_unique or index == "repeated"
    if index == "shuffled" and len(plain) > 1:
        assert sorted(other.index) == list(range(len(plain))) != list(other.index)
    if index in ("shifted", "string") and len(plain):
        assert not set(plain.index) & set(other.index)


@settings(max_examples=40)
@given(columns(("i8",)))
def test_whole_numbers_with_missing_ones_are_floats_unless_int64_is_asked(column: Column) -> None:
    usual = build([column], kind="pandas").dtypes.iloc[0]
    asked = build([replace(column, dtype="Int64")], kind="pandas").dtypes.iloc[0]

    assert ("int64" if column.nulls is None else "float64") == str(usual)
    assert "Int64" == str(asked)


@pytest.mark.parametrize(
    ("values", "dtype", "wanted"),
    [
        ([1, 2], "Int64", [1, 2]),
        ([1.0, None], "Int64", [1, None]),
        ([1, 2], "int8", [1, 2]),
        ([1, 2], "float32", [1.0, 2.0]),
        ([1, None], "int32", [1.0, None]),
        ([2.0, None], "int32", [2.0, None]),
        ([1, 2], "object", [1, 2]),
        ([1.5, None], "Float64", [1.5, None]),
        ([True, None], "boolean", [True, None]),
        ([1, 0], "boolean", [True, False]),
        (["x", None], "string", ["x", None]),
        (["x", None], "object", ["x", None]),
        (["x", None], "category", ["x", None]),
        ([1, None], "category", [1, None]),
        (["x", 1, None], "category", ["x", 1, None]),
    ],
)
def test_a_dtype_that_is_asked_for_is_the_dtype(
    values: list[Any], dtype: str, wanted: list[Any]
) -> None:
    series = build([cells.encode("a", values, dtype=dtype)], kind="pandas")["a"]

    held = "float64" if dtype == "int32" else dtype  # nothing is no int32
    assert held == str(series.dtype)
    assert same(wanted, series.tolist())


@pytest.mark.parametrize(
    "dtype", ["datetime64[ns]", "datetime64[us, UTC]", "datetime64[ms, Europe/Paris]", "date"]
)
def test_a_moments_dtype_reads_back_as_the_same_moment(dtype: str) -> None:
    column = cells.numbers("a", "us", [1_500_000_000_000_000, None], dtype)
    if dtype == "date":
        column = cells.numbers("a", "us", [86_400_000_000 * 365, None], dtype)

    series = build([column], kind="pandas")["a"]
    array = build([column], kind="pyarrow")["a"]

    assert cells.decode(column) == cells.decode(encode_series("a", series))
    assert dtype == encode_series("a", series).dtype == encode_arrow("a", array).dtype
    assert cells.decode(column) == cells.decode(encode_arrow("a", array))


@pytest.mark.parametrize(
    ("values", "dtype"),
    [([1.5], "Int64"), ([300], "int8"), ([-1], "uint8"), ([2], "boolean"), ([1], "datetime64"),
     ([1], "nonsense")],
)  # fmt: skip
def test_a_dtype_that_would_change_a_cell_is_refused_by_the_columns_name(
    values: list[Any], dtype: str
) -> None:
    column = cells.encode("height", values, dtype=dtype)
    if dtype == "datetime64":  # no type for numbers: they stay what they are
        assert values == build([column], kind="pandas")["height"].tolist()
        return

    with pytest.raises(Unbuildable, match="'height'"):
        build([column], kind="pandas")


def test_mixed_cells_are_objects_in_pandas_and_refused_by_name_in_arrow() -> None:
    column = cells.encode("mixed", [1, "a", None, [1, 2], {"k": 0.5}])

    series = build([column], kind="pandas")["mixed"]

    assert "object" == str(series.dtype)
    assert [1, "a", None, [1, 2], {"k": 0.5}] == series.tolist()
    with pytest.raises(Unbuildable, match="'mixed'"):
        build([column], kind="pyarrow")


def test_categories_are_a_dictionary_in_arrow() -> None:
    table = build([cells.encode("c", ["x", "y", None], dtype="category")], kind="pyarrow")

    assert pa.types.is_dictionary(table.schema.field("c").type)
    assert ["x", "y", None] == table["c"].to_pylist()


@pytest.mark.parametrize("kind", ["pandas", "numpy", "pyarrow"])
def test_what_is_built_may_be_written_to(kind: str) -> None:
    column = cells.encode("a", [1.0, 2.0])

    built = build([column], kind=kind)

    if kind == "pandas":
        built.iloc[0, 0] = 5.0
    elif kind == "numpy":
        built[0, 0] = 5.0
    assert [1.0, 2.0] == cells.decode(column)


def test_unequal_lengths_unknown_kinds_and_unknown_indexes_are_refused() -> None:
    one, two = cells.encode("a", [1]), cells.encode("b", [1, 2])

    for held, options in (
        ([one, two], {"kind": "pandas"}),
        ([one], {"kind": "polars"}),
        ([one], {"kind": "pandas", "index": "random"}),
    ):
        with pytest.raises(Unbuildable):
            build(held, **options)


def test_two_columns_of_one_name_are_both_there() -> None:
    frame = build([cells.encode("a", [1]), cells.encode("a", ["x"])], kind="pandas")

    assert [[1, "x"]] == frame.to_numpy().tolist()
