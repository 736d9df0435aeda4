"""``contract("harness.toml")``: what pytest collects as one item a check."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from harness.contract.promise import Check, Outcome, Settings
from harness.core.errors import HarnessError
from harness.spec.project import Project

PROPERTY = "harness"


def contract(
    file: str | Path = "harness.toml",
    *,
    settings: Settings | None = None,
    expected_failures: Mapping[str, str] | None = None,
) -> Callable[..., None]:
    """Return a test function that pytest turns into one item a check.

    *file* is relative to the calling test file: a ``harness.toml``, a ``pyproject.toml``, or a
    folder with one. *expected_failures* maps a check's id to why it may fail; it is strict, so a
    check that passes all the same fails. A file that can't be used makes one item that fails and
    says so.
    """
    caller = sys._getframe(1)
    place = Path(caller.f_globals.get("__file__", "test.py"))
    expected = dict(expected_failures or {})
    try:
        shared = Shared(place.parent / file, settings or Settings())
        checks = shared.checks(expected)
    except HarnessError as error:
        return _located(_refused(error), place, caller.f_lineno)
    parameters = [
        pytest.param(
            check,
            id=check.id,
            marks=[pytest.mark.xfail(reason=expected[check.id], strict=True)]
            if check.id in expected
            else [],
        )
        for check in checks
    ]

    @pytest.mark.parametrize("check", parameters)
    def test_contract(check: Check, request: pytest.FixtureRequest) -> None:
        __tracebackhide__ = True
        outcome = shared.examine(check, request.config)
        _record(request, shared, outcome)
        if outcome.outcome == "skipped":
            pytest.skip(outcome.reason)
        if outcome.outcome == "failed":
            from harness.contract.lines import failed

            pytest.fail("\n".join(failed(outcome, shared.command)), pytrace=False)

    return _located(test_contract, place, caller.f_lineno)


class Shared:
    """What the items of one contract share in one process: the project, the trial."""

    def __init__(self, file: Path, settings: Settings) -> None:
        """Read the project; raises SpecMissing, SpecInvalid."""
        from harness.spec import parse

        self.settings = settings
        self.project: Project = parse.project(file)
        self.command = f"harness check {self.project.folder}"
        self._failed: HarnessError | None = None
        self.trial: Any = None

    def checks(self, expected: Mapping[str, str]) -> list[Check]:
        """Return the checks that the project's claims call for; raises SpecInvalid."""
        from harness.contract.check import claims_for
        from harness.contract.checks.catalogue import checks_for
        from harness.contract.run import refuse_unknown

        claims = claims_for(self.project)
        found = list(checks_for(claims or self._ready.claims))
        refuse_unknown(expected, found)
        return found

    @cached_property
    def _ready(self) -> Any:
        from harness.contract.check import prepare

        return prepare(self.project)

    def examine(self, check: Check, config: pytest.Config) -> Outcome:
        """Return what *check* finds; the model is opened for the first one."""
        from harness.contract.run import examine

        __tracebackhide__ = True
        if self._failed is None and self.trial is None:
            try:
                self._open(config)
            except HarnessError as error:
                self._failed = error
        if self._failed is not None:
            pytest.fail(_told(self._failed), pytrace=False)
        return examine(self.trial, check, rows_folder=self._ready.rows_folder)

    def _open(self, config: pytest.Config) -> None:
        from harness.contract import keep
        from harness.contract.run import open_trial

        ready = self._ready
        self.trial = open_trial(
            ready.claims,
            ready.door.model,
            ready.rows,
            settings=_chosen(self.settings, config),
            reopen=ready.door.reopen,
            elsewhere=ready.door.elsewhere,
            kept=keep.read(ready.rows_folder),
        )


def _chosen(settings: Settings, config: pytest.Config) -> Settings:
    rows = config.getoption("contract_rows", None)
    seconds = config.getoption("contract_seconds", None)
    return replace(
        settings,
        rows=settings.rows if rows is None else rows,
        seconds=settings.seconds if seconds is None else seconds,
    )


def _record(request: pytest.FixtureRequest, shared: Shared, outcome: Outcome) -> None:
    """Leave what JUnit and the summary tell: strings alone, so that xdist can carry them."""
    sweep = shared.trial.sweep
    told = {
        "model": shared.project.model.name,
        "check": outcome.id,
        "grade": outcome.grade,
        "calls": str(shared.trial.calls),
        "rows": str(0 if sweep is None else sweep.rows),
        "replay": ",".join(f.replay for f in outcome.failures if f.replay),
    }
    if sweep is not None:
        told |= {f"coverage-{t}": f"{share:.6f}" for t, share in sorted(sweep.coverage.items())}
    for name, value in told.items():
        request.node.user_properties.append((f"{PROPERTY}.{name}", value))


def _refused(error: HarnessError) -> Callable[..., None]:
    def test_contract() -> None:
        __tracebackhide__ = True
        pytest.fail(_told(error), pytrace=False)

    return test_contract


def _told(error: HarnessError) -> str:
    return f"error: {error.message}" + (f"\nhint: {error.hint}" if error.hint else "")


def _located(test: Callable[..., None], place: Path, line: int) -> Callable[..., None]:
    """Return *test* as if it had been written at *line* of *place*, where pytest will point."""
    code = test.__code__
    test.__code__ = code.replace(co_filename=str(place), co_firstlineno=line)
    return test
