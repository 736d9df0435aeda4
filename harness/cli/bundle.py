"""``bundle``: environments in one file, for machines without a network."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli import bench
from harness.cli.output import emit, fails_well, output_option, progress, progress_done
from harness.cli.place import maintained, source_option
from harness.core.errors import SpecMissing
from harness.flows import bundle as flow
from harness.world import clock


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option(
    "-o",
    "--to",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="The file to write.  [default: NAME-VERSION.bundle.tar, or bundle.tar for several]",
)
@click.option(
    "--no-index", is_flag=True, help="Leave the Debian index out: nothing can be locked from it."
)
@source_option
@output_option
@fails_well
def bundle(
    names: tuple[str, ...], to: Path | None, no_index: bool, envs: str | None, output: str
) -> None:
    """Pack locks with every file they need, for a machine without a network.

    There: harness fetch --bundle FILE.
    """
    environments = [maintained(name, envs) for name in sorted(set(names))]
    one = environments[0].reference.replace(":", "-")
    target = to or Path(f"{one}.bundle.tar" if len(environments) == 1 else "bundle.tar")
    if not target.absolute().parent.is_dir():
        raise SpecMissing(f"there is no folder {target.parent}", hint=f"mkdir -p {target.parent}")
    packed = flow.pack(
        environments,
        target.absolute(),
        bench.store(),
        now=clock.now(),
        index=not no_index,
        progress=progress,
    )
    progress_done()
    body = {
        "schema": "harness.bundle-written/1",
        "path": str(target),
        "digest": packed.digest,
        "environments": list(packed.references),
        "files": packed.files,
        "size": packed.size,
        "locks": not no_index,
    }
    lines = [
        f"{', '.join(packed.references)} bundled · {packed.digest}",
        f"written      {target}, {packed.files} files, {packed.size / 1e6:.0f} MB",
        f"there        harness fetch --bundle {target.name}",
    ]
    emit(body, "\n".join(lines), output)
