"""Small-sample statistics of answers: exact tails and intervals, no bootstrap, no table.

Nothing here knows a model. Every p-value is for the null hypothesis that all is well, so a small
one speaks against the model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from harness.contract.cells import Array

_BETS = 0.9 * 2.0 ** (-np.arange(16) / 2)
_STEPS, _LEAST = 40, 1e-12


def at_least(hits: int, trials: int, rate: float) -> float:
    """Return P(Bin(*trials*, *rate*) >= *hits*)."""
    if hits <= 0:
        return 1.0
    if rate <= 0 or hits > trials:
        return 0.0
    if rate >= 1:
        return 1.0
    if hits <= trials * rate:  # the other tail is the small one
        return 1.0 - at_least(trials - hits + 1, trials, 1.0 - rate)
    log_mass = (
        math.lgamma(trials + 1)
        - math.lgamma(hits + 1)
        - math.lgamma(trials - hits + 1)
        + hits * math.log(rate)
        + (trials - hits) * math.log1p(-rate)
    )
    steps = np.arange(hits, trials, dtype=float)
    ratios = np.cumprod((trials - steps) / (steps + 1.0) * (rate / (1.0 - rate)))
    return min(1.0, math.exp(log_mass) * (1.0 + float(ratios.sum())))


def at_most(hits: int, trials: int, rate: float) -> float:
    """Return P(Bin(*trials*, *rate*) <= *hits*)."""
    return at_least(trials - hits, trials, 1.0 - rate)


def clopper_pearson(hits: int, trials: int, error: float) -> tuple[float, float]:
    """Return the two-sided exact interval of a rate, wrong with probability *error* at most.

    Clopper and Pearson 1934, doi 10.1093/biomet/26.4.404. It also holds for the mean rate of
    independent trials of unequal rates, except within one hit of the mean (Hoeffding 1956,
    doi 10.1214/aoms/1177728178).
    """
    half = error / 2
    low = 0.0 if hits == 0 else _turn(lambda rate: at_least(hits, trials, rate) > half)
    high = 1.0 if hits == trials else _turn(lambda rate: at_most(hits, trials, rate) <= half)
    return low, high


def mean_above(values: Array, mean: float) -> float:
    """Return the p-value of "*values*, of shape (n,) in [0, 1], have at most this *mean*".

    By betting against it: the average capital of sixteen fixed bets, whose inverse is a p-value
    (Waudby-Smith and Ramdas 2024, doi 10.1093/jrsssb/qkad009, section 4 and Markov's inequality).
    It supposes independent values and nothing else, and does not depend on their order.
    """
    if mean >= 1 or not len(values):
        return 1.0
    limit = max(mean, _LEAST)  # a larger one is no less likely
    gains = np.log1p(np.outer(_BETS, values / limit - 1.0)).sum(axis=1)
    most = float(gains.max())
    capital = most + math.log(float(np.exp(gains - most).mean()))
    return math.exp(-max(capital, 0.0))


def mean_at_least(values: Array, error: float) -> float:
    """Return a lower bound of the mean of *values* in [0, 1], too high with probability *error*."""
    return _turn(lambda mean: mean_above(values, mean) > error)


def mean_at_most(values: Array, error: float) -> float:
    """Return an upper bound of the mean of *values* in [0, 1], too low with probability *error*."""
    return 1.0 - mean_at_least(1.0 - values, error)


def rank_above(first: Array, second: Array) -> tuple[float, float]:
    """Return the share of pairs in which a value of *first* is above one of *second* (ties count
    half), and the p-value of "the share is one half or more".

    Mann and Whitney 1947, doi 10.1214/aoms/1177730491, by the normal law with the variance of
    tied ranks.
    """
    n, m = len(first), len(second)
    if not n or not m:
        return 0.5, 1.0
    _, places, counts = np.unique(
        np.concatenate([first, second]), return_inverse=True, return_counts=True
    )
    ranks = (np.cumsum(counts) - (counts - 1) / 2.0)[places.reshape(-1)]
    wins = float(ranks[:n].sum()) - n * (n + 1) / 2.0
    total = n + m
    ties = float((counts.astype(float) ** 3 - counts).sum())
    variance = n * m / 12.0 * ((total + 1) - ties / (total * (total - 1)))
    share = wins / (n * m)
    if variance <= 0:
        return share, 1.0
    z = (wins - n * m / 2.0 + 0.5) / math.sqrt(variance)  # towards one half: for continuity
    return share, 0.5 * math.erfc(-z / math.sqrt(2.0))


def in_order(first: Array, second: Array) -> Array:
    """Return, for each row, the share of the other rows to which it stands in the same order by
    *first* as by *second* (ties count half). Their mean is (1 + Kendall's tau) / 2."""
    agreed = (_signs(first) * _signs(second)).sum(axis=1, dtype=float)
    return np.asarray((1.0 + agreed / max(1, len(first) - 1)) / 2.0, float)


def in_order_above(one: Array, other: Array) -> float:
    """Return the p-value of "*one*'s mean is at most *other*'s", of ``in_order`` of the same rows.

    The means are U-statistics of pairs of rows: the normal law with twice the deviation that one
    row's share has (Hoeffding 1948, doi 10.1214/aoms/1177730196; Sen 1960).
    """
    apart = one - other
    if len(apart) < 2 or apart.mean() <= 0:
        return 1.0
    deviation = 2.0 * float(apart.std(ddof=1)) / math.sqrt(len(apart))
    return 0.5 * math.erfc(float(apart.mean()) / max(deviation, _LEAST) / math.sqrt(2.0))


def _signs(values: Array) -> Array:
    above = values[:, None] > values
    return above.astype(np.int8) - above.T


def holm(found: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number (Holm 1979, Scand. J. Statist. 6, 65-70): those
    below a level reject no true hypothesis, but with that probability."""
    order = sorted(range(len(found)), key=lambda i: found[i])
    corrected, largest = [0.0] * len(found), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(found) - rank) * found[place]))
        corrected[place] = largest
    return corrected


def _turn(above: Callable[[float], bool]) -> float:
    """Return where *above* becomes true in [0, 1], from below it."""
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if above(middle):
            high = middle
        else:
            low = middle
    return low
