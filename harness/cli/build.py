"""``build``: an environment's or a model's image, and the proof that it works."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from harness.cli import bench
from harness.cli.output import emit, fails_well, output_option, progress, progress_done
from harness.cli.place import found as find
from harness.cli.place import source_option
from harness.engine.select import select
from harness.flows import clean_room, line
from harness.flows import environment as flow
from harness.image import model
from harness.image.image import Image
from harness.spec import parse
from harness.stages import imports, smoke
from harness.stages.load import Bench, Limits
from harness.stages.stage import StageResult


@click.command()
@click.argument("what")
@source_option
@bench.bench_options
@output_option
@fails_well
def build(what: str, envs: str | None, output: str, challenger: str, **options: Any) -> None:
    """Build an environment by NAME and prove its imports, or the model in a FOLDER."""
    if Path(what).is_dir() and not (Path(what) / "environment.toml").is_file():
        _build_model(Path(what), challenger, options, output)
        return
    store = bench.store()
    if Path(what, "environment.toml").is_file():
        environment = parse.environment(Path(what))
    else:
        environment = find(what, envs, store)
    opened = flow.opened(
        environment,
        store,
        engine=lambda: bench.engine(options["engine"]),
        workers=options["workers"],
        progress=progress,
    )
    image = opened.built.image
    place = Bench(
        engine=select(options["engine"])[0],
        env=image.settings.env,
        limits=Limits(seconds=options["seconds"], memory=options["memory"]),
    )
    runtime = {"runtime": model.runtime_tree(store)}
    runnable = model.partial(opened.built, runtime, store)
    outside = clean_room.outside(opened, store)
    proved = [imports.check(place, runnable, outside=outside, progress=progress)]
    if environment.about and environment.about.smoke:
        progress("smoke test")
        proved.append(smoke.check(place, runnable, environment.about.smoke))
    progress_done()
    name = opened.lock.reference
    lines = [summary(name, image)]
    for result in proved:
        lines += [f"{result.stage:<12} {result.summary}", *told(result)]
    body = {**built(name, image), **{result.stage: result.body() for result in proved}}
    emit(body, "\n".join(lines), output)
    sys.exit(0 if all(result.passed for result in proved) else 1)


def told(proved: StageResult) -> list[str]:
    """Return what a stage found wrong, a paragraph each, and what it notes."""
    lines = []
    for problem in proved.problems:
        lines += ["", f"  {problem.promise}"]
        for title, text in problem.lines:
            first, *rest = text.splitlines() or [""]
            lines += [f"    {title:<10} {first}", *(f"    {'':<10} {line}" for line in rest)]
    notes = proved.details.get("notes", ())
    return [*lines, *([""] if lines and notes else []), *(f"  note       {one}" for one in notes)]


def _build_model(folder: Path, challenger: str, options: dict[str, Any], output: str) -> None:
    project = parse.project(folder, needs=bench.NEEDS_DATA)
    on = bench.begin(project, challenger=challenger, **options)
    image = line.assembled(on, line.trained(on)[0])
    progress_done()
    emit(built(on.declared.name, image), summary(on.declared.name, image), output)


def built(name: str, image: Image) -> dict[str, Any]:
    """Return what a machine reads of *image*."""
    return {
        "schema": "harness.build/1",
        "name": name,
        "config": image.config,
        "layers": [
            {"title": layer.title, "diff_id": layer.diff_id, "size": layer.size}
            for layer in image.layers
        ],
    }


def summary(name: str, image: Image) -> str:
    """Return what a person reads of *image*."""
    size = sum(layer.size for layer in image.layers) / 1e6
    return f"{name} built · image {image.config}\nlayers       {len(image.layers)}, {size:.0f} MB"
