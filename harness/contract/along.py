"""Rows along one column: the same rows with other values in it, and which values to try."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.contract import rows
from harness.contract.batch import Array, Batch, Cells, cells, join, moment
from harness.contract.domain import admits
from harness.contract.levels import Pool
from harness.contract.trial import Trial

_GRID, _OTHERS = 24, 8
_DRAWN, _MOST_VALUES = 400, 4000
_REAL, _MADE = 400, 2000


def spread(batch: Batch, name: str, values: Sequence[Any]) -> Batch:
    """Return each row once for each of *values* in *name*, in the order of rows, then values."""
    at = np.repeat(np.arange(batch.rows), len(values))
    return batch.take(at).put(_put(batch[name], list(values) * batch.rows))


def scattered(batch: Batch, name: str, values: Sequence[Any], places: Array) -> Batch:
    """Return each row once for each of its own values: *places* in *values*, shape (rows, n)."""
    count = places.shape[1]
    at = np.repeat(np.arange(batch.rows), count)
    return batch.take(at).put(_put(batch[name], values).take(places.reshape(-1)))


def pool_of(trial: Trial, name: str) -> Pool:
    """Return what is tried in the column *name*."""
    return next(pool for pool in trial.pools if pool.domain.name == name)


def steps(pool: Pool) -> list[Any]:
    """Return some numbers in rising order: over the training range, and the ends of the domain."""
    inner = np.linspace(pool.low, pool.high, _GRID // 2).tolist()
    levels = [v for v in _listed(pool.levels, _GRID // 2) if v is not None]
    return _rising(pool, [*inner, *levels])


def ladder(pool: Pool, seed: int = 0) -> list[Any]:
    """Return many numbers in rising order: every level, training values, and drawn ones."""
    draw = np.random.default_rng(seed)
    between = draw.uniform(pool.low, pool.high, _DRAWN)
    sizes = 10.0 ** draw.uniform(-3, 9, _DRAWN) * draw.choice([-1.0, 1.0], _DRAWN)
    seen = pool.seen.take(draw.permutation(len(pool.seen))[:_DRAWN]).values.tolist()
    levels = [v for v in _listed(pool.levels, _MOST_VALUES) if v is not None]
    drawn = [] if pool.domain.values else [*between.tolist(), *sizes.tolist()]
    return _rising(pool, [*levels, *seen, *drawn])


def others(pool: Pool) -> list[Any]:
    """Return some values of any kind, known ones first, None where a cell may be missing."""
    first = [*_listed(pool.seen, 64)[: 4 * _OTHERS], *_listed(pool.levels, _OTHERS)]
    found = [v for v in dict.fromkeys(first) if v is not None][: 2 * _OTHERS]
    return [*found, None] if pool.domain.nullable else found


def every(pool: Pool) -> list[Any]:
    """Return many values of any kind, None where a cell may be missing."""
    listed = [*_listed(pool.levels, _MOST_VALUES), *_listed(pool.seen, _DRAWN)]
    found = [v for v in dict.fromkeys(listed) if v is not None]
    return [*found, None] if pool.domain.nullable else found


def bases(trial: Trial) -> Batch:
    """Return rows to put values into: real ones, spread over the training data, and made ones."""
    made = rows.make(trial.plan, 0, _MADE).batch
    real = trial.plan.real
    if not real.rows:
        return made
    chosen = np.unique(np.linspace(0, real.rows - 1, _REAL).astype(int))
    return join([real.take(chosen), made])


def _put(column: Cells, values: Sequence[Any]) -> Cells:
    if column.kind == "datetime":
        values = [None if value is None else moment(value) for value in values]
    return cells(column.name, column.kind, values, dtype=column.dtype)


def _rising(pool: Pool, values: Sequence[Any]) -> list[Any]:
    kind = "number" if pool.levels.kind == "number" else "integer"
    whole = kind == "integer" or pool.domain.kind == "integer"
    if whole:
        values = [int(value) for value in values]
    if kind == "number":
        values = [float(value) for value in values]
    else:
        values = [value for value in values if -(2**63) <= value < 2**63]
    held = cells(pool.domain.name, kind, sorted(set(values)))
    fine = admits(pool.domain, held).tolist()
    return [value for value, good in zip(held.values.tolist(), fine, strict=True) if good]


def _listed(column: Cells, count: int) -> list[Any]:
    return [column.at(i) for i in range(min(count, len(column)))]
