"""What must not matter about the types of cells: integers or floats, nullable ones, categories."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from harness.contract.batch import Answer, Batch, Cells, Refusal
from harness.contract.compared import difference, raise_unless_declared
from harness.contract.domain import admits
from harness.contract.failures import MOST
from harness.contract.promise import Cause, Failure, Skip, structural
from harness.contract.trial import Trial

_EXACT = 2.0**53
_CODES = {
    "category:reversed": "with its categories in reverse order",
    "category:extra": "with categories that no row has",
}


@structural
def int_or_float_does_not_matter(trial: Trial) -> Iterator[Failure]:
    """A whole number is the same whether it comes as an integer or as a float."""
    rows = trial.probe.rows
    whole = []
    for domain in trial.claims.domains:
        column = rows[domain.name]
        if column.kind not in ("number", "integer"):
            continue
        rounded = _rounded(column)
        fine = admits(domain, rounded) & ~column.absent & (np.abs(rounded.values) < _EXACT)
        if fine.any():
            whole.append((rounded, fine))
    if not whole:
        raise Skip("no column holds whole numbers")
    usable = np.logical_and.reduce([fine for _, fine in whole])
    if not usable.any():
        whole = whole[:1]
        usable = whole[0][1]
    chosen = np.flatnonzero(usable)
    floats = rows.take(chosen)
    for column, _ in whole:
        floats = floats.put(column.take(chosen))
    names = [column.name for column, _ in whole]
    forms = {"as int64": _as_integers, "as int32": _as_short_integers}
    if trial.claims.input == "numpy":
        del forms["as int32"]  # a matrix is of float64
    refused: Refusal | None = None
    for how, change in forms.items():
        try:
            found = list(_held_otherwise(trial, floats, names, change, how))
        except Refusal as refusal:
            refused = refusal
            continue
        if found:
            yield from found
            return
    if refused is not None:
        raise_unless_declared(trial, refused)


def _rounded(column: Cells) -> Cells:
    values = np.floor(column.values.astype(float))
    return replace(column, kind="number", values=values, dtype="")


def _as_integers(column: Cells) -> Cells:
    return replace(column, kind="integer", values=column.values.astype(np.int64), missing=None)


def _as_short_integers(column: Cells) -> Cells:
    held = _as_integers(column)
    return replace(held, dtype="int32") if np.abs(held.values).max() < 2**31 else held


@structural
def nullable_dtypes_do_not_matter(trial: Trial) -> Iterator[Failure]:
    """A column is the same in pandas' nullable types (Int64, Float64, boolean, string)."""
    kinds = {"integer": "Int64", "number": "Float64", "boolean": "boolean", "string": "string"}
    yield from _other_dtypes(trial, lambda column: kinds.get(column.kind, ""), "in a nullable type")


@structural
def category_or_text_does_not_matter(trial: Trial) -> Iterator[Failure]:
    """A column of text is the same as a categorical one."""
    free = _free_text(trial)

    def wanted(column: Cells) -> str:
        if column.name in free or column.kind != "string":
            return ""
        return "object" if column.dtype.startswith("category") else "category"

    yield from _other_dtypes(trial, wanted, "as another type", inputs=("pandas", "pyarrow"))


@structural
def category_codes_do_not_matter(trial: Trial) -> Iterator[Failure]:
    """A categorical column is its values, not their codes.

    Other categories beside them, or the same in another order, change nothing.
    """
    free = _free_text(trial)
    names = [c.name for c in trial.probe.rows.columns if c.kind == "string" and c.name not in free]
    if trial.claims.input not in ("pandas", "pyarrow"):
        raise Skip(f"{trial.claims.input} has no such types")
    if not names:
        raise Skip("no column is one of categories")
    rows = trial.probe.rows
    for name in names:
        rows = rows.put(replace(rows[name], dtype="category"))
    refused: Refusal | None = None
    for dtype, how in _CODES.items():
        try:
            found = list(_held_otherwise(trial, rows, names, _as_dtype(dtype), how))
        except Refusal as refusal:
            refused = refusal
            continue
        if found:
            yield from found
            return
    if refused is not None:
        raise_unless_declared(trial, refused)


def _as_dtype(dtype: str) -> Callable[[Cells], Cells]:
    return lambda column: replace(column, dtype=dtype)


def _free_text(trial: Trial) -> set[str]:
    return {
        domain.name
        for domain in trial.claims.domains
        if domain.kind != "string" or not (domain.values or domain.open)
    }


def _other_dtypes(
    trial: Trial,
    wanted: Callable[[Cells], str],
    how: str,
    *,
    inputs: Sequence[str] = ("pandas",),
) -> Iterator[Failure]:
    if trial.claims.input not in inputs:
        raise Skip(f"{trial.claims.input} has no such types")
    rows = trial.probe.rows
    names = [column.name for column in rows.columns if wanted(column) not in ("", column.dtype)]
    if not names:
        raise Skip("no column has another such type")
    there = np.logical_and.reduce([~rows[name].absent for name in names])
    if not there.any():
        names = names[:1]
        there = ~rows[names[0]].absent
    chosen = rows.take(np.flatnonzero(there))

    def change(column: Cells) -> Cells:
        return replace(column, dtype=wanted(column))

    try:
        yield from _held_otherwise(trial, chosen, names, change, how)
        return
    except Refusal as refusal:
        refused = refusal
    for name in names if len(names) > 1 else ():  # one column refused must not hide the others
        with contextlib.suppress(Refusal):
            yield from _held_otherwise(trial, chosen, [name], change, how)
    raise_unless_declared(trial, refused)


def _held_otherwise(
    trial: Trial,
    rows: Batch,
    names: Sequence[str],
    change: Callable[[Cells], Cells],
    how: str,
) -> Iterator[Failure]:
    """Yield a failure for the columns whose being held otherwise changes an answer."""
    if not rows.rows:
        raise Skip("no row has a value in any such column")

    def changed(chosen: Sequence[str]) -> Batch:
        batch = rows
        for name in chosen:
            batch = batch.put(change(batch[name]))
        return batch

    calls = trial.calls
    for role in trial.roles:
        try:
            wanted = trial.answer(rows, role)
        except Refusal as refusal:  # as floats already, which is no wrong answer either
            raise_unless_declared(trial, refusal)

        def attempt(
            chosen: Sequence[str], role: str = role, wanted: Answer = wanted
        ) -> Failure | None:
            batch, told = changed(chosen), f"{', '.join(chosen)} {how}"
            found = difference(trial, role, batch, wanted, trial.answer(batch, role), told)
            if found is None:
                return None
            cause = Cause(columns=tuple(chosen), rule=told, calls=trial.calls - calls)
            return replace(found, cause=cause)

        together = attempt(names)
        if together is None:
            continue
        alone = [found for name in names if (found := attempt([name])) is not None]
        yield from alone[:MOST] or [together]
        return
