"""A/A: challengers that are all exactly as good as the champion, one after the other.

The large run, with its table, is ``benchmarks/decision/aa.py``.
"""

from __future__ import annotations

import numpy as np

from harness.decision.decide import Verdict, decide
from harness.decision.policy import Policy

CHAINS, LOOKS, ROWS = 300, 40, 400


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


def attacks_that_pass(*, scores_leak: bool, runs: int = 30) -> int:
    """Return how often the vote of 99 random classifiers, true accuracy ½, beats a champion of ½.

    The attack of Blum and Hardt (2015): turn around each classifier that seemed below chance, then
    let all of them vote (an odd number: no ties). What seems so comes from the holdout's scores, or
    only from who was promoted.
    """
    policy = Policy(metric="accuracy", classes=2, looks=100, error=0.05)
    random = np.random.default_rng(42)
    passed = 0
    for _ in range(runs):
        champion, promotions = random.random(2000) < 0.5, 0
        tried = random.random((99, 2000)) < 0.5
        if scores_leak:
            seen = tried.mean(axis=1) > 0.5
        else:
            decisions = [
                decide(champion.astype(float), one.astype(float), policy, look=i, promotions=0)
                for i, one in enumerate(tried, 1)
            ]
            seen = np.array([d.verdict is not Verdict.PROMOTE for d in decisions])
            promotions = int((~seen).sum())
        vote = (tried ^ seen[:, None]).mean(axis=0) > 0.5
        final = decide(
            champion.astype(float), vote.astype(float), policy, look=100, promotions=promotions
        )
        passed += final.verdict is Verdict.PROMOTE
    return passed


def test_scores_would_let_random_classifiers_through_and_bits_do_not() -> None:
    assert attacks_that_pass(scores_leak=True) > 20
    assert attacks_that_pass(scores_leak=False) == 0
