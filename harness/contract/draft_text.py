"""What a column of text is taken for: dates, numbers, a closed or an open category, free text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from harness.contract.cells import Cells
from harness.contract.domain import Domain, admits
from harness.contract.draft_dates import dates, other_form

_FREE_TEXT = 50
_EXAMPLES, _LONGEST_EXAMPLE = 12, 40
_ISO = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_COMMA = r"^[+-]?(\d+|\d{1,3}([. ]\d{3})+)(,\d+)?$"
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_MOSTLY = 0.9

_PAIRS = tuple(
    frozenset(pair.split("/"))
    for pair in (
        *("yes/no", "y/n", "true/false", "t/f", "on/off", "male/female", "m/f", "ja/nein"),
        *("oui/non", "si/no", "sí/no"),
    )
)
_MONTHS = "january february march april may june july august september october november december"
_DAYS = "monday tuesday wednesday thursday friday saturday sunday"
_CALENDAR = tuple(
    (words, [name[:letters] for name in names.split()])
    for words, names in (("names of months", _MONTHS), ("names of weekdays", _DAYS))
    for letters in (9, 3)
)


def text(column: Cells, *, private: bool = False) -> tuple[dict[str, Any], str, list[str]]:
    """Return a column of text as JSON Schema, the guess in words, and remarks for a person.

    Text is open (an unseen value must be answered) but for pairs like yes and no and the names of
    months and weekdays. Known values are written down as ``examples``, unless they are *private*.
    """
    there = column.values[~column.absent].tolist()
    for form in ("date", "date-time"):
        domain = Domain(name=column.name, kind="date" if form == "date" else "datetime")
        if there and _ISO.match(there[0]) and admits(domain, column)[~column.absent].all():
            return *dates(column, form), []
    counted = Counter(there)
    found = _patterned([*counted])
    if found is not None:
        return found
    closed = _closed(counted)
    if closed is not None:
        values, why = closed
        words = f"one of {', '.join(values)} and no other ({why})"
        return {"type": "string", "enum": values}, words, []
    remarks = [*_remarks(counted)]
    distinct = len(counted)
    if distinct > _FREE_TEXT and distinct > len(there) / 2:
        return {"type": "string"}, "free text", remarks
    described: dict[str, Any] = {"type": "string", "x-harness-open": True}
    common = sorted(counted, key=lambda value: (-counted[value], value))
    if not private:
        if examples := [v for v in common if len(v) <= _LONGEST_EXAMPLE][:_EXAMPLES]:
            described["examples"] = examples
        remarks.append(_how_often(counted, common))
    known = "value" if distinct == 1 else "values"
    return described, f"one of {distinct} known {known}, or an unseen one", remarks


def _patterned(values: Sequence[str]) -> tuple[dict[str, Any], str, list[str]] | None:
    """Return what texts of one strict form are taken for: only that form must be answered."""
    if not values:
        return None
    if (other := other_form(values)) is not None:
        pattern, form = other
        remark = f"{form}, as text: RFC 3339 (2013-12-31) would be checked as dates are"
        return {"type": "string", "pattern": pattern}, f"text of one form: {form}", [remark]
    digits = all(value.isascii() and value.isdigit() for value in values)
    if digits and any(value.startswith("0") and len(value) > 1 for value in values):
        lengths = {len(value) for value in values}
        size = str(min(lengths)) + (f",{max(lengths)}" if len(lengths) > 1 else "")
        remark = "digits with leading zeros: a code, not a number; it stays text"
        return {"type": "string", "pattern": rf"^\d{{{size}}}$"}, "a code of digits", [remark]
    if any("," in value for value in values) and all(re.search(_COMMA, v) for v in values):
        remark = (
            "numbers with decimal commas: a model gets them as text; write them with points "
            "(pandas: read_csv(…, decimal=',')) and draft again, if they are numbers to it"
        )
        return {"type": "string", "pattern": _COMMA}, "a decimal comma's number as text", [remark]
    if all(_NUMBER.fullmatch(value) for value in values):
        remark = "numbers as text: store them as numbers and draft again, if they are to the model"
        return (
            {"type": "string", "pattern": rf"^({_NUMBER.pattern})$"},
            "a number as text",
            [remark],
        )
    return None


def _closed(counted: Counter[str]) -> tuple[list[str], str] | None:
    plain = {value.casefold() for value in counted}
    if len(plain) != len(counted):
        return None
    if plain in _PAIRS:
        return sorted(counted), "a pair like yes and no"
    for words, names in _CALENDAR:
        style = _style(counted)
        if style is not None and plain <= {*names} and len(plain) > len(names) / 2:
            return [style(name) for name in names], words
    return None


def _style(counted: Counter[str]) -> Any:
    """Return how all values are written: small letters, capitals, a capital first; else None."""
    for style in (str.lower, str.upper, str.capitalize):
        if all(style(value) == value for value in counted):
            return style
    return None


def _how_often(counted: Counter[str], common: Sequence[str]) -> str:
    total = sum(counted.values())
    rarest = counted[common[-1]]
    if len(common) == 1:
        return ""
    often = f"the rarest stands {rarest} times, the most frequent {counted[common[0]]} of {total}"
    if len(common) <= _EXAMPLES and rarest >= max(10, total / 200):
        return f'{often}; if no others can come, write "enum" in place of "x-harness-open"'
    return often


def _remarks(counted: Counter[str]) -> list[str]:
    found = []
    total = sum(counted.values())
    numbers = sum(count for value, count in counted.items() if _NUMBER.fullmatch(value))
    commas = sum(
        count for value, count in counted.items() if "," in value and re.search(_COMMA, value)
    )
    if numbers + commas >= _MOSTLY * total:
        form = "numbers with decimal commas" if commas > numbers else "numbers"
        others = total - numbers - commas
        found.append(f"{form} but for {others} cells: is a word there for “missing”?")
    folded = Counter(" ".join(value.split()).casefold() for value in counted)
    twins = sum(1 for count in folded.values() if count > 1)
    if twins and len(counted) <= 1000:
        found.append(f"{twins} values are written in several ways (capitals, spaces)")
    return found
