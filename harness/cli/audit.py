"""``audit``: what a snapshot of advisories says of locks, without a network."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import click

from harness.cli.output import emit, fails_well, output_option
from harness.cli.place import folder, maintained, source_option
from harness.core.errors import LockMissing, SpecInvalid, UnknownEnvironment
from harness.lock import advisories, allowed, parent, pylock
from harness.lock.advisories import Advisories
from harness.lock.allowed import ALLOWED_FILE, Allowed
from harness.lock.audit import KINDS, STALE, Audit, Found, unused
from harness.lock.audit import audit as audited
from harness.lock.lock import Lock
from harness.lock.severity import Level
from harness.spec.parse import ENVIRONMENT_FILE
from harness.world import clock, sources

LEVELS = [level.name for level in Level if level is not Level.unknown]


def advisories_option(command: Any) -> Any:
    """Add ``--advisories PATH``, which may be repeated."""
    return click.option(
        "--advisories",
        "snapshot",
        type=click.Path(path_type=Path),
        multiple=True,
        help="A snapshot in OSV's format: a folder, a .zip, a .json or .jsonl file; may be "
        "repeated.  [default: advisories under [sources] in your configuration]",
    )(command)


@click.command()
@click.argument("what", nargs=-1, metavar="[NAME|LOCK]…")
@click.option("--all", "everything", is_flag=True, help="Every environment of the folder.")
@source_option
@advisories_option
@click.option(
    "--severity",
    type=click.Choice(LEVELS),
    default="low",
    show_default=True,
    help="What counts: this level and above, and what nobody has rated.",
)
@click.option("--fixable", is_flag=True, help="Count only what a newer version mends.")
@click.option("--only", type=click.Choice(KINDS), default=None, help="One kind of package.")
@click.option(
    "--allow",
    "lists",
    type=click.Path(path_type=Path),
    multiple=True,
    help=f"Flaws that are allowed.  [default: {ALLOWED_FILE} beside the lock and above it]",
)
@click.option(
    "--stale-after", type=click.IntRange(min=0), default=STALE, show_default=True, metavar="DAYS",
    help="Say so when the snapshot is older.",
)  # fmt: skip
@output_option
@fails_well
def audit(
    what: tuple[str, ...],
    everything: bool,
    envs: str | None,
    snapshot: tuple[Path, ...],
    severity: str,
    fixable: bool,
    only: str | None,
    lists: tuple[Path, ...],
    stale_after: int,
    output: str,
) -> None:
    """Look up every locked package in a snapshot of advisories; nothing is asked of a network.

    Exit codes: 0 nothing at or above --severity, 1 something, 4 no data.
    """
    if bool(what) == everything:
        raise SpecInvalid("name environments or lock files, or --all", hint="harness audit --all")
    chosen = list(_everything(envs) if everything else _named(what, envs))
    data = advisories.load(snapshot or sources.advisories())
    today = clock.now().date()
    lines = {file: allowed.read(file) for file in dict.fromkeys(_lists(chosen, lists))}
    kinds = (only,) if only else KINDS
    audits, spoken = [], set[Allowed]()
    for path, locks in chosen:
        entries = [e for file in _lists([(path, locks)], lists) for e in lines[file]]
        audits.append(audited(locks, data, allowed=entries, kinds=kinds, today=today))
        spoken |= {*entries} - {*unused(entries, audits[-1:])}
    idle = [e for entries in lines.values() for e in entries if e not in spoken]
    level = Level[severity]
    counted = [f for one in audits for f in one.found if f.counts(level, fixable=fixable)]
    blind = any(one.blind for one in audits)
    code = 1 if counted else 4 if blind else 0
    assert data.taken is not None
    age = (today - data.taken.date()).days
    notes = list(_notes(idle, data, age, stale_after, today))
    body = {
        "schema": "harness.audit/1",
        "snapshot": {"date": data.taken.date().isoformat(), "days": age, "advisories": len(data)},
        "severity": severity,
        "fixable": fixable,
        "locks": [_body(one, level, fixable) for one in audits],
        "notes": notes,
        "counted": len(counted),
        "result": {0: "passed", 1: "found", 4: "no data"}[code],
    }
    text = [f"advisories   {len(data)} of {data.taken.date()}"]
    for one in audits:
        text += _lines(one, level, fixable)
    text += [f"note         {note}" for note in notes]
    emit(body, "\n".join(text), output)
    sys.exit(code)


def _named(what: tuple[str, ...], envs: str | None) -> Iterator[tuple[Path, tuple[Lock, ...]]]:
    for one in what:
        if one.endswith(".toml") or Path(one).is_file():
            yield Path(one), _read(Path(one))
            continue
        try:
            found = maintained(one, envs)
        except UnknownEnvironment:
            name, colon, version = one.partition(":")
            older = maintained(name, envs).folder
            if not colon or not (older / f"pylock.{version}.toml").is_file():
                raise
            yield older / f"pylock.{version}.toml", parent.found(one, older.parent)
            continue
        yield found.lock_path, _read(found.lock_path, found.name)


def _everything(envs: str | None) -> Iterator[tuple[Path, tuple[Lock, ...]]]:
    place = folder(envs, doing="an audit of all needs their folder")
    names = sorted(file.parent.name for file in place.glob(f"*/{ENVIRONMENT_FILE}"))
    if not names:
        raise UnknownEnvironment(
            f"there is no environment in {place}", hint="--envs names the folder of environments"
        )
    yield from _named(tuple(names), envs)


def _read(path: Path, name: str = "NAME") -> tuple[Lock, ...]:
    try:
        return pylock.loads_all(path.read_text(encoding="utf-8"), where=str(path))
    except FileNotFoundError as missing:
        raise LockMissing(f"there is no lock at {path}", hint=f"harness lock {name}") from missing
    except (OSError, UnicodeDecodeError) as broken:
        raise SpecInvalid(f"{path} can't be read: {broken}", hint="name a pylock file") from broken


def _lists(chosen: list[tuple[Path, tuple[Lock, ...]]], lists: tuple[Path, ...]) -> Iterator[Path]:
    """Yield the allow-lists: the named ones, else those beside each lock and a folder above."""
    if lists:
        yield from lists
        return
    for path, _ in chosen:
        for near in (path.resolve().parent, path.resolve().parent.parent):
            if (near / ALLOWED_FILE).is_file():
                yield near / ALLOWED_FILE


def _notes(
    idle: list[Allowed], data: Advisories, age: int, stale_after: int, today: date
) -> Iterator[str]:
    assert data.taken is not None
    if age > stale_after:
        day = data.taken.date()
        yield f"the snapshot is {age} days old: what was published after {day} is unknown"
    for entry in idle:
        late = ", and expired" if entry.expired(today) else ""
        yield f"{entry.file.name} allows {entry.id}, which matches nothing here{late}"


def _lines(one: Audit, level: Level, fixable: bool) -> Iterator[str]:
    counted = sum(f.counts(level, fixable=fixable) for f in one.found)
    if one.checked or not one.blind:
        others = len(one.found) - counted
        more = f", {others} more that don't count" if others else ""
        yield f"{one.reference} · {one.checked} packages · {counted} found{more}"
    for place in one.blind:
        yield f"{one.reference} · no data: the snapshot has no advisory of {place}"
    for f in one.found:
        finding = f.finding
        also = f" ({', '.join(finding.aliases)})" if finding.aliases else ""
        fix = f"fixed in {finding.fixed}" if finding.fixed else "no fix known"
        yield (
            f"  {'*' if f.counts(level, fixable=fixable) else ' '} {finding.package} "
            f"{finding.version} · {finding.id}{also} · {finding.rating} · {fix}"
        )
        if f.packages != (finding.package,):
            yield f"      in {', '.join(f.packages)}"
        if finding.summary:
            yield f"      {''.join(c for c in finding.summary if c.isprintable())}"
        if f.allowed is not None:
            said = "allowance expired on" if f.expired else "allowed until"
            yield f"      {said} {f.allowed.expires}: {f.allowed.reason}"


def _body(one: Audit, level: Level, fixable: bool) -> dict[str, Any]:
    return {
        "name": one.reference,
        "checked": one.checked,
        "no_data": list(one.blind),
        "found": [_found(f, f.counts(level, fixable=fixable)) for f in one.found],
    }


def _found(f: Found, counts: bool) -> dict[str, Any]:
    finding = f.finding
    return {
        "id": finding.id,
        "aliases": list(finding.aliases),
        "ecosystem": finding.ecosystem,
        "package": finding.package,
        "version": finding.version,
        "packages": list(f.packages),
        "fixed": finding.fixed or None,
        "severity": finding.rating.level.name,
        "score": finding.rating.score,
        "summary": finding.summary,
        "counts": counts,
        "allowed": f.allowed
        and {
            "reason": f.allowed.reason,
            "expires": f.allowed.expires.isoformat(),
            "expired": f.expired,
            "file": str(f.allowed.file),
        },
    }
