"""Schemas that exist already: what they say stands, what is lost is told."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from harness.contract.batch import Batch, cells
from harness.contract.domain import admits
from harness.contract.draft import draft
from harness.contract.schema import domains
from harness.contract.schema_import import Imported, read_schema, with_schema
from harness.core.errors import SpecInvalid, SpecMissing
from harness.runtime.outputs import encode_series

FRAME = pd.DataFrame(
    {
        "age": [18, 30, 44, 71, 65] * 8,
        "income": [10.5, 200.25, 0.5, 47.0, 9.75] * 8,
        "region": ["north", "south", "east", "west", "north"] * 8,
        "zip": ["00501", "10001", "94105", "73301", "60601"] * 8,
        "day": ["2013-01-31", "2013-02-28", "2013-03-31", "2013-04-30", "2013-05-31"] * 8,
        "member": [True, False, True, True, False] * 8,
        "late": ["yes", "no", "no", "yes", "no"] * 8,
    }
)
NAMES = [name for name in FRAME.columns if name != "late"]
ROWS = Batch.from_columns([encode_series(name, FRAME[name]) for name in NAMES])
TARGET = cells("late", "string", FRAME["late"].tolist())
DRAFT = draft(ROWS, target=TARGET, model=None)

PANDERA = """
import pandera.pandas as pa

schema = pa.DataFrameSchema(
    {
        "age": pa.Column(int, [pa.Check.ge(0), pa.Check.lt(120)], coerce=True, nullable=True),
        "income": pa.Column(float, pa.Check.in_range(0, 1e6, include_min=False)),
        "region": pa.Column(str, pa.Check.isin(["north", "south", "east", "west"])),
        "zip": pa.Column(str, pa.Check.str_matches(r"[0-9]{5}$")),
        "day": pa.Column(str, pa.Check.str_length(10, 10)),
        "member": pa.Column(bool),
        "gone": pa.Column(float, required=False),
    },
    strict=STRICT,
)
checked = pa.DataFrameSchema(
    {"age": pa.Column(int, [pa.Check(lambda s: s > 0, name="home_made"), pa.Check.gt(5)])},
    checks=pa.Check(lambda frame: True, name="of_the_whole"),
    unique=["age"],
)
class Row(pa.DataFrameModel):
    age: int = pa.Field(ge=10, le=99)
nothing = 3
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def written(folder: Path, value: Any, name: str = "row.json") -> str:
    (folder / name).write_text(json.dumps(value), encoding="utf-8")
    return str(folder / name)


def merged(what: str, folder: Path, *, fixed: bool = False) -> tuple[dict[str, Any], str]:
    """The properties of a draft with a schema taken over, and what was lost, in one text."""
    imported = read_schema(what, NAMES, folder=folder)
    found, lost = with_schema(DRAFT, imported, ROWS, fixed=fixed, targets=["late"])
    for domain in domains(found.contract.inputs):
        assert len(admits(domain, ROWS[domain.name])) == ROWS.rows
    return dict(found.contract.inputs["properties"]), "\n".join(lost)


def plain(described: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in described.items() if k not in ("description", "$comment", "examples")}


def row(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, **more}


# JSON Schema


def test_bounds_categories_and_nulls_of_a_json_schema_stand(folder: Path) -> None:
    age = {"type": ["integer", "null"], "minimum": 16, "exclusiveMaximum": 121}
    region = {"type": "string", "enum": ["north", "south", "east", "west"]}
    what = written(folder, row({"age": age, "region": region}, additionalProperties=False))

    properties, _ = merged(what, folder)

    assert {"age": age, "region": region} == {k: plain(v) for k, v in properties.items()}


def test_references_and_alternatives_with_null_are_written_out(folder: Path) -> None:
    what = written(
        folder,
        row(
            {
                "region": {"$ref": "#/definitions/region"},
                "income": {"anyOf": [{"$ref": "#/definitions/money"}, {"type": "null"}]},
                "age": {"allOf": [{"type": "integer"}, {"minimum": 3, "maximum": 99}]},
            },
            definitions={
                "region": {"type": "string", "enum": ["north", "south", "east", "west"]},
                "money": {"type": "number", "minimum": 0, "maximum": 1000},
            },
        ),
    )

    properties, _ = merged(what, folder)

    assert {"type": ["number", "null"], "minimum": 0, "maximum": 1000} == plain(
        properties["income"]
    )
    assert ["north", "south", "east", "west"] == properties["region"]["enum"]
    assert {"type": "integer", "minimum": 3, "maximum": 99} == plain(properties["age"])


def test_an_old_drafts_exclusive_bound_and_openapis_nullable_are_understood(folder: Path) -> None:
    income = {"type": "number", "minimum": 0, "exclusiveMinimum": True, "maximum": 500}
    what = written(folder, row({"income": {**income, "nullable": True}}))

    properties, _ = merged(what, folder)

    assert {"type": ["number", "null"], "exclusiveMinimum": 0, "maximum": 500} == plain(
        properties["income"]
    )


