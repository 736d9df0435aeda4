"""A result as an attestation: an in-toto Statement v1 about the image that was decided on.

Only the JSON value: `harness.flows.evidence` writes it beside the image, and signs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.image import statement as statements
from harness.ledger.entry import Entry

PREDICATE = "urn:model-harness:decision:v1"


def statement(entries: Sequence[Entry], result: Entry) -> dict[str, Any]:
    """Return the Statement of a *result* entry of the ledger *entries*.

    The subject is the challenger's image by its sha256, named ``model:17`` when it was promoted.
    The predicate says what was decided by which rule at which level, and names the policy, look and
    result entries by number and digest: that the first number is smaller than the last shows that
    the policy came first, for whoever has the chain.
    """
    by_digest = {entry.digest: entry for entry in entries}
    look = by_digest[result.body["look"]]
    policy = by_digest[look.body["policy"]]
    model, number = result.body["model"], result.body["number"]
    return statements.statement(
        model if number is None else f"{model}:{number}",
        result.body["image"],
        PREDICATE,
        {
            "model": model,
            "number": number,
            "decision": result.body["decision"],
            "policy": policy.body["policy"],
            "holdout": policy.body["holdout"],
            "champion": look.body["champion"],
            "entries": {
                "policy": _entry(policy),
                "look": _entry(look),
                "result": _entry(result),
            },
            "decided": result.time,
            "origin": look.body.get("origin", {}),
            "evidence": result.body.get("evidence", {}),
        },
    )


def _entry(entry: Entry) -> dict[str, Any]:
    return {"number": entry.number, "digest": entry.digest}
