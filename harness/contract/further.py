"""Rows beside those to probe with that structural checks ask: many real ones, ones with values that
training data don't have, and ones at the ends of what the schema admits.

Only rows that the model answers well are among them: what it does to others is the sweep's matter.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from itertools import zip_longest

import numpy as np

from harness.contract.asking import Malformed
from harness.contract.batch import Array, Batch, Broken, Cells, Refusal, cells, join, mosaic
from harness.contract.cells import joined
from harness.contract.domain import admits
from harness.contract.levels import UNSEEN, Pool
from harness.contract.outputs import Reading
from harness.contract.probes import as_trained
from harness.contract.promise import DEFAULT
from harness.contract.rows import halfway, spread
from harness.contract.trial import Probe, Trial

_MOST_REAL, _SECONDS = 1024, 0.1
_EDGES, _MOST_UNSEEN, _TIMES = 64, 48, 2
_MOST_WORDS, _HALFWAY = 16, 0.5
_CALLS = 40


def many_real(trial: Trial) -> Probe | None:
    """Return up to a thousand real rows and their answers, as many as take little time; None where
    there are no more than the rows to probe with, or some are refused."""
    if "real" not in trial.further:
        trial.further["real"] = _many_real(trial)
    return trial.further["real"]


def _many_real(trial: Trial) -> Probe | None:
    if not _quick(trial):
        return None
    real = trial.plan.real
    count = int(min(real.rows, _MOST_REAL, trial.rate * share_of(trial, _SECONDS)))
    if count <= trial.probe.rows.rows:
        return None
    batch = real.take(spread(real.rows, count, seed=trial.settings.seed))
    return _together(trial, as_trained(batch, trial.training))


def _quick(trial: Trial) -> bool:
    """Whether the rows to probe with take so little time that there is some for more of them."""
    return trial.probe.rows.rows / trial.rate < share_of(trial, _SECONDS)


def share_of(trial: Trial, seconds: float) -> float:
    """Return so many *seconds*, or less where there are fewer than the usual ones for all."""
    return min(seconds, seconds * trial.settings.seconds / DEFAULT.seconds)


def with_unseen(trial: Trial) -> Probe | None:
    """Return real rows in which a cell of an open column holds a value that training data don't
    have, and their answers; None where no such row is answered, and for a slow model."""
    if "unseen" not in trial.further:
        made = _with_unseen(trial, trial.probe.rows) if _quick(trial) else None
        trial.further["unseen"] = None if made is None else answered(trial, made)
    return trial.further["unseen"]


def _with_unseen(trial: Trial, rows: Batch, words: Sequence[str] = ()) -> Batch:
    """Return *rows* with unseen values in open columns: plain ones, and *words* of the model's."""
    parts = [rows.head(0)]
    for domain in trial.claims.domains:
        if not domain.open:
            continue
        known = {*domain.values, *trial.training[domain.name].values.tolist()}
        tried = [v for v in (*UNSEEN * _TIMES, *words[:_MOST_WORDS]) if v not in known]
        held = cells(domain.name, "string", tried, dtype=rows[domain.name].dtype)
        held = held.take(np.flatnonzero(admits(domain, held)))
        at = (np.arange(len(held)) + sum(part.rows for part in parts)) % rows.rows
        parts.append(rows.take(at).put(held))
    made = join(parts)
    return made.take(spread(made.rows, _MOST_UNSEEN + len(words)))


def at_edges(trial: Trial) -> Probe | None:
    """Return made rows and their answers: real ones with one cell at an end of what the schema
    admits, at another level, or with an unseen value. None where none is answered, and
    for a slow model.

    Numbers there are so large that a model's honest rounding depends on how much it is asked at
    once: they are for checks in which the same batch must get the same answers.
    """
    if "edges" not in trial.further:
        made = _at_edges(trial) if _quick(trial) else None
        trial.further["edges"] = None if made is None else answered(trial, made)
    return trial.further["edges"]


