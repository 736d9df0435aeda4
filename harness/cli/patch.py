"""``patch``: one fix in every environment, as next versions, with a summary for a pull request."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from harness.cli import bench
from harness.cli.audit import advisories_option
from harness.cli.output import emit, fails_well, output_option, progress, progress_done
from harness.cli.place import folder
from harness.core.errors import SpecInvalid
from harness.flows import patch as flow
from harness.flows import patch_summary
from harness.flows.patch import Outcome, Patched
from harness.lock import advisories
from harness.lock.patch import Target, target
from harness.world import clock, files, sources


@click.command()
@click.argument("what", metavar="PACKAGE[>=V]|ADVISORY")
@click.argument("names", nargs=-1, metavar="[NAME]…")
@click.option("--all", "everything", is_flag=True, help="Every environment of the folders.")
@click.option(
    "--envs",
    "folders",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A folder of environments; may be repeated.  [default: that of ./harness.toml, else "
    "./envs]",
)
@advisories_option
@click.option(
    "--summary",
    type=click.Path(path_type=Path, allow_dash=True),
    default=None,
    help="Write Markdown for a pull request to this file; - for stdout, instead of the text.",
)
@click.option("--dry-run", is_flag=True, help="Resolve everything, and write nothing.")
@click.option("--keep-going", is_flag=True, help="Write what could be patched though some failed.")
@output_option
@fails_well
def patch(
    what: str,
    names: tuple[str, ...],
    everything: bool,
    folders: tuple[Path, ...],
    snapshot: tuple[Path, ...],
    summary: Path | None,
    dry_run: bool,
    keep_going: bool,
    output: str,
) -> None:
    """Move the least that fixes a package or an advisory, in environments and their children.

    Writes the next version of each: pylock.<N+1>.toml, and the version in environment.toml. When
    one environment can't be patched, none is.
    """
    if bool(names) == everything:
        raise SpecInvalid("name environments, or --all", hint=f"harness patch '{what}' --all")
    aim = target(what, lambda: advisories.load(snapshot or sources.advisories()))
    here = folders or (folder(None, doing="what was pulled is not patched"),)
    environments = flow.chosen(here, names)
    shop = flow.Shop(
        store=bench.store(),
        engine=lambda: bench.engine("auto"),
        now=clock.now(),
        python=sources.python(),
        progress=progress,
    )
    outcome = flow.patched(aim, environments, shop)
    progress_done()
    write = not dry_run and (keep_going or not outcome.failed)
    if write:
        flow.write(outcome.patched, shop.store)
    markdown = patch_summary.markdown(aim, outcome)
    if summary is not None and str(summary) != "-":
        files.write_atomic(summary, markdown.encode())
    text = markdown if str(summary) == "-" else "\n".join(_lines(aim, outcome, write, dry_run))
    emit(_body(aim, outcome, write, markdown), text, output)
    for reference, error in outcome.failed.items():
        click.echo(f"error: {reference}: {error.message}", err=True)
        click.echo(f"hint: {error.hint}", err=True)
    if outcome.failed:
        if outcome.patched and not keep_going:
            click.echo("error: nothing was written: all environments, or none", err=True)
            click.echo("hint: mend the above, or --keep-going for the others", err=True)
        sys.exit(next(iter(outcome.failed.values())).exit_code)


def _lines(aim: Target, outcome: Outcome, written: bool, dry_run: bool) -> list[str]:
    lines = [f"{aim.text} · {', '.join(sorted(aim.names - {aim.text}))}".rstrip(" ·")]
    for one in outcome.patched:
        lines.append(f"{one.before.reference} → {one.after.reference} · {one.after.lock_path.name}")
        for move in one.moves:
            lines.append(f"  {move.name} {move.before or 'new'} → {move.after or 'gone'}")
            lines += [f"    because {why}" for why in move.why]
        lines.append(f"  {one.stay} other packages stay")
    lines += [f"{reference} {why}" for reference, why in outcome.fine.items()]
    lines += [f"{reference} failed" for reference in outcome.failed]
    if outcome.patched and not written:
        lines.append("nothing written" + (" (--dry-run)" if dry_run else ""))
    return lines


def _body(aim: Target, outcome: Outcome, written: bool, markdown: str) -> dict[str, Any]:
    return {
        "schema": "harness.patch/1",
        "target": aim.text,
        "names": sorted(aim.names),
        "written": written and bool(outcome.patched),
        "patched": [_one(one) for one in outcome.patched],
        "fine": dict(outcome.fine),
        "failed": {
            reference: {"error": error.message, "hint": error.hint}
            for reference, error in outcome.failed.items()
        },
        "summary": markdown,
    }


def _one(one: Patched) -> dict[str, Any]:
    return {
        "before": one.before.reference,
        "after": one.after.reference,
        "lock": str(one.after.lock_path),
        "from": one.after.change.parent if one.after.change else None,
        "moved": [
            {"name": m.name, "before": m.before or None, "after": m.after or None, "why": [*m.why]}
            for m in one.moves
        ],
        "stay": one.stay,
    }
