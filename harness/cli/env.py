"""``env``: environments as a whole."""

from __future__ import annotations

import click

from harness.cli.adopt import adopt


@click.group()
def env() -> None:
    """Make environments from what exists."""


env.add_command(adopt)
