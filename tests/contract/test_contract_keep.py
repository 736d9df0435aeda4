"""Rows that failed: kept as readable lines, by several processes at once, and as Hypothesis'."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from types import SimpleNamespace
from typing import Any

import hypothesis
import hypothesis.database
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.database import InMemoryExampleDatabase

from harness.contract import drawn, keep
from harness.contract.examples import (
    example_source,
    hand_over,
    kept_examples,
    literal,
    rows,
    save,
)
from harness.contract.promise import Cause, Failure
from harness.contract.schema import domains
from harness.core.errors import DataInvalid, DataMissing, HypothesisUnknown, RowUndrawable

CELL = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
VALUE = st.recursive(CELL, lambda v: st.lists(v) | st.dictionaries(st.text(), v), max_leaves=5)
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "income": {"type": ["number", "null"], "minimum": -1.0, "maximum": 1e9},
        "step": {"type": "number", "minimum": 0, "maximum": 10, "multipleOf": 0.5},
        "plan": {"type": ["string", "null"], "x-harness-open": True},
        "region": {"enum": ["north", "south"]},
        "only": {"const": 7},
        "active": {"type": "boolean"},
        "day": {"type": "string", "format": "date"},
        "at": {"type": "string", "format": "date-time", "formatMinimum": "2020-01-01T00:00:00Z"},
    },
}
ROW: dict[str, Any] = {
    "age": 17,
    "income": 10000001.5,
    "step": 2.5,
    "plan": "gold",
    "region": "south",
    "only": 7,
    "active": True,
    "day": "2024-02-29",
    "at": "2021-03-14T02:30:00Z",
}


def failure(row: dict[str, Any], rule: str = "income > 1") -> Failure:
    return Failure(row=row, observed="NaN", cause=Cause(columns=("income",), rule=rule))


def same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.copysign(1, one) == math.copysign(1, other) and (
            one == other or (one != one and other != other)
        )
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    return type(one) is type(other) and one == other


@given(row=st.dictionaries(st.text(), VALUE, min_size=1))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_row_comes_back_as_it_was(row: dict[str, Any], tmp_path_factory: Any) -> None:
    folder = tmp_path_factory.mktemp("rows")

    keep.keep(folder, "one-row", [failure(row)])

    (entry,) = keep.read(folder)
    assert same(row, dict(entry.row))
    assert ("one-row", ("income",), "income > 1") == (entry.check, entry.columns, entry.rule)


def test_a_line_is_readable_and_ends_where_json_ends(tmp_path: Path) -> None:
    odd = {"text": "a\u2028b\x85c\x0bd", "naïve": "日本語", "missing": None}

    keep.keep(tmp_path, "one-row", [failure(odd, "one"), failure({"a": 1}, "two")])

    text = (tmp_path / "one-row.jsonl").read_text("utf-8")
    assert "naïve" in text and "日本語" in text
    assert [odd, {"a": 1}] == [dict(entry.row) for entry in keep.read(tmp_path)]


def test_one_cause_is_kept_once_and_gets_its_old_id(tmp_path: Path) -> None:
    (first,) = keep.keep(tmp_path, "one-row", [failure({"income": 2.0})])
    again = keep.keep(
        tmp_path, "one-row", [failure({"income": 3.0}), failure({"income": 1.0}, "b")]
    )

    assert first.replay == again[0].replay != again[1].replay
    assert 2 == len((tmp_path / "one-row.jsonl").read_text().splitlines())


def test_many_writers_at_once_keep_one_line_a_cause_and_tear_none(tmp_path: Path) -> None:
    gate = Barrier(8)

    def write(_: int) -> list[str]:
        gate.wait()
        found = [failure({"income": float(n), "text": "x" * 5000}, f"rule {n}") for n in range(20)]
        return [kept.replay for one in found for kept in keep.keep(tmp_path, "one-row", [one])]

    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(write, range(8)))

    lines = (tmp_path / "one-row.jsonl").read_text().splitlines()
    assert 20 == len(lines) == len({json.loads(line)["rule"] for line in lines})
    assert all(told[0] == other for other in told)
    assert set(told[0]) == {entry.id for entry in keep.read(tmp_path)}


def test_a_line_after_one_without_its_end_begins_a_new_one(tmp_path: Path) -> None:
    keep.keep(tmp_path, "one-row", [failure({"a": 1}, "one")])
    file = tmp_path / "one-row.jsonl"
    file.write_bytes(file.read_bytes().rstrip(b"\n"))

    keep.keep(tmp_path, "one-row", [failure({"a": 2}, "two")])

    assert [{"a": 1}, {"a": 2}] == [dict(entry.row) for entry in keep.read(tmp_path)]


def test_lines_that_a_merge_has_doubled_are_one_row(tmp_path: Path) -> None:
    keep.keep(tmp_path, "one-row", [failure({"a": 1}, "one"), failure({"a": 2}, "two")])
    file = tmp_path / "one-row.jsonl"
    file.write_bytes(file.read_bytes() * 2)

    assert [{"a": 1}, {"a": 2}] == [dict(entry.row) for entry in keep.read(tmp_path)]


@pytest.mark.parametrize("line", ['{"id": "ab', "[]", '{"id": "ab"}', '{"row": 3}', "\udcff", "{}"])
def test_a_damaged_line_is_named_with_its_file_and_number(tmp_path: Path, line: str) -> None:
    keep.keep(tmp_path, "one-row", [failure({"a": 1})])
    with (tmp_path / "one-row.jsonl").open("ab") as file:
        file.write(line.encode(errors="surrogateescape") + b"\n")

    with pytest.raises(DataInvalid, match=r"one-row\.jsonl, line 2: not a kept row") as error:
        keep.read(tmp_path)

    assert "delete the line" in error.value.hint


def test_an_id_of_several_rows_is_refused_and_a_longer_one_is_found(tmp_path: Path) -> None:
    one = keep.Kept(id="ab12", check="one-row", row={}, columns=(), rule="", observed="")
    other = replace(one, id="ab34", check="empty-batch")

    assert other == keep.find([one, other], "ab3")
    with pytest.raises(DataMissing, match="several rows of that id: ab"):
        keep.find([one, other], "ab")
    with pytest.raises(DataMissing, match=r"no row of that id: zz .*ab12 of one-row"):
        keep.find([one, other], "zz")


@given(value=VALUE)
def test_a_printed_example_is_python_for_the_very_value(value: Any) -> None:
    assert same(value, eval(literal(value), {"float": float}))


def test_an_example_is_one_copyable_decorator() -> None:
    source = example_source(failure({"a b": math.nan, "c": -math.inf, "d": "it's", "e": 0.1 + 0.2}))

    assert (
        "@example(row={'a b': float(\"nan\"), 'c': float(\"-inf\"), 'd': \"it's\", "
        "'e': 0.30000000000000004})"
    ) == source


# What follows holds what we know of Hypothesis' inside to the version that is installed.


def searched(database: Any, wrong: Callable[[dict[str, Any]], bool]) -> tuple[Any, list[Any]]:
    """A user's property test, and the rows that it was called with."""
    seen: list[dict[str, Any]] = []

    @settings(database=database, max_examples=20, derandomize=False, deadline=None)
    @given(row=rows(SCHEMA))
    def holds(row: dict[str, Any]) -> None:
        seen.append(row)
        assert not wrong(row)

    return holds, seen


