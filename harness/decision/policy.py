"""The policy: what "better" means and how often luck may win, fixed before any result exists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from math import comb, inf, nextafter
from typing import Any

from harness.core.errors import SpecInvalid
from harness.decision import loss
from harness.spec.project import Guardrails, Success

MOST_LOOKS = 500  # beyond this a level of the α-tree could underflow a float64


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """What a challenger must show, and the error that all looks at one holdout share.

    *metric* over *classes* classes, *clip* for log_loss only; *minimum_gain* in the metric's unit;
    *error* the probability of any false promotion in *looks* looks; *artifact_size* in bytes.
    Raises SpecInvalid, listing every setting that can't be.
    """

    metric: str
    classes: int
    minimum_gain: float = 0.0
    clip: float = 1e-3
    baseline: str = "prior"
    name: str = "frozen"
    error: float = 0.05
    looks: int = 40
    artifact_size: int | None = None

    def __post_init__(self) -> None:
        if problems := _problems(self):
            raise SpecInvalid("the policy can't be\n" + "\n".join(f"  {p}" for p in problems))

    @property
    def bound(self) -> float:
        """The largest loss of a row, in the metric's unit."""
        return loss.bound(self.metric, classes=self.classes, clip=self.clip)

    def body(self) -> dict[str, Any]:
        """Return the policy as the JSON value that is sealed in the ledger.

        *clip* is None unless the metric uses it: changing it must not look like another policy.
        """
        body = asdict(self)
        if self.metric != "log_loss":
            body["clip"] = None
        return body


def of_project(success: Success, guardrails: Guardrails, *, classes: int) -> Policy:
    """Return the policy that a project declares for a model of *classes* classes."""
    return Policy(
        metric=success.metric,
        classes=classes,
        minimum_gain=success.minimum_gain,
        clip=success.clip,
        baseline=success.baseline,
        name=success.policy,
        error=success.error,
        looks=success.looks,
        artifact_size=guardrails.artifact_size,
    )


def of_body(body: Mapping[str, Any]) -> Policy:
    """Return the policy whose ``body()`` this is; raises TypeError when it is no such body."""
    return Policy(**{key: value for key, value in body.items() if value is not None})


def level(policy: Policy, *, promotions: int) -> float:
    """Return the level α of a look opened after *promotions* promotions on the same holdout.

    The α-tree: level = error · w_j / C(K, j+1), for j earlier promotions and K looks, with
    w = (.8, .1, .05, .025, …), which never sums to more than one.

    Why any false promotion in the life of a holdout then has probability at most *error*, whatever
    the trainers do, as long as the only thing they learn of the holdout is who was promoted:

    1. Fix everything that doesn't come from the holdout (seeds, other data, people's moods). What
       the trainers propose at a look is then a function of the bits revealed so far. Their whole
       adaptive strategy is a binary tree, and the tree was fixed before the holdout was drawn.
    2. At each node champion and challenger are therefore fixed models, compared on rows that they
       were not chosen by: if the challenger is not better there, the test accepts it with
       probability at most the node's level.
    3. Look t has at most C(t-1, j) nodes with j earlier promotions, and the sum over t = 1 … K is
       C(K, j+1) (hockey stick). So all nodes together spend
       Σ_j C(K, j+1) · error · w_j / C(K, j+1) = error · Σ_j w_j ≤ error (union bound; the nodes
       need not be independent, and no noise is added).

    A look whose result is still out when the next one opens only shortens the string of revealed
    bits. On every path look t opens once, so the strings at which it opens are prefix-free, and
    padding each with "not promoted" up to length t-1 keeps them distinct with the same j: step 3
    holds, provided that a look's pair and level are fixed when it opens. The ledger sees to that.

    The counting is that of Blum and Hardt, "The Ladder" (2015, arXiv:1502.04585). Rounded down, so
    that the float64 levels keep the bound too. Raises ValueError when *promotions* leaves no look.
    """
    if not 0 <= promotions < policy.looks:
        raise ValueError(f"{promotions} promotions in {policy.looks} looks leave no look")
    exact = Fraction(policy.error) * _weight(promotions) / comb(policy.looks, promotions + 1)
    rounded = float(exact)
    return nextafter(rounded, -inf) if Fraction(rounded) > exact else rounded


def _weight(promotions: int) -> Fraction:
    if promotions == 0:
        return Fraction(4, 5)
    return Fraction(1, 10 * 2 ** (promotions - 1))


def _problems(policy: Policy) -> list[str]:
    problems = []
    known = policy.metric in loss.METRICS
    if not known:
        problems.append(f"success.metric: expected one of {', '.join(loss.METRICS)}")
    if policy.classes < 2:
        problems.append("contract.outputs.labels: expected two labels or more")
    clip_fits = policy.clip > 0 and policy.clip * max(policy.classes, 2) < 1
    if policy.metric == "log_loss" and not clip_fits:
        problems.append("success.clip: expected more than 0 and less than 1 / number of labels")
    elif known and not 0 <= policy.minimum_gain < policy.bound:
        problems.append(
            f"success.minimum_gain: expected 0 or more and less than {policy.bound:g}, "
            f"the largest {policy.metric} of a row"
        )
    if policy.baseline != "prior":
        problems.append("success.baseline: expected prior")
    if policy.name != "frozen":
        problems.append("success.policy: expected frozen")
    if not 0 < policy.error < 1:
        problems.append("success.error: expected a probability between 0 and 1")
    if not 1 <= policy.looks <= MOST_LOOKS:
        problems.append(f"success.looks: expected 1 to {MOST_LOOKS}")
    if policy.artifact_size is not None and policy.artifact_size < 0:
        problems.append("guardrails.artifact_size: expected 0 bytes or more")
    return problems
