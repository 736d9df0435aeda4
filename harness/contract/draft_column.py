"""What one column of training data is taken for, with a comment on each guess."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.contract.cells import Cells
from harness.contract.draft_dates import dates
from harness.contract.draft_numbers import looks_whole, numbers, seen
from harness.contract.draft_suspect import answer, identifier, nearly_identifier, personal
from harness.contract.draft_text import text

_KEYWORDS = ("type", "description", "$comment")


@dataclass(frozen=True, kw_only=True, slots=True)
class Guess:
    """What a column is taken for: its JSON Schema, the guess in *words*, *remarks* for a person.

    *identifier* and *personal* say why it looks like one; they are empty where it doesn't.
    """

    name: str
    described: Mapping[str, Any]
    words: str
    remarks: tuple[str, ...] = ()
    identifier: str = ""
    personal: str = ""


def guess(column: Cells, *, targets: tuple[Cells, ...] = ()) -> Guess:
    """Return what *column* is taken for; *targets* are what is predicted.

    The column's kind must not be ``mixed``: no one type describes it.
    """
    named, private = identifier(column), personal(column)
    remarks: list[str]
    if column.kind in ("number", "integer"):
        described, words, remarks = numbers(column)
    elif column.kind == "boolean":
        described, words, remarks = {"type": "boolean"}, "true or false", []
    elif column.kind == "datetime":
        described, words = dates(column, "date" if column.dtype == "date" else "date-time")
        remarks = []
    else:
        described, words, remarks = text(column, private=bool(private or named))
    if column.absent.any():
        words += ", may be missing"
        described = _nullable(described)
    found = [*_warnings(column, named, private, targets), *filter(None, remarks)]
    comment = "; ".join(found)
    return Guess(
        name=column.name,
        described=_ordered(
            {**described, "description": _evidence(column, words, bool(private))},
            comment,
        ),
        words=words,
        remarks=tuple(found),
        identifier=named,
        personal=private,
    )


def _warnings(column: Cells, named: str, private: str, targets: tuple[Cells, ...]) -> list[str]:
    found = []
    if named:
        found.append(f"suspected identifier: {named}")
    elif near := nearly_identifier(column):
        found.append(f"suspected identifier: {near}")
    if private:
        found.append(f"suspected personal data: {private}")
    for target in targets:
        if why := answer(column, target):
            found.append(f"suspected leak: {why}; is it known before {target.name} is?")
    there = column.values[~column.absent]
    if len(there) == 0:
        found.append("empty: every cell is missing")
    elif len(set(there.tolist())) == 1:
        found.append("constant: nothing can be learnt from it")
    if odd := _odd_name(column.name):
        found.append(f"its name {odd}: no program, URL or shell will thank you for that")
    return found


def _nullable(described: Mapping[str, Any]) -> dict[str, Any]:
    wider = {**described, "type": [described["type"], "null"]}
    if "enum" in described:
        wider["enum"] = [*described["enum"], None]
    return wider


def _ordered(described: Mapping[str, Any], comment: str) -> dict[str, Any]:
    """Return *described* with what a person reads first."""
    head = {key: described[key] for key in _KEYWORDS if key in described}
    if comment:
        head["$comment"] = comment
    return head | {key: value for key, value in described.items() if key not in head}


def _evidence(column: Cells, words: str, private: bool) -> str:
    """Return what the data hold, and the guess."""
    rows, absent = len(column), int(column.absent.sum())
    there = column.values[~column.absent]
    if column.kind in ("number", "integer") and len(there):
        held = "whole numbers, " if column.kind == "number" and looks_whole(column) else ""
        found = f"{held}{seen(column)} in the data"
    elif column.kind == "string" and not private:
        distinct = len(set(there.tolist()))
        found = f"{distinct} different {'value' if distinct == 1 else 'values'} in the data"
    else:
        found = "as in the data"
    if absent:
        found += f", missing in {absent} of {rows} rows"
    return f"{found}; guess: {words}"


def _odd_name(name: str) -> str:
    if not name.strip():
        return "is empty"
    if name != name.strip():
        return "begins or ends with a space"
    if re.search(r"[\x00-\x1f\x7f]", name):
        return "holds control characters"
    if re.search(r"[\"'`\\{}\[\]<>$;]", name):
        return "holds quotes, brackets or the like"
    return ""
