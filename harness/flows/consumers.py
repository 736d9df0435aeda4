"""Who uses an environment: read off ledgers and ``environment.lock`` files, wherever they lie."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import DataMissing, HarnessError, SpecMissing
from harness.ledger import history, sqlite
from harness.ledger.entry import RESULT
from harness.lock import resolved
from harness.spec import document
from harness.world.clock import Clock

LEDGER_FILE = "ledger.db"
_PASSED_OVER = {".git", ".nox", ".tox", ".venv", "venv", "node_modules", "__pycache__"}
_REFERENCE = re.compile(r"[a-z0-9][a-z0-9._-]*:[0-9]+")


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Consumer:
    """Something that uses *environment* (``tabular:3``). *name* is a promoted model and its number
    (``flights-delay:17``), or what an ``environment.lock`` belongs to; *champion* tells whether
    that number is in force, None where only a lock says so."""

    environment: str
    name: str
    champion: bool | None
    where: Path


def consumers(reference: str, places: Sequence[Path], *, clock: Clock) -> tuple[Consumer, ...]:
    """Return what uses *reference* (``tabular``, or ``tabular:3``), sorted.

    *places* are ledgers, ``environment.lock`` files, and folders to search for both. Raises
    SpecMissing for a place that is not there, DataMissing when there is no file to read, and what
    reading one raises.
    """
    found: set[Consumer] = set()
    read = 0
    for file in _files(places):
        read += 1
        users = _locked(file) if file.name == resolved.FILE else _promoted(file, clock)
        found |= {one for one in users if reference in (one.environment, _name(one.environment))}
    if not read:
        raise DataMissing(
            f"no data: no ledger and no {resolved.FILE} in {', '.join(map(str, places))}",
            hint=f"name folders of models, ledger files, or {resolved.FILE} files",
        )
    return tuple(sorted(found, key=lambda c: (c.environment, c.name, str(c.where))))


def _promoted(file: Path, clock: Clock) -> Iterator[Consumer]:
    with sqlite.open(file, create=False, clock=clock) as opened:
        entries = opened.entries()
    for model in sorted({e.body["model"] for e in entries if e.kind == RESULT}):
        now = history.champion(entries, model)
        for one in history.promoted_of(entries, model):
            environment = one.entry.body.get("evidence", {}).get("environment", "")
            if _REFERENCE.fullmatch(environment):
                yield Consumer(
                    environment=environment,
                    name=one.name,
                    champion=now is not None and now.number == one.number,
                    where=file,
                )


def _locked(file: Path) -> Iterator[Consumer]:
    owner = _owner(file.parent)
    for one in resolved.read(file.parent):
        yield Consumer(environment=one.name, name=owner, champion=None, where=file)


def _owner(folder: Path) -> str:
    """Return what an ``environment.lock`` in *folder* belongs to: a model, an environment, else the
    folder's name."""
    for file, table in (("harness.toml", "model"), ("environment.toml", "")):
        try:
            raw = document.toml(folder / file)
        except HarnessError:
            continue
        own = raw.get(table, {}) if table else raw
        if isinstance(own, dict) and isinstance(own.get("name"), str):
            return f"{own['name']}:{raw['version']}" if "version" in raw else own["name"]
    return folder.resolve().name


def _files(places: Sequence[Path]) -> Iterator[Path]:
    seen: set[Path] = set()
    for place in places:
        if not place.exists():
            raise SpecMissing(f"{place} is not there", hint="name a folder or a file")
        for file in [place] if place.is_file() else _within(place):
            if file.resolve() not in seen:
                seen.add(file.resolve())
                yield file


def _within(folder: Path) -> Iterator[Path]:
    for at, folders, names in os.walk(folder):
        folders[:] = sorted(set(folders) - _PASSED_OVER)
        yield from (Path(at) / name for name in sorted({LEDGER_FILE, resolved.FILE} & set(names)))


def _name(reference: str) -> str:
    return reference.partition(":")[0]
