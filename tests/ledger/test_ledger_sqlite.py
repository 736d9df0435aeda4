"""The SQLite door: killed, raced, damaged, missing."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import sqlite3
import subprocess
import sys
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from harness.core.errors import (
    HarnessError,
    LedgerInvalid,
    LedgerMissing,
    LedgerMoved,
    LedgerUnavailable,
)
from harness.decision.decide import Verdict
from harness.ledger import history, record, sqlite
from harness.ledger.chain import verify
from harness.ledger.entry import POLICY, Entry
from tests.ledger.scenes import MODEL, clock, decided, named, opened, promoted, sealed

ROOT = Path(__file__).parents[2]
RACERS = 20


def read(path: Path) -> tuple[Entry, ...]:
    with sqlite.open(path, create=False, clock=clock) as ledger:
        return ledger.entries()


def made(path: Path) -> tuple[Entry, ...]:
    with sqlite.open(path, create=True, clock=clock) as ledger:
        promoted(ledger, "a")
        promoted(ledger, "b")
        return ledger.entries()


APPENDER = """
import sys
from pathlib import Path
from harness.ledger import sqlite
from tests.ledger.scenes import clock, sealed
with sqlite.open(Path(sys.argv[1]), create=True, clock=clock) as ledger:
    while True:
        count = len(ledger.entries())
        print(sealed(ledger, holdout=f"holdout {count}").number, flush=True)
