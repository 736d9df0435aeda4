"""The exact one-sided McNemar test: a binomial tail, in logarithms, down to any level.

Only rows on which exactly one of two models is right say which is better. If the challenger is not
better, each such row is its win with probability at most ½, so p = P(Bin(wins + losses, ½) ≥ wins)
(McNemar 1947, doi 10.1007/BF02295996; the exact form is a sign test). Dietterich 1998, doi
10.1162/089976698300017197, on why this is the test for two models that are trained once.
"""

from __future__ import annotations

import math

import numpy as np

_SLACK = 1e-10  # added to log p: more than its rounding, so that rounding helps no challenger


def log_p(wins: int, losses: int) -> float:
    """Return log P(Bin(wins + losses, ½) ≥ wins); 0.0 when every row is a draw.

    *wins*: rows where the challenger alone is right; *losses*: rows where the champion alone is.
    A million such rows take milliseconds; p is never too small, and too large by
    less than 10⁻⁹ of itself.
    """
    n = wins + losses
    if wins <= losses:  # at least one half: the other tail is the small one
        other = log_p(losses + 1, wins - 1) if wins else -math.inf
        return min(0.0, math.log1p(-math.exp(other)) + 2 * _SLACK)
    steps = np.arange(wins, n, dtype=np.float64)
    ratios = np.cumprod((n - steps) / (steps + 1.0))  # P(X = i+1) / P(X = i), from i = wins
    log_sum = math.log1p(float(ratios.sum()))
    return min(0.0, _log_mass(wins, n) + log_sum + _SLACK)


def p_value(wins: int, losses: int) -> float:
    """Return the one-sided p-value; 0.0 where it is below the smallest float64."""
    return math.exp(log_p(wins, losses))


def _log_mass(hits: int, n: int) -> float:
    """Return log P(Bin(n, ½) = hits) for hits > n/2.

    Loader's saddle-point form (C. Loader, "Fast and accurate computation of binomial
    probabilities", 2000): no difference of two large logarithms of factorials.
    """
    misses = n - hits
    if misses == 0:
        return -n * math.log(2.0)
    half = n / 2.0
    return (
        _stirling(n)
        - _stirling(hits)
        - _stirling(misses)
        - _deviance(hits, half)
        - _deviance(misses, half)
        + 0.5 * math.log(n / (2.0 * math.pi * hits * misses))
    )


def _stirling(n: int) -> float:
    """Return log n! - log(√(2πn)·(n/e)ⁿ): the error of Stirling's formula."""
    if n < 16:
        return math.log(math.factorial(n)) - 0.5 * math.log(2.0 * math.pi * n) - n * math.log(n) + n
    square = float(n) * n
    return (
        1 / 12 - (1 / 360 - (1 / 1260 - (1 / 1680 - 1 / 1188 / square) / square) / square) / square
    ) / n


def _deviance(x: int, mean: float) -> float:
    """Return x·log(x/mean) + mean - x without cancellation near x = mean."""
    gap = x - mean
    if abs(gap) >= 0.1 * (x + mean):
        return x * math.log(x / mean) - gap
    v = gap / (x + mean)
    total, term, j = gap * v, 2.0 * x * v, 1
    while True:
        term *= v * v
        grown = total + term / (2 * j + 1)
        if grown == total:
            return total
        total, j = grown, j + 1
