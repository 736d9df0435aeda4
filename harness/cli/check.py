"""``check``: the contract of a project, in a process of its own or in the image; of any model."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import click

from harness.cli.output import emit, fails_well, output_option, progress, progress_done
from harness.contract.budget import PROFILES, chosen
from harness.contract.check import check_project, report_on
from harness.contract.infer import open_target, predicted
from harness.contract.initial import begin
from harness.contract.promise import DEFAULT, Report, Settings
from harness.contract.target import KINDS, Target, is_project
from harness.contract.target import target as named_target
from harness.contract.written import Written, write_draft
from harness.core.errors import SpecInvalid
from harness.spec import parse
from harness.spec.nearest import did_you_mean
from harness.spec.project import Model, Project


@click.command()
@click.argument("what", default=".", required=False)
@click.option("--data", type=click.Path(path_type=Path), help="Training rows, for a model alone.")
@click.option("--target", help="The column that is predicted, for a model alone; or several: a,b.")
@click.option("--trust", is_flag=True, help="Load a file that may run code of its author's.")
@click.option("--input", "kind", type=click.Choice(KINDS), default="auto", show_default=True)
@click.option("--artifact", type=click.Path(path_type=Path), help="What module:function reads.")
@click.option("--at", metavar="URL", default="", help="Ask a project's model where it is served.")
@click.option("--header", multiple=True, metavar="NAME:VALUE", help="Goes with every request.")
@click.option("--write", is_flag=True, help="Write the assumptions down, as a project's files.")
@click.option("--image", is_flag=True, help="Ask the probe in the image, not one on this machine.")
@click.option("--in-process", is_flag=True, help="Load the model in this process, for a debugger.")
@click.option("--replay", metavar="ID", default="", help="Run one kept row again, alone.")
@click.option("--challenger", default="", help="A variant of [challengers].")
@click.option("--profile", type=click.Choice(list(PROFILES)), help="How far to look.")
@click.option(
    "--rows", type=click.IntRange(min=1), help=f"In the sweep; {DEFAULT.rows:,} if unsaid."
)
@click.option(
    "--seconds", type=click.FloatRange(min=1.0), help=f"For all; {DEFAULT.seconds:g} if unsaid."
)
@click.option("--seed", type=click.IntRange(min=0), default=DEFAULT.seed, show_default=True)
@output_option
@fails_well
def check(
    what: str,
    data: Path | None,
    target: str | None,
    trust: bool,
    kind: str,
    artifact: Path | None,
    at: str,
    header: tuple[str, ...],
    write: bool,
    image: bool,
    in_process: bool,
    replay: str,
    challenger: str,
    profile: str | None,
    rows: int | None,
    seconds: float | None,
    seed: int,
    output: str,
) -> None:
    """Check a model's contract.

    WHAT is a folder with harness.toml, or with --data and --target a model alone: a file (joblib,
    pickle, ONNX, xgboost, lightgbm, torch), a folder (of MLflow, or of one such file),
    module:function, or http://HOST/v2/models/NAME. With --at, a folder's contract is asked of the
    model that is served there.
    """
    settings = replace(chosen(profile=profile, rows=rows, seconds=seconds), seed=seed)
    progress("checking")
    written: Written | None = None
    if at and (image or in_process or challenger or not is_project(what)):
        raise SpecInvalid(
            "--at asks a served model what a project's contract promises, and nothing else",
            hint=f"harness check FOLDER --at {at}",
        )
    if not is_project(what, data=data is not None):
        named = _named(what, trust, kind, artifact, header)
        given = _given(what, data, target)
        report, written = _alone(
            named, *given, settings=settings, in_process=in_process, write=write
        )
    elif image:
        report = _in_image(Path(what), challenger, settings, replay)
    else:
        project = parse.project(Path(what))
        served = _named(at, trust, kind, None, header) if at else None
        report = check_project(
            project,
            model=_variant(project, challenger),
            settings=settings,
            replayed=replay,
            in_process=in_process,
            served=served,
            command=_command(Path(what), challenger) + (f" --at {served.url}" if served else ""),
        )
    progress_done()
    emit(report.to_json(), report.text, output)
    if written is not None:
        click.echo("\n".join(written.lines), err=True)
    if written is not None and not written.ok:
        click.echo("error: a file is there already and differs; nothing was overwritten", err=True)
        click.echo("hint: merge by hand, or move the file away and run this again", err=True)
        sys.exit(2)
    sys.exit(0 if report.ok else 1)


def _named(
    what: str, trust: bool, kind: str, artifact: Path | None, header: tuple[str, ...]
) -> Target:
    pairs = [line.partition(":") for line in header]
    if wrong := [name for name, mark, _ in pairs if not mark or not name.strip()]:
        raise SpecInvalid(f"--header {wrong[0]}: expected NAME:VALUE")
    headers = {name.strip(): value.strip() for name, _, value in pairs}
    return named_target(what, trust=trust, kind=kind, artifact=artifact, headers=headers)


def _given(what: str, data: Path | None, target: str | None) -> tuple[Path, str]:
    if data is None or target is None:
        raise SpecInvalid(
            f"{what} is a model alone, and its contract is inferred from training rows",
            hint=f"harness check {what} --data train.csv --target COLUMN",
        )
    return data, target


def _alone(
    named: Target, data: Path, target: str, *, settings: Settings, in_process: bool, write: bool
) -> tuple[Report, Written | None]:
    if write and named.url:
        raise SpecInvalid(
            f"--write: harness.toml can't declare {named.name}, which is served elsewhere",
            hint="give a model's file or folder, or module:function",
        )
    columns = predicted(data, target)
    opened = open_target(
        named, data, predicted=columns, in_process=in_process, memory=settings.memory
    )
    report = report_on(opened, settings=settings)
    if not write:
        return report, None
    if itself := named.settings.get("object"):
        kind = named.settings["input"]
        begun = begin(named.folder, data, targets=columns, model=itself, kind=kind)
        return report, begun.written
    written = write_draft(
        opened.draft,
        named.folder,
        data=data,
        targets=columns,
        model=opened.declared,
        remarks=opened.training.remarks,
    )
    return report, written


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
