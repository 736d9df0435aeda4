"""What must not matter about memory: how an array or a table lies in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.contract.batch import Refusal
from harness.contract.compared import other_forms
from harness.contract.outputs import shown
from harness.contract.promise import Cause, Failure, Skip, structural
from harness.contract.trial import Trial

_LAYOUTS = {
    "numpy": {
        "fortran": "column by column",
        "strided": "as every other cell of a larger array",
        "readonly": "as an array that can't be written to",
    },
    "pyarrow": {
        "chunked": "in chunks",
        "sliced": "as a part of a larger table",
        "large": "with texts of 64-bit offsets",
    },
}
_LOOSE = 1e-2


@structural
def the_layout_in_memory_does_not_matter(trial: Trial) -> Iterator[Failure]:
    """The same cells get the same answers however an array or a table holds them in memory."""
    layouts = _LAYOUTS.get(trial.claims.input)
    if layouts is None:
        raise Skip(f"{trial.claims.input} lays its cells out itself")
    rows = trial.probe.rows
    forms = [(how, replace(rows, index=layout)) for layout, how in layouts.items()]
    if trial.claims.input == "numpy":
        found = _in_single_precision(trial)
        if found is not None:
            yield found
            return
    yield from other_forms(trial, forms)


def _in_single_precision(trial: Trial) -> Failure | None:
    """Return a failure when float32 inputs change the answers for most rows by more than rounding
    could: the cells themselves are the same in both."""
    rows = trial.probe.rows
    if any(column.kind not in ("number", "integer", "boolean") for column in rows.columns):
        return None
    with np.errstate(over="ignore"):
        for column in rows.columns:
            if column.kind != "boolean":
                values = column.values.astype(np.float32).astype(float)
                rows = rows.put(replace(column, kind="number", values=values, dtype=""))
    if any(not np.isfinite(c.values[~c.absent]).all() for c in rows.columns):
        return None
    for role in trial.roles:
        if role == "labels":
            continue
        try:
            wanted = trial.answer(rows, role)
            given = trial.answer(replace(rows, index="single"), role)
        except Refusal:
            return None
        if given.values.shape != wanted.values.shape or given.values.dtype.kind not in "fiu":
            continue
        with np.errstate(invalid="ignore", over="ignore"):
            most = np.maximum(np.abs(wanted.values), np.abs(given.values))
            far = np.abs(wanted.values - given.values) > _LOOSE * most + _LOOSE * _LOOSE
        where = np.flatnonzero(far.reshape(rows.rows, -1).any(axis=1))
        if len(where) * 2 > rows.rows:
            row, claims = int(where[0]), trial.claims
            before, after = shown(claims, {role: wanted}, row), shown(claims, {role: given}, row)
            rule = f"as float32: {len(where)} of {rows.rows} rows differ by more than rounding"
            return Failure(
                row=rows.row(row),
                observed=f"{before}; as float32: {after}",
                cause=Cause(columns=(), rule=rule),
            )
    return None
