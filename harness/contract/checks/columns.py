"""What must not matter about columns: their order, others beside them; values not seen before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

from harness.contract.batch import Batch, cells
from harness.contract.compared import other_forms
from harness.contract.domain import admits
from harness.contract.promise import Failure, Skip, structural, valid
from harness.contract.trial import Trial
from harness.contract.unseen import unseen

_KINDS = {bool: "boolean", int: "integer", float: "number", str: "string"}

_MOST_SWAPS = 6


@structural
def column_order_does_not_matter(trial: Trial) -> Iterator[Failure]:
    """Columns are known by name, whatever their order."""
    names = _named(trial, "columns by position")
    rows = trial.probe.rows
    if len(names) < 2:
        raise Skip("there is one column")
    orders = [*_rotated(rows), *_swapped(trial), ("columns reversed", names[::-1])]
    yield from other_forms(trial, [(how, rows.only(order)) for how, order in orders])


def _rotated(rows: Batch) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield orders in which only columns of one kind change places: a model that counts places
    doesn't stumble over them, and answers wrongly."""
    for kind in sorted({column.kind for column in rows.columns}):
        names = [column.name for column in rows.columns if column.kind == kind]
        if len(names) > 1:
            turned = dict(zip(names, [*names[1:], names[0]], strict=True))
            yield f"{kind} columns rotated", tuple(turned.get(n, n) for n in rows.names)


def _swapped(trial: Trial) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield orders in which two columns change places that could hold each other's values: not
    even a model that looks at bounds stumbles over them."""
    rows, found = trial.probe.rows, 0
    for one, other in combinations(trial.claims.domains, 2):
        first, second = rows[one.name], rows[other.name]
        if first.kind != second.kind or found == _MOST_SWAPS:
            continue
        if (
            admits(one, replace(second, name=one.name)).all()
            and admits(other, replace(first, name=other.name)).all()
        ):
            found += 1
            turned = {one.name: other.name, other.name: one.name}
            told = f"{one.name} and {other.name} in each other's place"
            yield told, tuple(turned.get(name, name) for name in rows.names)


@structural
def extra_columns_do_not_matter(trial: Trial) -> Iterator[Failure]:
    """Columns that the schema doesn't name are no input."""
    _named(trial, "columns by position")
    rows = trial.probe.rows
    number = cells("harness_extra_number", "number", [float(i) for i in range(rows.rows)])
    text = cells("harness_extra_text", "string", [f"t{i % 3}" for i in range(rows.rows)])
    before = replace(rows, columns=(number, text, *rows.columns))
    after = replace(rows, columns=(*rows.columns, text, number))
    forms = [("columns before", before), ("columns after", after)]
    target = trial.claims.target
    if target and target not in rows.names:
        labels = trial.claims.outputs.labels or (1.0,)
        values = [labels[i // 2 % len(labels)] for i in range(rows.rows)]
        kinds = {_KINDS.get(type(label), "mixed") for label in labels}
        kind = kinds.pop() if len(kinds) == 1 else "mixed"
        forms.append(("the target beside", rows.put(cells(target, kind, values))))
    yield from other_forms(trial, forms)


def _named(trial: Trial, how: str) -> tuple[str, ...]:
    if trial.claims.input == "numpy":
        raise Skip(f"numpy knows {how}")
    return trial.claims.columns


@valid
def unseen_values_in_open_columns_are_answered(trial: Trial) -> Iterator[Failure]:
    """A value that training data don't have is answered where the column is open."""
    if not any(domain.open for domain in trial.claims.domains):
        raise Skip("no column is declared open")
    yield from (one.failure for one in unseen(trial) if one.failure is not None)