def test_a_saved_row_is_tried_first_and_shrunk_to_what_matters() -> None:
    def wrong(row: dict[str, Any]) -> bool:
        return row["income"] is not None and 10000000 < row["income"] < 10000002

    test, seen = searched(InMemoryExampleDatabase(), wrong)

    saved = save(test, ROW)
    with pytest.raises(AssertionError):
        test()

    assert saved
    assert ROW == seen[0]
    assert (10000001.0, "north", False) == tuple(
        seen[-1][k] for k in ("income", "region", "active")
    )


def test_every_row_that_the_strategy_draws_is_drawn_again_from_its_choices() -> None:
    database = InMemoryExampleDatabase()
    test, seen = searched(database, lambda row: False)
    test()

    assert len(seen) >= 20
    assert all(save(test, row) for row in seen)


@pytest.mark.parametrize(
    "cell",
    [
        {"age": 121},
        {"age": True},
        {"income": math.nan},
        {"income": "1e3"},
        {"plan": 3},
        {"plan": "\ud800"},
        {"region": "North"},
        {"day": "2023-02-29"},
        {"at": "2021-03-14T02:30:00-05:00"},
        {"active": None},
    ],
)
def test_a_row_that_the_schema_never_draws_is_refused_by_column(cell: dict[str, Any]) -> None:
    test, _ = searched(InMemoryExampleDatabase(), lambda row: False)

    with pytest.raises(RowUndrawable, match=next(iter(cell))):
        save(test, ROW | cell)


