"""What a model gives back, whatever holds it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from harness.runtime import cells
from harness.runtime.outputs import take_apart

TYPES = st.sampled_from(["<f8", "<f4", "<i8", "<i4", "<u2", "|b1"])


@given(arrays.arrays(TYPES, arrays.array_shapes(min_dims=0, max_dims=3, min_side=0)))
def test_an_arrays_numbers_come_back_to_the_bit_row_by_row(array: np.ndarray) -> None:
    output = take_apart(array)

    assert (array.shape, "ndarray", None) == (output.shape, output.container, output.names)
    assert array.tobytes() == output.column.data
    assert array.dtype.name == output.column.dtype


MATRIX = np.array([[0.25, 0.75], [0.5, 0.5], [1.0, 0.0]])
FRAME = pd.DataFrame(MATRIX, columns=["no", "yes"])


@pytest.mark.parametrize(
    ("answer", "container", "names"),
    [
        (MATRIX, "ndarray", None),
        (np.asfortranarray(MATRIX), "ndarray", None),
        (MATRIX.astype(object), "ndarray", None),
        (MATRIX.tolist(), "list", None),
        (tuple(map(tuple, MATRIX.tolist())), "list", None),
        (list(MATRIX), "list", None),
        (FRAME, "frame", ["no", "yes"]),
        (FRAME.astype("Float64"), "frame", ["no", "yes"]),
        (FRAME.set_index(pd.Index([7, 8, 9])), "frame", ["no", "yes"]),
        (pa.Table.from_pandas(FRAME), "table", ["no", "yes"]),
        (pa.RecordBatch.from_pandas(FRAME), "table", ["no", "yes"]),
    ],
)
def test_probabilities_are_the_same_whatever_holds_them(
    answer: Any, container: str, names: list[str] | None
) -> None:
    output = take_apart(answer)

    assert ((3, 2), container, names) == (output.shape, output.container, output.names)
    assert "f8" == output.column.type
    assert MATRIX.tobytes() == output.column.data


LABELS = ["on time", "late", "süd"]


@pytest.mark.parametrize(
    ("answer", "container"),
    [
        (LABELS, "list"),
        (np.array(LABELS), "ndarray"),
        (np.array(LABELS, object), "ndarray"),
        (np.array(LABELS, np.dtypes.StringDType()), "ndarray"),
        ([np.str_(label) for label in LABELS], "list"),
        (pd.Series(LABELS), "series"),
        (pd.Series(LABELS, dtype="string"), "series"),
        (pd.Series(LABELS, dtype=object), "series"),
        (pd.Series(LABELS, dtype="category"), "series"),
        (pd.Categorical(LABELS), "array"),
        (pd.Index(LABELS), "array"),
        (pa.array(LABELS), "array"),
        (pa.array(LABELS).dictionary_encode(), "array"),
        (pa.chunked_array([LABELS[:1], LABELS[1:]]), "array"),
        (pa.array(["cut", *LABELS])[1:], "array"),
    ],
)
def test_labels_are_the_same_texts_whatever_holds_them(answer: Any, container: str) -> None:
    output = take_apart(answer)

    assert ((3,), container, "str") == (output.shape, output.container, output.column.type)
    assert LABELS == cells.decode(output.column)


@pytest.mark.parametrize(
    "answer",
    [[1, 0, None], pd.Series([1, 0, None], dtype="Int64"), pa.array([1, 0, None]),
     np.ma.array([1, 0, 5], mask=[0, 0, 1]), pd.Categorical([1, 0, None], categories=[0, 1, 2])],
    ids=["list", "Int64", "arrow", "masked", "category"],
)  # fmt: skip
def test_a_missing_number_is_missing_and_the_others_are_whole(answer: Any) -> None:
    output = take_apart(answer)

    assert "i8" == output.column.type
    assert [1, 0, None] == cells.decode(output.column)


@pytest.mark.parametrize(
    ("answer", "cell"),
    [(0.5, 0.5), (np.float32(0.5), 0.5), (3, 3), (True, True), ("a", "a"), (pa.scalar(2), 2)],
)
def test_a_scalar_has_no_rows_and_says_so(answer: Any, cell: Any) -> None:
    output = take_apart(answer)

    assert ((), "scalar", [cell]) == (
        output.shape,
        output.container,
        cells.decode(output.column),
    )


class Strange:
    def __len__(self) -> int:
        raise RuntimeError("never called")


@pytest.mark.parametrize(
    "answer",
    [None, {"a": 1}, {1}, iter([1]), Strange(), np.array([1j]), [b"x"], object,
     np.zeros(2, "m8[s]"), pa.array([b"x"]), pa.schema([]), np.zeros(1, [("a", "i4")]),
     [Strange()], pd.DataFrame({"a": [b"x"]}), pd.Timedelta(1)],
    ids=lambda answer: type(answer).__name__,
)  # fmt: skip
def test_anything_else_is_unknown_and_named_by_its_type(answer: Any) -> None:
    output = take_apart(answer)

    assert ((), "unknown", [None]) == (
        output.shape,
        output.container,
        cells.decode(output.column),
    )
    assert type(answer).__qualname__ in output.type
    assert output.why


def test_a_sparse_matrix_is_unknown() -> None:
    sparse = pytest.importorskip("scipy.sparse")

    assert "unknown" == take_apart(sparse.csr_matrix(MATRIX)).container


def test_rows_of_unequal_lengths_stay_whole() -> None:
    output = take_apart([[1, 2], [3]])

    assert ((2,), [[1, 2], [3]]) == (output.shape, cells.decode(output.column))


@pytest.mark.parametrize(
    ("answer", "shape"),
    [([], (0,)), (np.zeros((0, 2)), (0, 2)), (FRAME[:0], (0, 2)),
     (pd.Series([], dtype=object), (0,)),
     (pa.array([], pa.string()), (0,)), (pa.chunked_array([], pa.int64()), (0,))],
    ids=["list", "ndarray", "frame", "series", "array", "chunked"],
)  # fmt: skip
def test_an_empty_answer_keeps_its_shape(answer: Any, shape: tuple[int, ...]) -> None:
    output = take_apart(answer)

    assert (shape, 0) == (output.shape, output.column.rows)


def test_a_list_of_single_precision_numbers_is_known_as_single() -> None:
    assert "f4" == take_apart(list(np.float32([0.25, 0.5]))).column.type


def test_a_frame_of_texts_and_numbers_keeps_each_cell() -> None:
    output = take_apart(pd.DataFrame({"a": [1, 2], "b": ["x", None]}))

    assert ((2, 2), [1, "x", 2, None]) == (output.shape, cells.decode(output.column))
