"""KEEP: rows that failed, one JSON object a line, readable and worth committing.

They lie under ``.harness/rows/``, a file a check. The next run asks them first; a row whose bug is
gone stays as a regression test. A cause is kept once.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.contract.promise import Failure
from harness.core.errors import DataInvalid, DataMissing

_WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
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


def read(folder: Path) -> tuple[Kept, ...]:
    """Return what is kept in *folder*, sorted by check; nothing when it isn't there.

    Raises DataInvalid naming the file and line that can't be read.
    """
    found = []
    for path in sorted(folder.glob("*.jsonl")):
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            try:
                entry = json.loads(line)
                found.append(
                    Kept(
                        id=entry["id"],
                        check=entry["check"],
                        row={name: _thaw(value) for name, value in entry["row"].items()},
                        columns=tuple(entry["columns"]),
                        rule=entry["rule"],
                        observed=entry["observed"],
                    )
                )
            except (ValueError, KeyError, TypeError, AttributeError) as wrong:
                raise DataInvalid(
                    f"{path}, line {number}: not a kept row ({type(wrong).__name__})",
                    hint="delete the line; the row is found again if it still fails",
                ) from wrong
    return tuple(found)


def find(kept: Sequence[Kept], replay: str) -> Kept:
    """Return the kept row whose id begins with *replay*; raises DataMissing."""
    matching = [entry for entry in kept if replay and entry.id.startswith(replay)]
    exact = [entry for entry in matching if entry.id == replay]
    if len(exact or matching) == 1:
        return (exact or matching)[0]
    there = ", ".join(entry.id for entry in (matching or kept)) or "none is kept"
    what = "several rows" if matching else "no row"
    raise DataMissing(
        f"{what} of that id: {replay} (there are: {there})", hint="harness check lists them"
    )


def keep(folder: Path, check: str, failures: Sequence[Failure]) -> tuple[Failure, ...]:
    """Return *failures* with the id under which each row is now kept in *folder*.

    One whose cause is kept already gets the old id; one without a row is not kept.
    """
    kept = read(folder)
    known = {_signature(entry.check, entry.columns, entry.rule): entry.id for entry in kept}
    taken = {entry.id for entry in kept}
    told, lines = [], []
    for failure in failures:
        if not failure.row:
            told.append(failure)
            continue
        signature = _signature(check, failure.cause.columns, failure.cause.rule)
        if signature not in known:
            size = next(n for n in range(_SHORTEST, 65) if signature[:n] not in taken)
            known[signature] = signature[:size]
            taken.add(signature[:size])
            lines.append(_line(signature[:size], check, failure))
        told.append(replace(failure, replay=known[signature]))
    if lines:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{check}.jsonl").open("ab") as file:
            file.write("".join(lines).encode())
    return tuple(told)


def _signature(check: str, columns: Sequence[str], rule: str) -> str:
    return hashlib.sha256("\n".join([check, *columns, rule]).encode()).hexdigest()


def _line(identity: str, check: str, failure: Failure) -> str:
    entry = {
        "id": identity,
        "check": check,
        "columns": list(failure.cause.columns),
        "rule": failure.cause.rule,
        "observed": failure.observed,
        "row": {name: _freeze(value) for name, value in failure.row.items()},
    }
    return json.dumps(entry, ensure_ascii=False, allow_nan=False) + "\n"


def _freeze(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        word = "NaN" if value != value else ("Infinity" if value > 0 else "-Infinity")
        return {"float": word}
    return value


def _thaw(value: Any) -> Any:
    return _WORDS[value["float"]] if isinstance(value, dict) else value
