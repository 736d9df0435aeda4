"""CAUSE: the fewest cells that make a row fail, and the rule for them.

A row's cells are put into rows that pass (baselines). A set of cells is *sufficient* when every
baseline fails with it, and *irreducible* when no cell can be left out. Several diverse baselines
are needed: one that happens to hold half of a conjunction would hide that half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from harness.contract.batch import Array, Batch, Cells, join, mosaic
from harness.contract.edge import condition, put_values
from harness.contract.levels import Pool
from harness.contract.oracle import Oracle
from harness.contract.rule import Rule

BASELINES = 12
_FEW_BASELINES = 5
_MOST_VARIANTS = 6000


@dataclass(frozen=True, kw_only=True, slots=True)
class Explained:
    """A failing row made as plain as it gets (one row), and the rule that it fails by."""

    row: Batch
    rule: Rule


def diverse(rows: Batch, count: int) -> Batch:
    """Return up to *count* of *rows*, each far from those before it (in cells that differ)."""
    codes = np.stack([_codes(column) for column in rows.columns], axis=1)
    chosen = [0]
    distance = (codes != codes[0]).sum(axis=1)
    while len(chosen) < min(count, rows.rows):
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, (codes != codes[chosen[-1]]).sum(axis=1))
        if not distance.any():
            break
    return rows.take(np.array(chosen[: rows.rows]))


def _codes(column: Cells) -> Array:
    held = [repr(column.at(i)) for i in range(len(column))]
    return np.unique(np.array(held, object).astype(str), return_inverse=True)[1].reshape(-1)


def explain(oracle: Oracle, row: Batch, passing: Batch, pools: Sequence[Pool]) -> Explained:
    """Return why *row* (a batch of one, which fails) fails and *passing* rows don't."""
    if not passing.rows:
        return Explained(row=row, rule=Rule(conditions=()))
    few = diverse(passing, BASELINES if oracle.bulk else _FEW_BASELINES)
    pool = join([row, few])
    columns, witness = _smallest(oracle, pool)
    by_name = {p.domain.name: p for p in pools}
    base = max(witness.values(), default=1)
    plain = mosaic(pool, _source(pool, [(columns, base)]))
    conditions = []
    for column in columns:
        name = pool.columns[column].name
        setting = mosaic(pool, _source(pool, [(columns, witness.get(column, base))]))
        good = pool.columns[column].take(np.array([witness.get(column, base)]))
        found, shown = condition(oracle, setting, name, good, by_name[name])
        conditions.append(found)
        if shown is not None:
            simpler = plain.put(put_values(plain[name], [shown]))
            if oracle.first(simpler) is not None:
                plain = simpler
    rule = Rule(conditions=tuple(conditions))
    if oracle.first(plain) is None or not rule.matches(plain).all():
        plain = row
    return Explained(row=plain, rule=rule)


def _smallest(oracle: Oracle, pool: Batch) -> tuple[tuple[int, ...], dict[int, int]]:
    """Return the cells of row 0 that suffice, and for each a baseline that passes without it."""
    width, bases = len(pool.columns), range(1, pool.rows)
    if oracle.bulk:
        alone = _sufficient(oracle, pool, [(c,) for c in range(width)])
        if alone is not None:
            return alone, {alone[0]: 1}
    chosen: set[int] = set()
    for base in bases:
        if chosen and oracle.first(mosaic(pool, _source(pool, [(chosen, base)]))) is not None:
            continue
        order = [c for c in range(width) if c not in chosen]
        while True:
            prefixes = [({*chosen, *order[:n]}, base) for n in range(len(order) + 1)]
            found = oracle.first(mosaic(pool, _source(pool, prefixes)))
            if not found:  # 0: enough; None: this baseline passes even with the whole row
                break
            chosen.add(order[found - 1])
            order = order[: found - 1]
    witness: dict[int, int] = {}
    for column in sorted(chosen):
        without = chosen - {column}
        passes = _passing_base(oracle, pool, without)
        if passes is None:
            chosen = without
        else:
            witness[column] = passes
    if oracle.bulk and len(chosen) > 1:
        for size in range(2, len(chosen)):
            sets = list(combinations(range(width), size))
            if len(sets) * len(bases) > _MOST_VARIANTS:
                break
            smaller = _sufficient(oracle, pool, sets)
            if smaller is not None:
                chosen = set(smaller)
                break
        found_bases = {c: _passing_base(oracle, pool, chosen - {c}) for c in sorted(chosen)}
        witness = {c: base for c, base in found_bases.items() if base is not None}
    return tuple(sorted(chosen)), witness


def _sufficient(
    oracle: Oracle, pool: Batch, sets: Sequence[Sequence[int]]
) -> tuple[int, ...] | None:
    bases = range(1, pool.rows)
    variants = [(chosen, base) for chosen in sets for base in bases]
    fails = oracle.mask(mosaic(pool, _source(pool, variants))).reshape(len(sets), len(bases))
    found = np.flatnonzero(fails.all(axis=1))
    return tuple(sets[int(found[0])]) if len(found) else None


def _passing_base(oracle: Oracle, pool: Batch, chosen: set[int]) -> int | None:
    bases = range(1, pool.rows)
    if not chosen:
        return 1
    if oracle.bulk:
        fails = oracle.mask(mosaic(pool, _source(pool, [(chosen, base) for base in bases])))
        found = np.flatnonzero(~fails)
        return int(found[0]) + 1 if len(found) else None
    for base in bases:
        if oracle.first(mosaic(pool, _source(pool, [(chosen, base)]))) is None:
            return base
    return None


def _source(pool: Batch, variants: Sequence[tuple[Any, int]]) -> Array:
    """Return, for each variant, which row each cell is from: 0 where chosen, else the baseline."""
    source = np.empty((len(variants), len(pool.columns)), np.int64)
    for number, (chosen, base) in enumerate(variants):
        source[number] = base
        source[number, list(chosen)] = 0
    return source
