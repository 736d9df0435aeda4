"""``train``, ``stage``, ``promote``: a model on the line."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from harness.cli import bench
from harness.cli.output import emit, fails_well, output_option, progress, progress_done
from harness.core import canonical
from harness.core.digest import short
from harness.core.errors import LedgerMissing
from harness.decision.decide import Verdict
from harness.flows import line, stages
from harness.flows import promote as flow
from harness.flows.promote import Request
from harness.ledger import sqlite
from harness.ledger.sqlite import SqliteLedger
from harness.report import html, text
from harness.report.view import Run
from harness.spec import parse
from harness.spec.project import Project
from harness.stages.load import Limits
from harness.stages.stage import StageResult
from harness.world import clock, files

FOLDER = click.argument(
    "folder", type=click.Path(path_type=Path), default=Path("."), required=False
)


@click.command()
@FOLDER
@bench.bench_options
@output_option
@fails_well
def train(folder: Path, output: str, **options: Any) -> None:
    """Run the declared training in the model's environment image, without network."""
    project = parse.project(folder, needs=bench.NEEDS_DATA)
    on = bench.begin(project, **options)
    artifact, known = line.trained(on)
    image = line.assembled(on, artifact)
    laid = line.laid_down(on, artifact)
    progress_done()
    body = {
        "schema": "harness.train/1",
        "model": on.declared.name,
        "challenger": on.challenger,
        "artifact": os.path.relpath(laid),
        "config": image.config,
        "cached": known,
    }
    how = "unchanged" if known else "trained"
    emit(
        body,
        f"{on.declared.name} {how} · image {short(image.config)}\n"
        f"artifact     {os.path.relpath(laid)}",
        output,
    )


@click.command()
@click.argument("name", type=click.Choice(stages.NAMES))
@FOLDER
@bench.bench_options
@output_option
@fails_well
def stage(name: str, folder: Path, output: str, **options: Any) -> None:
    """Run one stage of a model."""
    project = parse.project(folder, needs=bench.NEEDS_DATA | {"success"})
    required = flow.ALL if name == "data" else frozenset({"train"})
    on = bench.begin(project, required=required, **options)
    if name == "data":
        result = stages.check_data(on)
    else:
        artifact, _ = line.trained(on)
        result = stages.after_training(on, line.assembled(on, artifact))[name]()
    progress_done()
    emit({"schema": "harness.stage/1", **result.body()}, text.stage(result), output)
    sys.exit(_code(result))


def _code(result: StageResult) -> int:
    return 0 if result.passed else 1


@click.command()
@FOLDER
@click.option("--new-ledger", is_flag=True, help="Begin a new ledger, also in CI.")
@click.option(
    "--require",
    type=click.Choice(["decided", "promoted"]),
    default="decided",
    show_default=True,
    help="With `promoted`, KEEP ends with exit code 1.",
)
@bench.bench_options
@output_option
@fails_well
def promote(
    folder: Path,
    new_ledger: bool,
    require: str,
    output: str,
    challenger: str,
    engine: str,
    seconds: float,
    memory: int,
    workers: int,
) -> None:
    """Take a model through every stage to a decision in the ledger."""
    project = parse.project(folder, needs=bench.NEEDS_PROMOTION)
    with _ledger(project, new_ledger) as ledger:
        run = flow.promote(
            Request(
                project=project,
                challenger=challenger,
                store=bench.store(),
                engine=bench.engine(engine),
                ledger=ledger,
                limits=Limits(seconds=seconds, memory=memory),
                clock=clock.now,
                commit=bench.commit(project.folder),
                actor=bench.actor(),
                workers=workers,
                progress=progress,
                folder=folder,
            )
        )
    progress_done()
    run = _written(project, run)
    emit(run.body(), text.render(run), output)
    sys.exit(_exit_code(run, require))


def _ledger(project: Project, new: bool) -> AbstractContextManager[SqliteLedger]:
    location = project.ledger.location
    create = new or project.ledger.create == "always" or not bench.in_ci()
    if not create and not location.exists():
        raise LedgerMissing(
            f"this is CI and there is no ledger at {location}: a new one would have no champion "
            "and no looks spent",
            hint="restore the file from the last run, or begin one with --new-ledger "
            '(or create = "always" in [ledger])',
        )
    return sqlite.open(location, create=create, clock=clock.now)


def _written(project: Project, run: Run) -> Run:
    """Write report, verdict and the CI's variables; return the run with its report's path."""
    state = project.folder / line.STATE
    variant = f"-{run.challenger}" if run.challenger else ""
    tested = run.config.removeprefix("sha256:")[:12] or "data"
    name = f"{run.model}{variant}-{run.verdict.value.lower()}-{tested}.html"
    path = state / "reports" / name
    run = replace(run, report=os.path.relpath(path))
    files.write_atomic(path, html.render(run).encode())
    files.write_atomic(state / "verdict.json", canonical.dumps(run.body()) + b"\n")
    variables = os.environ.get("GITHUB_OUTPUT")
    if variables:
        with open(variables, "a", encoding="utf-8") as file:
            file.write(f"verdict={run.verdict.value}\nimage={run.image}\n")
            file.write(f"number={run.number or ''}\nreport={run.report}\n")
    return run


def _exit_code(run: Run, require: str) -> int:
    if run.failed is not None:
        return 1
    if run.verdict is Verdict.UNDECIDED:
        return 4
    return int(require == "promoted" and run.verdict is not Verdict.PROMOTE)
