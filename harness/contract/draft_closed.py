"""Whether a category that looks closed is: the model itself is asked about an unseen value.

A model that answers one is held to that, and to nothing about other spellings; one that refuses it
is believed that no other value comes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from harness.contract.batch import Batch
from harness.contract.draft import Draft
from harness.contract.levels import UNSEEN

_ROWS = 4


def settled(drafted: Draft, rows: Batch, answers: Callable[[Batch], bool]) -> Draft:
    """Return *drafted* with those closed columns of text opened of which the model answers an
    unseen value.

    *rows* are some that it answers, *answers* says whether it answers a batch; it is asked once a
    column.
    """
    inputs = drafted.contract.inputs
    properties = dict(inputs["properties"])
    assumptions = list(drafted.assumptions)
    for name, described in inputs["properties"].items():
        closed = "enum" in described and "string" in described["type"]
        if not closed or name not in rows.names or rows[name].kind != "string":
            continue
        column = rows[name]
        odd = column.values[:_ROWS].copy()
        odd[0] = UNSEEN[0]
        missing = None if column.missing is None else column.missing[:_ROWS].copy()
        if missing is not None:
            missing[0] = False
        batch = rows.head(_ROWS).put(replace(column, values=odd, missing=missing))
        if not answers(batch):
            continue
        properties[name], words = _opened(described)
        assumptions = [
            f"{name}: {words}" if line.startswith(f"{name}: one of") else line
            for line in assumptions
        ]
    contract = replace(drafted.contract, inputs={**inputs, "properties": properties})
    columns = {**drafted.columns, **properties}
    return replace(drafted, contract=contract, columns=columns, assumptions=tuple(assumptions))


def _opened(described: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    values = [value for value in described["enum"] if value is not None]
    missing = ", may be missing" if None in described["enum"] else ""
    words = f"one of {', '.join(values)}, or an unseen one: the model answers one{missing}"
    held = str(described.get("description", "")).partition("; guess: ")[0]
    kept = {key: value for key, value in described.items() if key != "enum"}
    kept["description"] = f"{held}; guess: {words}"
    return {**kept, "x-harness-open": True, "examples": values}, words
