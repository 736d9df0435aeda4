"""``env consumers``: who uses an environment."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.output import emit, fails_well, output_option
from harness.flows import consumers as flow
from harness.world import clock


@click.command()
@click.argument("name", metavar="NAME[:VERSION]")
@click.argument("places", nargs=-1, required=True, metavar="PATH…", type=click.Path(path_type=Path))
@output_option
@fails_well
def consumers(name: str, places: tuple[Path, ...], output: str) -> None:
    """List who uses an environment, from ledgers and environment.lock files in PATH….

    A PATH is such a file, or a folder that is searched for both.
    """
    found = flow.consumers(name, places, clock=clock.now)
    body = {
        "schema": "harness.env-consumers/1",
        "name": name,
        "consumers": [
            {
                "environment": one.environment,
                "name": one.name,
                "champion": one.champion,
                "where": str(one.where),
            }
            for one in found
        ],
    }
    said = {True: "champion", False: "promoted once", None: "locked"}
    lines = [
        f"{one.environment}  {one.name}  {said[one.champion]}  {one.where}" for one in found
    ] or [f"nobody uses {name}, as far as these files say"]
    emit(body, "\n".join(lines), output)
