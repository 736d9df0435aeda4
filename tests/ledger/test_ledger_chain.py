"""The rules: each broken once, by somebody who seals every entry properly otherwise."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.errors import LedgerInvalid
from harness.decision.decide import Verdict
from harness.ledger import entry as lines
from harness.ledger import record
from harness.ledger.chain import verify
from harness.ledger.entry import POLICY, Entry, line, parse
from harness.ledger.memory import MemoryLedger
from tests.ledger.scenes import clock, named, opened, promoted, settled

Change = Callable[[list[Entry]], list[Entry]]


def story() -> list[Entry]:
    """Genesis, policy, look, PROMOTE, look, KEEP, look, PROMOTE, rollback, open look: 0 to 9."""
    ledger = MemoryLedger(clock=clock)
    first = promoted(ledger, "a")
    settled(ledger, "b", Verdict.KEEP)
    promoted(ledger, "c")
    record.roll_back(ledger, to=first, reason="alarms")
    opened(ledger, "d")
    return list(ledger.entries())


STORY = story()


def resealed(entries: list[Entry]) -> list[Entry]:
    """Return *entries* with numbers, links and digests put right: a forger's best work.

    References from one entry to another's digest (a look's policy, a result's look) are mended too.
    """
    done: list[Entry] = []
    now: dict[str, str] = {}
    for number, old in enumerate(entries):
        body = {
            name: now.get(value, value) if isinstance(value, str) else value
            for name, value in old.body.items()
        }
        fresh = lines.sealed(
            number=number,
            kind=old.kind,
            time=old.time,
            body=body,
            previous=done[-1].digest if done else None,
        )
        now[old.digest] = fresh.digest
        done.append(fresh)
    return done


def with_body(number: int, /, **changes: Any) -> Change:
    def change(entries: list[Entry]) -> list[Entry]:
        body = {**entries[number].body, **changes}
        return [*entries[:number], replace(entries[number], body=body), *entries[number + 1 :]]

    return change


def without(number: int) -> Change:
    return lambda entries: entries[:number] + entries[number + 1 :]


def swapped(one: int, other: int) -> Change:
    def change(entries: list[Entry]) -> list[Entry]:
        entries = list(entries)
        entries[one], entries[other] = entries[other], entries[one]
        return entries

    return change


def repeated(number: int) -> Change:
    return lambda entries: [*entries, entries[number]]


def decision(number: int, /, **changes: Any) -> Change:
    return with_body(number, decision={**STORY[number].body["decision"], **changes})


def test_the_story_holds() -> None:
    verify(STORY)
    verify(resealed(STORY))
    assert resealed(STORY) == STORY


@pytest.mark.parametrize(
    ("change", "number", "why"),
    [
        (without(1), 1, "no earlier entry seals its policy"),
        (swapped(1, 2), 1, "no earlier entry seals its policy"),
        (without(2), 2, "no earlier entry opens its look"),
        (swapped(2, 3), 2, "no earlier entry opens its look"),
        (without(3), 3, "0 promotions came before it"),
        (without(8), 8, "its champion is not the one in force"),
        (repeated(1), 10, "entry 1 sealed a policy for the same holdout"),
        (repeated(2), 10, "entry 2 has its key"),
        (repeated(3), 10, "its look has a result already"),
        (repeated(8), 10, "is the champion already"),
        (repeated(0), 10, "the first entry is the genesis"),
        (without(0), 0, "the first entry is the genesis"),
        (with_body(0, schema="harness.ledger/2"), 0, "its schema"),
        (with_body(1, model="penguins"), 2, "no earlier entry seals its policy"),
        (with_body(1, policy={"metric": "luck", "classes": 2}), 1, "it holds no policy"),
        (with_body(1, policy={"metrics": "accuracy"}), 1, "it holds no policy"),
        (with_body(1, policy={"metric": "accuracy", "classes": "2"}), 1, "it holds no policy"),
        (with_body(1, holdout=None), 1, "no holdout"),
        (with_body(2, look=2), 2, "it is look 2, after 0 of 20"),
        (with_body(4, look=1), 4, "it is look 1, after 1 of 20"),
        (with_body(2, look=True), 2, "no look"),
        (with_body(2, promotions=1), 2, "0 promotions came before it"),
        (with_body(2, level=0.05), 2, "its level is not what the sealed policy gives"),
        (with_body(4, champion=None), 4, "its champion is not the one in force"),
        (with_body(3, image=named("x")), 3, "its image is not the challenger"),
        (with_body(3, number=2), 3, "the number it gives is 2, not 1"),
        (with_body(3, number=None), 3, "the number it gives is None, not 1"),
        (with_body(5, number=2), 5, "the number it gives is 2, not None"),
        (with_body(3, look=named("x")), 3, "no earlier entry opens its look"),
        (with_body(3, model="penguins"), 3, "no earlier entry opens its look"),
        (decision(3, verdict="LUCKY"), 3, "its verdict is none"),
        (decision(3, verdict=["PROMOTE"]), 3, "its verdict is none"),
        (decision(3, level=0.05), 3, "its level or number"),
        (decision(3, look=7), 3, "its level or number"),
        (with_body(8, number=3), 8, "no earlier entry gave 3"),
        (with_body(8, image=named("x")), 8, "no earlier entry gave 1"),
        (with_body(8, number=2, image=named("c")), 8, "2 is the champion already"),
    ],
)
def test_a_ledger_that_means_nonsense_is_found_out(change: Change, number: int, why: str) -> None:
    forged = resealed(change(STORY))

    with pytest.raises(LedgerInvalid, match=f"entry {number} of the ledger is wrong: .*{why}"):
        verify(forged)


def test_a_result_for_a_champion_no_longer_in_force_is_found_out() -> None:
    """Looks 2 and 3 both meet champion 1; the KEEP of look 2 comes after look 3 promoted."""
    ledger = MemoryLedger(clock=clock)
    promoted(ledger, "a")
    opened(ledger, "b")
    promoted(ledger, "c")
    entries = list(ledger.entries())
    late = {**STORY[5].body, "look": entries[4].digest}

    forged = resealed([*entries, replace(STORY[5], body=late)])

    with pytest.raises(LedgerInvalid, match=r"entry 7 .* no longer in force"):
        verify(forged)


def test_a_look_beyond_the_budget_is_found_out() -> None:
    ledger = MemoryLedger(clock=clock)
    for number in range(20):
        opened(ledger, f"challenger {number}")
    entries = list(ledger.entries())
    one_more = replace(
        entries[-1], body={**entries[-1].body, "look": 21, "key": named("fresh key")}
    )

    with pytest.raises(LedgerInvalid, match=r"entry 22 .* it is look 21, after 20 of 20"):
        verify(resealed([*entries, one_more]))


@pytest.mark.parametrize("number", range(len(STORY)))
def test_an_entry_changed_without_its_digest_is_the_first_wrong_one(number: int) -> None:
    entries = list(STORY)
    entries[number] = replace(entries[number], time="2026-01-03T12:00:00Z")

    with pytest.raises(LedgerInvalid, match=f"entry {number} .* digest is not that of its line"):
        verify(entries)


@pytest.mark.parametrize("number", range(len(STORY) - 1))
def test_an_entry_rewritten_with_its_digest_breaks_the_next_link(number: int) -> None:
    old = STORY[number]
    entries = list(STORY)
    entries[number] = lines.sealed(
        number=old.number,
        kind=old.kind,
        time="2026-01-03T12:00:00Z",
        body=old.body,
        previous=old.previous,
    )

    with pytest.raises(LedgerInvalid, match=f"entry {number + 1} "):
        verify(entries)


def test_nothing_is_no_ledger() -> None:
    with pytest.raises(LedgerInvalid, match="not even a genesis"):
        verify([])


@pytest.mark.parametrize("entry", STORY, ids=lambda e: f"{e.number}-{e.kind}")
def test_a_line_is_read_back_as_it_was_written(entry: Entry) -> None:
    assert parse(line(entry), entry.digest, number=entry.number) == entry


@settings(max_examples=300)
@given(st.integers(0, len(STORY) - 1), st.data())
def test_one_flipped_bit_in_a_line_is_found_in_that_entry(number: int, data: st.DataObject) -> None:
    text = bytearray(line(STORY[number]))
    bit = data.draw(st.integers(0, len(text) * 8 - 1))
    text[bit // 8] ^= 1 << bit % 8

    with pytest.raises(LedgerInvalid, match=f"entry {number} "):
        verify(
            [
                *STORY[:number],
                parse(bytes(text), STORY[number].digest, number=number),
                *STORY[number + 1 :],
            ]
        )


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"7",
        b"[" * 100_000,
        b"\xff",
        b'{"a": 1}',
        b'{"body":{},"kind":"look","number":1,"number":1,"previous":null,"time":""}',
        b'{"body":{},"kind":7,"number":1,"previous":null,"time":""}',
        b'{"body":[],"kind":"look","number":1,"previous":null,"time":""}',
        b'{"body":{"x":1E400},"kind":"look","number":1,"previous":null,"time":""}',
    ],
)
def test_a_line_that_nobody_wrote_is_refused_without_a_traceback(text: bytes) -> None:
    with pytest.raises(LedgerInvalid, match=r"entry 1 .* not what was written"):
        parse(text, named("x"), number=1)


def test_ten_thousand_entries_are_verified_in_two_seconds() -> None:
    ledger = MemoryLedger(clock=clock)
    head = ledger.entries()[0].digest
    for number in range(10_000):
        body = {**STORY[1].body, "model": f"model {number}", "holdout": named(str(number))}
        head = ledger.append(POLICY, body, expected=head).digest
    entries = ledger.entries()
    began = time.process_time()

    verify(entries)

    assert time.process_time() - began < 2
