"""``init``: the first ``harness.toml`` and ``inputs.schema.json``, drafted from training data."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from harness.cli.output import emit, fails_well, output_option, progress, progress_done
from harness.contract.infer import predicted
from harness.contract.initial import Begun, begin
from harness.contract.target import KINDS

SCHEMA = "harness.init/1"
_LABEL = 12


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=Path("."), required=False)
@click.option(
    "--data", required=True, type=click.Path(path_type=Path), help="Training rows: Parquet or CSV."
)
@click.option("--target", required=True, help="The column that is predicted; or several: a,b.")
@click.option(
    "--model", default="", help="module:function that loads it or is it, or the model's file."
)
@click.option(
    "--from",
    "schema",
    default="",
    help="A schema to take over: of pandera (.yaml, .json, module:object), an MLmodel, or a JSON "
    "Schema.",
)
@click.option("--trust", is_flag=True, help="Open a model's file that may run its author's code.")
@click.option("--input", "kind", type=click.Choice(KINDS), default="auto", show_default=True)
@output_option
@fails_well
def init(
    folder: Path,
    data: Path,
    target: str,
    model: str,
    schema: str,
    trust: bool,
    kind: str,
    output: str,
) -> None:
    """Draft harness.toml and inputs.schema.json from training data.

    Each guess has a comment. A file that is there is never overwritten: the difference is printed,
    and the exit code is 2.
    """
    progress("drafting")
    begun = begin(
        folder,
        data,
        targets=predicted(data, target),
        model=model,
        schema=schema,
        trust=trust,
        kind=kind,
    )
    progress_done()
    emit(_body(begun), "\n".join(_lines(begun)), output)
    if not begun.written.ok:
        click.echo("error: a file is there already and differs; nothing was overwritten", err=True)
        click.echo("hint: merge by hand, or move the file away and run this again", err=True)
        sys.exit(2)


def _lines(begun: Begun) -> list[str]:
    found = [*begun.written.lines]
    for label, texts in (
        ("guessed", begun.draft.assumptions),
        ("look at", begun.notes),
        ("not carried", begun.lost),
    ):
        for number, text in enumerate(texts):
            found.append(f"{label if number == 0 else '':<{_LABEL}} {_plain(text)}")
    if begun.written.ok:
        found.append(f"{'next':<{_LABEL}} {_next(begun)}")
    return found


def _body(begun: Begun) -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "folder": str(begun.written.folder),
        "files": [
            {"path": str(file.path), "state": file.state, "diff": file.diff}
            for file in begun.written.files
        ],
        "assumptions": list(begun.draft.assumptions),
        "notes": list(begun.notes),
        "not_carried": list(begun.lost),
        "key": list(begun.draft.key),
        "personal_data": [{"column": name, "why": why} for name, why in begun.draft.personal],
        "next": _next(begun),
    }


def _next(begun: Begun) -> str:
    return f"harness check {os.path.relpath(begun.written.folder)}"


def _plain(text: str) -> str:
    """Return *text* on one line, without control characters: column names hold what they like."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
