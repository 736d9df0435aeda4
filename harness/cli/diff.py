"""``diff``: what changed between locks, specifications, images and git revisions."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from harness.cli.audit import advisories_option
from harness.cli.output import emit, fails_well, progress, progress_done
from harness.core.errors import SpecInvalid, SpecMissing
from harness.flows import diff as flow
from harness.flows.diff_sides import Place
from harness.lock import advisories
from harness.report import diff_json, diff_markdown, diff_text
from harness.spec import parse
from harness.world import files, sources
from harness.world.store import Store


@click.command()
@click.argument("sides", nargs=-1, metavar="[A [B]]")
@click.option("--git", "revisions", default="", metavar="REV[..REV]", help="Compare with REV.")
@click.option(
    "--envs",
    type=click.Path(path_type=Path),
    default=None,
    help="The folder of environments.  [default: that of ./harness.toml, else ./envs]",
)
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    default=None,
    help="The folder of code whose imports are looked at.  [default: . where a model is declared]",
)
@advisories_option
@click.option("--quick", is_flag=True, help="Open no package: only what the two sides say.")
@click.option("--exit-code", is_flag=True, help="Exit 1 when something differs.")
@click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="NO_COLOR is heeded by auto.",
)
@click.option(
    "--output",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    show_default=True,
    help="How the result is written to stdout.",
)
@fails_well
def diff(
    sides: tuple[str, ...],
    revisions: str,
    envs: Path | None,
    model: Path | None,
    snapshot: tuple[Path, ...],
    quick: bool,
    exit_code: bool,
    color: str,
    output: str,
) -> None:
    """Tell what changed between A and B, and why.

    A and B are locks, environment.toml files, environments (NAME, NAME:VERSION), images
    (image:NAME, sha256:…) or REVISION:PATH. A alone is compared with git's HEAD; without A and B,
    or with bare revisions, everything that changed is told.
    """
    if len(sides) > 2 and not revisions:
        raise SpecInvalid(
            f"two sides are compared, and {len(sides)} are named",
            hint="harness diff A B, or harness diff --git REV A B C",
        )
    declared = _declared(Path())
    source = envs or (parse.project(Path()).environments if declared else None)
    place = Place(folder=Path.cwd(), envs=source or Path("envs"), store=Store(files.user_cache()))
    if model is not None and not model.is_dir():
        raise SpecMissing(f"there is no folder {model}", hint="--model names a model's folder")
    looked_at = model or (Path() if declared else None)
    pairs = flow.asked(sides, revisions, place)
    progress(f"comparing {len(pairs)} pairs")
    places = snapshot or sources.advisories()
    known = advisories.load(places) if places else None
    accounts = flow.accounts(pairs, place, model=looked_at, quick=quick, snapshot=known)
    progress_done()
    body = diff_json.body(accounts)
    renderer = diff_markdown if output == "markdown" else diff_text
    text = renderer.render(accounts)
    if not accounts:
        text = "no lock and no environment.toml differs"
    emit(body, text if _coloured(color) else click.unstyle(text), output)
    sys.exit(1 if exit_code and body["differs"] else 0)


def _declared(folder: Path) -> bool:
    return (folder / "harness.toml").is_file()


def _coloured(color: str) -> bool:
    if color != "auto":
        return color == "always"
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")
