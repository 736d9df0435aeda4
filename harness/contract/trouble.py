"""Trouble: rows that get no answer in the claimed form, and the rows to find them with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.contract.asking import Malformed
from harness.contract.batch import Batch, Refusal, join, mosaic
from harness.contract.promise import Failure
from harness.contract.rule import Rule
from harness.contract.trial import Trial

_VALUES, _LOOKED_AT = 64, 5000


@dataclass(frozen=True, kw_only=True, slots=True)
class Trouble:
    """Rows that got no answer in the claimed form: *kind* refused, shape or dtype."""

    kind: str
    failure: Failure


@dataclass(frozen=True, kw_only=True, slots=True)
class Located:
    """What is wrong with a batch. Rows that match *rule* may be left out and the rest asked again;
    None where nothing is known to help. *stop* says why one can't go on, *hung* that the model
    is gone or the time is up, *lost* that it hangs or dies on such rows. *slow* says that each row
    is answered, and all together took long."""

    trouble: Trouble | None
    rule: Rule | None = None
    stop: str = ""
    hung: bool = False
    lost: bool = False
    slow: bool = False


Seen = tuple[tuple[str, str, str], str]
"""The kind of a trouble, more of its kind, the role it is in; then its words."""


def trouble(trial: Trial, batch: Batch, roles: Sequence[str] | None = None) -> Seen | None:
    """Return what kind of trouble the model has with *batch*, and its words; None without any."""
    for role in roles or trial.roles:
        try:
            trial.read(batch.rows, {role: trial.answer(batch, role)})
        except Refusal as refusal:
            return ("refused", refusal.type, role), f"raised {refusal}"
        except Malformed as malformed:
            return (malformed.kind, "", role), str(malformed)
    return None


def odd_rows(good: Batch, batch: Batch) -> Batch:
    """Return copies of the first *good* row, each with one cell of *batch*: some dozens of
    different values of each column, its ends among them."""
    looked = np.linspace(0, batch.rows - 1, min(batch.rows, _LOOKED_AT)).astype(int)
    pool = join([good.head(1), batch])
    parts = []
    for number, column in enumerate(batch.columns):
        held = column.take(looked)
        kinds: dict[Any, int] = {}
        for at, value in zip(looked.tolist(), held.values.tolist(), strict=True):
            kinds.setdefault(None if column.absent[at] else value, at)
        chosen = list(kinds.values())
        if len(chosen) > _VALUES:
            counts = np.linspace(0, len(chosen) - 1, _VALUES).astype(int)
            chosen = [chosen[i] for i in counts]
        if column.kind in ("number", "integer", "datetime"):
            chosen += [int(column.values.argmin()), int(column.values.argmax())]
        source = np.zeros((len(chosen), len(batch.columns)), np.int64)
        source[:, number] = np.array(chosen) + 1
        parts.append(source)
    return mosaic(pool, np.concatenate(parts))
