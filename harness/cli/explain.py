"""``explain``: what a check promises, why, how it is tested, and what to do when it fails."""

from __future__ import annotations

import click

from harness.cli.output import emit, fails_well, output_option
from harness.contract.explain import every_check, page

_SCHEMA = "harness.explain/1"


@click.command()
@click.argument("check", required=False)
@output_option
@fails_well
def explain(check: str | None, output: str) -> None:
    """Explain one CHECK of the contract; without one, list them all."""
    if check is None:
        listed = [
            {"id": one.id, "grade": one.grade, "promise": one.promise} for one in every_check()
        ]
        width = max(len(one["id"]) for one in listed)
        lines = [f"{one['id']:<{width}}  {one['grade']:<10}  {one['promise']}" for one in listed]
        emit({"schema": _SCHEMA, "checks": listed}, "\n".join(lines), output)
        return
    found = page(check)
    body = {
        "schema": _SCHEMA,
        "id": found.id,
        "grade": found.grade,
        "promise": found.promise,
        "sections": dict(found.sections),
    }
    emit(body, found.text, output)
