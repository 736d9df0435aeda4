"""A ledger in one SQLite file (standard library): many processes at once, killed at any moment.

A rollback journal and ``synchronous = EXTRA``: an appended entry has reached the disk, and the
ledger is a single file whenever nobody writes. Triggers refuse to change or remove an entry; who
drops them is found out by the chain.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.core.digest import Digest
from harness.core.errors import (
    HarnessError,
    LedgerInvalid,
    LedgerMissing,
    LedgerMoved,
    LedgerUnavailable,
)
from harness.ledger import entry as lines
from harness.ledger.chain import Chain
from harness.ledger.entry import GENESIS, SCHEMA, Entry
from harness.world.clock import Clock, stamp

_APPLICATION = 0x4861726E  # "Harn", as file(1) may show it
_VERSION = 1
_TABLES = (
    f"PRAGMA application_id = {_APPLICATION}",
    f"PRAGMA user_version = {_VERSION}",
    "CREATE TABLE entries (number INTEGER PRIMARY KEY, digest TEXT NOT NULL, line TEXT NOT NULL)",
    "CREATE TRIGGER never_changed BEFORE UPDATE ON entries "
    "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END",
    "CREATE TRIGGER never_removed BEFORE DELETE ON entries "
    "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END",
    # An INSERT OR REPLACE would otherwise remove a row without asking the trigger above.
    "CREATE TRIGGER never_replaced BEFORE INSERT ON entries "
    "WHEN NEW.number IS NOT (SELECT count(*) FROM entries) "
    "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END",
)
_MAGIC = b"SQLite format 3\0"
_BEFORE_ALL = -(2**63)


@contextmanager
def open(
    path: Path, *, create: bool, clock: Clock, patience: float = 60.0
) -> Iterator[SqliteLedger]:
    """Give the ledger at *path*, making a new one if there is none and *create* allows it.

    *patience* is how many seconds to wait for another process's lock. Raises LedgerMissing,
    LedgerInvalid (not a ledger, or damaged: the file is left as it is) or LedgerUnavailable.
    """
    if not create and not (path.is_file() and path.stat().st_size):
        raise LedgerMissing(
            f"there is no ledger at {path}, and a new one would have no champion and no look spent",
            hint="restore it; or, if there never was one, begin it with "
            '`harness promote --new-ledger` or create = "always" in [ledger]',
        )
    with _explained(path):
        if create:
            path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file() and _other_file(path):
            raise _no_ledger(path, "no database")
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={'rwc' if create else 'rw'}",
            uri=True,
            timeout=patience,
            isolation_level=None,
        )
    try:
        with _explained(path):
            _prepare(connection, path, clock, create=create)
        yield SqliteLedger(connection, path=path, clock=clock)
    finally:
        connection.close()


class SqliteLedger:
    """An open ledger file; use ``open``."""

    def __init__(self, connection: sqlite3.Connection, *, path: Path, clock: Clock) -> None:
        self._connection = connection
        self._path = path
        self._clock = clock
        self._chain = Chain()
        self._entries: tuple[Entry, ...] = ()

    def entries(self) -> tuple[Entry, ...]:
        """Return every entry, verified; see ``Ledger``."""
        with _explained(self._path):
            self._read()
        return self._entries

    def append(self, kind: str, body: Mapping[str, Any], *, expected: Digest) -> Entry:
        """Append an entry if the last one's digest is *expected*; see ``Ledger``."""
        entry = None
        try:
            with _explained(self._path), _transaction(self._connection):
                self._read()
                if self._entries[-1].digest != expected:
                    raise LedgerMoved(
                        "somebody else appended first", hint="run the same command again"
                    )
                entry = lines.sealed(
                    number=len(self._entries),
                    kind=kind,
                    time=stamp(self._clock()),
                    body=body,
                    previous=expected,
                )
                self._chain.admit(entry)
                _insert(self._connection, entry)
        except BaseException:
            if entry is not None:  # admitted here and perhaps not on disk: read it all again
                self._forget()
            raise
        self._entries = (*self._entries, entry)
        return entry

    def _read(self) -> None:
        """Read what was appended since the last reading; what was verified stays verified."""
        last = self._entries[-1].number if self._entries else _BEFORE_ALL
        rows = self._connection.execute(
            "SELECT number, CAST(digest AS BLOB), CAST(line AS BLOB) FROM entries "
            "WHERE number > ? ORDER BY number",
            (last,),
        ).fetchall()
        try:
            fresh = [self._admitted(*row) for row in rows]
        except BaseException:
            self._forget()
            raise
        self._entries += tuple(fresh)
        if not self._entries:
            raise lines.invalid(0, "there is none, not even a genesis")

    def _admitted(self, number: int, digest: bytes, text: bytes) -> Entry:
        entry = lines.parse(text, Digest(digest.decode("ascii", "replace")), number=number)
        if entry.number != number:
            raise lines.invalid(entry.number, f"it stands in the place of {number}")
        self._chain.admit(entry)
        return entry

    def _forget(self) -> None:
        self._chain, self._entries = Chain(), ()


