"""What a column may hold: the domains that a JSON Schema of one row describes.

Reads the part of JSON Schema 2020-12 that a table needs; a keyword that could change what is
admitted and isn't read is refused by name, never passed over.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.contract.batch import moment
from harness.contract.domain import Domain, admits, type_of
from harness.core.errors import SpecInvalid

__all__ = ["Domain", "admits", "domains"]

_TYPES = {"number", "integer", "boolean", "string", "null"}
_SAYS_NOTHING = {
    "$anchor",
    "$comment",
    "$id",
    "$schema",
    "contentEncoding",
    "contentMediaType",
    "default",
    "deprecated",
    "description",
    "examples",
    "readOnly",
    "title",
    "writeOnly",
}
_OF_A_COLUMN = {
    "$ref",
    "allOf",
    "anyOf",
    "const",
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "formatMaximum",
    "formatMinimum",
    "maxLength",
    "maximum",
    "minLength",
    "minimum",
    "multipleOf",
    "oneOf",
    "pattern",
    "type",
}
_OF_A_ROW = {"$defs", "additionalProperties", "properties", "required", "type"}


def domains(schema: Mapping[str, Any]) -> tuple[Domain, ...]:
    """Return each column's domain in the schema's order; raises SpecInvalid with every problem."""
    problems: list[str] = []
    properties = schema.get("properties")
    if not isinstance(properties, Mapping) or not properties:
        raise SpecInvalid(
            "the schema of the inputs has no properties: it must describe one row",
            hint='{"type": "object", "properties": {"age": {"type": "number"}}}',
        )
    for keyword in sorted(set(schema) - _OF_A_ROW - _SAYS_NOTHING):
        if not keyword.startswith("x-"):
            problems.append(f"{keyword}: a rule between columns is not understood")
    found = []
    for name, described in properties.items():
        before = len(problems)
        domain = _domain(name, described, schema, problems)
        if len(problems) == before:
            found.append(domain)
    if problems:
        raise SpecInvalid(
            "the schema of the inputs can't be used:\n  " + "\n  ".join(problems),
            hint="what is understood is in docs/contract.md, under “Input columns”",
        )
    return tuple(found)


def _domain(name: str, described: Any, schema: Mapping[str, Any], problems: list[str]) -> Domain:
    where = f"properties.{name}"
    flat, nullable = _flatten(described, schema, where, problems)
    for keyword in sorted(set(flat) - _OF_A_COLUMN - _SAYS_NOTHING):
        if not keyword.startswith("x-"):
            problems.append(f"{where}.{keyword}: not understood")
    types = flat.get("type", [])
    types = {types} if isinstance(types, str) else set(types)
    values = list(flat["enum"]) if "enum" in flat else []
    if "const" in flat:
        values = [flat["const"]]
    nullable = nullable or "null" in types or None in values
    values = [value for value in values if value is not None]
    kind = _kind(types, values, flat, where, problems)
    opened = bool(flat.get("x-harness-open", False))
    if opened and kind != "string":
        problems.append(f"{where}.x-harness-open: only a string column can be open")
    low, high = _bounds(flat, kind, where, problems)
    if kind in ("number", "integer") and None not in (low, high) and low > high:  # type: ignore[operator]
        problems.append(f"{where}: no value lies between {low} and {high}")
    pattern = flat.get("pattern")
    if pattern is not None:
        try:
            re.compile(pattern)
        except re.error as error:
            problems.append(f"{where}.pattern: {error}")
    if ("enum" in flat or "const" in flat) and not values:
        problems.append(f"{where}.enum: admits no value")
    return Domain(
        name=name,
        kind=kind,
        nullable=nullable,
        minimum=low,
        maximum=high,
        multiple_of=flat.get("multipleOf"),
        values=tuple(values),
        open=opened,
        shortest=flat.get("minLength", 0),
        longest=flat.get("maxLength"),
        pattern=pattern,
    )


def _flatten(
    described: Any, schema: Mapping[str, Any], where: str, problems: list[str]
) -> tuple[dict[str, Any], bool]:
    """Follow ``$ref`` within the schema, ``anyOf`` with null, and an ``allOf`` of one."""
    flat: dict[str, Any] = {}
    nullable = False
    queue = [described]
    followed: set[str] = set()
    while queue:
        part = queue.pop()
        if not isinstance(part, Mapping):
            problems.append(f"{where}: expected an object, found {type(part).__name__}")
            continue
        flat.update({k: v for k, v in part.items() if k not in ("$ref", "anyOf", "oneOf", "allOf")})
        if "$ref" in part:
            reference = str(part["$ref"])
            target = schema.get("$defs", {}).get(reference.removeprefix("#/$defs/"))
            if target is None or reference in followed:
                problems.append(f"{where}.$ref: {reference} is not in this schema's $defs")
            else:
                followed.add(reference)
                queue.append(target)
        for keyword in ("anyOf", "oneOf", "allOf"):
            parts = part.get(keyword, [])
            others = [p for p in parts if p != {"type": "null"}]
            nullable = nullable or (len(others) < len(parts) and keyword != "allOf")
            if len(others) > 1:
                problems.append(f"{where}.{keyword}: more than one alternative is not understood")
            queue += others[:1]
    return flat, nullable


def _kind(
    types: set[str],
    values: list[Any],
    flat: Mapping[str, Any],
    where: str,
    problems: list[str],
) -> str:
    unknown = types - _TYPES
    if unknown:
        problems.append(f"{where}.type: {', '.join(sorted(unknown))} does not fit in a table")
    named = types - {"null"} & _TYPES
    if not named and values:
        named = {type_of(value) for value in values}
        if named == {"integer", "number"}:
            named = {"number"}
    if named == {"integer", "number"}:
        named = {"number"}
    if len(named) != 1:
        problems.append(f"{where}.type: one of {', '.join(sorted(_TYPES - {'null'}))} is needed")
        return "string"
    kind = named.pop()
    wrong = [v for v in values if type_of(v) != kind and (kind, type_of(v)) != _BOTH]
    if wrong:
        problems.append(f"{where}.enum: {len(wrong)} of its values are not of type {kind}")
    form = flat.get("format")
    if form is None:
        return kind
    if kind != "string" or form not in ("date", "date-time"):
        problems.append(f"{where}.format: only date and date-time of a string are understood")
        return kind
    return "date" if form == "date" else "datetime"


_BOTH = ("number", "integer")  # an integer is a number


def _bounds(
    flat: Mapping[str, Any], kind: str, where: str, problems: list[str]
) -> tuple[float | int | None, float | int | None]:
    if kind in ("date", "datetime"):
        limits: list[int | None] = []
        for keyword in ("formatMinimum", "formatMaximum"):
            try:
                limits.append(moment(flat[keyword]) if keyword in flat else None)
            except (TypeError, ValueError):
                problems.append(f"{where}.{keyword}: expected an RFC 3339 {kind}")
                limits.append(None)
        return limits[0], limits[1]
    ends: list[float | int | None] = []
    for plain, exclusive, sign in (
        ("minimum", "exclusiveMinimum", 1),
        ("maximum", "exclusiveMaximum", -1),
    ):
        candidates: list[float | int] = []
        for keyword in (plain, exclusive):
            value = flat.get(keyword)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float):
                problems.append(f"{where}.{keyword}: expected a number")
            elif kind == "integer":
                edge = math.ceil(value * sign) * sign
                candidates.append(edge + sign if keyword == exclusive and edge == value else edge)
            elif keyword == exclusive:
                candidates.append(float(np.nextafter(float(value), sign * math.inf)))
            else:
                candidates.append(float(value))
        ends.append((max if sign == 1 else min)(candidates) if candidates else None)
    return ends[0], ends[1]