def test_an_array_of_rows_is_taken_for_its_rows(folder: Path) -> None:
    what = written(folder, {"type": "array", "items": row({"age": {"type": "integer"}})})

    assert "age" in read_schema(what, NAMES, folder=folder).columns


def test_what_no_contract_has_words_for_is_told_by_name(folder: Path) -> None:
    what = written(
        folder,
        row(
            {
                "age": {"type": "integer", "not": {"const": 3}},
                "region": {"type": "string", "format": "email"},
                "zip": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
                "late": {"type": "string"},
                "gone": {"type": "number"},
            },
            required=["age"],
            dependentRequired={"age": ["zip"]},
        ),
    )

    _, lost = merged(what, folder)

    for word in (
        "dependentRequired: a rule between columns",
        "age: not = ",
        "region: format email",
        "zip: anyOf of 2 alternatives",
        "late: it is predicted",
        "gone: the training data have no such column",
        "may be left out of a row",
    ):
        assert word in lost, word


def test_what_the_schema_leaves_open_is_guessed_from_the_data_and_said(folder: Path) -> None:
    what = written(
        folder,
        row({"income": {"type": "number", "minimum": -5}, "day": {"type": "string"}, "age": {}}),
    )

    properties, _ = merged(what, folder)

    assert -5 == properties["income"]["minimum"] and properties["income"]["maximum"] < 1e4
    assert "guess, from the data: maximum" in properties["income"]["$comment"]
    assert "date" == properties["day"]["format"]
    assert "integer" == properties["age"]["type"]


def test_a_schema_that_the_training_data_contradict_is_kept_and_told(folder: Path) -> None:
    what = written(folder, row({"age": {"type": "integer", "minimum": 18, "maximum": 60}}))

    properties, lost = merged(what, folder)

    assert 60 == properties["age"]["maximum"]
    assert "age: 16 of 40 training rows hold what it doesn't admit" in lost


def test_a_column_that_no_contract_can_use_falls_back_on_the_data(folder: Path) -> None:
    what = written(folder, row({"age": {"type": "object", "properties": {"a": {}}}}))

    properties, lost = merged(what, folder)

    assert "integer" == properties["age"]["type"]
    assert "guessed from the data instead" in lost


def test_a_schema_that_admits_other_columns_leaves_them_in_and_one_that_does_not_says_so(
    folder: Path,
) -> None:
    age = {"age": {"type": "integer"}}

    open_, _ = merged(written(folder, row(age)), folder)
    closed, lost = merged(written(folder, row(age, additionalProperties=False)), folder)

    assert set(NAMES) == set(open_) and ["age"] == list(closed)
    assert "income: a column of the data that the schema lacks" in lost


def test_a_model_that_was_looked_at_keeps_its_own_columns_and_order(folder: Path) -> None:
    what = written(folder, row({"day": {"type": "string"}, "age": {"type": "integer"}}))

    properties, _ = merged(what, folder, fixed=True)

    assert list(DRAFT.contract.inputs["properties"]) == list(properties)


# pandera


def python_schema(folder: Path, strict: str = "True") -> None:
    (folder / "home_pandera.py").write_text(PANDERA.replace("STRICT", strict), encoding="utf-8")


