"""``fetch`` and ``bundle``: the files that locks name, brought here or packed for elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from harness.cli import bench
from harness.cli.output import emit, fails_well, output_option, progress, progress_done
from harness.cli.place import folder, maintained, source_option
from harness.core.errors import BundleInvalid, SpecMissing
from harness.flows import bundle as bundles
from harness.flows import environment as flow
from harness.lock import pylock, pylock_reading
from harness.lock.fetch import link_wheels
from harness.world import clock

F = TypeVar("F", bound=Callable[..., Any])


def bundle_option(command: F) -> F:
    """Add ``--bundle``."""
    option = click.option(
        "--bundle",
        type=click.Path(path_type=Path, dir_okay=False),
        default=None,
        help="Take every file from this one, which `harness bundle` wrote; ask no network.",
    )
    return option(command)


@click.command()
@click.argument("name", default="")
@source_option
@bundle_option
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
        flow.fetched(
            locked,
            store,
            folder=environment.folder,
            engine=lambda: bench.engine("auto"),
            progress=progress,
        )
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
    packed = bundles.pack(
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
