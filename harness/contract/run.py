"""Running a contract: every check its own outcome, none of them able to take another down."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from harness.contract import keep
from harness.contract.asking import Elsewhere, Malformed
from harness.contract.batch import Batch, Broken, Model, Refusal
from harness.contract.checks.catalogue import checks_for
from harness.contract.claims import Claims
from harness.contract.documents.trial import DocumentTrial
from harness.contract.promise import (
    DEFAULT,
    Check,
    Failure,
    Outcome,
    OutOfTime,
    Report,
    Settings,
    Skip,
)
from harness.contract.trial import Trial
from harness.core.errors import HarnessError, SpecInvalid

MOST_FAILURES = 5
"""How many failures of one check are told."""

_OF_STATE = ("same-input-gives-same-output", "earlier-batches-do-not-matter")
"""Where these fail, no rule that is found by asking is believed at once."""


def run(
    claims: Claims,
    model: Model,
    rows: Batch,
    *,
    settings: Settings = DEFAULT,
    reopen: Callable[[], Model] | None = None,
    elsewhere: Elsewhere | None = None,
    dev: Batch | None = None,
    expected_failures: Mapping[str, str] | None = None,
    kept: Sequence[keep.Kept] = (),
    rows_folder: Path | None = None,
    digest: str | None = None,
    command: str = "harness check",
) -> Report:
    """Return what the checks that follow from *claims* find out about *model*.

    *rows* are training rows (some thousands are plenty; none is allowed), *reopen* gives a new
    model after one died or hung, *elsewhere* the same model in another process, *dev* are dev rows
    with their target. *expected_failures* maps a check's id to why it may fail (one
    that passes then counts as failed). *kept* rows are asked first; new ones are kept in
    *rows_folder*. Raises SpecInvalid for an expected failure of a check that doesn't exist.
    """
    checks = list(checks_for(claims))
    expected = dict(expected_failures or {})
    refuse_unknown(expected, checks)
    trial = open_trial(
        claims,
        model,
        rows,
        settings=settings,
        reopen=reopen,
        elsewhere=elsewhere,
        dev=dev,
        kept=kept,
    )
    outcomes = [
        examine(trial, check, expected=expected.get(check.id), rows_folder=rows_folder)
        for check in checks
    ]
    return report(trial, outcomes, digest=digest, command=command)


def replay(
    claims: Claims,
    model: Model,
    rows: Batch,
    kept: keep.Kept,
    *,
    settings: Settings = DEFAULT,
    reopen: Callable[[], Model] | None = None,
    elsewhere: Elsewhere | None = None,
    dev: Batch | None = None,
    command: str = "harness check",
) -> Report:
    """Return what becomes of one *kept* row: its check alone, that row first, no sweep.

    Raises SpecInvalid when the claims have no such check any more.
    """
    checks = [check for check in checks_for(claims) if check.id == kept.check]
    if not checks:
        refuse_unknown({kept.check: ""}, list(checks_for(claims)))
    short = replace(settings, rows=1)
    trial = open_trial(
        claims,
        model,
        rows,
        settings=short,
        reopen=reopen,
        elsewhere=elsewhere,
        dev=dev,
        kept=[kept],
    )
    return report(trial, [examine(trial, check) for check in checks], command=command)


def open_trial(
    claims: Claims,
    model: Model,
    rows: Batch,
    *,
    settings: Settings,
    reopen: Callable[[], Model] | None = None,
    elsewhere: Elsewhere | None = None,
    dev: Batch | None = None,
    kept: Sequence[keep.Kept] = (),
) -> Trial:
    """Return a trial that knows the rows that failed before."""
    by_check: dict[str, list[Mapping[str, object]]] = {}
    for entry in kept:
        by_check.setdefault(entry.check, []).append(entry.row)
    opened = Trial if claims.document is None else DocumentTrial
    return opened(
        claims,
        model,
        rows,
        settings=settings,
        reopen=reopen,
        elsewhere=elsewhere,
        dev=dev,
        kept=by_check,
    )


def examine(
    trial: Trial,
    check: Check,
    *,
    expected: str | None = None,
    rows_folder: Path | None = None,
) -> Outcome:
    """Return what one check finds, whatever happens while it looks."""
    began = time.monotonic()
    failures: list[Failure] = []
    outcome, reason = "passed", ""
    try:
        with trial.running(check.id):
            for failure in islice(check.evidence(trial), MOST_FAILURES):
                failures.append(failure)
    except Skip as skip:
        outcome, reason = "skipped", str(skip)
    except OutOfTime as late:
        outcome, reason = "failed", str(late)
    except Broken as broken:
        outcome, reason = "failed", str(broken)
    except Refusal as refusal:
        outcome, reason = "failed", f"the model raised {refusal}"
    except Malformed as malformed:
        outcome, reason = "failed", str(malformed)
    except HarnessError:
        raise
    except Exception as bug:  # one check's bug must not cost the others' results
        outcome, reason = "failed", f"the check itself broke: {type(bug).__name__}: {bug}"
    if failures:
        outcome = "failed"
        trial.steady &= check.id not in _OF_STATE
        if rows_folder is not None:
            try:
                failures = list(keep.keep(rows_folder, check.id, failures))
            except OSError as full:  # the report comes all the same
                if (note := keep.not_kept(full)) not in trial.notes:
                    trial.notes.append(note)
    if expected is not None and outcome == "failed":
        outcome, reason = "expected", expected
    elif expected is not None and outcome == "passed":
        outcome, reason = "failed", f"expected to fail ({expected}), and it passes"
    return Outcome(
        id=check.id,
        promise=check.promise,
        grade=check.grade,
        outcome=outcome,
        reason=reason,
        failures=tuple(failures),
        seconds=time.monotonic() - began,
    )


def report(
    trial: Trial,
    outcomes: Sequence[Outcome],
    *,
    digest: str | None = None,
    command: str = "harness check",
) -> Report:
    """Return the report of *trial* and its *outcomes*."""
    found = trial.sweep
    told = getattr(trial.model, "about", {})
    notes = [*told.get("remarks", ()), *trial.notes]
    if found is not None and found.stopped:
        notes.append(f"sweep: {found.stopped}")
    return Report(
        model=trial.claims.name,
        digest=digest,
        rows=0 if found is None else found.rows,
        coverage={} if found is None else found.coverage,
        checks=tuple(outcomes),
        calls=trial.calls,
        seconds=trial.spent,
        tolerance=trial.claims.equal,
        notes=tuple(notes),
        command=command,
    )


def refuse_unknown(named: Mapping[str, str], checks: Sequence[Check]) -> None:
    """Raise SpecInvalid when *named* holds the id of no check."""
    there = {check.id for check in checks}
    unknown = sorted(set(named) - there)
    if unknown:
        raise SpecInvalid(
            f"no check is called {', '.join(unknown)}",
            hint=f"the checks of this contract are: {', '.join(sorted(there))}",
        )
