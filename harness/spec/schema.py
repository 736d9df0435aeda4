"""``inputs.schema.json``: the JSON Schema of one row, read; its form and spelling checked.

What the keywords mean for a column, and which of them are understood, is the contract's to say.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.core.errors import SpecInvalid, SpecMissing
from harness.spec import document
from harness.spec.nearest import did_you_mean
from harness.spec.problem import Place, Problem, found

_Found = tuple[Place, str]

OPEN = "x-harness-open"
TYPES = ("string", "number", "integer", "boolean", "null", "object", "array")
_LARGEST = sys.float_info.max
_BOUNDS = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf")
_KEYWORDS = {
    *("$schema", "$id", "$ref", "$defs", "definitions", "$anchor", "$comment", "$vocabulary"),
    *("$dynamicRef", "$dynamicAnchor", "title", "description", "default", "examples"),
    *("deprecated", "readOnly", "writeOnly", "type", "enum", "const", "format", OPEN),
    *("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "required", "properties"),
    *("additionalProperties", "patternProperties", "propertyNames", "unevaluatedProperties"),
    *("minProperties", "maxProperties", "dependentSchemas", "dependentRequired"),
    *("items", "prefixItems", "contains", "minContains", "maxContains", "unevaluatedItems"),
    *("minItems", "maxItems", "uniqueItems", "minLength", "maxLength", "pattern", *_BOUNDS),
    *("contentEncoding", "contentMediaType", "contentSchema", "formatMinimum", "formatMaximum"),
}
"""The vocabularies of JSON Schema 2020-12, the proposed bounds of formats, and ours."""


def read(path: Path, name: str) -> tuple[Mapping[str, Any], list[Problem]]:
    """Return the schema of a row at *path* and its problems, which call the file *name*."""
    return _read(path, name, _of_row)


def read_document(path: Path, name: str) -> tuple[Mapping[str, Any], list[Problem]]:
    """Return the schema of a nested document at *path* and its problems.

    The contract says which of its keywords are understood, at any depth.
    """
    return _read(path, name, _of_document)


def _read(
    path: Path, name: str, problems: Callable[[Mapping[str, Any]], Iterator[_Found]]
) -> tuple[Mapping[str, Any], list[Problem]]:
    try:
        value = document.parsed_json(path)
    except (SpecMissing, SpecInvalid) as error:
        return {}, [Problem(place=("contract", "inputs"), text=error.message)]
    if not isinstance(value, dict):
        return {}, [Problem(place=(), text=f"expected an object, found {found(value)}", file=name)]
    return value, [Problem(place=place, text=text, file=name) for place, text in problems(value)]


def kind_of(column: Mapping[str, Any]) -> str | None:
    """Return the one of TYPES, null aside, that *column* says its cells have; None for no one.

    Integer and number together are number.
    """
    kinds = set(_types(column)) - {"null"}
    if kinds == {"integer", "number"}:
        return "number"
    return kinds.pop() if len(kinds) == 1 else None


def _of_document(document: Mapping[str, Any]) -> Iterator[_Found]:
    yield from _keywords(document)
    if document.get("type") != "object":
        said = found(document["type"]) if "type" in document else "nothing"
        yield ("type",), f'expected "object", found {said}'


def _of_row(row: Mapping[str, Any]) -> Iterator[_Found]:
    yield from _keywords(row)
    if row.get("type") != "object":
        said = found(row["type"]) if "type" in row else "nothing"
        yield ("type",), f'expected "object", found {said}'
    columns = row.get("properties")
    if not isinstance(columns, dict) or not columns:
        yield ("properties",), "expected an object with the columns of a row"
        return
    for name, column in columns.items():
        if not isinstance(column, dict):
            yield ("properties", name), f"expected an object, found {found(column)}"
            continue
        for place, text in _of_column(column):
            yield ("properties", name, *place), text
    required = row.get("required", [])
    if not isinstance(required, list):
        yield ("required",), f"expected a list, found {found(required)}"
        return
    for position, name in enumerate(required):
        if not isinstance(name, str) or name not in columns:
            guess = did_you_mean(str(name), columns)
            yield ("required", position), f"{found(name)} is not among the properties{guess}"


def _of_column(column: Mapping[str, Any]) -> Iterator[_Found]:
    yield from _keywords(column)
    for name in _types(column):
        if name not in TYPES:
            yield ("type",), f"unknown type {found(name)}{did_you_mean(name, TYPES)}"
    for key in _BOUNDS:
        value = column.get(key, 0)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not -_LARGEST <= value <= _LARGEST:
            yield (key,), f"expected a finite number, found {found(value)}"
    if not isinstance(column.get(OPEN, False), bool):
        yield (OPEN,), f"expected true or false, found {found(column[OPEN])}"
    values = column.get("enum", ["any"])
    if not isinstance(values, list) or not values:
        yield ("enum",), f"expected a list of values, found {found(values)}"
        return
    for position, value in enumerate(values):
        if any(type(value) is type(other) and value == other for other in values[:position]):
            yield ("enum", position), f"{found(value)} is listed twice"


def _keywords(schema: Mapping[str, Any]) -> Iterator[_Found]:
    for key in schema:
        guess = did_you_mean(key, {OPEN} if key.startswith("x-") else _KEYWORDS)
        if key not in _KEYWORDS and (guess or not key.startswith("x-")):
            yield (key,), f"unknown keyword{guess}"


def _types(column: Mapping[str, Any]) -> list[str]:
    value = column.get("type", [])
    listed = value if isinstance(value, list) else [value]
    return [name if isinstance(name, str) else found(name) for name in listed]
