"""``check``: the contract, in process or in the image."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from harness.cli.output import emit, fails_well, output_option, progress, progress_done
from harness.contract import in_process, keep, run
from harness.contract.claims import Claims, claims_of
from harness.contract.infer import Draft, draft
from harness.contract.promise import Report, Settings
from harness.core.errors import SpecInvalid
from harness.flows.line import STATE
from harness.spec import parse
from harness.spec.project import Project


@click.command()
@click.argument("what", type=click.Path(path_type=Path), default=Path("."), required=False)
@click.option("--data", type=click.Path(path_type=Path), help="Training rows, for a model file.")
@click.option("--target", help="The column that is predicted, for a model file.")
@click.option("--trust", is_flag=True, help="Load a pickle in this process, which runs its code.")
@click.option("--image", is_flag=True, help="Ask the probe in the image instead of this process.")
@click.option("--replay", metavar="ID", help="Run one kept row again, alone.")
@click.option("--challenger", default="", help="A variant of [challengers].")
@click.option("--rows", type=click.IntRange(min=1), default=Settings().rows, show_default=True)
@click.option(
    "--seconds", type=click.FloatRange(min=1.0), default=Settings().seconds, show_default=True
)
@output_option
@fails_well
def check(
    what: Path,
    data: Path | None,
    target: str | None,
    trust: bool,
    image: bool,
    replay: str | None,
    challenger: str,
    rows: int,
    seconds: float,
    output: str,
) -> None:
    """Check a model's contract: a folder with harness.toml, or a model file with --data."""
    settings = Settings(rows=rows, seconds=seconds)
    if what.is_dir() or what.suffix == ".toml":
        project = parse.project(what, needs=frozenset({"contract"}))
        command = f"harness check {os.path.relpath(project.folder)}" + (
            f" --challenger {challenger}" if challenger else ""
        )
        if image:
            report = _in_image(project, challenger, settings, replay, command)
        else:
            report = _in_process(project, challenger, settings, replay, command)
        body, text = report.to_json(), report.text
    else:
        if data is None or target is None:
            raise SpecInvalid(
                f"{what} is a model file, and its contract is inferred from training rows",
                hint=f"harness check {what} --data train.csv --target COLUMN",
            )
        assumed = draft(what, data, target=target, trust=trust)
        report = _drafted(assumed, settings, f"harness check {what} --data {data} --target {target}")
        body = {**report.to_json(), "assumed": list(assumed.assumptions)}
        text = "\n".join([*(f"assumed      {a}" for a in assumed.assumptions), report.text])
    progress_done()
    emit(body, text, output)
    sys.exit(0 if report.ok else 1)


def _in_process(
    project: Project, challenger: str, settings: Settings, replay: str | None, command: str
) -> Report:
    declared = project.challengers[challenger] if challenger else project.model
    claims = _claims(project, declared)
    rows = in_process.training_rows(project)
    model = in_process.open_project(project, model=declared)
    return _run(
        claims,
        model,
        rows,
        settings,
        replay,
        command,
        lambda: in_process.open_project(project, model=declared),
        project.folder / STATE / "rows",
    )


def _in_image(
    project: Project, challenger: str, settings: Settings, replay: str | None, command: str
) -> Report:
    from harness.cli import bench
    from harness.flows import contract as flow

    project = parse.project(project.file, needs=bench.NEEDS_DATA)
    on = bench.begin(
        project, challenger=challenger, engine="auto", seconds=3600.0, memory=0, workers=0
    )
    return flow.report(on, settings, replay=replay, command=f"{command} --image")


def _drafted(assumed: Draft, settings: Settings, command: str) -> Report:
    progress("checking")
    return _run(
        assumed.claims,
        assumed.open(),
        assumed.rows,
        settings,
        None,
        command,
        assumed.open,
        None,
    )


def _claims(project: Project, declared: Any) -> Claims:
    assert project.contract is not None
    target = project.data.target if project.data else None
    return claims_of(declared, project.contract, target=target)


def _run(
    claims: Claims,
    model: Any,
    rows: Any,
    settings: Settings,
    replay: str | None,
    command: str,
    reopen: Any,
    folder: Path | None,
) -> Report:
    kept = keep.read(folder) if folder else ()
    if replay is not None:
        row = keep.find(kept, replay)
        return run.replay(
            claims, model, rows, row, settings=settings, reopen=reopen, command=command
        )
    return run.run(
        claims,
        model,
        rows,
        settings=settings,
        reopen=reopen,
        kept=kept,
        rows_folder=folder,
        command=command,
    )
