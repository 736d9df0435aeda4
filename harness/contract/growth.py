"""How a model's time and memory grow with the batch, measured at sizes four times apart."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from harness.contract.batch import Batch, Refusal, join, mosaic
from harness.contract.probes import as_trained
from harness.contract.trial import Trial

SIZES = (4, 16, 64, 256, 1024, 4096, 16_384)
_FAST = 1000.0
"""Rows a second from which on the smallest size tells nothing."""
_SECONDS, _SECONDS_A_CALL = 3.0, 0.8
_SHORT, _CALLS = 0.02, 3
_SHARE = 0.1
Rows = Callable[[Trial, int], Batch]
"""What makes so many rows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """One size of a batch: *rows*; the least *wall* and processor (*cpu*, None: unknown) seconds
    of a call; *memory*, the most bytes that a call took above what the process held before."""

    rows: int
    wall: float
    cpu: float | None
    memory: float | None

    @property
    def seconds(self) -> float:
        """The lesser of wall and processor time: a busy machine tells in the one, threads that
        spin in the other."""
        return self.wall if self.cpu is None else min(self.wall, self.cpu)


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """What was measured of rows that *rows* makes (*told* for a reader), small batches first."""

    rows: Rows
    points: tuple[Measured, ...]
    told: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Growth:
    """What was measured: with a few rows again and again, then with different rows, where
    those are answered. What looks each row up among all others is slow with either, and one
    that remembers a row only with the second."""

    series: tuple[Series, ...]


def growth(trial: Trial) -> Growth:
    """Return how time and memory grow; measured once, within about three seconds a series for a
    model whose time grows like its batch. Raises what asking the model raises."""
    if trial.growth is None:
        found = [Series(rows=many, points=_points(trial, many, share=1.0))]
        for rows in (distinct, mixed):
            try:
                points = _points(trial, rows, share=_SHARE)
            except Refusal:  # by one of rows that it was not asked about before
                continue
            found.append(Series(rows=rows, points=points, told=" (with different rows)"))
            break
        trial.growth = Growth(series=tuple(found))
    return trial.growth


def _points(trial: Trial, rows: Rows, *, share: float) -> tuple[Measured, ...]:
    """Return what was measured of *rows* within a *share* of the seconds that are left."""
    points: list[Measured] = []
    began, most = time.perf_counter(), share * trial.left
    for size in SIZES[1:] if trial.rate > _FAST else SIZES:
        spent = time.perf_counter() - began
        if points and (_too_long(points, most - spent) or spent > min(_SECONDS, most)):
            break
        points.append(measured(trial, size, rows))
    return tuple(points)


def _too_long(points: Sequence[Measured], most: float) -> bool:
    """Whether a call four times as large would take too long, or more than *most* seconds."""
    return points[-1].seconds * 4 > _SECONDS_A_CALL or points[-1].wall * 4 > most


def measured(trial: Trial, size: int, rows: Rows) -> Measured:
    """Return one size's time and memory, the least of up to three calls; raises as asking does."""
    batch, role = rows(trial, size), trial.main
    walls, cpus, memories = [], [], []
    usage = getattr(trial.model, "usage", None)
    for _ in range(_CALLS):
        before = None if usage is None else trial.call(lambda model: model.usage(), calls=0)  # type: ignore[attr-defined]
        began = time.perf_counter()
        trial.answer(batch, role)
        walls.append(time.perf_counter() - began)
        if before is not None:
            after = trial.call(lambda model: model.usage(), calls=0)  # type: ignore[attr-defined]
            cpus.append(after.cpu - before.cpu)
            if after.peak is not None and before.rss is not None:
                memories.append(after.peak - before.rss)
        if sum(walls) > _SHORT * _CALLS:
            break
    return Measured(
        rows=size,
        wall=min(walls),
        cpu=min(cpus) if cpus else None,
        memory=min(memories) if memories else None,
    )


def many(trial: Trial, size: int) -> Batch:
    """Return *size* rows, those to probe with in a random order, again and again."""
    rows = trial.probe.rows
    return rows.take(np.random.default_rng(size).integers(0, rows.rows, size))


def distinct(trial: Trial, size: int) -> Batch:
    """Return *size* rows, hardly two of them alike: training rows that the schema admits, then rows
    whose cells are of different ones."""
    real = trial.plan.real
    if real.rows <= trial.probe.rows.rows:
        return mixed(trial, size)
    return as_trained(different(real, size), trial.training)


def mixed(trial: Trial, size: int) -> Batch:
    """Return *size* rows: those to probe with, then rows whose cells are of different ones."""
    return different(trial.probe.rows, size)


def different(pool: Batch, size: int, *, seed: int = 0) -> Batch:
    """Return *size* rows: those of *pool* in a random order, then rows with cells of several."""
    draw = np.random.default_rng(size + seed)
    first = pool.take(draw.permutation(pool.rows)[:size])
    if first.rows == size:
        return first
    source = draw.integers(0, pool.rows, (size - first.rows, len(pool.columns)))
    return join([first, mosaic(pool, source)])


def steps(values: Sequence[float]) -> list[float]:
    """Return by which factor each increase is larger than the one before; what each call costs
    whatever its size cancels out. For sizes four times apart: 4 where cost is in proportion to
    the rows, 16 where it is to their square; 0 after an increase too small to be seen."""
    rises = [later - earlier for earlier, later in pairwise(values)]
    return [later / earlier if earlier > 0 else 0.0 for earlier, later in pairwise(rises)]
