"""``lock``, ``fetch``, ``build``, ``image``: environments, from specification to image."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from harness.cli import bench
from harness.cli.output import emit, fails_well, output_option, progress, progress_done
from harness.cli.place import folder, maintained, source_option
from harness.cli.place import found as find
from harness.core.digest import Digest, short
from harness.core.errors import BundleInvalid, SpecMissing, UnknownEnvironment
from harness.engine.select import select
from harness.flows import bundle as bundles
from harness.flows import clean_room, line
from harness.flows import environment as flow
from harness.image import layout, model
from harness.image.image import Image
from harness.lock import pylock, pylock_reading
from harness.lock.fetch import link_wheels
from harness.lock.freedom import freedom
from harness.lock.lock import Lock
from harness.spec import parse
from harness.stages import imports, smoke
from harness.stages.load import Bench, Limits
from harness.stages.stage import StageResult
from harness.world import clock, sources
from harness.world.store import Store

F = TypeVar("F", bound=Callable[..., Any])


def _bundle_option(command: F) -> F:
    option = click.option(
        "--bundle",
        type=click.Path(path_type=Path, dir_okay=False),
        default=None,
        help="Take every file from this one, which `harness bundle` wrote; ask no network.",
    )
    return option(command)


@click.command()
@click.argument("name")
@source_option
@click.option("--upgrade", is_flag=True, help="Let every pin move to what is newest.")
@click.option(
    "--upgrade-package",
    "packages",
    multiple=True,
    metavar="P[>=V]",
    help="Let this package move; may be repeated.",
)
@click.option("--check", is_flag=True, help="Write nothing; exit 1 when the lock would change.")
@_bundle_option
@output_option
@fails_well
def lock(
    name: str,
    envs: str | None,
    upgrade: bool,
    packages: tuple[str, ...],
    check: bool,
    bundle: Path | None,
    output: str,
) -> None:
    """Resolve an environment and write its lock, with the sha256 of every file."""
    environment = maintained(name, envs)
    store = bench.store()
    before, after = flow.locked(
        environment,
        store,
        engine=lambda: bench.engine("auto"),
        free=freedom(upgrade, packages),
        now=clock.now(),
        progress=progress,
        write=not check,
        settings=None if bundle is None else {**sources.configured(), "bundle": str(bundle)},
    )
    progress_done()
    moved = _moved(before, after)
    changed = before != after
    verb = ("would change" if changed else "is up to date") if check else "locked"
    lines = [f"{after[0].reference} {verb} · {environment.lock_path.name}"]
    for one in after:
        machine = pylock_reading.MACHINES[one.architecture]
        built = f" ({len(one.built)} built)" if one.built else ""
        lines.append(f"  {machine}: {len(one.packages)} wheels{built}, {len(one.debs)} OS packages")
    if before:
        lines += [f"  {n:<24} {a or 'new'} → {b or 'gone'}" for n, (a, b) in moved.items()]
        lines += ["  nothing moved"] if not moved else []
    inherited = after[0].parent
    if inherited:
        lines += [f"  from {inherited.reference}: {len(inherited.moved)} pins had to move"]
        for move in inherited.moved:
            lines.append(f"    {move.name} {move.before} → {move.after or 'gone'}")
            lines += [f"      because {line}" for line in move.why]
    body = {
        "schema": "harness.lock/1",
        "name": after[0].reference,
        "path": str(environment.lock_path),
        "changed": changed,
        "platforms": {
            pylock_reading.MACHINES[one.architecture]: {
                "digest": one.digest,
                "packages": len(one.packages),
                "built": [wheel.name for wheel in one.built],
                "os": len(one.debs),
            }
            for one in after
        },
        "moved": moved if before else {},
        "parent": inherited
        and {
            "reference": inherited.reference,
            "moved": [
                {"name": m.name, "before": m.before, "after": m.after, "why": list(m.why)}
                for m in inherited.moved
            ],
        },
    }
    emit(body, "\n".join(lines), output)
    sys.exit(1 if check and changed else 0)


def _moved(before: tuple[Lock, ...], after: tuple[Lock, ...]) -> dict[str, list[str | None]]:
    """Return what has another version now, by name: before and after."""
    old = {p.name: p.version for one in before for p in one.packages + one.debs}
    new = {p.name: p.version for one in after for p in one.packages + one.debs}
    return {n: [old.get(n), new.get(n)] for n in sorted({*old, *new}) if old.get(n) != new.get(n)}


@click.command()
@click.argument("name", default="")
@source_option
@_bundle_option
@output_option
@fails_well
def fetch(name: str, envs: str | None, bundle: Path | None, output: str) -> None:
    """Download what a lock names, and put the wheels beside it for pip and uv.

    With --bundle no NAME is needed: what it was made of is fetched from it, and its specifications
    and locks are written into the folder of environments where that has none of their names.
    """
    store = bench.store()
    names: list[str] = [name] if name else []
    references: tuple[str, ...] = ()
    if bundle is not None:
        references = bundles.unpack(
            bundle, folder(envs, doing="a bundle is unpacked into a folder"), store
        )
        names = names or list(references)
    elif not name:
        raise click.UsageError("name an environment, or a bundle: --bundle FILE")
    bodies, lines = [], []
    for one in names:
        environment = maintained(one, envs)
        if bundle is not None and environment.reference not in references:
            raise BundleInvalid(
                f"{bundle} holds {', '.join(references)}, and not {environment.reference}",
                hint=f"harness bundle {environment.name}, where there is network",
            )
        locked = pylock.read(environment)
        flow.fetched(locked, store, engine=lambda: bench.engine("auto"), progress=progress)
        beside = environment.folder / pylock_reading.WHEELS
        link_wheels(locked, store, beside)
        progress_done()
        bodies.append({"name": locked.reference, "wheels": str(beside)})
        built = f" ({len(locked.built)} built)" if locked.built else ""
        count = f"{len(locked.packages)} wheels{built} in {beside}"
        lines.append(f"{locked.reference} fetched · {count}, {len(locked.debs)} OS packages stored")
    body = {"schema": "harness.fetch/1", **bodies[0], "all": bodies}
    emit(body, "\n".join(lines), output)


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
    lines = [_summary(name, image)]
    for result in proved:
        lines += [f"{result.stage:<12} {result.summary}", *told(result)]
    body = {**_built(name, image), **{result.stage: result.body() for result in proved}}
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
    emit(_built(on.declared.name, image), _summary(on.declared.name, image), output)


def _built(name: str, image: Image) -> dict[str, Any]:
    return {
        "schema": "harness.build/1",
        "name": name,
        "digest": image.digest,
        "config": image.config,
        "layers": [
            {
                "title": layer.title,
                "digest": layer.digest,
                "diff_id": layer.diff_id,
                "size": layer.size,
            }
            for layer in image.layers
        ],
    }


def _summary(name: str, image: Image) -> str:
    size = sum(layer.size for layer in image.layers) / 1e6
    return (
        f"{name} built · image {image.digest}\n"
        f"config       {image.config}\n"
        f"layers       {len(image.layers)}, {size:.0f} MB compressed"
    )


@click.group()
def image() -> None:
    """Look at a built image, or write it for other tools."""


def _image(what: str, envs: str | None, store: Store, challenger: str) -> tuple[str, Image]:
    """Return an image by digest, by environment, or by model folder."""
    if what.startswith("sha256:"):
        found = model.find(Digest(what), store)
        if found is None:
            raise UnknownEnvironment(
                f"this machine's store has no image {what}", hint="harness build NAME or FOLDER"
            )
        return "image:" + what.removeprefix("sha256:")[:12], found
    if Path(what, "harness.toml").is_file():
        project = parse.project(Path(what), needs=bench.NEEDS_DATA)
        on = bench.begin(
            project, challenger=challenger, engine="auto", seconds=3600.0, memory=0, workers=0
        )
        return f"{on.declared.name}:latest", line.assembled(on, line.trained(on)[0])
    opened = flow.opened(
        find(what, envs, store), store, engine=lambda: bench.engine("auto"), progress=progress
    )
    return opened.lock.reference, opened.built.image


@image.command("show")
@click.argument("what")
@source_option
@click.option("--challenger", default="", help="A variant of [challengers].")
@output_option
@fails_well
def show(what: str, envs: str | None, challenger: str, output: str) -> None:
    """Show the layers of an environment, a model folder or a digest."""
    name, found = _image(what, envs, bench.store(), challenger)
    progress_done()
    rows = [
        f"  {layer.size / 1e6:>9.2f} MB  {short(layer.digest)}  {layer.title}"
        for layer in found.layers
    ]
    emit(_built(name, found), "\n".join([_summary(name, found), *rows]), output)


@image.command("export")
@click.argument("what")
@click.option(
    "--to",
    type=click.Path(path_type=Path),
    required=True,
    help="A folder (OCI layout), or a file that ends in .tar (for `docker load` as well).",
)
@source_option
@click.option("--challenger", default="", help="A variant of [challengers].")
@output_option
@fails_well
def export(what: str, to: Path, envs: str | None, challenger: str, output: str) -> None:
    """Write an image as an OCI layout, for docker, podman, skopeo and others."""
    store = bench.store()
    name, found = _image(what, envs, store, challenger)
    if not to.parent.is_dir():
        raise SpecMissing(f"there is no folder {to.parent}", hint=f"mkdir -p {to.parent}")
    write = layout.archive if to.suffix == ".tar" else layout.folder
    write(found, store, to, reference=name)
    progress_done()
    body = {"schema": "harness.export/1", "name": name, "digest": found.digest, "path": str(to)}
    emit(body, f"{name} · {found.digest}\nwritten      {to}", output)
