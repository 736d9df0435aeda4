"""Batches: what goes over the wire comes back, and answers are what the frame says."""

from __future__ import annotations

import datetime
import io
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.contract.batch import Answer, Batch, cells, from_column, join, moment, mosaic
from harness.runtime import frame

VALUES: dict[str, Any] = {
    "number": st.floats(allow_nan=False),
    "integer": st.integers(-(2**63), 2**63 - 1),
    "boolean": st.booleans(),
    "string": st.text(st.characters(exclude_categories=["Cs"])),
    "datetime": st.integers(moment("0001-01-01"), moment("9999-12-31")),
    "mixed": st.one_of(st.text(st.characters(exclude_categories=["Cs"])), st.integers()),
}


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    rows = draw(st.integers(0, 12))
    kinds = draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=5))
    return Batch(
        columns=tuple(
            cells(
                f"c{i}",
                kind,
                draw(st.lists(st.none() | VALUES[kind], min_size=rows, max_size=rows)),
            )
            for i, kind in enumerate(kinds)
        )
    )


@given(batches())
def test_a_batch_survives_the_wire(batch: Batch) -> None:
    stream = io.BytesIO()

    frame.write(stream, {}, batch.to_columns())
    stream.seek(0)
    message = frame.read(stream)
    assert message is not None
    back = Batch.from_columns(message[1])

    assert [batch.row(i) for i in range(batch.rows)] == [back.row(i) for i in range(back.rows)]
    assert [c.kind for c in batch.columns] == [c.kind for c in back.columns]


@given(batches(), st.data())
def test_taking_rows_is_taking_each_row(batch: Batch, data: st.DataObject) -> None:
    if not batch.rows:
        return
    order = data.draw(st.lists(st.integers(0, batch.rows - 1), max_size=8))

    taken = batch.take(np.array(order, int))

    assert [batch.row(i) for i in order] == [taken.row(i) for i in range(taken.rows)]


def test_a_mosaic_takes_each_cell_from_its_own_row() -> None:
    pool = Batch(columns=(cells("a", "integer", [1, 2]), cells("b", "string", ["x", "y"])))

    made = mosaic(pool, np.array([[0, 1], [1, 0]]))

    assert [{"a": 1, "b": "y"}, {"a": 2, "b": "x"}] == [made.row(0), made.row(1)]


def test_joined_columns_of_whole_and_other_numbers_are_numbers() -> None:
    one = Batch(columns=(cells("a", "integer", [1]),))
    other = Batch(columns=(cells("a", "number", [None]),))

    joined = join([one, other])

    assert "number" == joined["a"].kind
    assert [1.0, None] == [joined["a"].at(0), joined["a"].at(1)]


def test_joined_columns_of_text_and_numbers_keep_every_cell() -> None:
    joined = join(
        [
            Batch(columns=(cells("a", "string", ["x"]),)),
            Batch(columns=(cells("a", "number", [2.5]),)),
        ]
    )

    assert ["x", 2.5] == [joined["a"].at(0), joined["a"].at(1)]


@pytest.mark.parametrize(
    ("dtype", "values", "wire"),
    [
        ("float32", [0.5, 1.0], "f4"),
        ("float32", [0.1, 1.0], "f8"),  # not a float32: nothing is rounded on the way
        ("int8", [-128, 127], "i1"),
        ("int8", [-129, 127], "i8"),
    ],
)
def test_a_narrow_column_stays_narrow_only_where_its_values_fit(
    dtype: str, values: list[float], wire: str
) -> None:
    kind = "number" if dtype.startswith("float") else "integer"

    sent = cells("a", kind, values, dtype=dtype)
    column = Batch(columns=(sent,)).to_columns()[0]

    assert wire == column.type
    assert values == from_column(column).values.tolist()


def test_nan_in_a_table_is_a_missing_cell() -> None:
    batch = Batch.from_columns(Batch(columns=(cells("a", "number", [math.nan, 1.0]),)).to_columns())

    assert [None, 1.0] == [batch["a"].at(0), batch["a"].at(1)]


def test_nan_in_an_answer_stays_nan() -> None:
    column = Batch(columns=(cells("answer", "number", [math.nan, 1.0]),)).to_columns()[0]

    answer = Answer.from_frame({"shape": [1, 2], "names": None, "mutated": False}, column)

    assert (1, 2) == answer.values.shape
    assert math.isnan(answer.values[0, 0])


@given(st.datetimes(timezones=st.just(datetime.UTC)))
def test_a_moment_is_read_as_it_is_written(when: datetime.datetime) -> None:
    column = cells("a", "datetime", [moment(when.isoformat())])

    assert when == datetime.datetime.fromisoformat(column.at(0))
