"""The four things that are ever recorded: seal a policy, open a look, settle it, roll back.

Each may be repeated after a kill at any moment: what is there already is returned, not written
twice. Each appends by compare-and-swap and, when somebody else was faster, reads again and judges
anew, so a race ends in one order that all agree on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.core import canonical
from harness.core.digest import Digest
from harness.core.errors import LedgerMoved, NoLooksLeft, PolicyChanged
from harness.decision.decide import Decision, Verdict
from harness.decision.policy import Policy, level, of_body
from harness.ledger import history
from harness.ledger.entry import LOOK, POLICY, RESULT, ROLLBACK, Entry
from harness.ledger.history import Champion
from harness.ledger.ledger import Ledger


def seal(
    ledger: Ledger,
    *,
    model: str,
    policy: Policy,
    holdout: Digest,
    target: str,
    described: Mapping[str, Any] | None = None,
    origin: Mapping[str, Any] | None = None,
) -> Entry:
    """Return the policy entry of this holdout, appending it when the holdout is new.

    *holdout* is the digest of the holdout's rows, whatever file or order they come in: a holdout
    has one policy, one model and one budget of looks for good. *described* and *origin* (commit,
    actor, data digests) are recorded with a new entry and not compared with an old one. Raises
    PolicyChanged when these rows were sealed with another policy, target or model.
    """
    body = {
        "model": model,
        "policy": policy.body(),
        "holdout": holdout,
        "target": target,
        "described": described,
        "origin": origin or {},
    }
    while True:
        entries = ledger.entries()
        sealed = next(
            (e for e in entries if e.kind == POLICY and e.body["holdout"] == holdout), None
        )
        if sealed is not None:
            _same(sealed, body)
            return sealed
        try:
            return ledger.append(POLICY, body, expected=entries[-1].digest)
        except LedgerMoved:
            continue


def look_key(*, policy: Entry, champion: Champion | None, challenger: Digest) -> Digest:
    """Return the key of a look: what is compared with what, under which policy entry."""
    return canonical.digest(
        {
            "policy": policy.digest,
            "champion": _named(champion),
            "challenger": challenger,
        }
    )


def open_look(
    ledger: Ledger,
    *,
    policy: Entry,
    champion: Champion | None,
    challenger: Digest,
    origin: Mapping[str, Any] | None = None,
) -> Entry:
    """Return the look at *challenger* against *champion*, appending it when it is a new one.

    Call it before any holdout label is read; the entry fixes the pair, the look's number and its
    level. The look that an earlier run opened, killed or not, is returned and spends nothing.
    *champion* is None before the first promotion, when the baseline is to be beaten. Raises
    LedgerMoved when *champion* is not in force any more, NoLooksLeft when none is left.
    """
    key = look_key(policy=policy, champion=champion, challenger=challenger)
    model, rules = policy.body["model"], of_body(policy.body["policy"])
    while True:
        entries = ledger.entries()
        if (known := history.find_look(entries, key)) is not None:
            return known
        _still(entries, model, champion)
        spent = history.looks_spent(entries, policy=policy)
        if spent >= rules.looks:
            raise NoLooksLeft(
                f"all {rules.looks} looks at this holdout of {model} are spent",
                hint="declare a holdout of new rows in [data]: it opens a new budget",
            )
        promotions = history.promotions(entries, policy=policy)
        body = {
            "model": model,
            "policy": policy.digest,
            "key": key,
            "look": spent + 1,
            "promotions": promotions,
            "level": level(rules, promotions=promotions),
            "champion": _named(champion),
            "challenger": challenger,
            "origin": origin or {},
        }
        try:
            return ledger.append(LOOK, body, expected=entries[-1].digest)
        except LedgerMoved:
            continue


def settle(
    ledger: Ledger, *, look: Entry, decision: Decision, evidence: Mapping[str, Any] | None = None
) -> Entry:
    """Return the result of *look*, appending it when it has none; PROMOTE numbers the challenger.

    *evidence* names what the verdict rests on (digests of lock, reports). Raises LedgerMoved when
    another challenger became champion while this look was open, whatever the decision says: its bit
    then stays unrecorded, so that every revealed bit is one the α-tree has counted.
    """
    model, key = look.body["model"], look.body["key"]
    while True:
        entries = ledger.entries()
        if (known := history.find_result(entries, key)) is not None:
            return known
        now = history.champion(entries, model)
        if _named(now) != look.body["champion"]:
            raise _moved(model, now)
        given = len(list(history.promoted_of(entries, model)))
        body = {
            "model": model,
            "key": key,
            "look": look.digest,
            "decision": decision.body(),
            "number": given + 1 if decision.verdict is Verdict.PROMOTE else None,
            "image": look.body["challenger"],
            "evidence": evidence or {},
        }
        try:
            return ledger.append(RESULT, body, expected=entries[-1].digest)
        except LedgerMoved:
            continue


def roll_back(
    ledger: Ledger, *, to: Champion, reason: str, origin: Mapping[str, Any] | None = None
) -> Entry | None:
    """Make an older number the champion again; None when it is the champion already.

    The number that was rolled back stays given: the next promotion gets a new one.
    """
    while True:
        entries = ledger.entries()
        now = history.champion(entries, to.model)
        if now is not None and now.number == to.number:
            return None
        body = {
            "model": to.model,
            "number": to.number,
            "image": to.image,
            "reason": reason,
            "origin": origin or {},
        }
        try:
            return ledger.append(ROLLBACK, body, expected=entries[-1].digest)
        except LedgerMoved:
            continue


def _named(champion: Champion | None) -> dict[str, Any] | None:
    return None if champion is None else {"number": champion.number, "image": champion.image}


def _still(entries: tuple[Entry, ...], model: str, champion: Champion | None) -> None:
    now = history.champion(entries, model)
    if _named(now) != _named(champion):
        raise _moved(model, now)


def _moved(model: str, now: Champion | None) -> LedgerMoved:
    return LedgerMoved(
        f"{model} has another champion since this run began: {now.name if now else 'none'}",
        hint="run the same command again: it compares with the new champion",
    )


def _same(sealed: Entry, declared: Mapping[str, Any]) -> None:
    """Raise PolicyChanged unless model, target and policy are the sealed ones."""
    old = {"model": sealed.body["model"], "target": sealed.body["target"], **sealed.body["policy"]}
    new = {"model": declared["model"], "target": declared["target"], **declared["policy"]}
    changed = [
        f"{name} was {old.get(name)} and is {new.get(name)}"
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]
    if changed:
        raise PolicyChanged(
            f"entry {sealed.number} sealed another policy for these holdout rows: "
            + "; ".join(changed),
            hint="put the sealed values back, or declare a holdout of new rows in [data]: "
            "it opens a new budget under a policy of its own",
        )
