"""``env``: environments as a whole."""

from __future__ import annotations

import click

from harness.cli import curated
from harness.cli.adopt import adopt
from harness.cli.consumers import consumers
from harness.cli.venv import venv


@click.group()
def env() -> None:
    """Make, list, check and release environments; see who uses them."""


for command in (
    curated.list_,
    curated.show,
    curated.release,
    curated.check,
    curated.accept,
    venv,
    adopt,
    consumers,
):
    env.add_command(command)
