"""``lock``: an environment's specification, resolved and written down."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from harness.cli import bench
from harness.cli.fetch import bundle_option
from harness.cli.output import emit, fails_well, output_option, progress, progress_done
from harness.cli.place import maintained, source_option
from harness.flows import environment as flow
from harness.lock import pylock_reading
from harness.lock.freedom import freedom
from harness.lock.lock import Lock, Move
from harness.lock.pylock_base import moves
from harness.world import clock, sources


@click.command()
@click.argument("name")
@source_option
@click.option("--upgrade", is_flag=True, help="Let every pin move to what is newest.")
@click.option(
    "--upgrade-package",
    "packages",
    multiple=True,
    metavar="P[>=V]",
    help="Let this package move; may be repeated.",
)
@click.option("--check", is_flag=True, help="Write nothing; exit 1 when the lock would change.")
@bundle_option
@output_option
@fails_well
def lock(
    name: str,
    envs: str | None,
    upgrade: bool,
    packages: tuple[str, ...],
    check: bool,
    bundle: Path | None,
    output: str,
) -> None:
    """Resolve an environment and write its lock, with the sha256 of every file."""
    environment = maintained(name, envs)
    store = bench.store()
    before, after = flow.locked(
        environment,
        store,
        engine=lambda: bench.engine("auto"),
        free=freedom(upgrade, packages),
        now=clock.now(),
        progress=progress,
        write=not check,
        settings=None if bundle is None else {**sources.configured(), "bundle": str(bundle)},
    )
    progress_done()
    moved = _moved(before, after)
    changed = before != after
    verb = ("would change" if changed else "is up to date") if check else "locked"
    lines = [f"{after[0].reference} {verb} · {environment.lock_path.name}"]
    for one in after:
        machine = pylock_reading.MACHINES[one.architecture]
        built = f" ({len(one.built)} built)" if one.built else ""
        lines.append(f"  {machine}: {len(one.packages)} wheels{built}, {len(one.debs)} OS packages")
    if before:
        lines += [f"  {n:<24} {a or 'new'} → {b or 'gone'}" for n, (a, b) in moved.items()]
        lines += ["  no pin changed"] if not moved else []
    inherited, base = after[0].parent, after[0].base
    if base:
        lines += [f"  on {base.image}, Python {base.python}: {len(base.kept)} packages of it stay"]
        if base.moved:
            lines += [f"  {len(base.moved)} of its packages had to move", *_told(base.moved)]
    if inherited:
        lines += [f"  from {inherited.reference}: {len(inherited.moved)} pins had to move"]
        lines += _told(inherited.moved)
    body = {
        "schema": "harness.lock/1",
        "name": after[0].reference,
        "path": str(environment.lock_path),
        "changed": changed,
        "platforms": {
            pylock_reading.MACHINES[one.architecture]: {
                "digest": one.digest,
                "packages": len(one.packages),
                "built": [wheel.name for wheel in one.built],
                "os": len(one.debs),
            }
            for one in after
        },
        "moved": moved if before else {},
        "parent": inherited
        and {
            "reference": inherited.reference,
            "moved": moves(inherited.moved),
        },
        "base": base
        and {
            "image": base.image,
            "manifest": base.manifest,
            "python": base.python,
            "kept": base.kept,
            "moved": moves(base.moved),
        },
    }
    emit(body, "\n".join(lines), output)
    sys.exit(1 if check and changed else 0)


def _told(moved: tuple[Move, ...]) -> list[str]:
    lines = []
    for move in moved:
        lines.append(f"    {move.name} {move.before} → {move.after or 'gone'}")
        lines += [f"      because {line}" for line in move.why]
    return lines


def _versions(locks: tuple[Lock, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in locks:
        found |= one.base.kept if one.base else {}
        found |= {p.name: p.version for p in one.packages + one.debs}
    return found


def _moved(before: tuple[Lock, ...], after: tuple[Lock, ...]) -> dict[str, list[str | None]]:
    """Return what has another version now, by name: before and after."""
    old, new = _versions(before), _versions(after)
    return {n: [old.get(n), new.get(n)] for n in sorted({*old, *new}) if old.get(n) != new.get(n)}
