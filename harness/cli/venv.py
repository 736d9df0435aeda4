"""``env venv``: a lock as a virtual environment for development."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from harness.cli import bench, place
from harness.cli.output import emit, fails_well, output_option, progress, progress_done
from harness.core.errors import ToolMissing
from harness.flows import environment
from harness.flows import venv as flow
from harness.lock import pylock


@click.command()
@click.argument("name")
@click.argument("folder", default=".venv", type=click.Path(path_type=Path))
@click.option(
    "--python",
    default="",
    help="The interpreter to use.  [default: one of the lock's version, else this one]",
)
@click.option("--clear", is_flag=True, help="Replace the virtual environment that is there.")
@place.source_option
@output_option
@fails_well
def venv(name: str, folder: Path, python: str, clear: bool, envs: str | None, output: str) -> None:
    """Make a virtual environment of a lock's packages in FOLDER, and say what differs.

    Exit code 1 when a package has no file for this interpreter.
    """
    store = bench.store()
    lock = pylock.read(place.found(name, envs, store))
    chosen = flow.which(python) if python else flow.interpreter(lock)
    if chosen is None:
        raise ToolMissing(f"there is no interpreter {python}", hint="name one that is installed")
    made = flow.made(
        lock,
        folder,
        store,
        python=chosen,
        clear=clear,
        progress=environment.counted(progress),
    )
    progress_done()
    body = {
        "schema": "harness.env-venv/1",
        "name": lock.reference,
        "folder": str(folder),
        "python": made.python,
        "exact": list(made.exact),
        "missing": list(made.missing),
        "differences": [asdict(one) for one in made.differences],
    }
    count = f"{len(made.exact)} of {len(lock.packages)} packages are the locked files"
    lines = [f"{lock.reference} in {folder} · Python {made.python} · {count}"]
    if made.differences:
        lines.append("not as in the image:")
    lines += [f"  {one.what}: {one.locked} → {one.here}" for one in made.differences]
    lines.append(f"  source {folder}/bin/activate")
    emit(body, "\n".join(lines), output)
    sys.exit(1 if made.missing else 0)
