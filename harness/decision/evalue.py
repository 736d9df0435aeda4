"""The e-value: how much a gambler would have won by betting that the challenger is better.

Start with 1, stake the share λ on every row; row i multiplies the capital by 1 + λ(dᵢ - δ), where
dᵢ in [-1, 1] is by how much the challenger was less wrong there. If E[d] ≤ δ the capital grows on
average with no λ, so its expectation stays at or below 1, and P(capital ≥ 1/α) ≤ α (Markov). That
needs the losses' bound and nothing else: no normal tail, no variance, no minimum of rows.

Betting: Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", JRSS B
86(1), 2024 (arXiv:2010.09686). Mixing over λ instead of choosing one: Orabona and Jun, "Tight
concentrations and confidence sequences from the regret of universal portfolio" (2021,
arXiv:2110.14099). A mixture over a fixed grid is a product per λ, and products don't mind the order
of the rows: there is no order to choose, hence none to game.
"""

from __future__ import annotations

import math

import numpy as np

from harness.decision.loss import Floats

GRID = 0.99 * 2.0 ** (-np.arange(17) / 2.0)
"""Stakes as shares of the largest that can't ruin: from 0.99 down to 0.004, √2 apart."""

_SLACK = 1e-9  # more than the rounding of sums over 10⁷ rows; taken off, never added


def log_e(differences: Floats, *, delta: float = 0.0) -> float:
    """Return log E for the hypothesis E[d] ≤ *delta*; evidence against it when large.

    *differences* has shape (n,), each within [-1, 1]: the champion's loss minus the challenger's,
    divided by the losses' bound. *delta*, the minimum gain in the same unit, lies in [0, 1).
    E = Σ_k w_k Π_i (1 + λ_k (dᵢ - δ)), equal weights, λ_k = GRID[k]/(1 + δ). Summed over sorted
    distinct values, so that a permutation of the rows gives the same bits. No rows: -1e-9.
    """
    values, counts = np.unique(differences, return_counts=True)
    return _mixture(
        [
            float(np.sum(counts * np.log1p(stake * (values - delta))))
            for stake in GRID / (1.0 + delta)
        ]
    )


def most(rows: int, *, delta: float = 0.0) -> float:
    """Return the largest log E that *rows* rows could give: a full win in each."""
    return _mixture([rows * math.log1p(s * (1.0 - delta)) for s in GRID / (1.0 + delta)])


def _mixture(logs: list[float]) -> float:
    top = max(logs)
    return top + math.log(math.fsum(math.exp(x - top) for x in logs) / len(logs)) - _SLACK
