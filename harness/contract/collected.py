"""``contract("harness.toml")``: what pytest collects as one item a check."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.contract.budget import Budget
from harness.contract.budget import chosen as chosen_of
from harness.contract.declared import Relations
from harness.contract.declared import project as declared_project
from harness.contract.promise import Check, Outcome, Settings
from harness.contract.replayed import ATTRIBUTE
from harness.core.errors import HarnessError

if TYPE_CHECKING:
    from harness.contract.keep import Kept

PROPERTY = "harness"


def contract(
    what: str | Path = "harness.toml",
    *,
    train: str | Path | None = None,
    target: str | None = None,
    input: str = "pandas",
    artifact: str | Path | None = None,
    monotone: Mapping[str, str] | None = None,
    invariant: Sequence[str] | None = None,
    settings: Budget | Settings | None = None,
    expected_failures: Mapping[str, str] | None = None,
) -> Callable[..., None]:
    """Return a test function that pytest turns into one item a check.

    *what* is relative to the calling test file: a ``harness.toml``, a ``pyproject.toml``, or a
    folder with one; or ``module:load``, with *train* (a Parquet or CSV file) and *target* (the
    column that is predicted) instead, perhaps the model's *input* (``pandas``, ``numpy``,
    ``pyarrow``) and the *artifact* that load reads. *monotone* and *invariant* take the place of
    those under ``[contract]``. *expected_failures* maps a check's id to why it may fail; it is
    strict, so a check that passes all the same fails. What can't be used makes one item that fails
    and says so.
    """
    caller = sys._getframe(1)
    place = Path(caller.f_globals.get("__file__", "test.py"))
    expected = dict(expected_failures or {})
    relations = Relations(monotone=monotone, invariant=invariant)
    try:
        chosen_of(settings)
        project = declared_project(
            what,
            place.resolve().parent,
            train=train,
            target=target,
            input=input,
            artifact=artifact,
            relations=relations,
        )
        shared = Shared(project, relations, settings)
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
        outcome, notes = shared.examine(check, request.config)
        _record(request, shared, outcome)
        if outcome.outcome == "skipped":
            pytest.skip(outcome.reason)
        if outcome.outcome == "failed":
            from harness.contract.lines import failed

            pytest.fail("\n".join(failed(outcome, shared.command, notes=notes)), pytrace=False)

    setattr(test_contract, ATTRIBUTE, shared)
    return _located(test_contract, place, caller.f_lineno)


class Shared:
    """What the items of one contract share in one process: the project, the trial."""

    def __init__(
        self,
        project: Any,
        relations: Relations,
        settings: Budget | Settings | None,
    ) -> None:
        """Take what is checked; nothing is loaded yet."""
        self.project = project
        self.replayed: Kept | None = None
        self.trial: Any = None
        self._relations = relations
        self._settings = settings
        self._failed: HarnessError | None = None
        self._in_process = False
        self._memory = 0

    def checks(self, expected: Mapping[str, str]) -> list[Check]:
        """Return the checks that the project's claims call for; raises SpecInvalid."""
        from harness.contract.check import claims_for
        from harness.contract.checks.catalogue import checks_for
        from harness.contract.run import refuse_unknown

        claims = claims_for(self.project)
        found = list(checks_for(claims or self._ready.claims))
        refuse_unknown(expected, found)
        return found

    def check_of(self, item: pytest.Item) -> str:
        """Return the id of the check that *item* runs."""
        check: Check = item.callspec.params["check"]  # type: ignore[attr-defined]
        return check.id

    def kept(self) -> tuple[Kept, ...]:
        """Return the rows that failed before; raises DataInvalid."""
        from harness.contract import keep

        return keep.read(self.rows_folder)

    @cached_property
    def rows_folder(self) -> Path:
        """Where rows that fail are kept."""
        from harness.contract.check import ROWS

        folder: Path = self.project.folder / ROWS
        return folder

    @cached_property
    def command(self) -> str:
        """What checks this project without pytest."""
        try:
            folder = os.path.relpath(self.project.folder)
        except ValueError:  # another drive
            folder = str(self.project.folder)
        return f"harness check {folder}"

    @cached_property
    def _ready(self) -> Any:
        from harness.contract.check import prepare
        from harness.contract.claims import claims_of

        ready = prepare(self.project, in_process=self._in_process, memory=self._memory)
        if ready.draft is None or not self._relations.any:
            return ready
        drafted = self._relations.of(ready.draft.contract)
        target = self.project.data.target
        return replace(ready, claims=claims_of(self.project.model, drafted, target=target))

    def examine(self, check: Check, config: pytest.Config) -> tuple[Outcome, list[str]]:
        """Return what *check* finds, and what is to be noted; the first one opens the model."""
        from harness.contract.run import examine

        if self._failed is None and self.trial is None:
            try:
                self._open(config)
            except HarnessError as error:
                self._failed = error
        if self._failed is not None:
            pytest.fail(told(self._failed), pytrace=False)
        before = len(self.trial.notes)
        folder = None if self.replayed else self.rows_folder
        outcome = examine(self.trial, check, rows_folder=folder)
        return outcome, self.trial.notes[before:]

    def _open(self, config: pytest.Config) -> None:
        from harness.contract.run import open_trial

        settings = chosen(self._settings, config)
        self._in_process = bool(config.getoption("contract_in_process", False))
        self._memory = settings.memory
        if self._in_process and "_ready" in self.__dict__:  # opened to draft the contract
            self.__dict__.pop("_ready").door.close()
        ready = self._ready
        config.add_cleanup(ready.door.close)
        self.trial = open_trial(
            ready.claims,
            ready.door.model,
            ready.rows,
            settings=replace(settings, rows=1) if self.replayed else settings,
            reopen=ready.door.reopen,
            elsewhere=ready.door.elsewhere,
            dev=ready.dev,
            kept=[self.replayed] if self.replayed else self.kept(),
        )


