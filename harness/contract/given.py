"""``@given_rows(schema)``: a user's own property, asked of rows in bulk.

::

    @given_rows("harness.toml")
    def test_a_price_is_positive(rows):   # a pandas DataFrame
        return price(rows) > 0            # True where the property holds

The property is looked at as a model that answers 1 where it holds, and is swept, explained and
kept like one.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest

from harness.contract import keep
from harness.contract.batch import Answer, Array, Batch, Refusal, Unsendable
from harness.contract.budget import settings
from harness.contract.checks.outputs import row_checks, valid_rows_are_answered
from harness.contract.claims import Claims
from harness.contract.collected import chosen, record, told
from harness.contract.keep import Kept, not_kept
from harness.contract.lines import failed
from harness.contract.probes import batch_of
from harness.contract.promise import Outcome, Settings
from harness.contract.replayed import ATTRIBUTE, OPTION
from harness.contract.run import examine
from harness.contract.source import Source, read
from harness.contract.trial import Trial
from harness.core.errors import HarnessError, PropertyUnusable
from harness.runtime import adapter
from harness.spec.project import Outputs

T = TypeVar("T")
_FALSE = "the property is False"
_RAISES = valid_rows_are_answered
_HOLDS = next(
    check
    for check in row_checks("regression", positive_only=False, bounded=True)
    if check.id == "values-stay-within-their-bounds"
)


def given_rows(
    source: str | Path | Mapping[str, Any],
    *,
    input: str = "pandas",
    rows: int | None = None,
    seconds: float | None = None,
    profile: str = "",
    seed: int = 0,
) -> Callable[[Callable[..., Any]], Callable[..., None]]:
    """Return a decorator for a test of one batch of rows: its first parameter gets rows that the
    schema admits, thousands at once; the other parameters are fixtures.

    The test returns one True or False a row (an array, a Series or a list), or one for the whole
    batch, or nothing and raises where the property doesn't hold. *source* is a ``harness.toml`` (or
    a folder with one), the ``.json`` of a schema, both relative to the test file, or a schema
    itself. *input* is ``pandas`` (a DataFrame), ``numpy`` or ``pyarrow``. The other settings are
    those of ``harness.contract.settings``. A row that fails is shown with its cause and kept.
    """
    place = Path(sys._getframe(1).f_globals.get("__file__", "test.py")).resolve().parent
    said = {"rows": rows, "seconds": seconds, "seed": seed}
    asked = settings(
        profile=profile, **{name: value for name, value in said.items() if value is not None}
    )

    def decorate(test: Callable[..., Any]) -> Callable[..., None]:
        given = Given(test, source, place)
        parameters = list(inspect.signature(test).parameters.values())
        first = next((p for p in parameters if p.name != "self"), None)
        rest = [p for p in parameters if p is not first]
        wants_request = any(p.name == "request" for p in rest)

        @functools.wraps(test)
        def wrapper(*arguments: Any, request: pytest.FixtureRequest, **fixtures: Any) -> None:
            if first is None:
                pytest.fail(f"{test.__name__} has no parameter for the rows", pytrace=False)
            if wants_request:
                fixtures["request"] = request

            def holds(frame: Any) -> Any:
                return test(*arguments, **{first.name: frame}, **fixtures)

            wrong, found = "", None
            try:
                found = given.examine(holds, input, chosen(asked, request.config))
            except HarnessError as error:
                wrong = told(error)
            if found is None:
                pytest.fail(wrong, pytrace=False)
            record(request, given.check, found.trial, found.outcome)
            if found.outcome.outcome == "skipped":
                pytest.skip(found.outcome.reason)
            if found.outcome.outcome == "failed":
                command = given.command(request)
                lines = failed(found.outcome, command, option=OPTION, notes=found.notes)
                pytest.fail("\n".join(lines), pytrace=False)

        only = inspect.Parameter("request", inspect.Parameter.KEYWORD_ONLY)
        signature = rest if wants_request else [*rest, only]
        wrapper.__signature__ = inspect.Signature(signature)  # type: ignore[attr-defined]
        setattr(wrapper, ATTRIBUTE, given)
        return wrapper

    return decorate


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What became of a property, and what is to be noted."""

    trial: Trial
    outcome: Outcome
    notes: tuple[str, ...]


