"""A result as an in-toto Statement."""

from __future__ import annotations

import json

from harness.core import canonical
from harness.core.digest import hexadecimal
from harness.decision.decide import Verdict
from harness.ledger.attest import PREDICATE, statement
from harness.ledger.memory import MemoryLedger
from tests.ledger.scenes import MODEL, POLICY, clock, named, settled


def test_the_statement_is_about_the_image_that_was_promoted() -> None:
    """in-toto Statement v1: `_type`, `subject` with `digest`, `predicateType`, `predicate`."""
    ledger = MemoryLedger(clock=clock)
    result = settled(ledger, "a", Verdict.PROMOTE)

    made = statement(ledger.entries(), result)

    assert made["_type"] == "https://in-toto.io/Statement/v1"
    assert made["subject"] == [
        {"name": f"{MODEL}:1", "digest": {"sha256": hexadecimal(named("a"))}}
    ]
    assert made["predicateType"] == PREDICATE
    assert made["predicate"]["decision"]["verdict"] == "PROMOTE"
    assert made["predicate"]["policy"] == POLICY.body()
    assert json.loads(canonical.dumps(made)) == made


def test_it_shows_that_the_policy_came_first_by_entries_that_can_be_looked_up() -> None:
    ledger = MemoryLedger(clock=clock)
    settled(ledger, "a", Verdict.PROMOTE)
    result = settled(ledger, "b", Verdict.KEEP)
    by_number = {entry.number: entry.digest for entry in ledger.entries()}

    entries = statement(ledger.entries(), result)["predicate"]["entries"]

    numbers = [entries[kind]["number"] for kind in ("policy", "look", "result")]
    assert numbers == sorted(numbers) == [1, 4, 5]
    assert all(by_number[e["number"]] == e["digest"] for e in entries.values())


def test_a_challenger_that_was_not_promoted_has_no_number_in_its_name() -> None:
    ledger = MemoryLedger(clock=clock)
    result = settled(ledger, "a", Verdict.KEEP)

    made = statement(ledger.entries(), result)

    assert made["subject"][0]["name"] == MODEL
