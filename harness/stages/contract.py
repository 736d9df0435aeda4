"""The contract, over the probe: the model as it lies in the image that ships."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from harness.contract import keep, run
from harness.contract.batch import Batch, Model
from harness.contract.claims import Claims
from harness.contract.lines import percent
from harness.contract.promise import Failure, Outcome, Report, Settings, reproduce
from harness.core.digest import Digest
from harness.image.model import Runnable
from harness.stages.load import Bench, elsewhere, probe
from harness.stages.stage import Problem, StageResult


def report(
    bench: Bench,
    runnable: Runnable,
    claims: Claims,
    rows: Batch,
    settings: Settings,
    *,
    dev: Batch | None,
    digest: Digest,
    rows_folder: Path,
    command: str,
) -> Report:
    """Return the contract's report on the model in the image.

    *rows* are training rows and *dev* dev rows, both with their outcome: it stays on this side.
    """
    with ExitStack() as running:

        def opened() -> Model:
            running.close()  # one that hangs would go on working beside the next
            return running.enter_context(probe(bench, runnable, label="contract"))

        return run.run(
            claims,
            opened(),
            rows,
            settings=settings,
            reopen=opened,
            elsewhere=elsewhere(bench, runnable),
            dev=dev,
            digest=digest,
            rows_folder=rows_folder,
            kept=keep.read(rows_folder),
            command=command,
        )


def result(found: Report) -> StageResult:
    """Return what a report comes to as a stage: passed when no promise is broken."""
    passed = sum(check.outcome == "passed" for check in found.checks)
    coverage = "".join(
        f", {t}-way {percent(share)}" for t, share in sorted(found.coverage.items())[:1]
    )
    return StageResult(
        stage="contract",
        passed=found.ok,
        summary=f"{passed} checks, {found.rows:,} rows{coverage}"
        if found.ok
        else f"{len(found.failed)} of {len(found.checks)} checks",
        problems=tuple(
            _problem(check, failure, found.command)
            for check in found.failed
            for failure in (check.failures or (None,))
        ),
        details=found.to_json(),
    )


def _problem(check: Outcome, failure: Failure | None, command: str) -> Problem:
    if failure is None:
        return Problem(promise=check.promise, lines=(("reason", check.reason),))
    columns = failure.cause.columns or tuple(failure.row)
    row = ", ".join(
        f"{name} = {_shown(failure.row[name])}" for name in columns if name in failure.row
    )
    cause = failure.cause
    calls = f"({_counted(len(cause.columns))}, {cause.calls} calls)" if cause.columns else ""
    lines = [
        ("row", row),
        ("observed", failure.observed),
        ("cause", f"{cause.rule} {calls}".strip()),
    ]
    lines.append(("replay", reproduce(failure, command)))
    return Problem(promise=check.promise, lines=tuple((k, v) for k, v in lines if v))


def _counted(cells: int) -> str:
    return f"{cells} cell" if cells == 1 else f"{cells} cells"


def _shown(value: Any) -> str:
    return "missing" if value is None else repr(value)
