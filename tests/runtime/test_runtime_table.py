"""Reading data files: the same cells from Parquet and CSV, with and without libraries."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from runtime_models import RUNTIME, Repo
from runtime_strategies import tables

from harness.runtime import adapter, cells, table
from harness.runtime.frame import Column
from harness.runtime.inputs import build
from harness.runtime.table import read_table


@settings(max_examples=40)
@given(held=tables(), start=st.integers(0, 9), rows=st.none() | st.integers(0, 9), data=st.data())
def test_any_slice_of_a_parquet_file_holds_its_rows(
    tmp_path_factory: pytest.TempPathFactory,
    held: list[Column],
    start: int,
    rows: int | None,
    data: st.DataObject,
) -> None:
    path = tmp_path_factory.mktemp("t") / "t.parquet"
    held = [Column(str(i), *[getattr(c, f) for f in FIELDS]) for i, c in enumerate(held)]
    group = data.draw(st.integers(1, 4))
    parquet.write_table(build(held, kind="pyarrow"), path, row_group_size=group)
    stop = None if rows is None else start + rows

    total, _, found = read_table(path, start=start, stop=stop)

    assert held[0].rows == total
    for column, read in zip(held, found, strict=True):
        assert (column.name, column.type, "") == (read.name, read.type, read.dtype)
        assert cells.decode(column)[start:stop] == cells.decode(read)


FIELDS = ("type", "rows", "data", "offsets", "nulls", "dtype")


def test_columns_are_those_asked_for_in_that_order(repo: Repo) -> None:
    for path in (repo.parquet, repo.csv):
        _, kinds, found = read_table(path, ["region", "age"])

        assert ["region", "age"] == [column.name for column in found] == list(kinds)


def test_a_column_that_is_not_there_is_named(repo: Repo) -> None:
    for path in (repo.parquet, repo.csv):
        with pytest.raises(ValueError, match="no column 'hight'"):
            read_table(path, ["age", "hight"])


def test_parquet_and_csv_of_one_table_read_the_same(repo: Repo) -> None:
    from_parquet, from_csv = read_table(repo.parquet), read_table(repo.csv)

    assert from_parquet[:2] == from_csv[:2]
    assert [cells.decode(c) for c in from_parquet[2][2:]] == [
        cells.decode(c) for c in from_csv[2][2:]
    ]


def test_kinds_name_what_a_person_would(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "integer": [1, 2],
            "number": [0.5, None],
            "boolean": [True, False],
            "string": ["a", None],
            "datetime": pd.to_datetime(["2020-01-01", None]).as_unit("us"),
            "category": pd.Categorical(["a", None]),
            "nullable": pd.array([1, None], dtype="Int64"),
            "zoned": pd.to_datetime(["2020-01-01", None], utc=True).as_unit("us"),
        }
    )
    listed = pa.Table.from_pandas(frame)
    listed = listed.append_column("date", pa.array([None, 3], pa.date32()))
    listed = listed.append_column("mixed", pa.array([[1], None]))
    listed = listed.append_column("money", pa.array([1, None]).cast(pa.decimal128(22, 2)))
    parquet.write_table(listed, tmp_path / "t.parquet")

    _, kinds, found = read_table(tmp_path / "t.parquet")

    wanted = {name: name for name in listed.column_names}
    wanted |= {"nullable": "integer", "zoned": "datetime", "money": "number"}
    assert wanted == kinds
    assert {
        "category": 'category:["a"]',
        "nullable": "Int64",
        "date": "date",
        "zoned": "datetime64[us, UTC]",
    } == {column.name: column.dtype for column in found if column.dtype}


def test_an_index_that_pandas_wrote_is_no_column(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1, 2]}, index=["x", "y"])
    frame.to_parquet(tmp_path / "t.parquet")

    assert ["a"] == [column.name for column in read_table(tmp_path / "t.parquet")[2]]


def test_what_parquet_gives_builds_the_frame_that_pandas_reads(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "small": pd.Series([1, 2], dtype="int16"),
            "single": pd.Series([0.1, None], dtype="float32"),
            "nullable": pd.array([1, None], dtype="Int32"),
            "flag": pd.array([True, None], dtype="boolean"),
            "text": pd.array(["a", None], dtype="string"),
            "kind": pd.Categorical(["u", None]),
            "when": pd.to_datetime(["2020-01-01 12:00", None]).as_unit("ns"),
            "zoned": pd.to_datetime(["2020-01-01 12:00", None]).tz_localize("Asia/Kolkata"),
        }
    )
    frame.to_parquet(tmp_path / "t.parquet")

    built = build(read_table(tmp_path / "t.parquet")[2], kind="pandas")

    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "t.parquet"), built)


def test_a_file_of_another_kind_and_a_binary_column_are_refused_with_their_names(
    tmp_path: Path,
) -> None:
    parquet.write_table(pa.table({"photo": [b"\x00"]}), tmp_path / "t.parquet")

    with pytest.raises(ValueError, match="neither Parquet nor CSV"):
        read_table(tmp_path / "t.xlsx")
    with pytest.raises(ValueError, match="photo"):
        read_table(tmp_path / "t.parquet")


CSV = 'i,f,b,t,m,odd\n1,1.5,True,a,NA,1_0\n-2,,False,"x,\n""y""",,2\n3,1e300,True,,nan,3\n'
BARE = """
import sys
sys.path.insert(0, sys.argv[1])
import cells, table
for missing in ("numpy", "pandas", "pyarrow"):
    assert missing not in sys.modules
rows, kinds, columns = table.read_table(sys.argv[2], None, int(sys.argv[3]), None)
print([rows, kinds, [cells.decode(column) for column in columns]])
"""


