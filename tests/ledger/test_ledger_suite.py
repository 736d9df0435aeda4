"""What every ledger does, whatever it is written on."""

from __future__ import annotations

import pytest

from harness.core.errors import LedgerInvalid, LedgerMoved
from harness.decision.decide import Verdict
from harness.ledger.chain import verify
from harness.ledger.entry import GENESIS, POLICY, ROLLBACK
from harness.ledger.ledger import Ledger
from tests.ledger.scenes import MODEL, named, opened, promoted, sealed, settled


def test_a_new_ledger_holds_the_genesis_and_nothing_else(ledger: Ledger) -> None:
    (genesis,) = ledger.entries()

    assert (genesis.number, genesis.kind, genesis.previous) == (0, GENESIS, None)
    assert genesis.time == "2026-01-02T12:00:00Z"


def test_what_was_appended_is_read_back_in_order_and_verified(ledger: Ledger) -> None:
    policy = sealed(ledger)
    look = opened(ledger, "a")
    result = settled(ledger, "a", Verdict.PROMOTE)

    entries = ledger.entries()

    assert entries[1:] == (policy, look, result)
    assert [e.number for e in entries] == [0, 1, 2, 3]
    verify(entries)


def test_an_append_on_another_head_moves_nothing(ledger: Ledger) -> None:
    head = ledger.entries()[-1].digest
    sealed(ledger)
    before = ledger.entries()

    with pytest.raises(LedgerMoved):
        ledger.append(POLICY, dict(before[1].body, holdout=named("november")), expected=head)

    assert ledger.entries() == before


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (GENESIS, {"schema": "harness.ledger/1"}),
        ("wish", {}),
        (POLICY, {}),
        (ROLLBACK, {"model": MODEL, "number": 9, "image": "sha256:0", "reason": "r"}),
    ],
)
def test_an_entry_that_breaks_a_rule_is_not_written(
    ledger: Ledger, kind: str, body: dict[str, object]
) -> None:
    promoted(ledger, "a")
    before = ledger.entries()

    with pytest.raises(LedgerInvalid, match=f"entry {len(before)} "):
        ledger.append(kind, body, expected=before[-1].digest)

    assert ledger.entries() == before
    assert promoted(ledger, "b").number == 2


def test_a_number_that_is_no_json_is_refused_before_anything_is_written(ledger: Ledger) -> None:
    before = ledger.entries()

    with pytest.raises(ValueError, match="JSON"):
        ledger.append(POLICY, {"model": float("nan")}, expected=before[-1].digest)

    assert ledger.entries() == before
