"""The fewest other rows of a batch that make a row fail which passes alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from harness.contract.batch import Batch, join
from harness.contract.promise import OutOfCalls

_MOST_ROWS, _MOST_QUESTIONS = 3, 40


def company(fails: Callable[[Batch], bool], row: Batch | None, others: Batch) -> Batch | None:
    """Return the fewest of *others* with which a batch that ends in *row* fails; None when it
    doesn't even with all of them, and no rows when they are many or too many questions are needed.

    Without a *row* these rows are all that makes the batch fail. More rows are taken to fail too.
    """
    try:
        return _fewest(fails, row, others)
    except OutOfCalls:
        return others.head(0)


def _fewest(fails: Callable[[Batch], bool], row: Batch | None, others: Batch) -> Batch | None:
    asked = 0

    def with_rows(numbers: list[int]) -> bool:
        nonlocal asked
        asked += 1
        part = others.take(np.array(sorted(numbers), np.int64))
        return fails(part if row is None else join([part, row]))

    if not others.rows or not with_rows(list(range(others.rows))):
        return None
    chosen: list[int] = []
    order = list(range(others.rows))
    while len(chosen) <= _MOST_ROWS:
        if chosen and with_rows(chosen):
            return others.take(np.array(sorted(chosen)))
        low, high = 0, len(order) - 1
        while low < high:
            if asked >= _MOST_QUESTIONS:
                return others.head(0)
            half = (low + high) // 2
            if with_rows(chosen + order[: half + 1]):
                high = half
            else:
                low = half + 1
        chosen.append(order[low])
        order = order[:low]
        if not order and not with_rows(chosen):
            break
    return others.head(0)


def told(rows: Batch | None) -> str:
    """Return what is known of a row's company, for a reader."""
    if rows is None or not rows.rows:
        return "depends on the other rows of its batch, or on what was asked before"
    number = "this other row" if rows.rows == 1 else f"these {rows.rows} other rows"
    return f"depends on the other rows: with {number} in the batch: {listed(rows)}"


def listed(rows: Batch) -> str:
    """Return *rows* for a reader."""
    shown = (
        ", ".join(f"{name} = {value!r}" for name, value in rows.row(i).items())
        for i in range(rows.rows)
    )
    return "; ".join(shown)
