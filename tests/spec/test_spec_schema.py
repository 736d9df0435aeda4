"""The JSON Schema of one row: its form and spelling."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.spec import schema


def problems(folder: Path, value: Any) -> list[str]:
    (folder / "inputs.schema.json").write_text(json.dumps(value))
    return [
        problem.line for problem in schema.read(folder / "inputs.schema.json", "inputs.json")[1]
    ]


def of_column(folder: Path, column: Any) -> list[str]:
    return problems(folder, {"type": "object", "properties": {"age": column}})


@pytest.mark.parametrize(
    "column",
    [
        {"type": "number"},
        {"type": ["integer", "null"], "minimum": 0, "exclusiveMaximum": 150},
        {"enum": ["a", "b", None], "description": "either"},
        {"enum": [0, False]},
        {"type": "string", "x-harness-open": True},
        {"type": "string", "format": "date-time", "formatMinimum": "2013-01-01T00:00:00Z"},
        {"$ref": "#/$defs/age"},
        {"type": "number", "x-unit": "years"},
    ],
)
def test_a_column_of_the_dialect_has_no_problem(tmp_path: Path, column: dict[str, Any]):
    assert [] == of_column(tmp_path, column)


@pytest.mark.parametrize(
    ("column", "line"),
    [
        ({"type": "strng"}, 'type: unknown type "strng", did you mean "string"?'),
        ({"type": ["number", 3]}, 'type: unknown type "3"'),
        ({"type": "number", "maximun": 3}, 'maximun: unknown keyword, did you mean "maximum"?'),
        ({"type": "string", "x-harnes-open": True}, 'did you mean "x-harness-open"?'),
        ({"type": "string", "x-harness-open": "yes"}, "x-harness-open: expected true or false"),
        ({"type": "number", "minimum": "0"}, 'minimum: expected a finite number, found "0"'),
        ({"type": "number", "minimum": False}, "minimum: expected a finite number, found false"),
        ({"type": "number", "maximum": 10**400}, "maximum: expected a finite number"),
        ({"enum": []}, "enum: expected a list of values, found []"),
        ({"enum": "a"}, 'enum: expected a list of values, found "a"'),
        ({"enum": ["a", "b", "a"]}, 'enum[2]: "a" is listed twice'),
    ],
)
def test_a_wrong_keyword_is_named_by_its_path_in_its_file(
    tmp_path: Path, column: dict[str, Any], line: str
):
    (found,) = of_column(tmp_path, column)

    assert found.startswith("inputs.json: properties.age.")
    assert line in found


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ([], "inputs.json: expected an object, found []"),
        ({"properties": {"a": {}}}, 'inputs.json: type: expected "object", found nothing'),
        (
            {"type": "array", "properties": {"a": {}}},
            'inputs.json: type: expected "object", found "array"',
        ),
        ({"type": "object"}, "inputs.json: properties: expected an object with the columns"),
        (
            {"type": "object", "properties": {}},
            "inputs.json: properties: expected an object with the columns",
        ),
        (
            {"type": "object", "properties": {"dep delay": 3}},
            'inputs.json: properties."dep delay": expected an object, found 3',
        ),
        (
            {"type": "object", "properties": {"age": {}}, "required": ["agee"]},
            'inputs.json: required[0]: "agee" is not among the properties, did you mean "age"?',
        ),
        (
            {"type": "object", "properties": {"age": {}}, "required": "age"},
            'inputs.json: required: expected a list, found "age"',
        ),
        (
            {"type": "object", "propertys": {}, "properties": {"age": {}}},
            'inputs.json: propertys: unknown keyword, did you mean "properties"?',
        ),
    ],
)
def test_a_wrong_row_is_named_by_its_path(tmp_path: Path, value: Any, line: str):
    (found,) = problems(tmp_path, value)

    assert found.startswith(line)


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ({"type": "integer"}, "integer"),
        ({"type": ["integer", "number", "null"]}, "number"),
        ({"type": ["string", "number"]}, None),
        ({"enum": ["a"]}, None),
    ],
)
def test_the_kind_of_a_column_is_what_its_type_says(column: dict[str, Any], kind: str | None):
    assert kind == schema.kind_of(column)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
KEYWORDS = st.sampled_from(["type", "enum", "minimum", "required", "properties", "x-harness-open"])


@given(st.dictionaries(KEYWORDS, JSON), st.dictionaries(KEYWORDS, JSON))
def test_no_schema_makes_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, row: dict[str, Any], column: dict[str, Any]
):
    folder = tmp_path_factory.mktemp("any")

    assert isinstance(problems(folder, row), list)
    assert isinstance(of_column(folder, column), list)
