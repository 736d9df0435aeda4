"""The JSON Schema of a document: what it admits, and what it says of one place.

Whole schemas of the 2020-12 draft are validated by ``jsonschema``; a keyword that could change what
is admitted and that is not understood is refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from harness.contract.batch import cells, moment
from harness.contract.documents.tree import Path, pointer
from harness.contract.domain import Domain, admits
from harness.contract.schema import domains
from harness.core.errors import SpecInvalid, ToolMissing

_REFUSED = ("$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$anchor", "$vocabulary")
_MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_SCHEMAS = (
    *("items", "contains", "additionalProperties", "propertyNames", "not", "if", "then", "else"),
    *("unevaluatedItems", "unevaluatedProperties"),
)
_DEEPEST = 40
HINT = 'pip install "model-harness[documents]"'


@dataclass(frozen=True, kw_only=True, slots=True)
class Schema:
    """The schema *raw* of a document, and what validates by it."""

    raw: Mapping[str, Any]
    validator: Any

    def admits(self, document: Any) -> bool:
        """Return whether the schema admits *document*."""
        try:
            return bool(self.validator.is_valid(document))
        except RecursionError:
            return False

    def problem(self, document: Any) -> tuple[Path, str]:
        """Return where *document* first breaks the schema, and the keyword that it breaks."""
        error = min(self.validator.iter_errors(document), key=lambda e: (len(e.path), str(e.path)))
        return tuple(str(token) for token in error.absolute_path), str(error.validator)

    def at(self, path: Path) -> Mapping[str, Any] | None:
        """Return what the schema says of the place *path*, where one of its parts says it alone."""
        found = [self.raw]
        for token in path:
            parts = [part for outer in found for part in self._choices(outer)]
            found = [inner for part in parts for inner in _inside(part, token)]
        opened = [part for outer in found for part in self._open(outer)]
        return opened[0] if len(opened) == 1 else None

    def domain(self, path: Path) -> Domain | None:
        """Return what the place *path* may hold, as of a column; None where no column says that."""
        described = self.at(path)
        name = pointer(path)
        if described is None:
            return None
        row = {"type": "object", "properties": {name: described}}
        try:
            return domains(row)[0]
        except SpecInvalid:
            return None

    def _open(self, schema: Any, depth: int = 0) -> list[Mapping[str, Any]]:
        """Return the parts of *schema* that speak of a place: itself, what it refers to, all of
        ``allOf``."""
        if not isinstance(schema, Mapping) or depth > _DEEPEST:
            return []
        parts: list[Mapping[str, Any]] = []
        own = {k: v for k, v in schema.items() if k not in ("$ref", "allOf", "$defs", "$schema")}
        if set(own) - {"title", "description", "$comment"}:
            parts.append(own)
        if isinstance(ref := schema.get("$ref"), str):
            parts += self._open(resolved(self.raw, ref), depth + 1)
        for part in schema.get("allOf", ()):
            parts += self._open(part, depth + 1)
        return parts

    def _choices(self, schema: Any, depth: int = 0) -> list[Mapping[str, Any]]:
        """Return the parts of *schema*, those of its alternatives too."""
        parts = self._open(schema, depth)
        for part in tuple(parts):
            for keyword in ("anyOf", "oneOf"):
                for choice in part.get(keyword, ()):
                    parts += self._choices(choice, depth + 1)
        return parts


def read(raw: Mapping[str, Any]) -> Schema:
    """Return the schema *raw*, ready to validate.

    Raises SpecInvalid with every problem, ToolMissing without the extra ``documents``.
    """
    problems = [f"{place or '/'}: {text}" for place, text in _problems(raw, "")]
    try:
        from jsonschema import Draft202012Validator, FormatChecker, validators
    except ImportError as missing:
        raise ToolMissing("documents need hypothesis-jsonschema", hint=HINT) from missing
    if not problems:
        from jsonschema.exceptions import SchemaError

        try:
            Draft202012Validator.check_schema(dict(raw))
        except SchemaError as wrong:
            problems.append(f"{pointer(tuple(map(str, wrong.path))) or '/'}: {wrong.message}")
    if problems:
        raise SpecInvalid(
            "the schema of the documents can't be used:\n  " + "\n  ".join(problems),
            hint="what is understood is in docs/documents.md",
        )
    checker = FormatChecker(formats=())
    for form, kind in (("date", "date"), ("date-time", "datetime")):
        checker.checks(form)(lambda value, kind=kind: _is_moment(value, kind))
    kind = validators.extend(
        Draft202012Validator,
        {
            "formatMinimum": lambda v, bound, value, s: _beyond(value, bound, -1),
            "formatMaximum": lambda v, bound, value, s: _beyond(value, bound, 1),
        },
    )
    return Schema(raw=raw, validator=kind(dict(raw), format_checker=checker))


def resolved(root: Mapping[str, Any], ref: str) -> Any:
    """Return the part of *root* that the local reference *ref* names; None where it names none."""
    if ref == "#":
        return root
    found: Any = root
    for token in ref.removeprefix("#").split("/")[1:]:
        token = token.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and token.isdecimal() and int(token) < len(found):
            found = found[int(token)]
        elif isinstance(found, Mapping) and token in found:
            found = found[token]
        else:
            return None
    return found


def narrowed(domain: Domain, kind: str) -> Domain:
    """Return *domain* for a column that holds whole numbers alone."""
    if kind != "integer" or domain.kind != "number":
        return domain
    low, high = max(domain.low, -(2.0**62)), min(domain.high, 2.0**62)
    return replace(domain, kind="integer", minimum=-int(-low // 1), maximum=int(high // 1))


def _problems(schema: Any, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(schema, bool):
        return
    if not isinstance(schema, Mapping):
        yield place, "expected a schema (an object, true or false)"
        return
    for keyword in _REFUSED:
        if keyword in schema:
            yield f"{place}/{keyword}", "not understood"
    ref = schema.get("$ref")
    if ref is not None and (not isinstance(ref, str) or not re.match(r"#(/|$)", ref)):
        yield f"{place}/$ref", "only references within the schema (#/…) are followed"
    for keyword in ("formatMinimum", "formatMaximum"):
        if keyword in schema and not _is_moment(schema[keyword], "date") | _is_moment(
            schema[keyword], "datetime"
        ):
            yield f"{place}/{keyword}", "expected an RFC 3339 date or date-time"
    for keyword in _MAPS:
        held = schema.get(keyword, {})
        if not isinstance(held, Mapping):
            yield f"{place}/{keyword}", "expected an object"
            continue
        for name, inner in held.items():
            yield from _problems(inner, f"{place}/{keyword}/{name}")
    for keyword in _LISTS:
        listed = schema.get(keyword, [])
        if not isinstance(listed, list):
            yield f"{place}/{keyword}", "expected a list"
            continue
        for i, inner in enumerate(listed):
            yield from _problems(inner, f"{place}/{keyword}/{i}")
    for keyword in _SCHEMAS:
        if keyword in schema:
            yield from _problems(schema[keyword], f"{place}/{keyword}")


def _inside(part: Mapping[str, Any], token: str) -> list[Any]:
    found = []
    properties = part.get("properties", {})
    patterns = [s for p, s in part.get("patternProperties", {}).items() if re.search(p, token)]
    if token in properties:
        found.append(properties[token])
    elif patterns:
        found += patterns
    elif isinstance(part.get("additionalProperties"), Mapping):
        found.append(part["additionalProperties"])
    first = part.get("prefixItems", [])
    if token.isdecimal() and int(token) < len(first):
        found.append(first[int(token)])
    elif token.isdecimal() and isinstance(part.get("items"), Mapping):
        found.append(part["items"])
    return found


def _is_moment(value: Any, kind: str) -> bool:
    if not isinstance(value, str):
        return True  # a format speaks of texts alone
    return bool(admits(Domain(name="", kind=kind), cells("", "mixed", [value]))[0])


def _beyond(value: Any, bound: str, sign: int) -> Iterator[Any]:
    from jsonschema.exceptions import ValidationError

    try:
        outside = isinstance(value, str) and sign * moment(value) > sign * moment(bound)
    except ValueError:
        return  # the format itself is broken, which is told elsewhere
    if outside:
        yield ValidationError(f"{value!r} is beyond {bound!r}")
