"""What happens to a ledger in many tests: a sealed policy, looks, a promotion."""

from __future__ import annotations

from datetime import UTC, datetime

from harness.core.digest import Digest, of_bytes
from harness.decision.decide import Decision, Verdict
from harness.decision.policy import Policy
from harness.ledger import record
from harness.ledger.entry import Entry
from harness.ledger.history import Champion, champion
from harness.ledger.ledger import Ledger

MODEL = "flights-delay"
POLICY = Policy(metric="log_loss", classes=2, minimum_gain=0.005, looks=20)


def clock() -> datetime:
    """Return noon of one day, always."""
    return datetime(2026, 1, 2, 12, tzinfo=UTC)


def named(name: str) -> Digest:
    """Return a digest that stands for the thing *name*."""
    return of_bytes(name.encode())


def sealed(ledger: Ledger, *, holdout: str = "october", model: str = MODEL) -> Entry:
    """Return the policy entry of a holdout."""
    return record.seal(
        ledger, model=model, policy=POLICY, holdout=named(holdout), target="late", described=None
    )


def opened(ledger: Ledger, challenger: str, *, policy: Entry | None = None) -> Entry:
    """Return an open look at *challenger*, against the champion in force."""
    policy = policy or sealed(ledger)
    return record.open_look(
        ledger,
        policy=policy,
        champion=champion(ledger.entries(), policy.body["model"]),
        challenger=named(challenger),
        origin={"commit": "4be1c02"},
    )


def decided(look: Entry, verdict: Verdict) -> Decision:
    """Return a decision for *look*, as the decision room would word it."""
    return Decision(
        verdict=verdict,
        rule="mixture e-value",
        level=look.body["level"],
        look=look.body["look"],
        looks=POLICY.looks,
        reason="shown to be better" if verdict is Verdict.PROMOTE else "not shown to be better",
    )


def settled(ledger: Ledger, challenger: str, verdict: Verdict) -> Entry:
    """Return the result of a look at *challenger*."""
    look = opened(ledger, challenger)
    return record.settle(ledger, look=look, decision=decided(look, verdict))


def promoted(ledger: Ledger, challenger: str) -> Champion:
    """Return the champion that *challenger* became."""
    settled(ledger, challenger, Verdict.PROMOTE)
    now = champion(ledger.entries(), MODEL)
    assert now is not None
    return now
