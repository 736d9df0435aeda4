"""``image``: a built image, looked at or written for other tools."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli import bench
from harness.cli.build import built, summary
from harness.cli.output import emit, fails_well, output_option, progress, progress_done
from harness.cli.place import found as find
from harness.cli.place import source_option
from harness.core.digest import Digest, short
from harness.core.errors import SpecInvalid, SpecMissing, UnknownEnvironment
from harness.flows import environment as flow
from harness.flows import line
from harness.image import layout, model, pack
from harness.image.image import Image
from harness.spec import parse
from harness.world.store import Store


@click.group()
def image() -> None:
    """Look at a built image, or write it for other tools."""


def image_of(what: str, envs: str | None, store: Store, challenger: str) -> tuple[str, Image]:
    """Return name and image by digest, by environment, or by model folder."""
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


def refuse_others(to: Path) -> None:
    """Raise SpecInvalid where a layout would be poured into a folder of something else."""
    if to.is_dir() and not (to / "oci-layout").is_file() and any(to.iterdir()):
        raise SpecInvalid(
            f"{to} holds something else than an image", hint="name a new or empty folder: --to"
        )


@image.command("show")
@click.argument("what")
@source_option
@click.option("--challenger", default="", help="A variant of [challengers].")
@output_option
@fails_well
def show(what: str, envs: str | None, challenger: str, output: str) -> None:
    """Show the layers of an environment, a model folder or a digest."""
    name, found = image_of(what, envs, bench.store(), challenger)
    progress_done()
    rows = [
        f"  {layer.size / 1e6:>9.2f} MB  {short(layer.diff_id)}  {layer.title}"
        for layer in found.layers
    ]
    emit(built(name, found), "\n".join([summary(name, found), *rows]), output)


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
    if not to.parent.is_dir():
        raise SpecMissing(f"there is no folder {to.parent}", hint=f"mkdir -p {to.parent}")
    refuse_others(to)
    write = layout.archive if to.suffix == ".tar" else layout.folder
    store = bench.store()
    name, found = image_of(what, envs, store, challenger)
    packed = pack.packed(found, store, progress=progress)
    write(packed, store, to, reference=name)
    progress_done()
    body = {
        "schema": "harness.export/1",
        "name": name,
        "digest": packed.digest,
        "config": found.config,
        "path": str(to),
    }
    emit(body, f"{name} · {packed.digest}\nwritten      {to}", output)
