"""``harness``: the front door. Each file beside this one holds a group of verbs."""

from __future__ import annotations

import importlib

import click

COMMANDS = {
    "check": "check",
    "explain": "explain",
    "init": "init",
    "train": "promote",
    "stage": "promote",
    "promote": "promote",
    "why": "ledger",
    "diff": "diff",
    "env": "env",
    "patch": "patch",
    "audit": "audit",
    "lock": "lock",
    "fetch": "fetch",
    "bundle": "fetch",
    "build": "build",
    "image": "evidence",
    "verify": "verify",
    "push": "registry",
    "pull": "registry",
    "store": "store",
    "ledger": "ledger",
    "rollback": "ledger",
    "doctor": "doctor",
    "git": "git",
}
"""The verbs in the order in which help lists them, and the file of each."""


class Verbs(click.Group):
    """Loads a verb's file when the verb is asked for: ``check`` starts without what builds."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of a verb."""
        if cmd_name not in COMMANDS:
            return None
        room = importlib.import_module(f"harness.cli.{COMMANDS[cmd_name]}")
        command: click.Command = getattr(room, cmd_name)
        return command


@click.command(
    cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="model-harness", prog_name="harness")
def main() -> None:
    """One lock, one digest, one contract, one decision: what was tested is what ships.

    Exit codes: 0 done, 1 a check failed, 2 wrong usage or file, 3 an environment could not be
    built or started, 4 undecided or no data.
    """
