"""``env adopt``: an environment from a file that lists packages, or from what is installed."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click

from harness.cli.output import emit, fails_well, output_option
from harness.core.errors import SpecInvalid
from harness.flows import adopt as flow

SCHEMA = "harness.env-adopt/1"


@click.command()
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--venv", is_flag=True, help="Adopt what is installed instead of a file.")
@click.option(
    "--python",
    type=click.Path(path_type=Path),
    default=None,
    help="The interpreter whose packages --venv reads.  [default: that of the active environment]",
)
@click.option("--with", "chosen", multiple=True, metavar="GROUP", help="Add an optional group too.")
@click.option("--name", default="", help="The environment's name.  [default: the folder's]")
@click.option(
    "--to", type=click.Path(path_type=Path), default=Path("envs"), show_default=True,
    help="The folder of environments.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Print what would be written, and write nothing.")
@output_option
@fails_well
def adopt(
    path: Path | None,
    venv: bool,
    python: Path | None,
    chosen: tuple[str, ...],
    name: str,
    to: Path,
    dry_run: bool,
    output: str,
) -> None:
    """Turn PATH (requirements file, conda or pyproject file, lock) into an environment.

    Its pins are kept: the first lock starts from them. What can't be carried over is listed, each
    with what to do. A file that is there is never overwritten: the exit code is then 2.
    """
    if (path is None) != (venv or python is not None):
        raise SpecInvalid(
            "name one thing to adopt: a file, or --venv", hint="harness env adopt requirements.txt"
        )
    if path is not None:
        found = flow.read(path, chosen=chosen)
        home = path.resolve() if path.is_dir() else path.resolve().parent
    else:
        found = flow.read_installed(python or _active())
        home = Path.cwd()
    named = name or re.sub(r"[^a-z0-9]+", "-", home.name.lower()).strip("-") or "adopted"
    if not re.fullmatch(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*", named) or len(named) > 100:
        raise SpecInvalid(f"{named!r} is no name", hint="--name like tabular: lower-case letters")
    adopted = flow.adopted(found, name=named)
    changes = flow.planned(adopted, to / named)
    ok = all(c.state != "differs" for c in changes) if dry_run else flow.write(changes)
    following = f"harness lock {named}" + ("" if to == Path("envs") else f" --envs {to}")
    body = {
        "schema": SCHEMA,
        "name": f"{named}:1",
        "python": adopted.python,
        "suite": adopted.suite,
        "requirements": list(adopted.requirements),
        "os": list(adopted.os),
        "pins": dict(adopted.pins),
        "files": [{"path": str(c.path), "state": c.state, "diff": c.diff} for c in changes],
        "written": ok and not dry_run,
        "not_carried": [
            {"what": x.what, "why": x.why, "todo": x.todo, "where": x.where} for x in adopted.left
        ],
        "next": following,
    }
    lines = [c.diff.rstrip("\n") for c in changes if c.state != "same"]
    lines.append(
        f"{named}:1 · Python {adopted.python}, Debian {adopted.suite} · "
        f"{len(adopted.requirements)} requirements, {len(adopted.pins)} pins, "
        f"{len(adopted.left)} not carried over"
    )
    for x in adopted.left:
        lines.append(f"not carried  {_plain(x.what)}" + (f"  ({x.where})" if x.where else ""))
        lines += [f"  why        {_plain(x.why)}", f"  do         {_plain(x.todo)}"]
    if ok:
        lines.append(f"next         {following}")
    emit(body, "\n".join(lines), output)
    if not ok:
        click.echo("error: a file is there already and differs; nothing was overwritten", err=True)
        click.echo("hint: merge by hand, or take another --name", err=True)
        sys.exit(2)


def _active() -> Path:
    import os

    active = os.environ.get("VIRTUAL_ENV") or os.environ.get("CONDA_PREFIX")
    return Path(active) / "bin" / "python" if active else Path(sys.executable)


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
