"""``env``: environments as a whole."""

from __future__ import annotations

import click

from harness.cli.adopt import adopt
from harness.cli.consumers import consumers


@click.group()
def env() -> None:
    """Make environments from what exists; see who uses them."""


env.add_command(adopt)
env.add_command(consumers)