def chosen(asked: Budget | Settings | None, config: pytest.Config) -> Settings:
    """Return the settings that the file, the environment and the options say; raises SpecInvalid.

    Without the plugin there are no options.
    """
    return chosen_of(
        asked,
        profile=config.getoption("contract_profile", None),
        rows=config.getoption("contract_rows", None),
        seconds=config.getoption("contract_seconds", None),
    )


def record(request: pytest.FixtureRequest, model: str, trial: Any, outcome: Outcome) -> None:
    """Leave what JUnit and the summary tell: strings alone, so that xdist can carry them."""
    sweep = trial.sweep
    found = {
        "model": model,
        "check": outcome.id,
        "grade": outcome.grade,
        "calls": str(trial.calls),
        "rows": str(0 if sweep is None else sweep.rows),
        "replay": ",".join(f.replay for f in outcome.failures if f.replay),
    }
    if sweep is not None:
        found |= {f"coverage-{t}": f"{share:.6f}" for t, share in sorted(sweep.coverage.items())}
    for name, value in found.items():
        request.node.user_properties.append((f"{PROPERTY}.{name}", value))


def _record(request: pytest.FixtureRequest, shared: Shared, outcome: Outcome) -> None:
    record(request, shared.project.model.name, shared.trial, outcome)


def _refused(error: HarnessError) -> Callable[..., None]:
    def test_contract() -> None:
        pytest.fail(told(error), pytrace=False)

    return test_contract


def told(error: HarnessError) -> str:
    """Return an error as a person reads it: what happened, and on its own line what to do."""
    return f"error: {error.message}" + (f"\nhint: {error.hint}" if error.hint else "")


def _located(test: Callable[..., None], place: Path, line: int) -> Callable[..., None]:
    """Return *test* as if it had been written at *line* of *place*, where pytest will point."""
    code = test.__code__
    test.__code__ = code.replace(co_filename=str(place), co_firstlineno=line)
    return test