@pytest.mark.parametrize("start", [0, 1, 5])
def test_csv_reads_the_same_with_the_standard_library_alone(tmp_path: Path, start: int) -> None:
    (tmp_path / "t.csv").write_text(CSV)

    rows, kinds, found = read_table(tmp_path / "t.csv", None, start)
    bare = subprocess.run(
        [sys.executable, "-I", "-S", "-c", BARE, str(RUNTIME), tmp_path / "t.csv", str(start)],
        capture_output=True,
        check=True,
        text=True,
    )

    inf, nan = float("inf"), float("nan")
    decoded = [[None if c != c else c for c in cells.decode(column)] for column in found]
    assert (3, "integer", "number", "boolean") == (rows, kinds["i"], kinds["f"], kinds["b"])
    without = eval(bare.stdout, {"inf": inf, "nan": nan})  # our own script's print
    assert rows == without[0]
    assert decoded == without[2]
    if start == 0:
        assert ["1_0", "2", "3"] == decoded[5]
        assert {k: v for k, v in kinds.items() if k != "m"} == {
            k: v for k, v in without[1].items() if k != "m"
        }  # a column of nothing has no kind of its own


def test_a_ragged_csv_is_refused_by_its_row_without_libraries(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3\n")

    with pytest.raises(ValueError, match="row 1 has 1 cells"):
        table._plain_csv(tmp_path / "t.csv", None, 0, None)


def test_a_table_without_rows_has_its_columns(tmp_path: Path) -> None:
    pd.DataFrame({"a": pd.Series([], dtype="float64")}).to_parquet(tmp_path / "t.parquet")
    (tmp_path / "t.csv").write_text("a\n")

    for name in ("t.parquet", "t.csv"):
        rows, _, found = read_table(tmp_path / name)
        assert (0, ["a"], 0) == (rows, [c.name for c in found], found[0].rows)


def test_a_csv_column_of_truth_values_may_have_empty_cells(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\nTrue,1\n,2\nFalse,3\n")

    _, kinds, found = read_table(tmp_path / "t.csv")

    assert "boolean" == kinds["a"]
    held = build(found, kind="pandas")["a"]
    assert "object" == str(held.dtype)
    assert [True, False] == held.dropna().tolist()
    assert isinstance(held[1], float)  # NaN, as pandas.read_csv has it


def test_categories_of_the_data_are_those_of_every_batch(tmp_path: Path) -> None:
    frame = pd.DataFrame({"c": pd.Categorical(["b", "a", None], categories=["b", "a", "z"])})
    frame.to_parquet(tmp_path / "t.parquet")

    _, kinds, found = read_table(tmp_path / "t.parquet")
    again = [cells.encode("c", held, dtype=found[0].dtype) for held in ([None], [], ["q", "a"])]

    assert {"c": "category"} == kinds
    built = [build([column], kind="pandas")["c"].cat.categories.tolist() for column in again]
    assert ["b", "a", "z"] == built[0] == built[1]
    assert ["b", "a", "z", "q"] == built[2]
    arrow = build([again[2]], kind="pyarrow")["c"].chunk(0)
    assert ["b", "a", "z", "q"] == arrow.dictionary.to_pylist()
    assert ["q", "a"] == arrow.to_pylist()


def test_a_refusal_names_the_module_that_raised_it() -> None:
    text = pytest.importorskip("sklearn.feature_extraction.text")
    model = text.CountVectorizer().fit(["a text", "another"])
    model.predict = model.transform

    header, _ = adapter.call(model, "predict", [42])

    assert "AttributeError" == header["error"]["type"]
    assert "sklearn.feature_extraction.text" == header["error"]["module"]
