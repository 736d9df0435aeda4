"""Seal, look, settle, roll back: each repeatable, each judged anew when the ledger moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from harness.core.digest import Digest
from harness.core.errors import LedgerMoved, NoLooksLeft, PolicyChanged, UnknownModel
from harness.decision.decide import Verdict
from harness.decision.policy import level
from harness.ledger import history, record
from harness.ledger.entry import LOOK, RESULT, Entry
from harness.ledger.ledger import Ledger
from harness.ledger.memory import MemoryLedger
from tests.ledger.scenes import (
    MODEL,
    POLICY,
    clock,
    decided,
    named,
    opened,
    promoted,
    sealed,
    settled,
)


def of(ledger: Ledger, kind: str) -> list[Entry]:
    return [entry for entry in ledger.entries() if entry.kind == kind]


def test_sealing_twice_writes_once(ledger: Ledger) -> None:
    assert sealed(ledger) == sealed(ledger)
    assert len(ledger.entries()) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"policy": replace(POLICY, minimum_gain=0.001)},
        {"policy": replace(POLICY, looks=40)},
        {"policy": replace(POLICY, artifact_size=1)},
        {"target": "very_late"},
        {"model": "flights-delay-2"},
    ],
)
def test_rows_sealed_once_accept_no_other_policy_target_or_model(
    ledger: Ledger, change: dict[str, Any]
) -> None:
    sealed(ledger)
    declared = {"model": MODEL, "policy": POLICY, "holdout": named("october"), "target": "late"}

    with pytest.raises(PolicyChanged, match="entry 1 sealed another policy") as refused:
        record.seal(ledger, **{**declared, **change})

    assert next(iter(change)) in refused.value.message or "was" in refused.value.message
    assert len(ledger.entries()) == 2


def test_new_rows_open_a_new_budget_and_the_old_one_is_kept(ledger: Ledger) -> None:
    october = sealed(ledger)
    settled(ledger, "a", Verdict.KEEP)
    november = sealed(ledger, holdout="november")
    opened(ledger, "b", policy=november)

    entries = ledger.entries()

    assert history.looks_spent(entries, policy=october) == 1
    assert history.looks_spent(entries, policy=november) == 1
    assert history.sealed_policy(entries, MODEL) == november
    assert history.sealed_policy(entries, MODEL, holdout=named("october")) == october
    assert sealed(ledger) == october


def test_the_same_look_is_spent_once_killed_or_not(ledger: Ledger) -> None:
    first = opened(ledger, "a")
    again = opened(ledger, "a")
    result = settled(ledger, "a", Verdict.KEEP)

    assert first == again == opened(ledger, "a")
    assert settled(ledger, "a", Verdict.KEEP) == result
    assert len(of(ledger, LOOK)) == len(of(ledger, RESULT)) == 1


def test_a_look_fixes_its_pair_and_its_level_when_it_opens(ledger: Ledger) -> None:
    early = opened(ledger, "early")
    promoted(ledger, "a")
    late = opened(ledger, "late")

    assert early.body["champion"] is None
    assert early.body["level"] == level(POLICY, promotions=0)
    assert late.body["champion"] == {"number": 1, "image": named("a")}
    assert late.body["level"] == level(POLICY, promotions=1)
    assert (early.body["look"], late.body["look"]) == (1, 3)


def test_the_look_after_the_last_is_refused_with_the_way_out(ledger: Ledger) -> None:
    for number in range(POLICY.looks):
        opened(ledger, f"challenger {number}")

    with pytest.raises(NoLooksLeft, match="all 20 looks") as refused:
        opened(ledger, "one more")

    assert "new rows" in refused.value.hint
    assert opened(ledger, "challenger 3").body["look"] == 4


def test_promotions_are_numbered_in_a_row_and_replace_each_other(ledger: Ledger) -> None:
    assert [promoted(ledger, name).number for name in "abc"] == [1, 2, 3]
    assert history.champion(ledger.entries(), MODEL).image == named("c")


def test_a_kept_champion_stays_and_no_number_is_given(ledger: Ledger) -> None:
    champion = promoted(ledger, "a")

    result = settled(ledger, "b", Verdict.KEEP)

    assert result.body["number"] is None
    assert history.champion(ledger.entries(), MODEL) == champion


@pytest.mark.parametrize("verdict", [Verdict.PROMOTE, Verdict.KEEP])
def test_a_look_at_a_champion_that_was_replaced_meanwhile_reveals_no_bit(
    ledger: Ledger, verdict: Verdict
) -> None:
    slow = opened(ledger, "slow")
    promoted(ledger, "fast")
    before = ledger.entries()

    with pytest.raises(LedgerMoved, match=r"another champion since this run began: .*:1"):
        record.settle(ledger, look=slow, decision=decided(slow, verdict))

    assert ledger.entries() == before
    assert opened(ledger, "slow").body["look"] == 3


def test_a_run_that_began_before_a_promotion_opens_no_look(ledger: Ledger) -> None:
    policy = sealed(ledger)
    promoted(ledger, "a")

    with pytest.raises(LedgerMoved):
        record.open_look(ledger, policy=policy, champion=None, challenger=named("b"))


def test_rolling_back_names_an_older_number_and_the_next_promotion_gets_a_new_one(
    ledger: Ledger,
) -> None:
    first = promoted(ledger, "a")
    promoted(ledger, "b")

    record.roll_back(ledger, to=first, reason="alarms")

    assert history.champion(ledger.entries(), MODEL) == first
    assert promoted(ledger, "c").number == 3


def test_rolling_back_to_the_champion_writes_nothing(ledger: Ledger) -> None:
    champion = promoted(ledger, "a")

    assert record.roll_back(ledger, to=champion, reason="habit") is None
    assert len(ledger.entries()) == 4


def test_a_challenger_may_come_back_after_a_rollback(ledger: Ledger) -> None:
    """The champion's number is part of a look's key: no look is stuck with an old champion."""
    first = promoted(ledger, "a")
    promoted(ledger, "b")
    record.roll_back(ledger, to=first, reason="alarms")
    assert opened(ledger, "a again").body["champion"]["number"] == 1

    again = promoted(ledger, "a third")
    record.roll_back(ledger, to=first, reason="alarms")

    assert again.number == 3
    assert settled(ledger, "d", Verdict.PROMOTE).body["number"] == 4


def test_names_are_found_by_number_or_alone(ledger: Ledger) -> None:
    first, second = promoted(ledger, "a"), promoted(ledger, "b")
    entries = ledger.entries()

    assert history.numbered(entries, f"{MODEL}:1") == first
    assert history.numbered(entries, MODEL) == second
    assert first.name == f"{MODEL}:1"


@pytest.mark.parametrize(
    ("reference", "hint"),
    [
        ("flights-delay:3", "flights-delay:1 to flights-delay:1"),
        ("flights-delay:", "flights-delay:1 to"),
        ("flights-delay:01", "flights-delay:1 to"),
        ("penguins", "the ledger knows flights-delay"),
    ],
)
def test_a_name_that_nobody_has_says_which_there_are(
    ledger: Ledger, reference: str, hint: str
) -> None:
    promoted(ledger, "a")

    with pytest.raises(UnknownModel, match=f"the ledger has no {reference}") as unknown:
        history.numbered(ledger.entries(), reference)

    assert hint in unknown.value.hint


def test_two_models_have_their_own_champions_in_one_ledger(ledger: Ledger) -> None:
    promoted(ledger, "a")
    sealed(ledger, model="penguins", holdout="islands")

    assert history.champion(ledger.entries(), "penguins") is None


class Contested:
    """A ledger where, before each of our first appends, somebody else appends."""

    def __init__(self, inner: Ledger, rivals: int) -> None:
        self.inner, self.rivals = inner, rivals

    def entries(self) -> tuple[Entry, ...]:
        return self.inner.entries()

    def append(self, kind: str, body: Mapping[str, Any], *, expected: Digest) -> Entry:
        if self.rivals:
            self.rivals -= 1
            sealed(self.inner, holdout=f"rival {self.rivals}", model=f"model {self.rivals}")
        return self.inner.append(kind, body, expected=expected)


def test_who_loses_a_race_about_something_else_tries_again() -> None:
    ledger = Contested(MemoryLedger(clock=clock), rivals=3)

    champion = promoted(ledger, "a")

    assert champion.number == 1
    assert ledger.rivals == 0
    assert len(ledger.entries()) == 1 + 3 + 3
