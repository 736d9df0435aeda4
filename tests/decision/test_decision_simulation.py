"""A/A: challengers that are all exactly as good as the champion, one after the other.

The large run, with its table, is ``benchmarks/decision/aa.py``.
"""

from __future__ import annotations

import numpy as np

from harness.decision.decide import Verdict, decide
from harness.decision.policy import Policy

CHAINS, LOOKS, ROWS = 300, 40, 600


def model(kinds: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return where one of many equal models errs: accuracy 0.8, any two disagree on a tenth.

    70 % of the rows are easy, 10 % hard, and on the rest each model throws a coin.
    """
    return (kinds >= 0.9) | ((kinds >= 0.7) & (random.random(len(kinds)) < 0.5))


def false_chains(policy: Policy, *, naive: bool) -> int:
    random = np.random.default_rng(20)
    falsely = 0
    for _ in range(CHAINS):
        kinds = random.random(ROWS)
        champion, promotions = model(kinds, random), 0
        for look in range(1, LOOKS + 1):
            challenger = model(kinds, random)
            if naive:
                better = challenger.sum() < champion.sum()
            else:
                decision = decide(
                    champion.astype(float),
                    challenger.astype(float),
                    policy,
                    look=look,
                    promotions=promotions,
                )
                better = decision.verdict is Verdict.PROMOTE
            if better:
                champion, promotions = challenger, promotions + 1
        falsely += promotions > 0
    return falsely


def test_in_forty_looks_luck_wins_in_no_more_chains_than_the_error_allows() -> None:
    """Five percent of 300 is 15."""
    policy = Policy(metric="accuracy", classes=2, looks=LOOKS, error=0.05)

    assert false_chains(policy, naive=False) <= 15


def test_a_larger_declared_error_is_really_spent() -> None:
    """A gate that never promotes would pass the test above."""
    policy = Policy(metric="accuracy", classes=2, looks=LOOKS, error=0.9)

    assert 300 * 0.1 < false_chains(policy, naive=False) <= 300 * 0.9


def test_new_greater_than_old_lets_luck_win_in_nearly_every_chain() -> None:
    policy = Policy(metric="accuracy", classes=2, looks=LOOKS)

    assert false_chains(policy, naive=True) > 300 * 0.9
