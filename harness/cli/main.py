"""``harness``: the front door. Each file beside this one holds a group of verbs."""

from __future__ import annotations

import click

from harness.cli import check, doctor, environment, ledger, promote


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="model-harness", prog_name="harness")
def main() -> None:
    """One lock, one digest, one contract, one decision: what was tested is what ships.

    Exit codes: 0 done, 1 a check failed, 2 wrong usage or file, 3 an environment could not be
    built or started, 4 undecided or no data.
    """


for command in (
    check.check,
    promote.train,
    promote.stage,
    promote.promote,
    ledger.why,
    environment.lock,
    environment.fetch,
    environment.build,
    environment.image,
    ledger.ledger,
    ledger.rollback,
    doctor.doctor,
):
    main.add_command(command)
