"""Rows to probe with: real or kept ones, in the types that the model knows from its training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from harness.contract.batch import Batch, Cells, Mask, cells, moment
from harness.contract.claims import Claims


def batch_of(row: Mapping[str, Any], like: Batch) -> Batch:
    """Return one *row* as a batch whose columns are of *like*'s kinds where its values allow."""
    return Batch(columns=tuple(cell_of(row[c.name], c) for c in like.columns if c.name in row))


def cell_of(value: Any, like: Cells) -> Cells:
    """Return *value* as a column of one row: of *like*'s kind if it is of that kind, else mixed."""
    kind = like.kind
    fits = {
        "number": isinstance(value, int | float) and not isinstance(value, bool),
        "integer": isinstance(value, int) and not isinstance(value, bool),
        "boolean": isinstance(value, bool),
        "string": isinstance(value, str),
        "datetime": isinstance(value, str),
    }
    if kind == "integer" and isinstance(value, float):
        kind = "number"
    elif value is not None and not fits.get(kind, False):
        kind = "mixed"
    held = value
    if kind == "datetime" and value is not None:
        try:
            held = moment(value)
        except ValueError:
            kind = "mixed"
    if kind == "integer" and held is not None and not -(2**63) <= held < 2**63:
        kind = "mixed"
    return cells(like.name, kind, [held], dtype=like.dtype if kind == like.kind else "")


def as_trained(made: Batch, training: Batch) -> Batch:
    """Return *made* rows with whole numbers held as the training data hold them."""
    columns = []
    for column in made.columns:
        held = training[column.name] if column.name in training.names else column
        if held.kind == "integer" and column.kind == "number":
            column = replace(
                column, kind="integer", values=column.values.astype(np.int64), dtype=held.dtype
            )
        columns.append(column)
    return Batch(columns=tuple(columns))


def with_missing(batch: Batch, claims: Claims) -> Batch:
    """Return *batch* with two missing cells in every nullable column that has fewer."""

    for number, domain in enumerate(claims.domains):
        column = batch[domain.name]
        if not domain.nullable or int(column.absent.sum()) >= 2 or batch.rows < 8:
            continue
        missing: Mask = column.absent.copy()
        at = (5 + 7 * number) % (batch.rows - 1)
        missing[[at, at + 1]] = True
        batch = batch.put(replace(column, missing=missing))
    return batch
