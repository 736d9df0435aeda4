"""``git``: what git calls to show and to merge locks, and what tells it to."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from harness.cli.output import emit, fails_well, output_option
from harness.core.errors import HarnessError, SpecMissing
from harness.flows import git as flow


@click.group()
def git() -> None:
    """Let git show and merge locks package by package."""


@git.command()
@output_option
@fails_well
def setup(output: str) -> None:
    """Tell this repository's git to call Harness for locks (.gitattributes and .git/config)."""
    done = flow.setup(Path.cwd())
    body = {
        "schema": "harness.git-setup/1",
        "attributes": str(done.attributes),
        "written": done.written,
        "settings": dict(done.settings),
    }
    verb = "written" if done.written else "was there already"
    lines = [f"{done.attributes}: {flow.ATTRIBUTES} {verb}"]
    lines += [f"{name} = {value}" for name, value in done.settings.items()]
    lines.append("everyone who clones runs this once; .gitattributes is committed")
    emit(body, "\n".join(lines), output)


@git.command()
@click.argument("file", type=click.Path(path_type=Path))
@fails_well
def textconv(file: Path) -> None:
    """Write a lock as lines that compare well; anything else as it is."""
    if not file.is_file():
        raise SpecMissing(f"there is no file {file}", hint="git calls this with a file")
    sys.stdout.buffer.write(flow.readable(file.read_bytes()))


@git.command()
@click.argument("base", type=click.Path(path_type=Path))
@click.argument("ours", type=click.Path(path_type=Path))
@click.argument("theirs", type=click.Path(path_type=Path))
@click.argument("path", default="the lock")
def merge(base: Path, ours: Path, theirs: Path, path: str) -> None:
    """Merge THEIRS into OURS, which both grew from BASE; exit 1 for conflicts.

    What git calls for a lock whose two sides changed; PATH is its name in the repository.
    """
    try:
        done = flow.merge(ours, base, theirs)
    except (HarnessError, OSError) as error:
        click.echo(f"error: {path}: {error}", err=True)
        sys.exit(129)  # above 128: git calls it a failed driver, and leaves the file unmerged
    for told in done.conflicts:
        click.echo(f"{path}: conflict: {told}", err=True)
    for name in done.back:
        click.echo(f"{path}: {name} stays: what one side removed, the other needs", err=True)
    if done.unresolved:
        click.echo(f"{path}: merged; run harness lock {done.name} to resolve it", err=True)
    sys.exit(1 if done.conflicts else 0)
