"""What follows from a ledger's entries: the champion, the looks spent, who was number 17.

Nothing here is stored anywhere: all is read off the entries, which are verified already.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.core.digest import Digest
from harness.core.errors import UnknownModel
from harness.decision.decide import Verdict
from harness.ledger.entry import LOOK, POLICY, RESULT, ROLLBACK, Entry


@dataclass(frozen=True, kw_only=True, slots=True)
class Champion:
    """An image that was promoted: *number* of its *model*, by the result *entry*."""

    model: str
    number: int
    image: Digest
    entry: Entry

    @property
    def name(self) -> str:
        """What people write: ``flights-delay:17``."""
        return f"{self.model}:{self.number}"


def champion(entries: Sequence[Entry], model: str) -> Champion | None:
    """Return the champion in force: the last one promoted or rolled back to; None before any."""
    promoted = {c.number: c for c in promoted_of(entries, model)}
    for entry in reversed(entries):
        if entry.body.get("model") != model:
            continue
        if entry.kind == ROLLBACK or (entry.kind == RESULT and entry.body["number"] is not None):
            return promoted[entry.body["number"]]
    return None


def promoted_of(entries: Sequence[Entry], model: str) -> Iterator[Champion]:
    """Yield every image of *model* that was ever promoted, number 1 first."""
    for entry in entries:
        body = entry.body
        if entry.kind == RESULT and body["model"] == model and body["number"] is not None:
            yield Champion(model=model, number=body["number"], image=body["image"], entry=entry)


def numbered(entries: Sequence[Entry], reference: str) -> Champion:
    """Return what ``name:17`` names, or the champion for a bare ``name``; raises UnknownModel."""
    model, colon, number = reference.partition(":")
    known = {str(c.number): c for c in promoted_of(entries, model)}
    found = known.get(number) if colon else champion(entries, model)
    if found is None:
        names = sorted({e.body["model"] for e in entries if "model" in e.body})
        raise UnknownModel(
            f"the ledger has no {reference}",
            hint=f"{model} has {model}:1 to {model}:{len(known)}"
            if known
            else f"nothing is promoted yet of {model}; "
            f"the ledger knows {', '.join(names) or 'no model'}",
        )
    return found


def sealed_policy(
    entries: Sequence[Entry], model: str, *, holdout: Digest | None = None
) -> Entry | None:
    """Return the policy entry of *model*: for *holdout* where given, else the latest one."""
    for entry in reversed(entries):
        mine = entry.kind == POLICY and entry.body["model"] == model
        if mine and holdout in (None, entry.body["holdout"]):
            return entry
    return None


def looks_spent(entries: Sequence[Entry], *, policy: Entry) -> int:
    """Return how many looks were opened under a policy entry, with or without a result."""
    return sum(1 for e in entries if e.kind == LOOK and e.body["policy"] == policy.digest)


def promotions(entries: Sequence[Entry], *, policy: Entry) -> int:
    """Return how many promotions there were under a policy entry."""
    keys = {e.body["key"] for e in entries if e.kind == LOOK and e.body["policy"] == policy.digest}
    return sum(
        1
        for e in entries
        if e.kind == RESULT
        and e.body["key"] in keys
        and e.body["decision"]["verdict"] == Verdict.PROMOTE
    )


def find_look(entries: Sequence[Entry], key: Digest) -> Entry | None:
    """Return the look that was opened with *key*, or None."""
    return next((e for e in entries if e.kind == LOOK and e.body["key"] == key), None)


def find_result(entries: Sequence[Entry], key: Digest) -> Entry | None:
    """Return the result of the look with *key*, or None."""
    return next((e for e in entries if e.kind == RESULT and e.body["key"] == key), None)
