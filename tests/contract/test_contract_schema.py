"""Domains: what the schema says is what is admitted, and nothing is passed over."""

from __future__ import annotations

import math
from typing import Any

import pytest

from harness.contract.batch import cells
from harness.contract.claims import claims_of
from harness.contract.schema import admits, domains
from harness.core.errors import SpecInvalid
from harness.spec.project import Contract, Model, Outputs


def domain(described: dict[str, Any], **row: Any) -> Any:
    return domains({"type": "object", "properties": {"x": described}, **row})[0]


CASES: list[tuple[dict[str, Any], str, list[Any], list[bool]]] = [
    ({"type": "number"}, "number", [0.0, 1e308, -5e-324, None], [True, True, True, False]),
    ({"type": "number"}, "number", [math.inf, -math.inf, math.nan], [False, False, False]),
    ({"type": ["number", "null"]}, "number", [None], [True]),
    ({"anyOf": [{"type": "number"}, {"type": "null"}]}, "number", [None, 1.0], [True, True]),
    ({"type": "number", "minimum": 1, "maximum": 2}, "number", [0.9, 1.0, 2.0, 2.1], [0, 1, 1, 0]),
    ({"type": "number", "exclusiveMinimum": 1}, "number", [1.0, 1.0000000000000002], [0, 1]),
    ({"type": "integer", "exclusiveMaximum": 3}, "integer", [2, 3], [1, 0]),
    ({"type": "integer", "minimum": 0.5}, "integer", [0, 1], [0, 1]),
    ({"type": "integer"}, "number", [1.0, 1.5], [1, 0]),
    ({"type": "number", "multipleOf": 0.1}, "number", [0.3, 0.35], [1, 0]),
    ({"enum": ["a", "b"]}, "string", ["a", "c", "A"], [1, 0, 0]),
    ({"enum": ["a", None]}, "string", ["a", None], [1, 1]),
    ({"const": 3}, "integer", [3, 4], [1, 0]),
    ({"type": "string", "x-harness-open": True}, "string", ["anything", ""], [1, 1]),
    ({"type": "string", "minLength": 2, "pattern": "^a"}, "string", ["ab", "a", "bb"], [1, 0, 0]),
    ({"type": "string", "format": "date"}, "string", ["2020-02-29", "2021-02-29", "1"], [1, 0, 0]),
    (
        {"type": "string", "format": "date", "formatMinimum": "2000-01-01"},
        "string",
        ["1999-12-31", "2000-01-01"],
        [0, 1],
    ),
    (
        {"type": "string", "format": "date-time"},
        "string",
        ["2020-01-01T00:00:00+14:00", "2020-01-01T00:00:00", "2020-01-01"],
        [1, 0, 0],
    ),
    ({"type": "boolean"}, "boolean", [True, False], [1, 1]),
    ({"type": "boolean"}, "number", [1.0], [0]),
    ({"type": "number"}, "mixed", ["1", 1, True, None], [0, 1, 0, 0]),
    ({"type": "string"}, "mixed", ["1", 1], [1, 0]),
]


@pytest.mark.parametrize(("described", "kind", "values", "expected"), CASES)
def test_a_domain_admits_what_its_schema_admits(
    described: dict[str, Any], kind: str, values: list[Any], expected: list[Any]
) -> None:
    column = cells("x", kind, values)

    assert [bool(e) for e in expected] == admits(domain(described), column).tolist()


def test_a_reference_within_the_schema_is_followed() -> None:
    found = domain({"$ref": "#/$defs/Plan"}, **{"$defs": {"Plan": {"enum": ["a"]}}})

    assert ("a",) == found.values


@pytest.mark.parametrize(
    ("described", "words"),
    [
        ({"type": "array"}, "array does not fit in a table"),
        ({"type": "number", "minimum": 2, "maximum": 1}, "no value lies between 2.0 and 1.0"),
        ({"type": "string", "format": "email"}, "only date and date-time"),
        ({"type": "number", "not": {"const": 3}}, "x.not: not understood"),
        ({"type": "number", "x-harness-open": True}, "only a string column can be open"),
        ({"type": "string", "pattern": "("}, "x.pattern"),
        ({"type": "string", "enum": ["a", 1]}, "1 of its values are not of type string"),
        ({"$ref": "#/$defs/Nowhere"}, "is not in this schema's $defs"),
        ({}, "x.type: one of"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(described: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecInvalid) as refused:
        domain(described)

    assert words in refused.value.message


def test_a_rule_between_columns_is_refused_by_name() -> None:
    with pytest.raises(SpecInvalid, match="dependentRequired"):
        domain({"type": "number"}, dependentRequired={"x": ["y"]})


def test_all_problems_of_the_claims_come_together() -> None:
    contract = Contract(
        inputs={"properties": {"x": {"type": "string"}, "late": {"type": "number"}}},
        outputs=Outputs(kind="probabilities", labels=("a",)),
        monotone={"x": "sideways", "z": "up"},
        invariant=("w",),
    )

    with pytest.raises(SpecInvalid) as refused:
        claims_of(Model(name="m"), contract, target="late")

    for words in ("two different labels", "target late", "only a number", "monotone.z", "column w"):
        assert words in refused.value.message