"""


def test_what_was_acknowledged_survives_kill_9_at_any_moment(tmp_path: Path) -> None:
    path, acknowledged = tmp_path / "new" / "ledger.db", 0
    for lines in (0, 1, 7, 30):
        appender = subprocess.Popen(
            [sys.executable, "-c", APPENDER, path],
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert appender.stdout is not None
        for _ in range(lines):
            acknowledged = int(appender.stdout.readline())

        appender.send_signal(signal.SIGKILL)
        told = appender.stdout.read().split(b"\n")
        appender.wait()

        acknowledged = max([acknowledged, *(int(number) for number in told[:-1])])
        if lines:
            entries = read(path)
            verify(entries)
            assert len(entries) >= acknowledged + 1
    assert acknowledged >= 38


def raced(path: Path, barrier: Barrier, name: str) -> bool:
    """Append our promotion on the head that all of us saw; tell whether we were the one."""
    with sqlite.open(path, create=False, clock=clock) as ledger:
        entries = ledger.entries()
        look = next(e for e in entries if e.body.get("challenger") == named(name))
        body = {
            "model": MODEL,
            "key": look.body["key"],
            "look": look.digest,
            "decision": decided(look, Verdict.PROMOTE).body(),
            "number": 1,
            "image": named(name),
        }
        barrier.wait()
        try:
            ledger.append("result", body, expected=entries[-1].digest)
        except LedgerMoved:
            return False
    return True


def settles(path: Path, barrier: Barrier, name: str) -> bool:
    """Do what a run of promote does; tell whether we became champion."""
    with sqlite.open(path, create=False, clock=clock) as ledger:
        look = opened(ledger, name)
        barrier.wait()
        try:
            record.settle(ledger, look=look, decision=decided(look, Verdict.PROMOTE))
        except LedgerMoved:
            return False
    return True


def child(work: object, path: Path, barrier: Barrier, name: str, won: object) -> None:
    won.put(work(path, barrier, name))  # type: ignore[operator, attr-defined]


@pytest.mark.parametrize("work", [raced, settles])
def test_of_twenty_promotions_at_once_exactly_one_wins(tmp_path: Path, work: object) -> None:
    for turn in range(2):
        path = tmp_path / f"{turn}.db"
        with sqlite.open(path, create=True, clock=clock) as ledger:
            sealed(ledger)
            if work is raced:
                for racer in range(RACERS):
                    opened(ledger, str(racer))
        fork = multiprocessing.get_context("fork")
        barrier, won = fork.Barrier(RACERS), fork.Queue()
        racers = [
            fork.Process(target=child, args=(work, path, barrier, str(racer), won))
            for racer in range(RACERS)
        ]
        for racer in racers:
            racer.start()
        wins = [won.get(timeout=60) for _ in racers]
        for racer in racers:
            racer.join()

        entries = read(path)

        assert wins.count(True) == 1
        assert history.champion(entries, MODEL).number == 1
        assert len([e for e in entries if e.kind == "look"]) == RACERS
        assert len(entries) == 2 + RACERS + 1


def test_two_processes_that_create_it_at_once_get_one_genesis(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with (
        sqlite.open(path, create=True, clock=clock) as one,
        sqlite.open(path, create=True, clock=clock) as other,
    ):
        sealed(one)

        assert other.entries() == one.entries()
        assert len(other.entries()) == 2


def test_no_flipped_bit_of_the_file_ever_yields_other_entries(tmp_path: Path) -> None:
    path, damaged = tmp_path / "ledger.db", tmp_path / "damaged.db"
    entries = made(path)
    whole = path.read_bytes()
    chosen = random.Random(7)
    spots = [whole.index(line_of(entry)) for entry in entries]
    in_bodies = [
        start + chosen.randrange(len(line_of(entry)))
        for start, entry in zip(spots, entries, strict=True)
        for _ in range(12)
    ]
    anywhere = [chosen.randrange(len(whole)) for _ in range(150)]
    found = 0

    for spot in (*in_bodies, *range(100), *anywhere):
        changed = bytearray(whole)
        changed[spot] ^= 1 << chosen.randrange(8)
        damaged.write_bytes(changed)
        try:
            seen = read(damaged)
        except (LedgerInvalid, LedgerUnavailable):
            found += 1
        else:
            assert seen == entries, f"byte {spot}"
            assert spot not in in_bodies, f"byte {spot}"

    assert found >= len(in_bodies)


def line_of(entry: Entry) -> bytes:
    from harness.ledger.entry import line

    return line(entry)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET line = 'x' WHERE number = 1",
        "DELETE FROM entries WHERE number = 1",
        "DELETE FROM entries",
        "INSERT OR REPLACE INTO entries VALUES (1, 'sha256:x', 'x')",
        "INSERT INTO entries VALUES (-1, 'sha256:x', 'x')",
        "INSERT INTO entries VALUES (99, 'sha256:x', 'x')",
    ],
)
def test_the_file_itself_refuses_to_change_an_entry(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "ledger.db"
    entries = made(path)
    by_hand = sqlite3.connect(path)

    with pytest.raises(sqlite3.IntegrityError, match="append-only"), by_hand:
        by_hand.execute(statement)

    by_hand.close()
    assert read(path) == entries


@pytest.mark.parametrize(
    ("statement", "number"),
    [
        ("UPDATE entries SET line = replace(line, 'PROMOTE', 'KEEP') WHERE number = 3", 3),
        ("DELETE FROM entries WHERE number = 2", 2),
        ("DELETE FROM entries WHERE number = 0", 0),
        ("DELETE FROM entries", 0),
        ("UPDATE entries SET number = number + 5 WHERE number > 3", 4),
        ("UPDATE entries SET number = -1 WHERE number = 5", 5),
        ("UPDATE entries SET digest = x'00ff' WHERE number = 4", 4),
        ("UPDATE entries SET line = '' WHERE number = 4", 4),
        ("UPDATE entries SET line = 12 WHERE number = 4", 4),
    ],
)
def test_who_drops_the_triggers_is_found_out_by_the_chain(
    tmp_path: Path, statement: str, number: int
) -> None:
    path = tmp_path / "ledger.db"
    made(path)
    by_hand = sqlite3.connect(path)
    with by_hand:
        for trigger in ("never_changed", "never_removed", "never_replaced"):
            by_hand.execute(f"DROP TRIGGER {trigger}")
        by_hand.execute(statement)
    by_hand.close()

    with pytest.raises(LedgerInvalid, match=f"entry {number} "):
        read(path)


def test_a_missing_ledger_is_not_made_up(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "ledger.db"

    with pytest.raises(LedgerMissing, match="no champion") as missing:
        read(path)

    assert "--new-ledger" in missing.value.hint
    assert not path.parent.exists()


def test_an_empty_file_is_a_missing_ledger_until_one_is_created_in_it(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.touch()

    with pytest.raises(LedgerMissing):
        read(path)
    with sqlite.open(path, create=True, clock=clock) as ledger:
        assert len(ledger.entries()) == 1


def other_database(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE birds (name TEXT)")
    connection.commit()
    connection.close()


def newer(path: Path) -> None:
    made(path)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 2")
    connection.close()


def cut_short(path: Path) -> None:
    made(path)
    path.write_bytes(path.read_bytes()[:5000])


@pytest.mark.parametrize("create", [True, False])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b"x"),
        lambda path: path.write_bytes(b"hello\n" * 1000),
        lambda path: path.write_bytes(bytes(4096)),
        lambda path: path.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000),
        other_database,
        newer,
        cut_short,
    ],
)
def test_what_is_no_ledger_is_refused_and_left_as_it_is(
    tmp_path: Path, spoil: object, create: bool
) -> None:
    path = tmp_path / "ledger.db"
    spoil(path)  # type: ignore[operator]
    before = path.read_bytes()

    with (
        pytest.raises(LedgerInvalid, match=r"ledger\.db is"),
        sqlite.open(path, create=create, clock=clock) as ledger,
    ):
        ledger.entries()

    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["ledger.db"]


def test_a_folder_is_no_ledger_and_says_so(tmp_path: Path) -> None:
    with (
        pytest.raises(HarnessError, match="can't be used"),
        sqlite.open(tmp_path, create=True, clock=clock),
    ):
        pass


def test_a_place_below_a_file_is_named_in_the_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with (
        pytest.raises(LedgerUnavailable, match=r"file.ledger\.db"),
        sqlite.open(tmp_path / "file" / "ledger.db", create=True, clock=clock),
    ):
        pass


def test_a_lock_that_nobody_lets_go_is_an_error_with_a_hint_and_writes_nothing(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ledger.db"
    entries = made(path)
    holder = sqlite3.connect(path, isolation_level=None)
    with sqlite.open(path, create=False, clock=clock, patience=0.05) as ledger:
        ledger.entries()
        holder.execute("BEGIN IMMEDIATE")

        with pytest.raises(LedgerUnavailable, match="locked") as refused:
            ledger.append(POLICY, {}, expected=entries[-1].digest)

        holder.execute("ROLLBACK")
        assert "holds it" in refused.value.hint
        assert promoted(ledger, "c").number == 3
    holder.close()


def test_a_reader_that_blocks_the_commit_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    made(path)
    reader = sqlite3.connect(path, isolation_level=None)
    with sqlite.open(path, create=False, clock=clock, patience=0.05) as ledger:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM entries").fetchone()

        with pytest.raises(LedgerUnavailable):
            sealed(ledger, holdout="november")
        reader.execute("COMMIT")

        assert len(ledger.entries()) == 6
        assert sealed(ledger, holdout="november").number == 6
    reader.close()
    assert len(read(path)) == 7


def test_the_ledger_is_one_file_when_nobody_writes(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with sqlite.open(path, create=True, clock=clock) as ledger:
        sealed(ledger)

        assert os.listdir(tmp_path) == ["ledger.db"]
