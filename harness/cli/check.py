"""``check``: the contract, in process or in the image."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from harness.cli.output import emit, fails_well, output_option, progress, progress_done
from harness.contract.check import check_file, check_project
from harness.contract.promise import DEFAULT, Report, Settings
from harness.core.errors import SpecInvalid
from harness.spec import parse
from harness.spec.nearest import did_you_mean
from harness.spec.project import Model, Project


@click.command()
@click.argument("what", type=click.Path(path_type=Path), default=Path("."), required=False)
@click.option("--data", type=click.Path(path_type=Path), help="Training rows, for a model file.")
@click.option("--target", help="The column that is predicted, for a model file.")
@click.option("--trust", is_flag=True, help="Load a pickle in this process, which runs its code.")
@click.option("--image", is_flag=True, help="Ask the probe in the image instead of this process.")
@click.option("--replay", metavar="ID", default="", help="Run one kept row again, alone.")
@click.option("--challenger", default="", help="A variant of [challengers].")
@click.option("--rows", type=click.IntRange(min=1), default=DEFAULT.rows, show_default=True)
@click.option(
    "--seconds", type=click.FloatRange(min=1.0), default=DEFAULT.seconds, show_default=True
)
@output_option
@fails_well
def check(
    what: Path,
    data: Path | None,
    target: str | None,
    trust: bool,
    image: bool,
    replay: str,
    challenger: str,
    rows: int,
    seconds: float,
    output: str,
) -> None:
    """Check a model's contract: a folder with harness.toml, or a model file with --data."""
    settings = Settings(rows=rows, seconds=seconds)
    progress("checking")
    if not what.is_dir() and what.suffix != ".toml":
        report = _file(what, data, target, trust, settings)
    elif image:
        report = _in_image(what, challenger, settings, replay)
    else:
        project = parse.project(what)
        report = check_project(
            project,
            model=_variant(project, challenger),
            settings=settings,
            replayed=replay,
            command=_command(what, challenger),
        )
    progress_done()
    emit(report.to_json(), report.text, output)
    sys.exit(0 if report.ok else 1)


def _file(
    what: Path, data: Path | None, target: str | None, trust: bool, settings: Settings
) -> Report:
    if data is None or target is None:
        raise SpecInvalid(
            f"{what} is a model file, and its contract is inferred from training rows",
            hint=f"harness check {what} --data train.csv --target COLUMN",
        )
    return check_file(what, data, target=target, trust=trust, settings=settings)


def _in_image(what: Path, challenger: str, settings: Settings, replay: str) -> Report:
    # Imported here: what follows needs the extra `promote`, and a check in process doesn't.
    from harness.cli import bench
    from harness.flows import contract

    on = bench.begin(
        parse.project(what, needs=bench.NEEDS_DATA),
        challenger=challenger,
        engine="auto",
        seconds=3600.0,
        memory=0,
        workers=0,
    )
    command = f"{_command(what, challenger)} --image"
    return contract.report(on, settings, replay=replay, command=command)


def _variant(project: Project, challenger: str) -> Model | None:
    if challenger and challenger not in project.challengers:
        raise SpecInvalid(
            f"{project.file} declares no challenger {challenger!r}"
            + did_you_mean(challenger, project.challengers),
            hint=f"declared are: {', '.join(sorted(project.challengers)) or 'none'}",
        )
    return project.challengers[challenger] if challenger else None


def _command(what: Path, challenger: str) -> str:
    variant = f" --challenger {challenger}" if challenger else ""
    return f"harness check {os.path.relpath(what)}{variant}"