def test_without_a_database_nothing_is_saved() -> None:
    test, _ = searched(None, lambda row: False)

    assert not save(test, ROW)


def test_a_test_of_something_else_is_refused() -> None:
    @given(row=st.integers())
    def other(row: int) -> None: ...

    with pytest.raises(RowUndrawable, match=r"other is no @given test of one row"):
        save(other, ROW)


def test_another_hypothesis_is_a_clear_message_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    test, _ = searched(InMemoryExampleDatabase(), lambda row: False)
    monkeypatch.delattr(hypothesis.database, "choices_to_bytes")

    with pytest.raises(HypothesisUnknown, match=hypothesis.__version__) as error:
        save(test, ROW)

    assert "@kept_examples" in error.value.hint


def test_choices_of_another_order_are_noticed() -> None:
    one = drawn.of(domains(SCHEMA), {})
    test, _ = searched(InMemoryExampleDatabase(), lambda row: False)
    turned = replace(one, ways=dict(reversed(one.ways.items())))

    with pytest.raises(HypothesisUnknown):
        drawn.save(test, turned, ROW)


def test_kept_rows_are_explicit_examples_of_the_users_own_test(tmp_path: Path) -> None:
    (tmp_path / "inputs.schema.json").write_text(json.dumps(SCHEMA))
    folder = tmp_path / ".harness" / "rows"
    keep.keep(folder, "one-row", [failure(ROW, "a"), failure({"other": 1}, "b")])
    keep.keep(folder, "empty-batch", [failure(ROW | {"age": 3}, "c")])
    seen: list[dict[str, Any]] = []

    @kept_examples(tmp_path / "inputs.schema.json")
    @settings(max_examples=1, database=None)
    @given(row=rows(tmp_path / "inputs.schema.json"))
    def test(row: dict[str, Any]) -> None:
        seen.append(row)

    test()

    assert [ROW | {"age": 3}, ROW] == seen[:2]


def test_kept_rows_are_handed_over_to_each_test_of_them_and_a_damaged_line_is_told(
    tmp_path: Path,
) -> None:
    (tmp_path / "inputs.schema.json").write_text(json.dumps(SCHEMA))
    folder = tmp_path / ".harness" / "rows"
    hostile = ROW | {"age": "17"}
    keep.keep(folder, "one-row", [failure(ROW, "a"), failure(hostile, "b")])
    seen: list[dict[str, Any]] = []

    @settings(max_examples=1, database=InMemoryExampleDatabase(), derandomize=False)
    @given(row=rows(tmp_path / "inputs.schema.json"))
    def own(row: dict[str, Any]) -> None:
        seen.append(row)

    def other() -> None: ...

    items = [SimpleNamespace(function=test, nodeid="test") for test in (other, own)]

    note = hand_over(items)
    own()
    (folder / "one-row.jsonl").write_text("half a line")
    damaged = hand_over(items)

    assert ("", ROW) == (note, seen[0])
    assert "one-row.jsonl, line 1: not a kept row" in damaged
