"""How a model wants to be asked: found out, and what its libraries do is not blamed on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.contract.batch import Answer, Batch, Refusal, cells
from harness.contract.claims import claims_of
from harness.contract.in_process import read_rows
from harness.contract.infer import open_target
from harness.contract.promise import Report, Settings
from harness.contract.run import run
from harness.contract.target import target
from harness.runtime.inputs import build
from harness.spec.project import Contract, Model, Outputs

CODE = """
import numpy as np
import pyarrow as pa

def of_tables(table):
    if not isinstance(table, pa.Table):
        raise AttributeError("no column_names: " + type(table).__name__)
    extra = np.array([len(zone) for zone in table["zone"].to_pylist()])
    return pa.array(table["km"].to_numpy() * 2 + extra)

def of_nothing(rows):
    raise OSError("a file is missing")
"""
NO_ROWS = "Input data must be 2 dimensional and non empty."


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a module and its training data, as the working directory."""
    (tmp_path / "asked_code.py").write_text(CODE)
    km = np.round(np.linspace(1, 30, 200), 1)
    zone = np.where(np.arange(200) % 3, "city", "port")
    frame = pd.DataFrame({"km": km, "zone": zone, "fare": km * 2 + 4})
    frame.to_csv(tmp_path / "train.csv", index=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def assumed(name: str, folder: Path, kind: str = "auto") -> tuple[str, bool, list[str]]:
    named = target(f"asked_code:{name}", kind=kind)
    opened = open_target(named, folder / "train.csv", predicted=["fare"])
    opened.door.close()
    return opened.declared.input, opened.answered, list(opened.draft.assumptions)


def test_a_model_of_tables_is_asked_with_one_and_the_rest_is_told(folder: Path) -> None:
    kind, answered, lines = assumed("of_tables", folder)

    assert ("pyarrow", True) == (kind, answered)
    (line,) = [line for line in lines if line.startswith("input: ")]
    assert "an Arrow Table; the model refuses a DataFrame and an array (AttributeError" in line


def test_a_model_that_answers_no_kind_of_input_says_what_was_tried(folder: Path) -> None:
    kind, answered, lines = assumed("of_nothing", folder)

    assert ("pandas", False) == (kind, answered)
    (line,) = [line for line in lines if line.startswith("rows: ")]
    assert "a file is missing" in line
    assert line.endswith("as a DataFrame and an array and an Arrow Table")


def test_a_kind_of_input_that_was_chosen_and_is_refused_points_at_the_choice(folder: Path) -> None:
    kind, answered, lines = assumed("of_tables", folder, kind="numpy")

    assert ("numpy", False) == (kind, answered)
    assert any(line.endswith("as an array; --input says what it takes") for line in lines), lines


class Wrapped:
    """Has a remark, and passes on what is raised in *module* where there are no rows."""

    methods = ("predict",)

    def __init__(self, module: str) -> None:
        self.module = module
        self.about = {"remarks": ["asked row by row"]}

    def answer(self, batch: Batch, *, method: str) -> Answer:
        if not batch.rows:
            raise Refusal("ValueError", ["ValueError"], NO_ROWS, self.module)
        return Answer(values=np.asarray(batch["km"].values, float))


def checked(model: Any) -> Report:
    schema = {
        "type": "object",
        "properties": {"km": {"type": "number", "minimum": 0, "maximum": 9}},
    }
    contract = Contract(inputs=schema, outputs=Outputs(kind="regression"))
    rows = Batch(columns=(cells("km", "number", [n / 10 for n in range(80)]),))
    settings = Settings(rows=200, seconds=20.0)
    return run(claims_of(Model(name="asked"), contract), model, rows, settings=settings)


@pytest.mark.parametrize(
    ("module", "wanted"),
    [("lightgbm.basic", "skipped"), ("", "skipped"), ("scoring", "failed"), ("sklearn", "failed")],
)
def test_no_rows_may_be_refused_by_a_library_from_its_own_file(module: str, wanted: str) -> None:
    report = checked(Wrapped(module))

    assert wanted == next(c.outcome for c in report.checks if c.id == "empty-batch")


def test_what_a_person_should_know_of_the_way_in_is_a_note() -> None:
    assert "asked row by row" in checked(Wrapped("")).notes


def test_a_batch_without_rows_keeps_its_categories(tmp_path: Path) -> None:
    known = ["late", "early", "never seen"]
    frame = pd.DataFrame({"when": pd.Categorical(["late", "early"], categories=known)})
    frame.to_parquet(tmp_path / "train.parquet")

    empty = read_rows(tmp_path / "train.parquet").head(0)

    held = build(empty.to_columns(), kind="pandas")
    assert 0 == len(held) and known == list(held["when"].cat.categories)
