"""The fewest cells of a failing row that make other rows fail.

Where a model answers many rows in one call, all small sets are simply tried; else see
``hypotheses``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np

from harness.contract.batch import Batch, mosaic
from harness.contract.hypotheses import Fewest, Hypotheses, matches, source
from harness.contract.oracle import Oracle

__all__ = ["Fewest", "fewest", "matches", "source"]

MOST_TOLD = 6
"""A condition on more cells than that explains nothing to anybody."""

_FEW_LEFT = 12
_MOST_VARIANTS = 6000
_MOST_CELLS = 1_500_000


def fewest(oracle: Oracle, pool: Batch, known: Batch, *, left: Callable[[], int]) -> Fewest:
    """Return the cells of row 0 of *pool* (which fails) that suffice to make its other rows (which
    pass) fail, none of which can be left out.

    *known* rows pass. *left* says how many questions may still be asked.
    """
    return (
        _in_bulk(oracle, pool, left)
        if oracle.bulk
        else Hypotheses(oracle, pool, known, left).find()
    )


def _in_bulk(oracle: Oracle, pool: Batch, left: Callable[[], int]) -> Fewest:
    width, bases = len(pool.columns), range(1, pool.rows)
    alone = _sufficient(oracle, pool, [(c,) for c in range(width)])
    if alone is not None:
        return Fewest(columns=alone, witness={alone[0]: 1})
    chosen: set[int] = set()
    for base in bases:
        if left() < _FEW_LEFT:
            break
        if chosen and oracle.any(mosaic(pool, source(pool, [(chosen, base)]))):
            continue
        chosen |= _prefixes(oracle, pool, chosen, base)
    if left() < _FEW_LEFT and len(chosen) > MOST_TOLD:
        return Fewest(columns=tuple(sorted(chosen)), witness={})
    chosen, witness = _leaner(oracle, pool, chosen)
    for size in range(2, len(chosen)):
        sets = list(combinations(range(width), size))
        if len(sets) * len(bases) > _MOST_VARIANTS:
            break
        smaller = _sufficient(oracle, pool, sets)
        if smaller is not None:
            chosen, witness = _leaner(oracle, pool, set(smaller))
            break
    return Fewest(columns=tuple(sorted(chosen)), witness=witness)


def _leaner(oracle: Oracle, pool: Batch, chosen: set[int]) -> tuple[set[int], dict[int, int]]:
    """Return *chosen* without what can be left out, and for each a baseline that needs it."""
    witness: dict[int, int] = {}
    for column in sorted(chosen):
        base = _passing_base(oracle, pool, chosen - {column})
        if base is None:
            chosen = chosen - {column}
        else:
            witness[column] = base
    return chosen, witness


def _sufficient(
    oracle: Oracle, pool: Batch, sets: Sequence[Sequence[int]]
) -> tuple[int, ...] | None:
    bases = range(1, pool.rows)
    step = max(1, _MOST_CELLS // (len(pool.columns) * len(bases)))
    for start in range(0, len(sets), step):
        part = sets[start : start + step]
        variants = [(chosen, base) for chosen in part for base in bases]
        fails = oracle.mask(mosaic(pool, source(pool, variants))).reshape(len(part), len(bases))
        found = np.flatnonzero(fails.all(axis=1))
        if len(found):
            return tuple(part[int(found[0])])
    return None


def _passing_base(oracle: Oracle, pool: Batch, chosen: set[int]) -> int | None:
    bases = range(1, pool.rows)
    if not chosen:
        return 1
    fails = oracle.mask(mosaic(pool, source(pool, [(chosen, base) for base in bases])))
    found = np.flatnonzero(~fails)
    return int(found[0]) + 1 if len(found) else None


def _prefixes(oracle: Oracle, pool: Batch, chosen: set[int], base: int) -> set[int]:
    """Return the columns that must join *chosen* for row *base* to fail."""
    order = [c for c in range(len(pool.columns)) if c not in chosen]
    added: set[int] = set()
    while True:
        prefixes = [({*chosen, *added, *order[:n]}, base) for n in range(len(order) + 1)]
        found = oracle.first(mosaic(pool, source(pool, prefixes)))
        if not found:  # 0: enough; None: this baseline passes even with the whole row
            return added
        added.add(order[found - 1])
        order = order[: found - 1]
