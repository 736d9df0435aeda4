"""A JSON Schema of one row, from wherever, as the part of it that a contract reads.

Takes draft 4 to 2020-12 and OpenAPI's ``nullable``: references and alternatives with null are
written out, and what can't be carried over is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_KEPT = (
    *("type", "title", "description", "$comment", "default", "examples", "enum", "const"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    *("minLength", "maxLength", "pattern", "format", "formatMinimum", "formatMaximum"),
)
_FORMATS = ("date", "date-time")
_SILENT = frozenset(("$id", "$anchor", "id", "readOnly", "writeOnly", "deprecated", "example"))
_OF_A_ROW = frozenset(
    ("$schema", "$id", "id", "$comment", "$defs", "definitions", "type", "title", "description")
) | {"properties", "required", "additionalProperties", "examples", "default", "items"}
_DEEPEST = 20


def columns(
    document: Mapping[str, Any],
) -> tuple[dict[str, dict[str, Any]], list[str], bool]:
    """Return each column's schema by name, what can't be carried over, and whether no other column
    is admitted.

    An array of rows counts as its rows.
    """
    row: Any = _resolved(document, document)
    if row.get("type") == "array" and isinstance(row.get("items"), Mapping):
        row = _resolved(row["items"], document)
    notes = [
        f"{keyword}: a rule between columns"
        for keyword in sorted(set(row) - _OF_A_ROW)
        if not keyword.startswith("x-")
    ]
    required = set(row.get("required", ())) if isinstance(row.get("required"), list) else set()
    found: dict[str, dict[str, Any]] = {}
    properties = row.get("properties")
    for name, described in (properties if isinstance(properties, Mapping) else {}).items():
        if not isinstance(described, Mapping):
            notes.append(f"{name}: its schema is {described!r}, which says nothing about it")
            found[name] = {}
            continue
        found[name] = _column(str(name), described, document, notes)
    optional = [name for name in found if required and name not in required]
    if optional:
        notes.append(f"{', '.join(optional)}: may be left out of a row; here it may not")
    return found, notes, row.get("additionalProperties") is False


def _column(
    name: str, described: Mapping[str, Any], document: Mapping[str, Any], notes: list[str]
) -> dict[str, Any]:
    flat, nullable = _flat(name, described, document, notes)
    kept: dict[str, Any] = {}
    for keyword, value in flat.items():
        if keyword in _KEPT or keyword == "x-harness-open":
            kept[keyword] = value
        elif keyword not in _SILENT and not keyword.startswith("x-"):
            notes.append(f"{name}: {keyword} = {_short(value)}")
    for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        old = kept.pop(exclusive) if isinstance(kept.get(exclusive), bool) else False
        if old and bound in kept:  # drafts 3 and 4
            kept[exclusive] = kept.pop(bound)
    if kept.get("format") not in (None, *_FORMATS):
        notes.append(f"{name}: format {kept.pop('format')}")
    if nullable:
        types = kept.get("type")
        if types is not None:
            listed = [types] if isinstance(types, str) else list(types)
            kept["type"] = [*listed, *(["null"] if "null" not in listed else [])]
        if "enum" in kept and None not in kept["enum"]:
            kept["enum"] = [*kept["enum"], None]
    return kept


def _flat(
    name: str, described: Mapping[str, Any], document: Mapping[str, Any], notes: list[str]
) -> tuple[dict[str, Any], bool]:
    """Return *described* with references, and alternatives with null, written out."""
    part = dict(_resolved(described, document))
    nullable = part.pop("nullable", False) is True
    for keyword in ("anyOf", "oneOf", "allOf"):
        parts = part.pop(keyword, None)
        if not isinstance(parts, list):
            continue
        others = [p for p in parts if p != {"type": "null"}]
        nullable = nullable or (keyword != "allOf" and len(others) < len(parts))
        if keyword == "allOf":
            for other in others:
                inner, _ = _flat(name, other, document, notes)
                part = inner | part
        elif len(others) == 1:
            inner, more = _flat(name, others[0], document, notes)
            part, nullable = inner | part, nullable or more
        elif _same_but_type(others):
            part["type"] = "number"
        else:
            notes.append(f"{name}: {keyword} of {len(others)} alternatives")
    return part, nullable


def _same_but_type(parts: list[Any]) -> bool:
    """Return whether the alternatives are an integer and a number, and nothing else."""
    kinds = [p.get("type") for p in parts if isinstance(p, Mapping) and set(p) == {"type"}]
    return len(kinds) == len(parts) and set(kinds) == {"integer", "number"}


def _resolved(part: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return *part* with what its ``$ref`` within *document* says; other references stay."""
    for _ in range(_DEEPEST):
        reference = part.get("$ref") if isinstance(part, Mapping) else None
        if not isinstance(reference, str) or not reference.startswith("#/"):
            break
        target: Any = document
        for step in reference.removeprefix("#/").split("/"):
            step = step.replace("~1", "/").replace("~0", "~")  # RFC 6901
            target = target.get(step) if isinstance(target, Mapping) else None
        if not isinstance(target, Mapping):
            break
        part = {**target, **{k: v for k, v in part.items() if k != "$ref"}}
    return part


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
