"""What must not matter about columns: their order, others beside them, how they are held."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from harness.contract.batch import Answer, Batch, Cells, Refusal, cells
from harness.contract.checks.structure import difference, unchanged
from harness.contract.claims import declared
from harness.contract.domain import admits
from harness.contract.failures import MOST
from harness.contract.levels import ODD_TEXT, UNSEEN
from harness.contract.promise import Cause, Failure, Skip, structural, valid
from harness.contract.trial import Malformed, Trial

_EXACT = 2.0**53


@structural
def column_order_does_not_matter(trial: Trial) -> Iterator[Failure]:
    """Columns are known by name, whatever their order."""
    names = _named(trial, "columns by position")
    rows = trial.probe.rows
    if len(names) < 2:
        raise Skip("there is one column")
    orders = [*_rotated(rows), ("columns reversed", names[::-1])]
    yield from _other_forms(trial, [(how, rows.only(order)) for how, order in orders])


def _rotated(rows: Batch) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield orders in which only columns of one kind change places: a model that counts places
    doesn't stumble over them, and answers wrongly."""
    for kind in sorted({column.kind for column in rows.columns}):
        names = [column.name for column in rows.columns if column.kind == kind]
        if len(names) > 1:
            turned = dict(zip(names, [*names[1:], names[0]], strict=True))
            yield f"{kind} columns rotated", tuple(turned.get(n, n) for n in rows.names)


@structural
def extra_columns_do_not_matter(trial: Trial) -> Iterator[Failure]:
    """Columns that the schema doesn't name are no input."""
    _named(trial, "columns by position")
    rows = trial.probe.rows
    number = cells("harness_extra_number", "number", [float(i) for i in range(rows.rows)])
    text = cells("harness_extra_text", "string", [f"t{i % 3}" for i in range(rows.rows)])
    before = replace(rows, columns=(number, text, *rows.columns))
    after = replace(rows, columns=(*rows.columns, text, number))
    yield from _other_forms(trial, [("columns before", before), ("columns after", after)])


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
    yield from _held_otherwise(trial, floats, names, _as_integers, "as int64")


def _rounded(column: Cells) -> Cells:
    values = np.floor(column.values.astype(float))
    return replace(column, kind="number", values=values, dtype="")


def _as_integers(column: Cells) -> Cells:
    return replace(column, kind="integer", values=column.values.astype(np.int64), missing=None)


@structural
def nullable_dtypes_do_not_matter(trial: Trial) -> Iterator[Failure]:
    """A column is the same in pandas' nullable types (Int64, Float64, boolean, string)."""
    kinds = {"integer": "Int64", "number": "Float64", "boolean": "boolean", "string": "string"}
    yield from _other_dtypes(trial, lambda column: kinds.get(column.kind, ""), "in a nullable type")


@structural
def category_or_text_does_not_matter(trial: Trial) -> Iterator[Failure]:
    """A column of text is the same as a categorical one."""
    free = {
        domain.name
        for domain in trial.claims.domains
        if domain.kind != "string" or not (domain.values or domain.open)
    }

    def wanted(column: Cells) -> str:
        if column.name in free or column.kind != "string":
            return ""
        return "object" if column.dtype == "category" else "category"

    yield from _other_dtypes(trial, wanted, "as another type")


def _other_dtypes(trial: Trial, wanted: Callable[[Cells], str], how: str) -> Iterator[Failure]:
    if trial.claims.input != "pandas":
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
    try:
        yield from _held_otherwise(
            trial, chosen, names, lambda column: replace(column, dtype=wanted(column)), how
        )
    except Refusal as refusal:
        raise_unless_declared(trial, refusal)


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
        wanted = trial.answer(rows, role)

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


def _named(trial: Trial, how: str) -> tuple[str, ...]:
    if trial.claims.input == "numpy":
        raise Skip(f"numpy knows {how}")
    return trial.claims.columns


def _other_forms(trial: Trial, batches: Sequence[tuple[str, Batch]]) -> Iterator[Failure]:
    """Like ``unchanged``, but a refusal by a declared error is no wrong answer: it skips."""
    refused: Refusal | None = None
    for form in batches:
        try:
            found = next(unchanged(trial, [form]), None)
        except Refusal as refusal:
            refused = refused or refusal
            continue
        if found is not None:
            yield found
            return
    if refused is not None:
        raise_unless_declared(trial, refused)


def raise_unless_declared(trial: Trial, refusal: Refusal) -> None:
    """Raise Skip for a refusal by a declared error, else the refusal itself."""
    if declared(trial.claims, refusal):
        raise Skip(f"refused: {refusal}") from refusal
    raise refusal


@valid
def unseen_values_in_open_columns_are_answered(trial: Trial) -> Iterator[Failure]:
    """A value that training data don't have is answered where the column is open."""
    opened = [domain for domain in trial.claims.domains if domain.open]
    if not opened:
        raise Skip("no column is declared open")
    rows = trial.probe.rows
    for domain in opened:
        known = {*domain.values, *trial.training[domain.name].values.tolist()}
        tried = cells(domain.name, "string", [*UNSEEN, *ODD_TEXT], dtype=rows[domain.name].dtype)
        good = admits(domain, tried)
        values = [
            v for v, g in zip(tried.values.tolist(), good, strict=True) if g and v not in known
        ]
        if not values:
            continue
        places = np.arange(len(values)) % rows.rows
        batch = rows.take(places).put(cells(domain.name, "string", values, dtype=tried.dtype))
        calls = trial.calls
        seen = _unanswered(trial, batch)
        if not seen:
            continue
        alone = (
            (row, _unanswered(trial, batch.take(np.array([row])))) for row in range(batch.rows)
        )
        row, seen = next(((r, s) for r, s in alone if s), (0, seen))
        rule = f"{domain.name} is a value that training data don't have"
        cause = Cause(columns=(domain.name,), rule=rule, calls=trial.calls - calls)
        yield Failure(row=batch.row(row), observed=seen, cause=cause)


def _unanswered(trial: Trial, batch: Batch) -> str:
    try:
        trial.reading(batch)
    except Refusal as refusal:
        return f"raised {refusal}"
    except Malformed as malformed:
        return str(malformed)
    return ""
