"""KEEP: rows that failed, one JSON object a line, readable and worth committing.

They lie under ``.harness/rows/``, a file a check. The next run asks them first; a row whose bug is
gone stays as a regression test. A cause is kept once, also when several processes find it at once.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from harness.contract.promise import Failure
from harness.core.errors import DataInvalid, DataMissing

_WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_MARKS = ("float", "object")
_SHORTEST = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """A row that failed *check*, and how it was explained."""

    id: str
    check: str
    row: Mapping[str, Any]
    columns: tuple[str, ...]
    rule: str
    observed: str

    @property
    def signature(self) -> str:
        """What makes two of them the same: the check and the cause."""
        return _signature(self.check, self.columns, self.rule)


def read(folder: Path) -> tuple[Kept, ...]:
    """Return what is kept in *folder*, sorted by check, each cause once; nothing when there is no
    such folder.

    Raises DataInvalid naming the file and line that can't be read.
    """
    found: dict[str, Kept] = {}
    for path in sorted(folder.glob("*.jsonl")):
        for entry in _read(path):
            found.setdefault(entry.signature, entry)
    return tuple(found.values())


def find(kept: Sequence[Kept], replay: str) -> Kept:
    """Return the kept row whose id begins with *replay*; raises DataMissing."""
    matching = [entry for entry in kept if replay and entry.id.startswith(replay)]
    exact = [entry for entry in matching if entry.id == replay]
    if len(exact or matching) == 1:
        return (exact or matching)[0]
    there = ", ".join(f"{entry.id} of {entry.check}" for entry in (matching or kept))
    what = "several rows" if matching else "no row"
    raise DataMissing(
        f"{what} of that id: {replay} (there are: {there or 'none is kept'})",
        hint="the ids stand in .harness/rows, and beside each failure",
    )


def keep(folder: Path, check: str, failures: Sequence[Failure]) -> tuple[Failure, ...]:
    """Return *failures* with the id under which each row is now kept in *folder*.

    One whose cause is kept already gets the old id, and counts as known; one without a row is not
    kept. Raises OSError when the folder can't be written, DataInvalid for a damaged line.
    """
    rows = [failure for failure in failures if failure.row]
    if not rows:
        return tuple(failures)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{check}.jsonl"
    others = [
        entry for other in sorted(folder.glob("*.jsonl")) if other != path for entry in _read(other)
    ]
    with path.open("a+b") as file, _alone(file):  # nobody else between the look and the line
        file.seek(0)
        before = file.read()
        here = list(_entries(path, before))
        known = {entry.signature: entry.id for entry in here}
        earlier = set(known)
        taken = {entry.id for entry in (*here, *others)}
        lines = []
        for failure in rows:
            signature = _signature(check, failure.cause.columns, failure.cause.rule)
            if signature not in known:
                size = next(n for n in range(_SHORTEST, 65) if signature[:n] not in taken)
                known[signature] = signature[:size]
                taken.add(signature[:size])
                lines.append(_line(signature[:size], check, failure))
        if lines:
            gap = b"" if before.endswith(b"\n") or not before else b"\n"
            file.write(gap + b"".join(lines))
            file.flush()

    def named(failure: Failure) -> Failure:
        signature = _signature(check, failure.cause.columns, failure.cause.rule)
        return replace(failure, replay=known[signature], known=signature in earlier)

    return tuple(named(failure) if failure.row else failure for failure in failures)


def not_kept(error: OSError) -> str:
    """Return the note that rows could not be kept."""
    where = f" ({error.filename})" if error.filename else ""
    return f"rows that failed could not be kept: {error.strerror or error}{where}"


def _read(path: Path) -> list[Kept]:
    with path.open("rb") as file, _alone(file, writing=False):
        return list(_entries(path, file.read()))


def _entries(path: Path, data: bytes) -> Iterator[Kept]:
    for number, line in enumerate(data.split(b"\n"), 1):  # JSON text may hold other line ends
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            yield Kept(
                id=str(entry["id"]),
                check=str(entry["check"]),
                row={name: _thaw(value) for name, value in entry["row"].items()},
                columns=tuple(entry["columns"]),
                rule=str(entry["rule"]),
                observed=str(entry["observed"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as wrong:
            raise DataInvalid(
                f"{path}, line {number}: not a kept row ({type(wrong).__name__})",
                hint="delete the line; the row is found again if it still fails",
            ) from wrong


@contextmanager
def _alone(file: BinaryIO, *, writing: bool = True) -> Iterator[None]:
    """Hold a lock on *file*, which ends with its holder; where there is none, go on without."""
    try:
        if os.name == "nt":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX if writing else fcntl.LOCK_SH)
    except OSError:  # a file system without locks: a row may be kept twice, and is read once
        yield
        return
    try:
        yield
    finally:
        if os.name == "nt":
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            fcntl.flock(file, fcntl.LOCK_UN)


def _signature(check: str, columns: Iterable[str], rule: str) -> str:
    told = "\n".join([check, *columns, rule])
    return hashlib.sha256(told.encode(errors="surrogatepass")).hexdigest()


def _line(identity: str, check: str, failure: Failure) -> bytes:
    entry = {
        "id": identity,
        "check": check,
        "columns": list(failure.cause.columns),
        "rule": failure.cause.rule,
        "observed": failure.observed,
        "row": {name: _freeze(value) for name, value in failure.row.items()},
    }
    try:
        told = json.dumps(entry, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:  # half a surrogate pair is no UTF-8
        told = json.dumps(entry, allow_nan=False).encode()
    return told + b"\n"


def _freeze(value: Any) -> Any:
    """Return *value* for JSON: a number that it lacks as ``{"float": "NaN"}``."""
    if isinstance(value, float) and not math.isfinite(value):
        word = "NaN" if value != value else ("Infinity" if value > 0 else "-Infinity")
        return {"float": word}
    if isinstance(value, Mapping):
        frozen = {name: _freeze(inner) for name, inner in value.items()}
        return {"object": frozen} if len(value) == 1 and next(iter(value)) in _MARKS else frozen
    if isinstance(value, list | tuple):
        return [_freeze(inner) for inner in value]
    return value


def _thaw(value: Any) -> Any:
    if isinstance(value, list):
        return [_thaw(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"float"}:
        return _WORDS[value["float"]]
    if set(value) == {"object"}:
        value = value["object"]
    return {name: _thaw(inner) for name, inner in value.items()}
