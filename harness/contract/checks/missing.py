"""What must not matter about a cell that holds nothing: which form of nothing it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.contract.batch import Batch, Refusal
from harness.contract.compared import apart, difference
from harness.contract.levels import UNSEEN
from harness.contract.promise import Cause, Failure, Skip, structural
from harness.contract.trial import Trial

_FORMS = {
    "number": {"Float64": "pandas.NA", "object": "None"},
    "string": {
        **{"": "NaN", "object": "None", "object:nan": "NaN among objects"},
        **{"object:NA": "pandas.NA among objects", "string": "pandas.NA"},
    },
    "boolean": {"object": "None", "object:nan": "NaN", "boolean": "pandas.NA"},
}
"""How a missing cell may be held, by kind of column: a dtype, and what it holds there."""


@structural
def forms_of_a_missing_cell_do_not_matter(trial: Trial) -> Iterator[Failure]:
    """None, NaN and pandas.NA are one and the same missing cell, where the schema admits one."""
    names = [domain.name for domain in trial.claims.domains if domain.nullable]
    rows = trial.probe.rows
    names = [name for name in names if rows[name].absent.any()]
    if not names:
        raise Skip("no column may hold a missing cell, or no row that is answered has one")
    if trial.claims.input not in ("pandas", "pyarrow"):
        raise Skip(f"{trial.claims.input} has one form of a missing cell")
    refused = ""
    for name in names:
        for batch, what in _missing_otherwise(trial, rows, name):
            try:
                found = _missing_as(trial, batch, name, what)
            except Refusal as refusal:  # a type that it never learned: no wrong answer
                refused = refused or f"{name} missing as {what} is refused: {refusal}"
                continue
            except _Unknown:
                refused = refused or f"{what} in {name} is like a value that it doesn't know"
                continue
            if found is not None:
                yield found
                break
    if refused:
        raise Skip(refused)


class _Unknown(Exception):
    """To the model a missing cell of this form is a value that it doesn't know. scikit-learn's
    encoders take None and NaN for two categories, and a model on top of them can't help it."""


def _missing_otherwise(trial: Trial, rows: Batch, name: str) -> Iterator[tuple[Batch, str]]:
    column = rows[name]
    if trial.claims.input == "pyarrow":
        if column.kind == "number":
            values = np.where(column.absent, np.nan, column.values)
            yield rows.put(replace(column, values=values, missing=None)), "NaN"
        return
    for dtype, what in _FORMS.get(column.kind, {}).items():
        if dtype != column.dtype:
            yield rows.put(replace(column, dtype=dtype)), what


def _missing_as(trial: Trial, batch: Batch, name: str, what: str) -> Failure | None:
    calls = trial.calls
    for role, wanted in trial.probe.answers.items():
        given = trial.answer(batch, role)
        told = f"{name} missing as {what}"
        found = difference(trial, role, batch, wanted, given, told)
        if found is None:
            continue
        missing = batch[name].absent
        if batch[name].kind == "string" and given.values.shape == wanted.values.shape:
            values = np.where(missing, UNSEEN[0], batch[name].values)
            unseen = replace(batch[name], values=values, missing=None, dtype="object")
            unknown = trial.answer(batch.put(unseen), role)
            if not len(apart(trial, role, batch, unknown, given)):
                raise _Unknown
        cause = Cause(columns=(name,), rule=told, calls=trial.calls - calls)
        return replace(found, cause=cause)
    return None
