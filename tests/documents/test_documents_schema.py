"""What a schema says of a place, and documents made by it."""

from __future__ import annotations

from typing import Any

import pytest

from harness.contract.documents.generate import Generator
from harness.contract.documents.schema import read
from harness.contract.documents.tree import path_of

TREE: dict[str, Any] = {
    "type": "object",
    "required": ["root"],
    "properties": {"root": {"$ref": "#/$defs/node"}},
    "$defs": {
        "node": {
            "type": "object",
            "required": ["value"],
            "properties": {
                "value": {"type": "number", "minimum": 0},
                "kids": {"type": "array", "items": {"$ref": "#/$defs/node"}},
            },
        }
    },
}
SCHEMAS: dict[str, Any] = {
    "recursive": TREE,
    "tuples": {
        "type": "object",
        "required": ["point"],
        "properties": {
            "point": {
                "type": "array",
                "prefixItems": [{"type": "number"}, {"type": "number"}],
                "items": False,
                "minItems": 2,
            }
        },
    },
    "dependent": {
        "type": "object",
        "properties": {"card": {"type": "string"}, "owner": {"type": "string"}},
        "dependentRequired": {"card": ["owner"]},
    },
    "alternatives": {
        "type": "object",
        "required": ["pet"],
        "properties": {
            "pet": {
                "oneOf": [
                    {"type": "object", "required": ["meow"], "additionalProperties": False,
                     "properties": {"meow": {"type": "boolean"}}},
                    {"type": "object", "required": ["bark"], "additionalProperties": False,
                     "properties": {"bark": {"type": "integer"}}},
                ]
            }
        },
    },
    "conditional": {
        "type": "object",
        "required": ["kind"],
        "properties": {"kind": {"enum": ["a", "b"]}, "more": {"type": "integer"}},
        "if": {"properties": {"kind": {"const": "a"}}},
        "then": {"required": ["more"]},
    },
    "map": {
        "type": "object",
        "required": ["prices"],
        "properties": {
            "prices": {"type": "object", "additionalProperties": {"type": "number", "minimum": 0}}
        },
    },
    "moments": {
        "type": "object",
        "required": ["day", "at"],
        "properties": {
            "day": {"type": "string", "format": "date"},
            "at": {"type": "string", "format": "date-time"},
        },
    },
}  # fmt: skip


@pytest.mark.parametrize("name", SCHEMAS)
def test_documents_are_made_by_the_schema_again_and_again(name: str) -> None:
    schema = read(SCHEMAS[name])

    made = Generator(schema, seed=1).chunk(0, size=30)

    assert len(made) >= 5
    assert all(schema.admits(document) for document in made)
    assert made == Generator(schema, seed=1).chunk(0, size=30)


def test_a_recursive_schema_gives_nested_documents() -> None:
    made = Generator(read(TREE), seed=0).chunk(0, size=60)

    assert any(document["root"].get("kids") for document in made)


def test_a_place_is_described_through_references_and_arrays() -> None:
    schema = read(TREE)

    domain = schema.domain(path_of("/root/kids/3/kids/0/value"))

    assert domain is not None
    assert ("number", 0.0) == (domain.kind, domain.minimum)


@pytest.mark.parametrize(
    ("value", "admitted"),
    [
        ("2024-02-29", True),
        ("2023-02-29", False),
        ("2024-02-29T00:00:00Z", False),
        ("0000-01-01", False),
    ],
)
def test_a_format_is_a_rule(value: str, admitted: bool) -> None:
    """JSON Schema 2020-12 lets validators take "format" for a note; a contract does not."""
    schema = read({"type": "object", "properties": {"day": {"type": "string", "format": "date"}}})

    assert admitted == schema.admits({"day": value})


def test_a_day_beyond_its_bounds_is_not_admitted() -> None:
    bounded = {"type": "string", "format": "date", "formatMaximum": "2024-12-31"}
    schema = read({"type": "object", "properties": {"day": bounded}})

    assert schema.admits({"day": "2024-12-31"})
    assert not schema.admits({"day": "2025-01-01"})
