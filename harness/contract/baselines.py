"""Baselines: rows that pass, as different from one another as they come."""

from __future__ import annotations

import numpy as np

from harness.contract.batch import Array, Batch, Cells

BASELINES = 12


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
    if column.kind in ("string", "mixed"):
        held = np.array([repr(value) for value in column.values.tolist()])
    else:
        held = column.values
    codes = np.unique(held, return_inverse=True)[1].reshape(-1)
    return np.where(column.absent, -1, codes)
