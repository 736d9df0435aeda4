"""Rows in bulk that the schema admits. Row i of a seed can be made again alone.

Each cell is drawn from one 64-bit word of Philox4x64-10 (Salmon et al., "Parallel random numbers:
as easy as 1, 2, 3", SC 2011): the key is (seed, column), the counter is the row. A row is one of

- 50 %: every cell at a stated level (what the coverage counts),
- 10 %: every cell at any level,
- 25 %: from the training data (a whole real row, or cells of different ones, or the range between),
- 15 %: log-uniform over twelve decades or so; moments evenly over all that is admitted.

In half of the last two kinds one cell is put at a level: one odd value in an ordinary row. In a
thirtieth of them a cell holds what another column of its kind holds: two equal values in one row.
For a slow model the first rows are others: together they hold every pair of stated levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from harness.contract.batch import Array, Batch, Cells, join
from harness.contract.domain import admits, snap
from harness.contract.levels import Pool
from harness.contract.stamps import Form, days, stamps

_STATED, _ANY, _TRAINING = 0.50, 0.60, 0.85
_ROW_STREAM, _TWIN_STREAM = 2**32, 2**32 + 1
_TWINS = np.uint64(10)  # most draws are of two columns of different kinds, or of one
_WORD = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_BLOCK = 4096
_DAY, _SECOND = 86_400_000_000, 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What rows are made from: a pool a column, and *real* rows that the schema admits, whose
    columns are of the pools' kinds. *first* are the levels of the first rows, shape (n, columns);
    none where it has no rows."""

    pools: tuple[Pool, ...]
    real: Batch
    seed: int = 0
    first: Array = field(default_factory=lambda: np.zeros((0, 0), np.int64))


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """Rows. Those at positions *stated* are made of stated levels alone, *codes* says which:
    shape (len(stated), columns)."""

    batch: Batch
    stated: Array
    codes: Array


def plan(pools: Sequence[Pool], training: Batch | None, *, seed: int = 0) -> Plan:
    """Return what rows are made from; training rows that the schema doesn't admit are left out."""
    empty = Batch(columns=tuple(pool.levels.take(np.zeros(0, int)) for pool in pools))
    if training is None or not training.rows:
        return Plan(pools=tuple(pools), real=empty, seed=seed)
    fine = np.ones(training.rows, bool)
    columns = []
    for pool in pools:
        held = _as_kind(training[pool.domain.name], pool.levels.kind)
        fine &= admits(pool.domain, held)
        columns.append(held)
    if not fine.any():
        return Plan(pools=tuple(pools), real=empty, seed=seed)
    real = Batch(columns=tuple(columns)).take(np.flatnonzero(fine))
    return Plan(pools=tuple(pools), real=real, seed=seed)


def spread(total: int, count: int, *, seed: int = 0) -> Array:
    """Return *count* of *total* rows (all, when there are fewer), evenly spread; with the next
    *seed* the rows after these."""
    even = np.linspace(0, total - 1, min(count, total)).astype(int)
    return np.sort((even + seed) % max(total, 1))


def _as_kind(column: Cells, kind: str) -> Cells:
    if column.kind == "integer" and kind == "number":
        return replace(column, kind=kind, values=column.values.astype(float), dtype="")
    return column


def make(plan: Plan, start: int, stop: int) -> Made:
    """Return rows *start* to *stop* of the plan."""
    row_words = _words(plan.seed, _ROW_STREAM, start, stop)
    kind = (row_words >> _HALF).astype(float) / 2.0**32
    low = row_words & _WORD
    odd = np.where(low & np.uint64(1), -1, (low >> np.uint64(1)) % np.uint64(len(plan.pools)))
    whole = ((low >> np.uint64(8)) & np.uint64(1)).astype(bool)
    source = (low >> np.uint64(9)).astype(np.int64)
    given = plan.first[start:stop]
    kind[: len(given)] = 0.0
    stated = np.flatnonzero(kind < _STATED)
    columns = []
    codes = np.empty((len(stated), len(plan.pools)), np.int8)
    for number, pool in enumerate(plan.pools):
        words = _words(plan.seed, number, start, stop)
        pick, share = words & _WORD, (words >> _HALF).astype(float) / 2.0**32
        level = _choose(pick, len(pool.levels))
        level[stated] = _choose(pick[stated], pool.stated)
        if len(given):
            level[: len(given)] = given[:, number]
        codes[:, number] = level[stated]
        drawn = pool.levels.take(level)
        free = (kind >= _ANY) & (odd != number)
        trained = np.flatnonzero(free & (kind < _TRAINING))
        if plan.real.rows:
            real = plan.real.columns[number]
            at = np.where(whole[trained], source[trained], pick[trained]).astype(np.int64)
            drawn = _set(drawn, trained, real.take(at % plan.real.rows))
            trained = trained[~whole[trained] & (share[trained] < 0.5)]
        if pool.drawable:
            between = _between(pool, share[trained] * 2.0 % 1.0)
            drawn = _set_values(drawn, trained, _as_held(pool, between, pick[trained]))
            spread = np.flatnonzero(free & (kind >= _TRAINING))
            wide = _log_uniform(pool, pick[spread], share[spread])
            drawn = _set_values(drawn, spread, _as_held(pool, wide, pick[spread]))
        columns.append(drawn)
    batch = _twinned(plan, Batch(columns=tuple(columns)), kind, start, stop)
    return Made(batch=batch, stated=stated, codes=codes)