class Given:
    """A property and the rows that it is asked of; a keeper of rows (``replayed.Keeper``)."""

    def __init__(
        self, test: Callable[..., Any], source: str | Path | Mapping[str, Any], place: Path
    ) -> None:
        """Take the property; nothing is read yet."""
        name = test.__qualname__.replace("<locals>.", "")
        self.check = f"{test.__module__.rpartition('.')[2]}.{name}"
        words = test.__name__.removeprefix("test_").replace("_", " ")
        self.promise = (test.__doc__ or words).strip().splitlines()[0].rstrip(".")
        self.replayed: Kept | None = None
        self._source = source
        self._place = place

    @cached_property
    def source(self) -> Source:
        """What rows are made from; raises SpecMissing, SpecInvalid, DataInvalid."""
        return read(self._source, self._place)

    @property
    def rows_folder(self) -> Path:
        """Where rows that fail are kept."""
        return self.source.rows_folder

    def check_of(self, item: pytest.Item) -> str:
        """Return the id under which rows of *item* are kept."""
        return self.check

    def kept(self) -> tuple[Kept, ...]:
        """Return the rows that failed before; raises DataInvalid."""
        return keep.read(self.rows_folder)

    def command(self, request: pytest.FixtureRequest) -> str:
        """Return what runs this test again."""
        try:
            file = os.path.relpath(request.path)
        except ValueError:  # another drive
            file = str(request.path)
        return f"pytest {file}"

    def examine(self, holds: Callable[[Any], Any], input: str, settings: Settings) -> Found:
        """Return what becomes of the property *holds*: kept rows first, then the sweep."""
        model = Property(holds, input)
        claims = Claims(
            name=self.check,
            input=input,
            domains=self.source.domains,
            outputs=Outputs(kind="regression", minimum=1.0),
        )
        entries = [entry for entry in self.kept() if entry.check == self.check]
        if self.replayed is not None:
            entries, settings = [self.replayed], replace(settings, rows=1)
        like = Trial(claims, model, self.source.training, settings=settings).candidates
        kept: dict[str, list[Mapping[str, Any]]] = {_RAISES.id: [], _HOLDS.id: []}
        for entry in entries:
            if set(entry.row) == set(claims.columns):
                kept[model.breaks(batch_of(entry.row, like))].append(entry.row)
        trial = Trial(claims, model, self.source.training, settings=settings, kept=kept)
        found = [examine(trial, _RAISES), examine(trial, _HOLDS)]
        return self._one(trial, found)

    def _one(self, trial: Trial, found: list[Outcome]) -> Found:
        """Return the outcomes of both checks as one, its failures kept."""
        notes = []
        failures = [
            *found[0].failures,
            *(replace(failure, observed=_FALSE) for failure in found[1].failures),
        ]
        told = [one for one in found if one.outcome == "failed"] or found
        if failures and self.replayed is None:
            try:
                failures = list(keep.keep(self.rows_folder, self.check, failures))
            except OSError as full:
                notes.append(not_kept(full))
        outcome = Outcome(
            id=self.check,
            promise=self.promise,
            grade="valid",
            outcome=told[0].outcome,
            reason=next((one.reason for one in told if one.reason), ""),
            failures=tuple(failures),
            seconds=sum(one.seconds for one in found),
        )
        return Found(trial=trial, outcome=outcome, notes=tuple(notes))


class Here:
    """Runs a job in the caller's thread (``harness.contract.deadline.Worker``, without its thread):
    fixtures belong to it, and a debugger."""

    def run(self, job: Callable[[], T], *, seconds: float) -> T:
        """Return what *job* returns, however long it takes."""
        return job()


class Property:
    """A property as a model that answers 1 where it holds and 0 where not, and refuses where it
    raises (``harness.contract.batch.Model``)."""

    methods: tuple[str, ...] = ("predict",)

    def __init__(self, holds: Callable[[Any], Any], kind: str) -> None:
        """Take the property and the *kind* of rows that it is given."""
        self.worker = Here()
        self._holds = holds
        self._kind = kind

    def answer(self, batch: Batch, *, method: str = "predict") -> Answer:
        """Answer *batch*; raises Refusal where the property raises or is False for all of it."""
        try:
            frame = adapter.build(batch.to_columns(), kind=self._kind, index=batch.index)
        except adapter.Unbuildable as unbuildable:
            raise Unsendable(str(unbuildable)) from unbuildable
        try:
            found = self._holds(frame)
        except (Exception, pytest.fail.Exception) as raised:
            raise Refusal.from_header(adapter.failure(raised)) from raised
        return Answer(values=_mask(found, batch.rows).astype(float))

    def breaks(self, row: Batch) -> str:
        """Return which check one *row* belongs to: where the property raises, or where it is False
        or holds again."""
        try:
            self.answer(row)
        except Refusal:
            return _RAISES.id
        except Unsendable:
            pass
        return _HOLDS.id


def _mask(found: Any, rows: int) -> Array:
    """Return what a property returned as one True or False a row; a missing one is False."""
    if found is None:
        return np.ones(rows, bool)
    if isinstance(found, bool | np.bool_):
        if not found:
            raise Refusal("False", ("False",), "for the batch as a whole")
        return np.ones(rows, bool)
    held = np.asarray(found)
    if held.shape == (rows,) and held.dtype == bool:
        return held
    if held.shape == (rows,) and held.dtype == object:
        each = [_truth(value) for value in held]
        if None not in each:
            return np.array(each, bool)
    what = f"{type(found).__name__} of shape {held.shape} and type {held.dtype}"
    raise PropertyUnusable(
        f"the test must return one True or False for each of {rows} rows; it returned a {what}",
        hint="return a comparison, such as price(rows) > 0, or return nothing and assert",
    )


def _truth(value: Any) -> bool | None:
    """Return whether *value* says that a row holds; None where it says nothing about that."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if value is None or type(value).__name__ == "NAType":
        return False
    return False if isinstance(value, float) and value != value else None
