"""A/A: how often does luck replace a champion by its equal, in the life of one holdout?

Every model is exactly as good as every other (true accuracy 0.8; any two disagree on a tenth of the
rows), so every promotion is a false one; a promoted challenger becomes the champion that the next
one meets. Prints, for each rule, how many chains had any false promotion, with the upper end of a
95 % Clopper–Pearson interval.

    python benchmarks/decision/aa.py [--chains 2000] [--looks 100] [--rows 2000] [--seed 0]
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from harness.decision.decide import Verdict, decide
from harness.decision.exact import log_p
from harness.decision.policy import Policy

ERROR = 0.05
ACCURACY = 0.8  # easy rows, that every model gets right, and half of the contested ones
EASY, HARD, CONTESTED = 0.7, 0.1, 0.2  # two coins disagree on half of the contested rows


@dataclass
class Rule:
    """A way to decide, and the champion that it led to in the chain at hand."""

    name: str
    promotes: Callable[[np.ndarray, np.ndarray, int, int], bool]
    wrong: np.ndarray = field(default_factory=lambda: np.empty(0))
    swaps: int = 0
    chains: int = 0
    first: int = 0
    total: int = 0
    shown: float = 0.0


def model(kinds: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return where one more such model errs: on hard rows, and on contested ones by a coin."""
    return (kinds >= EASY + CONTESTED) | ((kinds >= EASY) & (random.random(len(kinds)) < 0.5))


def mcnemar_each_time(champion: np.ndarray, challenger: np.ndarray) -> bool:
    wins, losses = int((champion & ~challenger).sum()), int((challenger & ~champion).sum())
    return log_p(wins, losses) <= math.log(0.05)


def gate(policy: Policy) -> Callable[[np.ndarray, np.ndarray, int, int], bool]:
    def promotes(champion: np.ndarray, challenger: np.ndarray, look: int, swaps: int) -> bool:
        decision = decide(
            champion.astype(float), challenger.astype(float), policy, look=look, promotions=swaps
        )
        return decision.verdict is Verdict.PROMOTE

    return promotes


def upper(hits: int, n: int) -> float:
    """Return the upper end of the two-sided 95 % Clopper–Pearson interval."""
    if hits == n:
        return 1.0

    def tail(chance: float) -> float:
        logs = [
            math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
            + k * math.log(chance) + (n - k) * math.log1p(-chance)
            for k in range(hits + 1)
        ]  # fmt: skip
        return math.fsum(math.exp(x) for x in logs)

    low, high = hits / n, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if tail(middle) > 0.025 else (low, middle)
    return high


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("chains", 2000), ("looks", 100), ("rows", 2000), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    exact = Policy(metric="accuracy", classes=2, looks=asked.looks, error=ERROR)
    # Brier on answers 0 and 1 is the error itself, so the same chains go through the e-value.
    betting = Policy(metric="brier", classes=2, looks=asked.looks, error=ERROR)
    rules = [
        Rule("new > old", lambda old, new, *_: bool(new.sum() < old.sum())),
        Rule("change >= 0.5 pp", lambda old, new, *_: bool(old.mean() - new.mean() >= 0.005)),
        Rule("McNemar p <= .05 each time", lambda old, new, *_: mcnemar_each_time(old, new)),
        Rule("this gate, exact McNemar", gate(exact)),
        Rule("this gate, e-value", gate(betting)),
    ]
    random = np.random.default_rng(asked.seed)
    began = time.monotonic()
    for _ in range(asked.chains):
        kinds = random.random(asked.rows)
        start = model(kinds, random)
        for rule in rules:
            rule.wrong, rule.swaps = start, 0
        for look in range(1, asked.looks + 1):
            challenger = model(kinds, random)
            for rule in rules:
                if rule.promotes(rule.wrong, challenger, look, rule.swaps):
                    rule.wrong, rule.swaps = challenger, rule.swaps + 1
                    rule.first += look == 1
        for rule in rules:
            rule.chains += rule.swaps > 0
            rule.total += rule.swaps
            rule.shown += 1 - rule.wrong.mean() - ACCURACY
    n = asked.chains
    print(f"{n} chains, {asked.looks} equal challengers each, {asked.rows} rows, seed {asked.seed}")
    print()
    print("| rule | false at first look | chains with any | at most | swaps | shown too high by |")
    print("| --- | --- | --- | --- | --- | --- |")
    for rule in rules:
        print(
            f"| {rule.name} | {rule.first / n:.2%} | {rule.chains} = {rule.chains / n:.2%} "
            f"| {upper(rule.chains, n):.2%} | {rule.total / n:.3f} | {rule.shown / n:+.2%} |"
        )
    print(f"\n{time.monotonic() - began:.0f} s; declared error of the gate: {ERROR:.0%}")


if __name__ == "__main__":
    main()