def _twinned(plan: Plan, batch: Batch, kind: Array, start: int, stop: int) -> Batch:
    """Return *batch*, in some of its rows one cell put equal to another of its kind."""
    words = _words(plan.seed, _TWIN_STREAM, start, stop)
    chosen = np.flatnonzero((kind >= _ANY) & (words % _TWINS == 0))
    width = np.uint64(len(batch.columns))
    source = ((words[chosen] >> np.uint64(8)) % width).astype(int)
    target = ((words[chosen] >> np.uint64(32)) % width).astype(int)
    for one in np.unique(source).tolist():
        given = batch.columns[one]
        for other in np.unique(target[source == one]).tolist():
            held, domain = batch.columns[other], plan.pools[other].domain
            if one == other or (given.kind, given.dtype) != (held.kind, held.dtype):
                continue
            where = chosen[(source == one) & (target == other)]
            cells = replace(given.take(where), name=held.name)
            fine = admits(domain, cells)
            if fine.any():
                batch = batch.put(_set(held, where[fine], cells.take(np.flatnonzero(fine))))
    return batch


def again(plan: Plan, indices: Array) -> Batch:
    """Return the rows of the plan at *indices*, in that order."""
    parts, order = [], []
    for block in np.unique(indices // _BLOCK).tolist():
        inside = np.flatnonzero(indices // _BLOCK == block)
        made = make(plan, block * _BLOCK, (block + 1) * _BLOCK).batch
        parts.append(made.take(indices[inside] - block * _BLOCK))
        order.append(inside)
    if not parts:
        return make(plan, 0, 1).batch.take(np.zeros(0, int))
    return join(parts).take(np.argsort(np.concatenate(order), kind="stable"))


def _words(seed: int, stream: int, start: int, stop: int) -> Array:
    """Return one uint64 a row; Philox4x64 gives four a counter."""
    first = start // 4
    made = np.random.Philox(key=[seed, stream], counter=first).random_raw(stop - first * 4)
    return np.asarray(made[start - first * 4 :], np.uint64)


def _choose(pick: Array, count: int) -> Array:
    return ((pick * np.uint64(count)) >> _HALF).astype(np.int64)


def _set(cells: Cells, where: Array, other: Cells) -> Cells:
    values, missing = cells.values.copy(), cells.missing
    values[where] = other.values
    if missing is not None or other.missing is not None:
        missing = cells.absent.copy()
        missing[where] = other.absent
    return replace(cells, values=values, missing=missing)


def _set_values(cells: Cells, where: Array, values: Array) -> Cells:
    return _set(cells, where, replace(cells, values=values, missing=None))


def _between(pool: Pool, share: Array) -> Array:
    values = pool.low + share * (pool.high - pool.low)
    return _admitted(pool, values, fallback=values)


def halfway(pool: Pool) -> Cells:
    """Return the two values of a numeric *pool* halfway from training data to the domain's ends."""
    ends = float(pool.domain.low), float(pool.domain.high)
    values = np.array([pool.low / 2 + ends[0] / 2, pool.high / 2 + ends[1] / 2])
    two = pool.levels.take(np.zeros(2, int))
    return _set_values(two, np.arange(2), _admitted(pool, values, fallback=values))


def _log_uniform(pool: Pool, pick: Array, share: Array) -> Array:
    low, high = float(pool.domain.low), float(pool.domain.high)
    if pool.moments:
        return _admitted(pool, low + share * (high - low), fallback=share * 0)
    limit = min(max(abs(low), abs(high)), 1e12)
    decades = np.log10(limit) + 3.0 if limit > 0 else 0.0
    sign = np.where(pick & np.uint64(1), -1.0, 1.0)
    values = sign * 10.0 ** (share * decades - 3.0)
    ends = max(low, -limit), min(high, limit)
    inside = ends[0] + share * (ends[1] - ends[0])
    return _admitted(pool, values, fallback=inside)


def _as_held(pool: Pool, values: Array, pick: Array) -> Array:
    """Return *values* as the column holds them: moments as text where it holds text."""
    if not pool.moments or pool.levels.kind != "string":
        return values
    low, high = int(pool.domain.low), int(pool.domain.high)
    if pool.domain.kind == "date":
        return days(np.maximum(values, min(-(-low // _DAY) * _DAY, high)))
    first = -(-low // _SECOND) * _SECOND  # digits are cut off
    if first > high:
        return stamps(values, (Form(6),), np.zeros(len(values), np.int64))
    return stamps(np.maximum(values, first), pool.forms, _choose(pick, len(pool.forms)))


def _admitted(pool: Pool, values: Array, *, fallback: Array) -> Array:
    """Return *values* as the column's numbers are held, those outside the bounds replaced."""
    low, high = pool.domain.low, pool.domain.high
    values = np.where((values >= low) & (values <= high), values, fallback)
    if pool.domain.multiple_of:
        values = snap(values, pool.domain.multiple_of)
    if pool.levels.dtype == "float32":
        values = values.astype(np.float32).astype(float)
    if pool.domain.kind == "integer":
        values = np.floor(values)
    if pool.levels.kind == "number":
        return np.clip(values, float(low), float(high))
    whole = np.clip(values, -(2.0**62), 2.0**62).astype(np.int64)
    return np.clip(whole, int(low), int(high))
