"""The dev screen: is a challenger worth a look? Its figures may be shown to anybody.

It carries no guarantee and needs none: it reads the dev rows only, which are free to look at, so
what it refuses or lets through costs the holdout nothing. It saves looks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from harness.core.errors import DataInvalid
from harness.decision.loss import Floats
from harness.decision.policy import Policy

HOPEFUL = 0.2
"""A challenger whose dev p-value is not below this spends no look."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Screen:
    """What dev says: mean *gain* in the metric's unit, its *spread*, the *p* of the gain.

    *spread* is the standard deviation of the per-row difference, which ``power`` can use. *gain*,
    *spread* and *p* are None where the rows are too few to have one.
    """

    passed: bool
    rows: int
    gain: float | None
    spread: float | None
    p: float | None
    reason: str


def screen(champion: Floats, challenger: Floats, policy: Policy) -> Screen:
    """Return whether the challenger spends a look, from both models' losses on the dev rows.

    A one-sided paired z-test of "the mean gain exceeds the minimum gain" on n rows; the normal
    approximation is good enough for a question that carries no guarantee. Fewer than two rows
    can't refuse anybody. Raises DataInvalid for losses that can't be paired or aren't finite.
    """
    difference = np.asarray(champion, np.float64) - np.asarray(challenger, np.float64)
    if np.shape(champion) != np.shape(challenger) or difference.ndim != 1:
        raise DataInvalid("the dev losses of champion and challenger can't be paired row by row")
    if not np.isfinite(difference).all():
        raise DataInvalid("a dev loss is not finite")
    rows = len(difference)
    if rows < 2:
        return Screen(
            passed=True, rows=rows, gain=None, spread=None, p=None, reason="too few dev rows to ask"
        )
    gain, spread = float(difference.mean()), float(difference.std(ddof=1))
    p = _p(gain - policy.minimum_gain, spread / math.sqrt(rows))
    passed = p < HOPEFUL
    return Screen(
        passed=passed,
        rows=rows,
        gain=gain,
        spread=spread,
        p=p,
        reason=f"{'worth a look' if passed else 'hopeless'} on dev: gain {gain:+.4g} in "
        f"{policy.metric} on {rows:,} rows, {policy.minimum_gain:g} wanted, p = {p:.2g}",
    )


def _p(excess: float, error: float) -> float:
    if error == 0:
        return 0.0 if excess > 0 else 1.0
    return 0.5 * math.erfc(excess / error / math.sqrt(2.0))
