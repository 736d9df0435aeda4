"""Laws of cells: what goes into a column comes out of it."""

from __future__ import annotations

import math
import struct
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runtime_strategies import CELLS, JSON, MOMENTS, TEXT, columns

from harness.runtime import cells
from harness.runtime.cells import Unrepresentable
from harness.runtime.frame import Column


def or_none(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.none() | strategy, min_size=1).filter(
        lambda held: any(cell is not None for cell in held)
    )


@given(or_none(st.integers(-(2**63), 2**63 - 1)) | or_none(TEXT) | or_none(st.booleans()))
def test_python_values_decode_to_themselves(values: list[Any]) -> None:
    assert values == cells.decode(cells.encode("a", values))


@given(st.lists(st.floats(), min_size=1))
def test_floats_keep_their_bits(values: list[float]) -> None:
    column = cells.encode("a", values)

    assert ("f8", None) == (column.type, column.nulls)
    assert struct.pack(f"<{len(values)}d", *values) == column.data


@settings(max_examples=40)
@given(or_none(JSON.filter(lambda cell: cell is not None)))
def test_mixed_cells_decode_to_themselves(values: list[Any]) -> None:
    assert values == cells.decode(cells.encode("a", [*values, {"forces": "json"}]))[:-1]


@settings(max_examples=40)
@given(or_none(MOMENTS))
def test_moments_decode_to_themselves_and_zones_to_utc(values: list[datetime | None]) -> None:
    zone = timezone(timedelta(hours=5, minutes=45))
    late = datetime(9999, 12, 30)
    zoned = [
        v and (v if v > late or v.year == 1 else v.replace(tzinfo=UTC).astimezone(zone))
        for v in values
    ]

    assert values == cells.decode(cells.encode("a", values))
    assert values == cells.decode(cells.encode("a", zoned))


@given(columns())
def test_numpy_arrays_of_a_column_encode_to_it_again(column: Column) -> None:
    values, gone = cells.decode_array(column)

    again = cells.encode_array(column.name, values, missing=gone)

    assert cells.decode(column) == cells.decode(again)
    if column.type != "str" and column.nulls is None:
        assert column.data == again.data


@given(st.lists(st.booleans()))
def test_the_mask_is_least_bit_first_and_absent_when_it_marks_nothing(gone: list[bool]) -> None:
    packed = cells.bits(gone)

    assert packed == cells.packed(np.array(gone, bool))
    assert (packed is None) == (not any(gone))
    column = Column("a", "b1", len(gone), bytes(len(gone)), None, packed)
    assert gone == cells.mask(column)


@pytest.mark.parametrize("nothing", [None, pd.NA, pd.NaT], ids=["None", "NA", "NaT"])
def test_every_form_of_nothing_is_missing(nothing: object) -> None:
    for present in (1, 1.5, True, "text", datetime(2020, 1, 1), {"a": 1}):
        column = cells.encode("a", [present, nothing])

        assert [False, True] == cells.mask(column)


def test_nan_is_missing_among_texts_and_a_number_among_floats() -> None:
    assert [False, True] == cells.mask(cells.encode("a", ["x", math.nan]))
    assert [False, False] == cells.mask(cells.encode("a", [1.0, math.nan]))


@pytest.mark.parametrize(
    ("values", "type"),
    [
        ([1, 2], "i8"),
        ([1, 2.5], "f8"),
        ([2**63], "u8"),
        ([-1, 2**63], "json"),
        ([2**53 + 1, 0.5], "json"),
        ([True, 1], "json"),
        (["a", 1], "json"),
        (["\ud800"], "json"),
        ([], "json"),
        ([date(2020, 2, 29)], "us"),
        ([np.int8(3), np.float32(0.5)], "f8"),
    ],
)
def test_the_narrowest_type_that_keeps_each_cell_is_chosen(values: list[Any], type: str) -> None:
    column = cells.encode("a", values)

    assert type == column.type
    assert values == cells.decode(column)


@pytest.mark.parametrize("cell", [b"bytes", 1j, object(), {1, 2}])
def test_a_cell_that_json_lacks_is_named_by_its_type_and_not_quoted(cell: object) -> None:
    with pytest.raises(Unrepresentable) as refused:
        cells.encode("secret_column", [cell])

    assert "secret_column" in str(refused.value)
    assert type(cell).__name__ in str(refused.value)
    assert repr(cell) not in str(refused.value)


@pytest.mark.parametrize("dtype", ["complex128", "timedelta64[s]", [("a", "i4")]])
def test_arrays_that_no_column_carries_are_refused(dtype: Any) -> None:
    with pytest.raises(Unrepresentable):
        cells.encode_array("a", np.zeros(2, dtype))


@pytest.mark.parametrize(
    ("dtype", "type"),
    [("float16", "f4"), ("longdouble", "f8"), (">i4", "i4"), (">f8", "f8"), ("S3", "str")],
)
def test_unusual_number_types_take_the_next_one_that_holds_them(dtype: str, type: str) -> None:
    column = cells.encode_array("a", np.array([1, 2], dtype))

    assert type == column.type
    assert [1, 2] == [int(float(cell)) for cell in cells.decode(column)]


def test_a_damaged_column_is_an_error_and_no_wrong_answer() -> None:
    good = cells.encode("a", ["x", "yz"])
    for bad in (
        Column("a", "str", 2, good.data, None),
        Column("a", "str", 3, good.data, good.offsets),
        Column("a", "f8", 2, bytes(8)),
        Column("a", "f8", 1, bytes(7)),
        Column("a", "c16", 1, bytes(16)),
        Column("a", "us", 1, struct.pack("<q", 2**62)),
    ):
        with pytest.raises(ValueError):
            cells.decode(bad)


def test_every_type_of_the_strategy_is_a_type_of_the_wire() -> None:
    from harness.runtime.frame import TYPES

    assert {"json"} == set(TYPES) - set(CELLS)
