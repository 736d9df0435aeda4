"""The same cells held otherwise: in memory, by category, as a missing cell; and in other orders."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from harness.runtime import cells, lasting, together, usage
from harness.runtime.inputs import Unbuildable, build
from harness.runtime.layout import LAYOUTS, taken

COLUMNS = [
    cells.encode("age", [30, 40, 50, 60, 70]),
    cells.encode("share", [0.5, 0.25, 1.0, 2.0, 4.0]),
]
WORDS = [cells.encode("word", ["b", "a", None, "b", "c"])]


@pytest.mark.parametrize("how", LAYOUTS["numpy"])
def test_an_array_held_otherwise_holds_the_same_cells(how: str) -> None:
    plain, held = build(COLUMNS, kind="numpy"), build(COLUMNS, kind="numpy", index=how)

    assert np.array_equal(plain, held)
    told = (held.flags.f_contiguous, held.flags.c_contiguous, held.flags.writeable)
    assert {
        "fortran": (True, False, True),
        "strided": (False, False, True),
        "readonly": (False, True, False),
        "single": (False, True, True),
    }[how] == told
    assert held.dtype == (np.float32 if how == "single" else np.float64)


@pytest.mark.parametrize("how", LAYOUTS["pyarrow"])
def test_a_table_held_otherwise_holds_the_same_cells(how: str) -> None:
    columns = [*COLUMNS, *WORDS]
    plain, held = build(columns, kind="pyarrow"), build(columns, kind="pyarrow", index=how)

    assert plain.to_pydict() == held.to_pydict()
    chunk = held.column("age").chunk(0)
    assert {
        "chunked": held.column("age").num_chunks > 1,
        "sliced": chunk.offset == 1,
        "large": held.schema.field("word").type == pa.large_string(),
    }[how]


@pytest.mark.parametrize(("kind", "how"), [(k, h) for k, hows in LAYOUTS.items() for h in hows])
def test_no_rows_may_be_held_otherwise_too(kind: str, how: str) -> None:
    held = build([cells.encode("age", [])], kind=kind, index=how)

    assert 0 == len(held)


def test_a_layout_of_another_kind_of_input_is_refused() -> None:
    with pytest.raises(Unbuildable, match="fortran"):
        build(COLUMNS, kind="pandas", index="fortran")


def word(dtype: str, kind: str = "pandas") -> Any:
    column = cells.encode("word", ["b", "a", None, "b", "c"], dtype=dtype)
    return build([column], kind=kind)["word"]


def test_categories_in_another_order_have_other_codes_and_the_same_values() -> None:
    plain, turned, more = word("category"), word("category:reversed"), word("category:extra")

    assert list(plain.dropna()) == list(turned.dropna()) == list(more.dropna())
    assert [1, 0, -1, 1, 2] == plain.cat.codes.tolist()
    assert [1, 2, -1, 1, 0] == turned.cat.codes.tolist()
    assert [2, 1, -1, 2, 3] == more.cat.codes.tolist()


@pytest.mark.parametrize("dtype", ["category:reversed", "category:extra"])
def test_arrow_dictionaries_in_another_order_hold_the_same_values(dtype: str) -> None:
    plain, other = word("category", "pyarrow"), word(dtype, "pyarrow")

    assert plain.to_pylist() == other.to_pylist()
    assert plain.chunk(0).indices.to_pylist() != other.chunk(0).indices.to_pylist()


def test_a_missing_text_may_be_none_nan_or_na() -> None:
    found = [word(dtype).iloc[2] for dtype in ("object", "object:nan", "object:NA")]

    assert found[0] is None and found[2] is pd.NA
    assert isinstance(found[1], float) and found[1] != found[1]


def test_two_rows_each_have_one_label_of_a_repeated_index() -> None:
    assert [0, 0, 1, 1, 2] == build(COLUMNS, kind="pandas", index="repeated").index.tolist()


@pytest.mark.parametrize("kind", ["pandas", "numpy", "pyarrow"])
def test_rows_are_taken_in_any_order_as_an_input_of_their_own(kind: str) -> None:
    whole = build(COLUMNS, kind=kind)

    part = taken(whole, [4, 0, 0])

    if kind == "pandas":
        assert [[70, 4.0], [30, 0.5], [30, 0.5]] == part.to_numpy().tolist()
        assert [0, 1, 2] == part.index.tolist()
    elif kind == "numpy":
        assert [[70, 4.0], [30, 0.5], [30, 0.5]] == part.tolist()
    else:
        assert {"age": [70, 30, 30], "share": [4.0, 0.5, 0.5]} == part.to_pydict()
    assert 5 == len(whole)


def test_each_thread_is_answered_about_its_own_rows_and_a_raise_is_an_answer() -> None:
    def model(frame: pd.DataFrame) -> list[int]:
        if len(frame) == 1:
            raise ValueError("one row alone")
        return list(frame["age"])

    found = together.ask(model, "call", build(COLUMNS, kind="pandas"), [[1, 0], [2], [3, 4, 4]])

    assert ["answered", "refused", "answered"] == [header["status"] for header, _ in found]
    kept = [cells.decode(column) for _, column in found if column is not None]
    assert [[40, 30], [60, 70, 70]] == kept


def test_the_peak_of_memory_starts_anew_and_tells_what_a_call_took() -> None:
    before = usage.told(collect=True)
    if not before["reset"]:
        pytest.skip("this system doesn't let the peak start anew")
    held = np.ones(4_000_000)
    del held

    after, quiet = usage.told(), usage.told()

    assert after["peak"] - before["rss"] > 25_000_000
    assert quiet["peak"] - after["rss"] < 5_000_000
    assert after["cpu"] >= before["cpu"] > 0


def test_an_answer_is_told_as_it_was_given_and_as_it_is_after_other_calls() -> None:
    held = [0, 0]

    def model(frame: pd.DataFrame) -> list[int]:
        held[: len(frame)] = list(frame["age"])
        return held

    found = lasting.ask(model, "call", build(COLUMNS, kind="pandas"), [[0, 1], [2, 3]])

    kept = [cells.decode(column) for _, column in found if column is not None]
    assert [[30, 40], [50, 60]] == kept


def test_what_python_holds_is_counted_and_traced_on_demand() -> None:
    before = usage.told(collect=True, trace=True)
    held = [float(number) for number in range(50_000)]
    after = usage.told(collect=True, trace=False)

    assert before["traced"] is None and usage.told()["traced"] is None
    assert after["blocks"] - before["blocks"] > 45_000 and len(held) == 50_000
    assert 1_500_000 < after["traced"] < 3_000_000
