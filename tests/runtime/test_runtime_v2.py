"""Bodies of the Open Inference Protocol: what is read, what is refused, what is written."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from runtime_models import SCHEMA, tensor
from runtime_strategies import JSON, NAMES, RANGES, TEXT

from harness.runtime import cells, v2
from harness.runtime.v2 import DATATYPES, Refused, Request, Unanswerable

AGE = tensor("age", "INT64", [30, 41])
INCOME = tensor("income", "FP64", [1.5, None])
REGION = tensor("region", "BYTES", ["north", "süd"])
GOOD = [AGE, INCOME, REGION]


def read(*tensors: Any, inputs: Any = SCHEMA, **more: Any) -> Request:
    body = json.dumps({"inputs": list(tensors), **more}).encode()
    return v2.read(body, outputs=("probabilities", "predict"), inputs=inputs)


def refusal(body: bytes) -> Refused:
    with pytest.raises(Refused) as refused:
        v2.read(body, outputs=("probabilities", "predict"), inputs=SCHEMA)
    return refused.value


def test_columns_come_in_the_declared_order_whatever_the_bodys() -> None:
    for tensors in (GOOD, GOOD[::-1], [REGION, tensor("extra", "BOOL", [True, None]), *GOOD[:2]]):
        request = read(*tensors)

        assert ["age", "income", "region"] == [column.name for column in request.columns]
        assert [[30, 41], [1.5, None], ["north", "süd"]] == [
            cells.decode(column) for column in request.columns
        ]


def test_without_declared_inputs_columns_come_as_they_are() -> None:
    assert ["region", "age"] == [c.name for c in read(REGION, AGE, inputs=None).columns]


def test_nested_data_of_one_column_reads_as_flat_data() -> None:
    flat = tensor("age", "INT64", [30, None], shape=[2, 1])
    nested = tensor("age", "INT64", [[30], [None]], shape=[2, 1])

    assert read(flat, inputs=None) == read(nested, inputs=None)


@given(st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False)))
def test_doubles_arrive_to_the_bit(values: list[float | None]) -> None:
    (column,) = read(tensor("x", "FP64", values), inputs=None).columns

    held = [math.nan if value is None else value for value in values]
    assert struct.pack(f"<{len(held)}d", *held) == column.data
    assert [value is None for value in values] == cells.mask(column)


@given(st.sampled_from(sorted(RANGES)), st.data())
def test_integers_arrive_whole_and_one_beyond_the_range_is_refused(
    code: str, data: st.DataObject
) -> None:
    low, high = RANGES[code]
    name = f"{'U' if code[0] == 'u' else ''}INT{8 * int(code[1])}"
    values = data.draw(st.lists(st.none() | st.integers(low, high)))

    (column,) = read(tensor("x", name, values), inputs=None).columns

    assert (code, values) == (column.type, cells.decode(column))
    for beyond in (low - 1, high + 1):
        with pytest.raises(Refused, match=f'"x": out of the range of {name} in row 0'):
            read(tensor("x", name, [beyond]), inputs=None)


@given(st.lists(st.none() | TEXT))
def test_texts_arrive_as_they_are(values: list[str | None]) -> None:
    (column,) = read(tensor("x", "BYTES", values), inputs=None).columns

    assert values == cells.decode(column)


def test_the_largest_single_is_taken_and_what_rounds_to_infinity_is_not() -> None:
    most = float(np.finfo(np.float32).max)
    half_a_step = 2.0**103

    (column,) = read(
        tensor("x", "FP32", [most, math.nextafter(most + half_a_step, 0), -most]), inputs=None
    ).columns

    assert [most, most, -most] == cells.decode(column)
    with pytest.raises(Refused, match="out of the range of FP32"):
        read(tensor("x", "FP32", [most + half_a_step]), inputs=None)


@pytest.mark.parametrize(
    ("dtype", "data", "wanted"),
    [
        ("category", "BYTES", ("str", "category")),
        ("datetime64[us]", "BYTES", ("us", "")),
        ("datetime64[us, UTC]", "BYTES", ("us", "datetime64[us, UTC]")),
        ("date", "BYTES", ("us", "date")),
        ("Int64", "INT64", ("i8", "Int64")),
        ("category", "INT64", ("i8", "category")),
        ("boolean", "BOOL", ("b1", "boolean")),
        ("datetime64[us]", "INT64", ("i8", "")),
    ],
)
def test_a_declared_dtype_is_how_the_column_is_held(
    dtype: str, data: str, wanted: tuple[str, str]
) -> None:
    cell = {"BYTES": "2020-02-29", "INT64": 3, "BOOL": True}[data]
    body = json.dumps({"inputs": [tensor("x", data, [cell, None])]}).encode()

    (column,) = v2.read(body, outputs=(), held={"x": dtype}).columns

    assert wanted == (column.type, column.dtype)
    assert [False, True] == cells.mask(column)


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2020-02-30", "2020-01-01T25:00:00", "0000-01-01"]
)
def test_what_is_no_moment_is_refused_by_its_row(text: str) -> None:
    body = json.dumps({"inputs": [tensor("when", "BYTES", ["2020-01-01T00:00:00Z", text])]})

    with pytest.raises(Refused, match='column "when": no date or time of RFC 3339 in row 1'):
        v2.read(body.encode(), outputs=(), held={"when": "datetime64[us]"})


def changed(**changes: Any) -> bytes:
    return json.dumps({"inputs": [{**AGE, **changes}, INCOME, REGION]}).encode()


def without(key: str) -> bytes:
    return json.dumps(
        {"inputs": [{k: v for k, v in AGE.items() if k != key}, INCOME, REGION]}
    ).encode()


def cell(name: str, value: str, place: int = 1) -> bytes:
    """A body in which one cell is written as *value*, which need not be JSON."""
    tensors = json.loads(json.dumps(GOOD))
    next(t for t in tensors if t["name"] == name)["data"][place] = "HERE"
    return json.dumps({"inputs": tensors}).replace('"HERE"', value).encode()


def malformed() -> Iterator[tuple[str, bytes, str]]:
    """Yield titles, bodies, and words of the reason."""
    yield "empty", b"", "not JSON"
    yield "white", b" \n", "not JSON"
    yield "cut short", json.dumps({"inputs": GOOD}).encode()[:-5], "not JSON"
    yield "trailing", json.dumps({"inputs": GOOD}).encode() + b"x", "not JSON"
    yield "single quotes", b"{'inputs': []}", "not JSON"
    yield "a comment", b"{/**/}", "not JSON"
    yield "byte order mark", b"\xef\xbb\xbf{}", "not JSON"
    yield "not UTF-8", b'{"inputs": "\xff"}', "not UTF-8"
    yield "UTF-16", json.dumps({"inputs": GOOD}).encode("utf-16"), "not UTF-8"
    yield "surrogates as UTF-8", b'{"inputs": "\xed\xa0\x80"}', "not UTF-8"
    yield "a control character", b'{"inputs": "\x00"}', "not JSON"
    yield "zeros", bytes(1000), "not JSON"
    for text in ("null", "[]", "3", '"inputs"', "true"):
        yield f"the body is {text}", text.encode(), "not a JSON object"
    for text in ("null", "{}", "3", '"x"', "[]"):
        yield f"inputs is {text}", f'{{"inputs": {text}}}'.encode(), "inputs is not a list"
    for text in ("null", "[]", "3", '"x"'):
        yield f"a tensor is {text}", f'{{"inputs": [{text}]}}'.encode(), "inputs[0]"
    yield "no inputs", b"{}", "inputs is not a list"
    yield "deep lists", b"[" * 100_000, "too deep"
    yield "deep objects", b'{"a":' * 100_000, "too deep"
    yield "a key twice", b'{"inputs": [], "inputs": []}', '"inputs" twice'
    yield "id is a number", json.dumps({"id": 3, "inputs": GOOD}).encode(), "id is not a string"
    for key in ("name", "shape", "datatype", "data"):
        yield f"no {key}", without(key), "inputs[0]" if key == "name" else '"age"'
    for name in (None, 3, "", [], {}, "\ud800"):
        yield f"name {name!r}", changed(name=name), "inputs[0] has no name"
    for kind in (None, 3, "", "int64", "FP16", "FP17", [], {"a": 1}, "STRING", "x" * 999):
        yield f"datatype {kind!r}", changed(datatype=kind), '"age": datatype'
    for shape in (None, 3, [], [2.0], ["2"], [True, True], [[2]], [2, 2], [1, 2], [2, 1, 1], {},
                  [-2], [10**30], [int("9" * 4000)]):  # fmt: skip
        yield f"shape {str(shape)[:20]}", changed(shape=shape), '"age": shape'
    for shape in ([3], [1], [0], [2**62]):
        yield f"shape {shape} of 2", changed(shape=shape), "data has 2"
    for data in (None, 3, "30, 41", {}, {"0": 30}):
        yield f"data {data!r}", changed(data=data), '"age": data is not a list'
    yield "data too long", changed(data=[1, 2, 3]), "shape says 2 rows, data has 3"
    yield "no data", changed(data=[]), "data has 0"
    yield "nested data", changed(data=[[30], [41]]), "no integer in rows 0, 1"
    yield "ragged data", changed(shape=[2, 1], data=[[30], [41, 42]]), "not one cell in row 1"
    yield "half nested", changed(shape=[2, 1], data=[[30], 41]), "no integer in row 0"
    for value in ('"41"', "41.0", "true", "{}", "[41]", "1e2", '""'):
        yield f"age {value}", cell("age", value), '"age": no integer in row 1'
    for value in (2**63, -(2**63) - 1, 10**400):
        yield f"age {str(value)[:22]}", cell("age", str(value)), '"age": out of the range of INT64'
    yield "too many digits", cell("age", "1" * 5000), "too many digits"
    for value in ('"1.5"', "true", "{}", "[1.5]", '"1,5"', '"NaN"'):
        yield f"income {value}", cell("income", value), '"income": no number in row 1'
    for value in ("1e400", "-1e400", str(10**400)):
        yield f"income {value[:9]}", cell("income", value), '"income": out of the range of FP64'
    for value in ("NaN", "Infinity", "-Infinity"):
        yield f"the literal {value}", cell("income", value), f"{value}, which is not JSON"
    for value in ("3", "true", "{}", '["north"]'):
        yield f"region {value}", cell("region", value), '"region": no text in row 1'
    yield "a lone surrogate", cell("region", '"\\ud800"'), '"region": text that is no Unicode'
    yield "a column missing", json.dumps({"inputs": GOOD[1:]}).encode(), 'missing: column "age"'
    yield "a column twice", json.dumps({"inputs": [*GOOD, AGE]}).encode(), '"age" is there twice'
    longer = tensor("income", "FP64", [1.5, None, 2])
    yield "unequal rows", json.dumps({"inputs": [AGE, longer, REGION]}).encode(), "unequal"
    words = tensor("age", "BYTES", ["30", "41"])
    yield "text for numbers", json.dumps({"inputs": [words, INCOME, REGION]}).encode(), "BYTES"
    truths = tensor("income", "BOOL", [True, False])
    yield "truth for numbers", json.dumps({"inputs": [AGE, truths, REGION]}).encode(), "BOOL"
    numbers = tensor("region", "INT8", [1, 2])
    yield "numbers for text", json.dumps({"inputs": [AGE, INCOME, numbers]}).encode(), "INT8"
    for outputs in (3, {}, ["predict"], [None], [{"name": "other"}], [{}], [{"name": []}]):
        body = json.dumps({"inputs": GOOD, "outputs": outputs}).encode()
        yield f"outputs {outputs}", body, "output"


MALFORMED = list(malformed())


def test_the_corpus_is_worth_its_name() -> None:
    assert len(MALFORMED) >= 40
    assert len({body for _, body, _ in MALFORMED}) == len(MALFORMED)


@pytest.mark.parametrize(
    ("body", "words"), [case[1:] for case in MALFORMED], ids=[case[0][:40] for case in MALFORMED]
)
def test_a_malformed_body_is_refused_with_a_reason_that_names_the_place(
    body: bytes, words: str
) -> None:
    refused = refusal(body)

    assert 400 == refused.status
    assert words in refused.reason
    assert len(refused.reason) < 500


SECRET = "7305551234"


@pytest.mark.parametrize(
    "body",
    [
        cell("region", f"{SECRET}"),
        cell("region", f'"{SECRET}\\ud800"'),
        cell("age", f'"{SECRET}"'),
        cell("age", f"{SECRET}.5"),
        cell("age", f"{SECRET}{SECRET}"),
        cell("income", f'"{SECRET}"'),
        cell("income", f"{SECRET}e999"),
        cell("income", f'{{"{SECRET}": 1}}'),
        cell("region", f'"{SECRET}'),
    ],
)
def test_no_reason_quotes_a_cell(body: bytes) -> None:
    assert SECRET not in refusal(body).reason


@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_body_at_all_does_anything_but_read_or_refuse(body: bytes) -> None:
    refusal(body)


@given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "name": st.sampled_from(["age", "income", "region"]) | JSON,
                "datatype": st.sampled_from(DATATYPES) | JSON,
                "shape": st.lists(st.integers(0, 2), max_size=2) | JSON,
                "data": st.lists(JSON, max_size=2) | JSON,
            },
        ),
        max_size=4,
    ),
    st.dictionaries(st.sampled_from(["id", "outputs", "parameters"]), JSON),
)
def test_no_tensor_at_all_does_anything_but_read_or_refuse(
    tensors: list[Any], more: dict[str, Any]
) -> None:
    try:
        request = read(*tensors, **more)
    except Refused as refused:
        assert 400 == refused.status and refused.reason
    else:
        assert 3 == len(request.columns)


@given(NAMES)
def test_a_columns_name_may_be_any_text(name: str) -> None:
    assert name == read(tensor(name, "BOOL", [True]), inputs=None).columns[0].name


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_answers_in_double_precision_read_back_to_the_bit(values: list[float]) -> None:
    column = cells.encode_array("answer", np.array(values))

    text = json.dumps(v2.tensor("predict", [len(values)], column, len(values)))

    assert column.data == np.array(json.loads(text)["data"]).tobytes()


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1))
def test_answers_in_single_precision_read_back_to_the_bit(values: list[float]) -> None:
    column = cells.encode_array("answer", np.array(values, np.float32))

    text = json.dumps(v2.tensor("predict", [len(values)], column, len(values)))

    assert "FP32" == json.loads(text)["datatype"]
    assert column.data == np.array(json.loads(text)["data"], np.float32).tobytes()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_no_answer(bad: float) -> None:
    column = cells.encode_array("answer", np.array([[0.5, 0.5], [0.1, bad], [bad, bad]]))

    with pytest.raises(Unanswerable, match="probabilities is not finite in rows 1, 2"):
        v2.tensor("probabilities", [3, 2], column, 3)


@pytest.mark.parametrize("shape", [[], [2], [4], [1, 3]])
def test_an_answer_of_another_number_of_rows_is_no_answer(shape: list[int]) -> None:
    column = cells.encode_array("answer", np.zeros(math.prod(shape)))

    with pytest.raises(Unanswerable, match="3 rows"):
        v2.tensor("predict", shape, column, 3)


@pytest.mark.parametrize(
    ("array", "datatype", "data"),
    [
        (np.array([1, 2], np.int32), "INT32", [1, 2]),
        (np.array([1, 2], np.uint64), "UINT64", [1, 2]),
        (np.array([True, False]), "BOOL", [True, False]),
        (np.array(["a", None], object), "BYTES", ["a", None]),
        (np.array(["2020-01-01"], "M8[D]"), "BYTES", ["2020-01-01T00:00:00"]),
        (np.array([1, "a"], object), "BYTES", ["1", '"a"']),
    ],
)
def test_every_kind_of_answer_has_a_datatype(
    array: np.ndarray, datatype: str, data: list[Any]
) -> None:
    column = cells.encode_array("answer", array)

    found = v2.tensor("predict", array.shape, column, len(array))

    assert (datatype, data) == (found["datatype"], found["data"])
    assert datatype in DATATYPES