def imported_pandera(folder: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> Imported:
    """The same schema from Python, from YAML, from JSON."""
    monkeypatch.delitem(sys.modules, "home_pandera", raising=False)
    python_schema(folder)
    if form == "python":
        return read_schema("home_pandera:schema", NAMES, folder=folder)
    read_schema("home_pandera:schema", NAMES, folder=folder)
    schema = sys.modules["home_pandera"].schema
    text = schema.to_yaml() if form == "yaml" else schema.to_json()
    (folder / f"schema.{form}").write_text(text, encoding="utf-8")
    return read_schema(str(folder / f"schema.{form}"), NAMES, folder=folder)


@pytest.mark.parametrize("form", ["python", "yaml", "json"])
def test_a_pandera_schema_keeps_its_checks(
    folder: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pandera")

    imported = imported_pandera(folder, form, monkeypatch)

    expected = {
        "age": {"type": ["integer", "null"], "minimum": 0, "exclusiveMaximum": 120},
        "income": {"type": "number", "exclusiveMinimum": 0, "maximum": 1e6},
        "region": {"type": "string", "enum": ["east", "north", "south", "west"]},
        "zip": {"type": "string", "pattern": "^(?:[0-9]{5}$)"},
        "day": {"type": "string", "minLength": 10, "maxLength": 10},
        "member": {"type": "boolean"},
    }
    assert expected == {name: imported.columns[name] for name in expected}
    assert imported.whole
    lost = "\n".join(imported.notes)
    assert "age: coerce" in lost and "gone: not required" in lost


def test_checks_that_pandera_runs_as_code_are_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pandera")
    monkeypatch.delitem(sys.modules, "home_pandera", raising=False)
    python_schema(folder, "False")

    imported = read_schema("home_pandera:checked", NAMES, folder=folder)

    lost = "\n".join(imported.notes)
    assert "age: check home_made" in lost and "the rows: check of_the_whole" in lost
    assert "unique in ['age']" in lost
    assert {"type": "integer", "exclusiveMinimum": 5} == imported.columns["age"]
    assert not imported.whole


def test_a_pandera_model_is_a_schema_and_another_object_is_none(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pandera")
    monkeypatch.delitem(sys.modules, "home_pandera", raising=False)
    python_schema(folder)

    imported = read_schema("home_pandera:Row", NAMES, folder=folder)

    assert {"type": "integer", "minimum": 10, "maximum": 99} == imported.columns["age"]
    with pytest.raises(SpecInvalid, match="no pandera schema but a int"):
        read_schema("home_pandera:nothing", NAMES, folder=folder)
    with pytest.raises(SpecInvalid, match="no attribute"):
        read_schema("home_pandera:absent", NAMES, folder=folder)


def test_a_file_that_pandera_did_not_write_is_refused_without_a_traceback(folder: Path) -> None:
    pytest.importorskip("pandera")
    (folder / "other.yaml").write_text("a: [1, 2\n", encoding="utf-8")

    with pytest.raises(SpecInvalid, match="pandera can't read it"):
        read_schema(str(folder / "other.yaml"), NAMES, folder=folder)


# MLflow


SIGNATURE = [
    {"type": "long", "name": "age", "required": True},
    {"type": "double", "name": "income", "required": False},
    {"type": "string", "name": "region", "required": True},
    {"type": "boolean", "name": "member", "required": True},
    {"type": "integer", "name": "count", "required": True},
    {"type": "datetime", "name": "when", "required": True},
    {"type": "array", "items": {"type": "string"}, "name": "tags", "required": True},
]


def mlmodel(folder: Path, inputs: Any) -> str:
    text = "flavors: {}\nsignature:\n  inputs: '" + json.dumps(inputs) + "'\n  params: null\n"
    (folder / "MLmodel").write_text(text, encoding="utf-8")
    return str(folder)


def test_a_signature_gives_types_and_what_is_optional(folder: Path) -> None:
    pytest.importorskip("yaml")

    imported = read_schema(mlmodel(folder, SIGNATURE), NAMES, folder=folder)

    assert {"type": "integer"} == imported.columns["age"]
    assert {"type": ["number", "null"]} == imported.columns["income"]
    assert {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1} == imported.columns[
        "count"
    ]
    assert {"type": "string", "format": "date-time"} == imported.columns["when"]
    assert "tags: type array" in imported.notes and imported.whole


def test_a_signature_of_types_alone_is_bounded_by_the_data(folder: Path) -> None:
    pytest.importorskip("yaml")

    properties, _ = merged(mlmodel(folder, SIGNATURE), folder)

    guessed = DRAFT.contract.inputs["properties"]["income"]
    assert ["number", "null"] == properties["income"]["type"]
    assert guessed["maximum"] == properties["income"]["maximum"]
    assert properties["region"]["x-harness-open"]


def test_a_matrix_without_names_is_the_datas_columns(folder: Path) -> None:
    pytest.importorskip("yaml")
    matrix = [{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 6]}}]

    imported = read_schema(mlmodel(folder, matrix), NAMES, folder=folder)

    assert NAMES == list(imported.columns)
    assert any("matrix without names" in note for note in imported.notes)


def test_a_model_without_a_signature_is_refused(folder: Path) -> None:
    pytest.importorskip("yaml")
    (folder / "MLmodel").write_text("flavors: {}\n", encoding="utf-8")

    with pytest.raises(SpecInvalid, match="no signature"):
        read_schema(str(folder / "MLmodel"), NAMES, folder=folder)


def test_a_signature_that_mlflow_wrote_is_read(folder: Path) -> None:
    models = pytest.importorskip("mlflow.models")
    signature = models.infer_signature(FRAME[["income", "region", "member"]])
    models.Model(signature=signature).save(str(folder / "MLmodel"))

    imported = read_schema(str(folder / "MLmodel"), NAMES, folder=folder)

    assert ["income", "region", "member"] == list(imported.columns)


# what is no schema


def test_a_schema_that_is_not_there_is_missing_with_its_neighbour(folder: Path) -> None:
    written(folder, row({"age": {}}), "row.schema.json")

    with pytest.raises(SpecMissing, match=r'did you mean "row\.schema\.json"'):
        read_schema(str(folder / "row.schem.json"), NAMES, folder=folder)


@pytest.mark.parametrize("value", [[], 3, {}, {"type": "object"}])
def test_json_that_describes_no_columns_is_refused(folder: Path, value: Any) -> None:
    with pytest.raises(SpecInvalid):
        read_schema(written(folder, value), NAMES, folder=folder)


def test_a_schema_of_other_columns_alone_is_refused(folder: Path) -> None:
    what = written(folder, row({"other": {"type": "number"}}, additionalProperties=False))

    imported = read_schema(what, NAMES, folder=folder)

    with pytest.raises(SpecInvalid, match="no column of the training data"):
        with_schema(DRAFT, imported, ROWS, fixed=False)