def _at_edges(trial: Trial) -> Batch:
    real, pools = trial.plan.real, trial.pools
    if not real.rows or not pools:
        return real.head(0)
    seed = trial.settings.seed
    draw = np.random.default_rng(seed)
    columns = draw.permutation(len(pools))[:_EDGES].tolist()
    values = {column: _tried(pools[column], draw) for column in columns}
    turns = max(len(column) for column in values.values())
    tried = [(t, c) for t in range(turns) for c in columns if t < len(values[c])][:_EDGES]
    base = real.take(np.resize(spread(real.rows, _EDGES, seed=seed), len(tried)))
    held = [values.get(number, pool.levels) for number, pool in enumerate(pools)]
    levels = tuple(column.take(np.resize(np.arange(len(column)), turns)) for column in held)
    source = np.repeat(np.arange(len(tried))[:, None], len(pools), axis=1)
    for row, (turn, column) in enumerate(tried):
        source[row, column] = len(tried) + turn
    edges = mosaic(join([base, Batch(columns=levels)]), source)
    if with_unseen(trial) is None:
        return edges
    named = set(trial.claims.columns)
    words = [word for word in getattr(trial.model, "words", ()) if word not in named]
    return join([edges, _with_unseen(trial, base, words)])


def _tried(pool: Pool, draw: np.random.Generator) -> Cells:
    """Return the values of *pool* in the order in which they are tried: of a number its ends, what
    is halfway to them, then in turn one level outside the training data's range, the next ones
    first, and any one within. Of texts only the plainest: a long one is the sweep's matter."""
    if not pool.numeric:
        return pool.levels.take(draw.permutation(pool.stated))
    count = len(pool.levels)
    reach = _reach(pool, pool.levels)
    outside = np.argsort(reach, kind="stable")[np.sort(reach) > 0]
    within = draw.permutation(np.flatnonzero(reach == 0))
    turns = [one for pair in zip_longest(outside, within) for one in pair if one is not None]
    first = [*range(min(2, count)), count, count + 1]
    order = list(dict.fromkeys([*first, *map(int, turns)]))
    return joined([pool.levels, halfway(pool)]).take(np.array(order))


def _reach(pool: Pool, column: Cells) -> Array:
    """Return how far each number lies beyond training data: 0 within, 1 at the schema's end."""
    values = np.where(column.absent, pool.low, column.values.astype(float))
    with np.errstate(over="ignore", invalid="ignore"):
        above = (values - pool.high) / max(float(pool.domain.high) - pool.high, 1e-300)
        below = (pool.low - values) / max(pool.low - float(pool.domain.low), 1e-300)
    found: Array = np.nan_to_num(np.clip(np.maximum(above, below), 0.0, 1.0))
    return found


def inner(trial: Trial, edges: Batch) -> Batch:
    """Return those of the rows at edges that are halfway from the training data to an end at most:
    what a model learns from rows at the ends shows in its answers to these."""
    near = np.ones(edges.rows, bool)
    for pool in trial.pools:
        if pool.numeric:
            near &= _reach(pool, edges[pool.domain.name]) <= _HALFWAY
    return edges.take(np.flatnonzero(near))


def answered(trial: Trial, batch: Batch) -> Probe | None:
    """Return those rows of *batch* that the model answers well, and its answers; None where there
    are none, where it dies or hangs, or where it refuses them together."""
    if not batch.rows:
        return None
    try:
        with trial.hurried(trial.patience(batch.rows)):
            good = _good(trial, batch)
    except Broken:
        return None
    return _together(trial, batch.take(good)) if len(good) else None


def _good(trial: Trial, batch: Batch) -> Array:
    """Return which rows are answered well, found by halves; after 40 calls the rest are not."""
    good: list[Array] = []
    stack, last = [np.arange(batch.rows)], trial.calls + _CALLS
    while stack and trial.calls < last:
        part = stack.pop()
        try:
            good.append(part[_well(trial.reading(batch.take(part)))])
        except (Refusal, Malformed):
            half = len(part) // 2
            stack += [part[half:], part[:half]] if half else []
    return np.sort(np.concatenate([np.zeros(0, int), *good]))


def _well(reading: Reading) -> Array:
    """Return the rows whose values are all finite, and whose labels are claimed ones."""
    well = np.ones(reading.rows, bool)
    for role, values in reading.values.items():
        fine = values >= 0 if role == "labels" else np.isfinite(values)
        well &= fine.reshape(reading.rows, -1).all(axis=1)
    return np.flatnonzero(well)


def _together(trial: Trial, batch: Batch) -> Probe | None:
    with contextlib.suppress(Refusal, Malformed, Broken):
        with trial.hurried(trial.patience(batch.rows)):
            answers = trial.answers(batch)
            trial.well_formed(batch.rows, answers)
        return Probe(rows=batch, answers=answers)
    return None
