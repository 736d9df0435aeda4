"""Declared relations: what must go one way with a column, what must not go with it at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from harness.contract.batch import Answer, Array, Batch, Cells, Mask, cells
from harness.contract.domain import admits
from harness.contract.edge import put_values
from harness.contract.failures import failures
from harness.contract.levels import Pool
from harness.contract.oracle import Bulk
from harness.contract.outputs import differs, shown, tolerance
from harness.contract.promise import Failure, Skip, valid
from harness.contract.trial import Trial

_GRID, _OTHERS = 24, 8


@valid
def declared_directions_hold(trial: Trial) -> Iterator[Failure]:
    """The answer goes the declared way with each monotone column."""
    if not trial.claims.monotone:
        raise Skip("no column is declared monotone")
    for name, direction in trial.claims.monotone:
        grid = _grid(_pool(trial, name))
        if len(grid) < 2:
            continue
        yield from _related(trial, name, grid, _turns(trial, direction), direction)


@valid
def declared_invariants_hold(trial: Trial) -> Iterator[Failure]:
    """The answer does not change with an invariant column."""
    if not trial.claims.invariant:
        raise Skip("no column is declared invariant")
    for name in trial.claims.invariant:
        values = _others(_pool(trial, name))
        if len(values) < 2:
            continue
        yield from _related(trial, name, values, _changes(trial), "")


Pairs = Callable[[dict[str, Answer], int, int], Array]
"""Answers to rows × values, the two counts → for each row the positions (from, to) of a pair of
values that breaks the relation, (-1, -1) where none does; shape (rows, 2)."""


def _related(
    trial: Trial, name: str, values: Sequence[Any], pairs: Pairs, direction: str
) -> Iterator[Failure]:
    def broken(batch: Batch) -> tuple[Array, dict[str, Answer]]:
        roles = trial.roles if not direction else [trial.main]
        answers = {role: trial.answer(_spread(batch, name, values), role) for role in roles}
        return pairs(answers, batch.rows, len(values)), answers

    def fails(batch: Batch) -> Mask:
        return np.asarray(broken(batch)[0][:, 0] >= 0, bool)

    def observed(row: Batch) -> str:
        (start, stop), answers = broken(row)[0][0].tolist(), broken(row)[1]
        before = shown(trial.claims, answers, start)
        after = shown(trial.claims, answers, stop)
        return f"{name} = {values[start]!r}: {before}; {name} = {values[stop]!r}: {after}"

    oracle = Bulk(fails)
    rows = trial.probe.rows
    suspects = rows.take(np.flatnonzero(oracle.mask(rows)))
    for found in failures(trial, oracle, suspects, observed):
        told = f"{name} goes {direction}" if direction else f"{name} changes"
        rule = found.cause.rule if found.cause.columns else ""
        columns = (name, *(c for c in found.cause.columns if c != name))
        cause = replace(found.cause, columns=columns, rule=f"{told}, {rule}" if rule else told)
        yield replace(found, cause=cause)


def _spread(batch: Batch, name: str, values: Sequence[Any]) -> Batch:
    """Return each row once for each value, in the order of rows, then values."""
    at = np.repeat(np.arange(batch.rows), len(values))
    column = put_values(batch[name], list(values) * batch.rows)
    return batch.take(at).put(column)


def _turns(trial: Trial, direction: str) -> Pairs:
    sign = 1.0 if direction == "up" else -1.0

    def pairs(answers: dict[str, Answer], rows: int, width: int) -> Array:
        reading = trial.read(rows * width, answers)
        near = tolerance(trial.claims, *answers.values())
        line = sign * reading.values[trial.main][:, -1].reshape(rows, width)
        peak = np.maximum.accumulate(line, axis=1)
        with np.errstate(invalid="ignore"):
            drop = peak - line > near.absolute + near.relative * np.abs(peak)
        found = np.full((rows, 2), -1)
        for row in np.flatnonzero(drop.any(axis=1)).tolist():
            stop = int(drop[row].argmax())
            found[row] = int(line[row, :stop].argmax()), stop
        return found

    return pairs


def _changes(trial: Trial) -> Pairs:
    def pairs(answers: dict[str, Answer], rows: int, width: int) -> Array:
        apart = np.zeros(rows * width, bool)
        first = np.repeat(np.arange(rows) * width, width)
        for answer in answers.values():
            reference = replace(answer, values=answer.values[first])
            apart |= differs(trial.claims, reference, answer)
        by_row = apart.reshape(rows, width)
        found = np.full((rows, 2), -1)
        where = np.flatnonzero(by_row.any(axis=1))
        found[where, 0], found[where, 1] = 0, by_row[where].argmax(axis=1)
        return found

    return pairs


def _pool(trial: Trial, name: str) -> Pool:
    return next(pool for pool in trial.pools if pool.domain.name == name)


def _grid(pool: Pool) -> list[Any]:
    """Return values in rising order: the training range, its ends, the ends of the domain."""
    inner = np.linspace(pool.low, pool.high, _GRID // 2)
    levels = [value for value in _values(pool.levels, _GRID // 2) if value is not None]
    kind = "number" if pool.levels.kind == "number" else "integer"
    raw = [*inner.tolist(), *levels]
    values = [float(v) if kind == "number" else int(v) for v in raw]
    if pool.domain.kind == "integer":
        values = [type(v)(int(v)) for v in values]
    held = cells(pool.domain.name, kind, sorted(set(values)))
    good = admits(pool.domain, held)
    return [value for value, fine in zip(held.values.tolist(), good.tolist(), strict=True) if fine]


def _others(pool: Pool) -> list[Any]:
    found = dict.fromkeys([*_values(pool.seen, _OTHERS), *_values(pool.levels, _OTHERS)])
    return [value for value in found if value is not None][: 2 * _OTHERS]


def _values(column: Cells, count: int) -> list[Any]:
    return [column.at(i) for i in range(min(count, len(column)))]
