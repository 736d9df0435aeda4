"""Writing TOML 1.0: the standard library reads it only. The same value gives the same text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def dumps(document: Mapping[str, Any]) -> str:
    """Return *document* as TOML, keys in the order given.

    A key whose value is a table becomes ``[key]``, one whose value is a list of tables
    ``[[key]]``; deeper lists of tables are written inline, one table a line. Raises TypeError for
    a value that TOML has no form for.
    """
    return "\n".join(_table(document, "")).strip("\n") + "\n"


def _table(table: Mapping[str, Any], prefix: str) -> Iterator[str]:
    later: list[tuple[str, Any]] = []
    for key, value in table.items():
        if isinstance(value, Mapping) or (not prefix and _tables(value)):
            later.append((f"{prefix}{_key(key)}", value))
        else:
            yield f"{_key(key)} = {_value(value, broken=True)}"
    for name, value in later:
        if isinstance(value, Mapping):
            plain = any(not isinstance(inner, Mapping) for inner in value.values()) or not value
            if plain:
                yield f"\n[{name}]"
            yield from _table(value, f"{name}.")
        else:
            for item in value:
                yield f"\n[[{name}]]"
                yield from _table(item, f"{name}.")


def _tables(value: Any) -> bool:
    return bool(value) and isinstance(value, list) and all(isinstance(v, Mapping) for v in value)


def _value(value: Any, *, broken: bool = False) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case int():
            return str(value)
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case list() | tuple():
            items = [_value(item) for item in value]
            if broken and len(items) > 1:
                return "[\n" + "".join(f"    {item},\n" for item in items) + "]"
            return f"[{', '.join(items)}]"
        case Mapping():
            pairs = ", ".join(f"{_key(key)} = {_value(inner)}" for key, inner in value.items())
            return f"{{{pairs}}}"
    raise TypeError(f"TOML has no form for {type(value).__name__}")


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _value(key)
