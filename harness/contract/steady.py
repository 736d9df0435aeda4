"""Whether a row that failed fails each time it is asked: else what asking finds is no rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.contract.baselines import diverse
from harness.contract.batch import Batch
from harness.contract.oracle import Oracle
from harness.contract.promise import OutOfTime
from harness.contract.rule import Rule

TIMES = 5
"""How often a row is asked that does not always fail, the first time among them."""

_GROUP, _ONES = 12, 2  # rows that pass: asked at once, or one by one


@dataclass(frozen=True, kw_only=True, slots=True)
class Explained:
    """A failing row made as plain as it gets (one row), the rule that it fails by, and how often
    rows *inside* and *outside* the rule fail (None: not measured), of how many *measured*.
    """

    row: Batch
    rule: Rule
    inside: float | None = None
    outside: float | None = None
    measured: tuple[int, int] = (0, 0)


def confirmed(
    oracle: Oracle,
    row: Batch,
    passing: Batch,
    look: Callable[[], Explained],
    *,
    times: int = 1,
) -> Explained:
    """Return what *look* finds out about *row*, which failed and must do so *times* more.

    Where it passes then, or *passing* rows fail, only how often it failed is returned. More than
    once is for a model that is known to answer the same rows in several ways: of that it is also
    expected that any row passes.
    """
    few = diverse(passing, _GROUP if oracle.group else _ONES) if passing.rows else passing
    if times > 1 and not few.rows:
        return sometimes(row, (TIMES, TIMES))
    try:
        if oracle.any(few):
            return sometimes(row, (TIMES, TIMES))
    except OutOfTime:
        return look()  # it says what is used up
    found = look()
    doubtful = found.inside != 1.0  # then once tells too little
    fails: list[bool] = []
    spoilt = False
    try:
        for turn in range(TIMES - 1):
            if turn >= times and not doubtful and all(fails) and not spoilt:
                break
            fails.append(oracle.any(row))
            spoilt = spoilt or (turn < times and oracle.any(few))
    except OutOfTime:  # what was asked tells what it tells
        pass
    if all(fails) and not spoilt:
        return found
    return sometimes(row, (1 + sum(fails), 1 + len(fails)))


def asked_again(fails: Callable[[Batch], bool], row: Batch, *before: bool) -> tuple[int, int]:
    """Return how often *row* fails, which failed once and then did as said *before*, and how often
    it was asked."""
    again = [*before, *(fails(row) for _ in range(TIMES - 1 - len(before)))]
    return 1 + sum(again), 1 + len(again)


def sometimes(row: Batch, times: tuple[int, int]) -> Explained:
    """Return that *row* failed so many of so many *times*, and that no rule says when."""
    return Explained(row=row, rule=Rule(conditions=(), times=times))
