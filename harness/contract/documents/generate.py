"""Documents that a schema admits, made by hypothesis-jsonschema.

The schema is first put into the words that hypothesis-jsonschema knows (draft 7, no references);
what it makes is then held against the schema itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any

from harness.contract.documents.schema import HINT, Schema, read, resolved
from harness.core.errors import ToolMissing

CHUNK = 100
_DEPTH = 2
"""How often a reference may be followed within itself."""
_NOTHING: Mapping[str, Any] = {"not": {}}
_LEFT_OUT = {
    *("$ref", "$defs", "definitions", "$schema", "$id", "$comment", "title", "description"),
    *("default", "examples", "deprecated", "readOnly", "writeOnly", "minContains", "maxContains"),
    *("unevaluatedItems", "unevaluatedProperties", "formatMinimum", "formatMaximum"),
    *("dependentRequired", "dependentSchemas", "prefixItems", "x-harness-open"),
}
_HELD = {"items", "contains", "additionalProperties", "propertyNames", "not", "if", "then", "else"}
_LISTS = {"allOf", "anyOf", "oneOf"}
_TOGETHER = {*_LISTS, "not", "if", "dependentSchemas", "minProperties", "unevaluatedProperties"}
"""Keywords by which more than one schema speaks of a place."""


_PATIENCE, _TRIES = 40, 5
"""How often Hypothesis may try before the first document, and for each document afterwards; it
would try a thousand times at least."""


class _NoMore(Exception):
    """Hypothesis has tried often enough."""


class Generator:
    """Makes documents by the chunk: chunk *i* of a seed is always the same."""

    def __init__(self, schema: Schema, *, seed: int) -> None:
        """Take the schema; raises ToolMissing when hypothesis-jsonschema is not there."""
        _from_schema()
        self._schema = json.dumps(schema.raw)
        self._seed = seed

    def chunk(self, number: int, *, size: int = CHUNK) -> list[Any]:
        """Return about *size* documents, the plainest first, none of them twice; fewer, or none at
        all, where Hypothesis finds no more."""
        return [json.loads(text) for text in _made(self._schema, self._seed, number, size)]


@lru_cache(maxsize=64)  # several contracts of one process may have one schema
def _made(raw: str, seed: int, number: int, size: int) -> tuple[str, ...]:
    from hypothesis import HealthCheck, Phase, Verbosity, given, settings
    from hypothesis import seed as seeded
    from hypothesis.errors import Flaky, Unsatisfiable
    from hypothesis.strategies import composite

    schema, strategy = _strategy(raw)
    found: dict[str, str] = {}
    tried = 0

    @composite
    def documents(draw: Any) -> Any:
        nonlocal tried
        tried += 1
        if tried > (size * _TRIES if found else _PATIENCE):
            raise _NoMore
        return draw(strategy)

    @seeded(seed * 1_000_003 + number)
    @settings(
        max_examples=size,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )
    @given(documents().filter(lambda document: _sendable(document, schema)))
    def collect(document: Any) -> None:
        found.setdefault(json.dumps(document, sort_keys=True), json.dumps(document))

    with suppress(Unsatisfiable, Flaky, _NoMore):  # what was found until then is good
        collect()
    return tuple(found.values())


@lru_cache(maxsize=8)
def _strategy(raw: str) -> tuple[Schema, Any]:
    schema = read(json.loads(raw))
    return schema, built(plain(schema.raw, schema.raw, ()), _from_schema())


def built(schema: Any, from_schema: Callable[[Any], Any]) -> Any:
    """Return a Hypothesis strategy for *schema*, which is in draft 7 and has no references.

    Plain objects and arrays are put together here: *from_schema* (hypothesis-jsonschema's) makes
    the strategy of each key anew for each object that is drawn, a hundred times slower.
    """
    from hypothesis import strategies

    if not isinstance(schema, Mapping):
        return from_schema(schema)
    if (
        schema.get("type") == "object"
        and schema.keys() <= _OF_OBJECT
        and (schema.get("additionalProperties") is False)
    ):
        properties = schema.get("properties", {})
        inner = {name: built(part, from_schema) for name, part in properties.items()}
        required = [name for name in schema.get("required", ()) if name in inner]
        if len(required) == len(schema.get("required", ())):
            return strategies.fixed_dictionaries(
                {name: inner[name] for name in required},
                optional={name: part for name, part in inner.items() if name not in required},
            )
    if (
        schema.get("type") == "array"
        and schema.keys() <= _OF_ARRAY
        and (isinstance(schema.get("items"), Mapping))
    ):
        items = built(schema["items"], from_schema)
        if not items.is_empty:
            least, most = schema.get("minItems", 0), schema.get("maxItems")
            return strategies.lists(items, min_size=least, max_size=most)
    return from_schema(schema)


_OF_OBJECT = {"type", "properties", "required", "additionalProperties"}
_OF_ARRAY = {"type", "items", "minItems", "maxItems"}


def plain(
    schema: Any, root: Mapping[str, Any], followed: tuple[str, ...], *, alone: bool = True
) -> Any:
    """Return *schema* in draft 7 with every reference replaced by what it names; a reference that
    was *followed* often enough within itself admits nothing.

    Where it stands *alone* (no other schema speaks of the same place) an object gets the keys that
    are named and no other: such are tried by a step (``harness.contract.documents.steps``), and
    cost Hypothesis most of its time.
    """
    if not isinstance(schema, Mapping):
        return schema
    alone = alone and not schema.keys() & _TOGETHER
    held = {name: value for name, value in schema.items() if name not in _LEFT_OUT}
    found = {name: _inner(name, value, root, followed, alone) for name, value in held.items()}
    if alone and "properties" in found and found.get("additionalProperties", True) is True:
        found["additionalProperties"] = "patternProperties" in found
    if "prefixItems" in schema:
        first = schema["prefixItems"]
        found["items"] = [plain(inner, root, followed, alone=alone) for inner in first]
        found["additionalItems"] = plain(schema.get("items", True), root, followed, alone=alone)
    schemas = schema.get("dependentSchemas", {})
    depending = {
        **schema.get("dependentRequired", {}),
        **{name: plain(inner, root, followed, alone=False) for name, inner in schemas.items()},
    }
    if depending:
        found["dependencies"] = depending
    if schema.get("minContains") == 0:
        found.pop("contains", None)
    ref = schema.get("$ref")
    if ref is None:
        return found
    named = _NOTHING
    if followed.count(ref) < _DEPTH:
        named = plain(resolved(root, ref), root, (*followed, ref), alone=alone and not found)
    return {"allOf": [named, found]} if found else named


def _inner(
    name: str, value: Any, root: Mapping[str, Any], followed: tuple[str, ...], alone: bool
) -> Any:
    if name in _LISTS:
        return [plain(inner, root, followed, alone=False) for inner in value]
    if name in ("properties", "patternProperties"):
        return {key: plain(inner, root, followed, alone=alone) for key, inner in value.items()}
    if name in _HELD:
        return plain(value, root, followed, alone=alone)
    return value


def _sendable(document: Any, schema: Schema) -> bool:
    return schema.admits(document) and _whole(document)


def _whole(value: Any) -> bool:
    """Whether every whole number in *value* is an int64, as those of a table are."""
    if isinstance(value, dict):
        return all(map(_whole, value.values()))
    if isinstance(value, list):
        return all(map(_whole, value))
    return not isinstance(value, int) or -(2**63) <= value < 2**63


def _from_schema() -> Any:
    try:
        from hypothesis_jsonschema import from_schema
    except ImportError as missing:
        raise ToolMissing("documents need hypothesis-jsonschema", hint=HINT) from missing
    except Exception as broken:  # it reaches into Hypothesis, whose newer versions moved
        from hypothesis import __version__

        raise ToolMissing(
            f"hypothesis-jsonschema can't be used with Hypothesis {__version__}: "
            f"{type(broken).__name__}",
            hint=HINT + ", which brings one that it works with",
        ) from broken
    return from_schema
