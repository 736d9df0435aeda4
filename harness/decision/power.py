"""Power: which gain a holdout can see, before anybody trains for it.

Planning figures from approximations; no decision rests on them.
"""

from __future__ import annotations

import math
from statistics import NormalDist

from harness.decision import evalue
from harness.decision.decide import MCNEMAR, rule
from harness.decision.policy import Policy, level


def power(
    policy: Policy,
    *,
    rows: int,
    promotions: int = 0,
    disagreement: float = 0.1,
    spread: float | None = None,
    chance: float = 0.8,
) -> float | None:
    """Return the smallest true gain that one look promotes with probability *chance*.

    In the metric's unit. For accuracy the two models are taken to disagree on the share
    *disagreement* of rows. For log_loss and brier it depends on *spread*, the standard deviation of
    the per-row difference of losses, which dev can tell (``screen(...).spread``); None without it.
    None too when not even the largest gain possible would do.

    McNemar, normal approximation: (z₁₋α + z_chance)² (disagreement - Δ²) = n Δ². E-value: the best
    single stake λ of the grid must win, with log(1 + x) ≈ x - x²/2:
    n λ m ≥ log(17/α) + n λ² s²/2 + z_chance λ s √n, for a spread s and a gain m above the minimum.
    """
    alpha = level(policy, promotions=promotions)
    z = NormalDist().inv_cdf(chance)
    if rule(policy) == MCNEMAR:
        total = (z + NormalDist().inv_cdf(1 - alpha)) ** 2
        gain = math.sqrt(total * disagreement / (rows + total)) if rows else math.inf
        return gain if gain <= disagreement else None
    if policy.metric == "accuracy" and spread is None:
        spread = math.sqrt(disagreement)
    if spread is None or not rows:
        return None
    delta, sigma = policy.minimum_gain / policy.bound, spread / policy.bound
    wanted = math.log(len(evalue.GRID) / alpha) / rows
    excess = min(
        (wanted + (stake * sigma) ** 2 / 2 + z * stake * sigma / math.sqrt(rows)) / stake
        for stake in (evalue.GRID / (1 + delta)).tolist()
    )
    largest = disagreement if policy.metric == "accuracy" else policy.bound
    gain = policy.minimum_gain + excess * policy.bound
    return gain if gain <= largest else None


def rows_for(gain: float, *, alpha: float, disagreement: float = 0.1, chance: float = 0.8) -> int:
    """Return how many rows see a true *gain* in accuracy at level *alpha* (McNemar, as above)."""
    total = (NormalDist().inv_cdf(1 - alpha) + NormalDist().inv_cdf(chance)) ** 2
    return math.ceil(total * (disagreement - gain**2) / gain**2)
