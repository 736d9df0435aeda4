"""The decision: one bit from two columns of losses.

Arithmetic on numbers already collected: it opens no file and draws no number. What it returns holds
the bit, the rule and the level, and nothing else that depends on a holdout label: a score, a
p-value or an interval would let trainers learn the holdout (docs/decision.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from harness.core.errors import DataInvalid
from harness.decision import evalue, exact
from harness.decision.guardrail import Guardrail, Outcome
from harness.decision.loss import Floats
from harness.decision.policy import Policy, level

MCNEMAR = "exact one-sided McNemar test"
EVALUE = "mixture e-value"


class Verdict(StrEnum):
    """What happens to the champion; UNDECIDED only for reasons that need no label."""

    PROMOTE = "PROMOTE"
    KEEP = "KEEP"
    UNDECIDED = "UNDECIDED"


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """A verdict, the *rule* that gave it, and the error *level* of this *look* of *looks*.

    *reason* is one sentence and holds no figure that comes from a holdout label.
    """

    verdict: Verdict
    rule: str
    level: float
    look: int
    looks: int
    reason: str
    guardrails: tuple[Guardrail, ...] = ()

    def body(self) -> dict[str, Any]:
        """Return the decision as a JSON value."""
        return {
            "verdict": self.verdict.value,
            "rule": self.rule,
            "level": self.level,
            "look": self.look,
            "looks": self.looks,
            "reason": self.reason,
            "guardrails": [g.body() for g in self.guardrails],
        }


def rule(policy: Policy) -> str:
    """Return the name of the test that *policy* asks for."""
    return MCNEMAR if policy.metric == "accuracy" and policy.minimum_gain == 0 else EVALUE


def rows_needed(policy: Policy, *, promotions: int) -> int:
    """Return the fewest rows with which a win in every row would reach the level.

    It counts rows and no labels, so it may be said before a look is spent.
    """
    wanted = -math.log(level(policy, promotions=promotions))
    high = 1
    while _most(policy, high) < wanted:
        high *= 2
    low = high // 2  # not enough (or 0)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _most(policy, middle) >= wanted else (middle, high)
    return high


def ready(
    policy: Policy,
    *,
    rows: int,
    look: int,
    promotions: int,
    guardrails: Sequence[Guardrail] = (),
) -> Decision | None:
    """Return what is decided without any label; None when the look is worth spending.

    Ask this before the look is recorded. KEEP when a guardrail is broken; UNDECIDED when one is
    inconclusive, when *look* (from 1) is beyond the policy's looks, and when *rows* are fewer than
    ``rows_needed``.
    """
    spent = look > policy.looks or promotions >= policy.looks
    alpha = 0.0 if spent else level(policy, promotions=promotions)

    def decision(verdict: Verdict, reason: str) -> Decision:
        return Decision(
            verdict=verdict,
            rule=rule(policy),
            level=alpha,
            look=look,
            looks=policy.looks,
            reason=reason,
            guardrails=tuple(guardrails),
        )

    for guardrail in guardrails:
        if guardrail.outcome is Outcome.BROKEN:
            return decision(
                Verdict.KEEP,
                f"{guardrail.name} is {guardrail.observed:,} {guardrail.unit}, "
                f"and {guardrail.limit:,} are allowed",
            )
    for guardrail in guardrails:
        if guardrail.outcome is Outcome.INCONCLUSIVE:
            return decision(
                Verdict.UNDECIDED, f"too few rows to tell whether {guardrail.name} holds"
            )
    if spent:
        return decision(
            Verdict.UNDECIDED, f"no looks left: all {policy.looks} of this holdout are spent"
        )
    if rows < (needed := rows_needed(policy, promotions=promotions)):
        return decision(
            Verdict.UNDECIDED,
            f"too few rows: with {rows:,} even a win in each could not reach level {alpha:.2g}; "
            f"at least {needed:,} are needed",
        )
    return None


def decide(
    champion: Floats,
    challenger: Floats,
    policy: Policy,
    *,
    look: int,
    promotions: int,
    guardrails: Sequence[Guardrail] = (),
) -> Decision:
    """Return whether the challenger replaces the champion.

    *champion* and *challenger* are the losses of the two on the same n rows, in the same order,
    shape (n,), within [0, policy.bound]. *look* and *promotions* are those that the ledger recorded
    when it opened this look. PROMOTE means: were the challenger not better than the champion by
    more than the minimum gain, on the population that the rows were drawn from, this would have
    happened with probability at most ``level``. Accuracy without a minimum gain takes the exact
    McNemar test, all else the mixture e-value.

    Raises DataInvalid for losses of different shapes, not finite, or out of bounds.
    """
    champion, challenger = _checked(champion, challenger, policy)
    rows = len(champion)
    early = ready(policy, rows=rows, look=look, promotions=promotions, guardrails=guardrails)
    if early is not None:
        return early
    alpha = level(policy, promotions=promotions)
    shown = _evidence(champion, challenger, policy) >= -math.log(alpha)
    better = f"better by more than {policy.minimum_gain:g}" if policy.minimum_gain else "better"
    return Decision(
        verdict=Verdict.PROMOTE if shown else Verdict.KEEP,
        rule=rule(policy),
        level=alpha,
        look=look,
        looks=policy.looks,
        reason=f"{'' if shown else 'not '}shown to be {better} in {policy.metric} on {rows:,} rows "
        f"at level {alpha:.2g}",
        guardrails=tuple(guardrails),
    )


def _evidence(champion: Floats, challenger: Floats, policy: Policy) -> float:
    """Return -log p or log E: what must reach -log(level)."""
    if rule(policy) == MCNEMAR:
        wins = int(np.count_nonzero(champion > challenger))
        losses = int(np.count_nonzero(champion < challenger))
        return -exact.log_p(wins, losses)
    differences = (champion - challenger) / policy.bound
    return evalue.log_e(differences, delta=policy.minimum_gain / policy.bound)


def _most(policy: Policy, rows: int) -> float:
    """Return the most that ``_evidence`` could be for *rows* rows."""
    if rule(policy) == MCNEMAR:
        return -exact.log_p(rows, 0)
    return evalue.most(rows, delta=policy.minimum_gain / policy.bound)


def _checked(champion: Floats, challenger: Floats, policy: Policy) -> tuple[Floats, Floats]:
    champion, challenger = (np.asarray(x, dtype=np.float64) for x in (champion, challenger))
    if champion.ndim != 1 or champion.shape != challenger.shape:
        raise DataInvalid(
            f"losses of shapes {champion.shape} and {challenger.shape} can't be paired row by row"
        )
    for name, values in (("champion", champion), ("challenger", challenger)):
        if not (np.isfinite(values).all() and ((values >= 0) & (values <= policy.bound)).all()):
            raise DataInvalid(f"a loss of the {name} is not within 0 and {policy.bound:g}")
        if policy.metric == "accuracy" and not ((values == 0) | (values == 1)).all():
            raise DataInvalid(
                f"a loss of the {name} is neither 0 nor 1, and the metric is accuracy"
            )
    return champion, challenger
