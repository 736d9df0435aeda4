"""The examples' own door for rows: what it takes, what it refuses, and how it says so."""

from __future__ import annotations

from decimal import Decimal
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd
import pytest
from examples_rows import Example

NUMBERS = {
    "text": "3.5",
    "comma decimal": "3,5",
    "empty text": "",
    "yes or no": True,
    "a Decimal": Decimal("3.5"),
    "a complex number": 3.5 + 0j,
    "a moment": pd.Timestamp("2013-01-01"),
    "a list": [3.5],
    "infinity": np.inf,
    "minus infinity": -np.inf,
    "an integer beyond every float": 10**400,
}
TEXTS = {
    "a number": 5,
    "a yes": True,
    "bytes": b"IAH",
    "a list": ["IAH"],
    "a moment": pd.Timestamp(0),
}


def _read(example: Example, frame: Any) -> dict[str, np.ndarray]:
    columns: dict[str, np.ndarray] = import_module(f"{example.name}.inputs").read(frame)
    return columns


def _with(example: Example, column: str, row: int, value: Any) -> pd.DataFrame:
    frame = example.rows(6).drop(columns=example.target).astype(object)
    frame[column] = pd.Series(
        [value if i == row else cell for i, cell in enumerate(frame[column])], dtype=object
    )
    return frame


def _number_columns(example: Example) -> list[str]:
    return [name for name, said in example.schema.items() if "minimum" in said]


@pytest.mark.parametrize("cell", NUMBERS.values(), ids=NUMBERS)
def test_what_is_no_number_is_refused_by_column_and_row(example: Example, cell: Any) -> None:
    for column in _number_columns(example):
        with pytest.raises(ValueError, match=rf"{column}: not .* in row 3$"):
            _read(example, _with(example, column, 3, cell))


@pytest.mark.parametrize("cell", TEXTS.values(), ids=TEXTS)
def test_what_is_no_text_is_refused_by_column_and_row(example: Example, cell: Any) -> None:
    for column in set(example.schema) - set(_number_columns(example)):
        with pytest.raises(ValueError, match=rf"{column}: not text in row 2$"):
            _read(example, _with(example, column, 2, cell))


def test_a_number_just_outside_its_bounds_is_refused_and_the_bound_itself_is_not(
    example: Example,
) -> None:
    for column in _number_columns(example):
        said = example.schema[column]
        for bound, beyond in ((said["minimum"], -np.inf), (said["maximum"], np.inf)):
            _read(example, _with(example, column, 0, bound))
            with pytest.raises(ValueError, match=rf"{column}: not within .* in row 0$"):
                _read(example, _with(example, column, 0, float(np.nextafter(bound, beyond))))


@pytest.mark.parametrize("nothing", [None, np.nan, pd.NaT, pd.NA], ids=["None", "NaN", "NaT", "NA"])
def test_nothing_is_taken_where_the_schema_says_null_and_refused_elsewhere(
    example: Example, nothing: Any
) -> None:
    for column, said in example.schema.items():
        frame = _with(example, column, 1, nothing)
        if "null" in said["type"]:
            assert pd.isna(_read(example, frame)[column][1])
            assert pd.isna(_read(example, frame.iloc[[1]])[column]).all()
        else:
            with pytest.raises(ValueError, match=f"{column}: missing in row 1$"):
                _read(example, frame)


def test_a_closed_category_takes_its_own_spellings_and_no_other(example: Example) -> None:
    for column, said in example.schema.items():
        for value in said.get("enum", ()):
            if value is None:
                continue
            assert value == _read(example, _with(example, column, 4, value))[column][4]
            for other in (value.swapcase(), f" {value}", f"{value} ", "ZZ", ""):
                with pytest.raises(ValueError, match=f"{column}: none of the known .* in row 4$"):
                    _read(example, _with(example, column, 4, other))


def test_an_open_category_takes_every_spelling_as_the_clean_one(example: Example) -> None:
    (column,) = [name for name, said in example.schema.items() if "x-harness-open" in said]
    (clean,) = {"flights": {"IAH"}, "penguins": {"Biscoe"}}[example.name]

    for spelling in (clean, clean.lower(), clean.upper(), f" {clean}", f"{clean}\n"):
        assert clean == _read(example, _with(example, column, 0, spelling))[column][0]


def test_a_fraction_is_no_whole_number_and_a_whole_float_is_one(example: Example) -> None:
    for column in _number_columns(example):
        if "integer" not in example.schema[column]["type"]:
            continue
        low = example.schema[column]["minimum"]
        assert low == _read(example, _with(example, column, 0, float(low)))[column][0]
        with pytest.raises(ValueError, match=f"{column}: not a whole number in row 0"):
            _read(example, _with(example, column, 0, low + 0.5))


def test_a_refusal_tells_all_columns_at_once_and_quotes_no_cell(example: Example) -> None:
    number = _number_columns(example)[0]
    text = next(name for name in example.schema if name not in _number_columns(example))
    frame = _with(example, number, 5, "Jane Doe, 12 High Street")
    frame[text] = 417299

    with pytest.raises(ValueError) as refused:
        _read(example, frame)

    assert f"{number}: not a number in row 5" in str(refused.value)
    assert f"{text}: not text in rows 0, 1, 2, 3, 4 and 1 more" in str(refused.value)
    assert "Jane" not in str(refused.value)
    assert "417299" not in str(refused.value)


def test_a_missing_and_a_doubled_column_are_refused_by_name(example: Example) -> None:
    frame = example.rows(3)
    for column in example.schema:
        with pytest.raises(ValueError, match=f"^{column}: no such column$"):
            _read(example, frame.drop(columns=column))
        with pytest.raises(ValueError, match=f"^{column}: more than one such column$"):
            _read(example, pd.concat([frame, frame[[column]]], axis=1))


def test_what_is_no_frame_is_refused(example: Example) -> None:
    for other in (example.rows(2).to_numpy(), [{"carrier": "UA"}], None):
        with pytest.raises(ValueError, match="expected a pandas DataFrame"):
            _read(example, other)
