"""Few rows that hold every pair of levels: for models too slow to be asked for many."""

from __future__ import annotations

import numpy as np

from harness.contract.batch import Array

MOST_COLUMNS = 100
"""Beyond this many columns the table of pairs gets too large; rows are then drawn alone."""


def pairwise(levels: tuple[int, ...], *, seed: int = 0) -> Array:
    """Return rows of level numbers, shape (rows, columns), that hold each pair of levels of each
    two columns at least once.

    Greedy, one row at a time: it starts with a pair that is lacking, and each further column takes
    the level that adds most (the idea of Cohen et al., "The AETG system", IEEE TSE 23(7), 1997).
    """
    width = len(levels)
    if width < 2:
        return np.arange(max(levels, default=0)).reshape(-1, 1)[:, :width]
    draw = np.random.default_rng(seed)
    most = max(levels)
    lacking = np.zeros((width, most, width, most), bool)
    for one in range(width):
        for other in range(width):
            if one != other:
                lacking[one, : levels[one], other, : levels[other]] = True
    found = []
    while lacking.any():
        row = np.zeros(width, np.int64)
        weight = lacking.sum(axis=(2, 3))
        first, level = np.unravel_index(int(weight.argmax()), weight.shape)
        row[first] = level
        settled = [int(first)]
        for column in draw.permutation(width).tolist():
            if column == first:
                continue
            gains = lacking[column][:, settled, row[settled]].sum(axis=1)[: levels[column]]
            best = np.flatnonzero(gains == gains.max())
            row[column] = best[int(draw.integers(len(best)))]
            settled.append(column)
        at = np.arange(width)
        for column in range(width):
            lacking[column, row[column], at, row] = False
        found.append(row)
    return np.array(found)