def _other_file(path: Path) -> bool:
    """Tell whether the file is not SQLite's: of one byte it would make a database without asking.

    With a journal beside it, a killed writer left it, and only SQLite can tell what it was.
    """
    with path.open("rb") as file:
        head = file.read(len(_MAGIC))
    return head not in (b"", _MAGIC) and not path.with_name(f"{path.name}-journal").exists()


def _prepare(connection: sqlite3.Connection, path: Path, clock: Clock, *, create: bool) -> None:
    connection.execute("PRAGMA synchronous = EXTRA")
    (found,) = connection.execute("PRAGMA application_id").fetchone()
    if found == 0 and create:
        with _transaction(connection):
            (found,) = connection.execute("PRAGMA application_id").fetchone()
            (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if found == 0 and tables == 0:
                for statement in _TABLES:
                    connection.execute(statement)
                genesis = lines.sealed(
                    number=0,
                    kind=GENESIS,
                    time=stamp(clock()),
                    body={"schema": SCHEMA},
                    previous=None,
                )
                _insert(connection, genesis)
                found = _APPLICATION
    if found != _APPLICATION:
        raise _no_ledger(path, "a database of another program")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version != _VERSION:
        raise _no_ledger(path, f"a ledger of version {version}, and this harness reads {_VERSION}")
    # The chain can't miss a last entry that a damaged page hides; SQLite's own check can.
    (state,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if state != "ok":
        raise _no_ledger(path, f"damaged ({state})")


def _insert(connection: sqlite3.Connection, entry: Entry) -> None:
    connection.execute(
        "INSERT INTO entries VALUES (?, ?, ?)",
        (entry.number, entry.digest, lines.line(entry).decode()),
    )


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Hold the write lock from the first statement; commit, or leave the file as it was."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite itself rolls back after some errors
            connection.execute("ROLLBACK")
        raise


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what SQLite and the file system say into what a person can mend."""
    try:
        yield
    except HarnessError:
        raise
    except sqlite3.OperationalError as wrong:
        raise LedgerUnavailable(
            f"the ledger {path} can't be used: {wrong}",
            hint="look at its permissions, the free space on its disk, and for a process "
            "that holds it",
        ) from wrong
    except sqlite3.DatabaseError as wrong:
        raise _no_ledger(path, f"no readable database ({wrong})") from wrong
    except OSError as wrong:
        raise LedgerUnavailable(
            f"the ledger {path} can't be used: {wrong}", hint="look at its folder's permissions"
        ) from wrong


def _no_ledger(path: Path, what: str) -> LedgerInvalid:
    return LedgerInvalid(
        f"{path} is {what}",
        hint="it was left as it is; restore the ledger from a copy, or name another file in "
        "[ledger] location",
    )
