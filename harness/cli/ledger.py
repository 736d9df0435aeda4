"""``ledger``, ``why``, ``rollback``: what was decided, and the proof."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from harness.cli import bench
from harness.cli.output import emit, fails_well, output_option
from harness.core.digest import Digest, short
from harness.core.errors import UnknownModel
from harness.ledger import attest, history, record, sqlite
from harness.ledger.entry import Entry
from harness.spec import parse
from harness.world import clock

F = TypeVar("F", bound=Callable[..., Any])


def _where(command: F) -> F:
    option = click.option(
        "--folder",
        type=click.Path(path_type=Path),
        default=Path("."),
        help="The model's folder, or a ledger file.",
    )
    return option(command)


def _open(folder: Path) -> Any:
    if folder.is_file() and folder.suffix != ".toml":
        return sqlite.open(folder, create=False, clock=clock.now)
    location = parse.project(folder).ledger.location
    return sqlite.open(location, create=False, clock=clock.now)


@click.group()
def ledger() -> None:
    """Read the ledger: what was sealed, looked at, decided."""


@ledger.command("log")
@_where
@output_option
@fails_well
def log(folder: Path, output: str) -> None:
    """List every entry, the oldest first."""
    with _open(folder) as opened:
        entries = opened.entries()
    body = {"schema": "harness.ledger/1", "entries": [_body(entry) for entry in entries]}
    emit(body, "\n".join(_line(entry) for entry in entries), output)


@ledger.command("show")
@click.argument("number", type=click.IntRange(min=0))
@_where
@output_option
@fails_well
def show(number: int, folder: Path, output: str) -> None:
    """Show one entry whole."""
    with _open(folder) as opened:
        entries = opened.entries()
    if number >= len(entries):
        raise UnknownModel(
            f"the ledger has no entry {number}; its last one is {len(entries) - 1}",
            hint="harness ledger log",
        )
    body = _body(entries[number])
    lines = [_line(entries[number])] + [f"  {k:<10} {v}" for k, v in sorted(body["body"].items())]
    emit({"schema": "harness.entry/1", **body}, "\n".join(lines), output)


@ledger.command("verify")
@_where
@output_option
@fails_well
def verify(folder: Path, output: str) -> None:
    """Check the whole chain: digests, order, and the rules between entries."""
    with _open(folder) as opened:
        entries = opened.entries()
    head = entries[-1].digest
    emit(
        {"schema": "harness.ledger.verify/1", "entries": len(entries), "head": head},
        f"{len(entries)} entries hold together · head {short(head)}",
        output,
    )


@click.command()
@click.argument("reference")
@_where
@output_option
@fails_well
def why(reference: str, folder: Path, output: str) -> None:
    """Say why NAME:N (or NAME, the champion) was promoted, as the ledger has it."""
    with _open(folder) as opened:
        entries = opened.entries()
    found = history.numbered(entries, reference)
    result = found.entry
    look = history.find_look(entries, result.body["key"])
    assert look is not None
    policy = next(e for e in entries if e.digest == look.body["policy"])
    in_force = history.champion(entries, found.model)
    before = look.body["champion"]
    decision, rules = result.body["decision"], policy.body["policy"]
    origin = look.body["origin"]
    lines = [
        f"{found.name} · {short(found.image)}"
        + (" · the champion" if in_force and in_force.number == found.number else ""),
        f"why          {decision['reason']}",
        f"instead of   {found.model}:{before['number']}" if before else "instead of   the baseline",
        f"rule         {decision['rule']} at level {decision['level']:.3g}, "
        f"look {decision['look']} of {decision['looks']}",
        f"policy       {rules['metric']}, gain ≥ {rules['minimum_gain']:g}, "
        f"error {rules['error']:g}, sealed as entry {policy.number}",
        f"promised     entry {policy.number} ({policy.time}) precedes the look, entry "
        f"{look.number} ({look.time}), and the result, entry {result.number} ({result.time})",
        f"by           {origin.get('actor', '')} at commit {origin.get('commit', '')[:8]}",
        f"environment  {result.body['evidence'].get('environment', '')} · lock "
        f"{short(Digest(result.body['evidence'].get('lock', '')))}",
    ]
    lines += [f"{k:<12} {v}" for k, v in result.body["evidence"].get("stages", {}).items()]
    body = {
        "schema": "harness.why/1",
        "name": found.name,
        "image": found.image,
        "policy": _body(policy),
        "look": _body(look),
        "result": _body(result),
        "statement": attest.statement(entries, result),
    }
    emit(body, "\n".join(lines), output)


@click.command()
@click.argument("reference")
@click.option("--reason", required=True, help="Why; it is recorded.")
@_where
@output_option
@fails_well
def rollback(reference: str, reason: str, folder: Path, output: str) -> None:
    """Make an older number the champion again, by one more entry."""
    with _open(folder) as opened:
        target = history.numbered(opened.entries(), reference)
        entry = record.roll_back(opened, to=target, reason=reason, origin={"actor": bench.actor()})
    body = {
        "schema": "harness.rollback/1",
        "name": target.name,
        "image": target.image,
        "entry": entry.number if entry else None,
    }
    said = f"is the champion again, entry {entry.number}" if entry else "is the champion already"
    emit(body, f"{target.name} {said}", output)


def _body(entry: Entry) -> dict[str, Any]:
    return {
        "number": entry.number,
        "kind": entry.kind,
        "time": entry.time,
        "digest": entry.digest,
        "previous": entry.previous,
        "body": entry.body,
    }


def _line(entry: Entry) -> str:
    body = entry.body
    match entry.kind:
        case "policy":
            said = f"{body['model']}: {body['policy']['metric']} sealed"
        case "look":
            said = f"{body['model']}: look {body['look']} at {short(body['challenger'])}"
        case "result":
            number = f" as {body['model']}:{body['number']}" if body["number"] else ""
            said = f"{body['model']}: {body['decision']['verdict']}{number}"
        case "rollback":
            said = f"{body['model']}: back to {body['model']}:{body['number']}, {body['reason']}"
        case _:
            said = ""
    return f"{entry.number:>4}  {entry.time}  {entry.kind:<8}  {said}".rstrip()
