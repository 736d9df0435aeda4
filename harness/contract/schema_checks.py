"""What pandera's built-in checks say, in the words of JSON Schema.

Source: pandera's reference, ``pandera.api.checks.Check``: the checks and the names of their
statistics.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any


def type_of(values: Any) -> str:
    """Return the JSON Schema type of all *values*: ``string`` where they have none in common."""
    kinds = {type(plain(value)) for value in values}
    if kinds <= {int}:
        return "integer"
    if kinds <= {int, float}:
        return "number"
    return "boolean" if kinds <= {bool} else "string"


def plain(value: Any) -> Any:
    """Return *value* as JSON has it: a moment as RFC 3339 text."""
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, datetime):
        return value.isoformat() + ("" if value.tzinfo else "Z")
    return value.isoformat() if isinstance(value, date) else value


Carry = Callable[[dict[str, Any], Mapping[str, Any]], str]
"""Puts what a check's statistics say into a column's schema; returns why it can't."""


def _bound(end: str, statistic: str, *, inclusive: bool) -> Carry:
    def carry(described: dict[str, Any], said: Mapping[str, Any]) -> str:
        return _put_bound(described, end, plain(said[statistic]), inclusive=inclusive)

    return carry


def _put_bound(described: dict[str, Any], end: str, value: Any, *, inclusive: bool) -> str:
    """Narrow *described* at its *end* (``minimum`` or ``maximum``) to *value*."""
    if isinstance(value, str) and "format" in described:
        key = "formatMinimum" if end == "minimum" else "formatMaximum"
        described[key] = value[:10] if described["format"] == "date" else value
        return "" if inclusive else "the moment itself is admitted too"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"{value!r} is no number"
    exclusive = f"exclusive{end.capitalize()}"
    key = end if inclusive else exclusive
    pick = max if end == "minimum" else min
    held = [described[k] for k in (end, exclusive) if k in described]
    if held and pick([*held, value]) != value:
        return ""
    for other in (end, exclusive):
        described.pop(other, None)
    described[key] = value
    return ""


def _between(described: dict[str, Any], said: Mapping[str, Any]) -> str:
    low = _put_bound(
        described,
        "minimum",
        plain(said["min_value"]),
        inclusive=bool(said.get("include_min", True)),
    )
    high = _put_bound(
        described,
        "maximum",
        plain(said["max_value"]),
        inclusive=bool(said.get("include_max", True)),
    )
    return low or high


def _one_of(described: dict[str, Any], said: Mapping[str, Any]) -> str:
    values = [plain(value) for value in said["allowed_values"]]
    described["enum"] = sorted(values, key=lambda value: (str(type(value)), value))
    described.setdefault("type", type_of(values))
    return ""


def _equal(described: dict[str, Any], said: Mapping[str, Any]) -> str:
    described["enum"] = [plain(said["value"])]
    return ""


def _pattern(form: str, statistic: str, *, literal: bool) -> Carry:
    def carry(described: dict[str, Any], said: Mapping[str, Any]) -> str:
        value = said[statistic]
        value = getattr(value, "pattern", value)
        if "pattern" in described:
            return "a second pattern for one column"
        described["pattern"] = form.format(re.escape(value) if literal else value)
        return ""

    return carry


def _length(described: dict[str, Any], said: Mapping[str, Any]) -> str:
    exact = said.get("exact_value")
    for key, statistic in (("minLength", "min_value"), ("maxLength", "max_value")):
        length = said.get(statistic) if exact is None else exact
        if length is not None:
            described[key] = int(length)
    return ""


CARRIED: Mapping[str, Carry] = {
    "greater_than_or_equal_to": _bound("minimum", "min_value", inclusive=True),
    "greater_than": _bound("minimum", "min_value", inclusive=False),
    "less_than_or_equal_to": _bound("maximum", "max_value", inclusive=True),
    "less_than": _bound("maximum", "max_value", inclusive=False),
    "in_range": _between,
    "isin": _one_of,
    "equal_to": _equal,
    "str_matches": _pattern("^(?:{})", "pattern", literal=False),
    "str_contains": _pattern("{}", "pattern", literal=False),
    "str_startswith": _pattern("^{}", "string", literal=True),
    "str_endswith": _pattern("{}$", "string", literal=True),
    "str_length": _length,
}
"""The checks that JSON Schema has words for, by pandera's names for them."""
