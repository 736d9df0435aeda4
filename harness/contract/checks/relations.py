"""Declared relations to one column: what must go one way with it, what must not go with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.contract.along import (
    bases,
    every,
    ladder,
    others,
    pool_of,
    scattered,
    spread,
    steps,
)
from harness.contract.axis import shortest
from harness.contract.batch import Array, Batch, Mask
from harness.contract.failures import failures
from harness.contract.judged import answered
from harness.contract.oracle import Bulk
from harness.contract.outputs import plain, shown, tolerance
from harness.contract.promise import Cause, Failure, Skip, valid
from harness.contract.trial import Trial

_WIDTH = 8
_SECONDS, _MOST_SECONDS, _FIRST_SECONDS = 2.0, 0.6, 1.0
_FEWEST_VALUES = 4
_PAIRS = 8
_NARROW = 1e-3  # a step so much smaller than its ends is a threshold
_CLOSER, _ROUNDS = 255, 4

Values = Mapping[str, Array]


@valid
def declared_directions_hold(trial: Trial) -> Iterator[Failure]:
    """The answer goes the declared way with each monotone column."""
    if not trial.claims.monotone:
        raise Skip("no column is declared monotone")
    for name, direction in trial.claims.monotone:
        pool = pool_of(trial, name)
        few = steps(pool)
        if len(few) > 1:
            way = _Way(trial=trial, sign=1.0 if direction == "up" else -1.0)
            many = ladder(pool, trial.settings.seed)
            yield from _along(trial, name, few, many, way, f"{name} goes {direction}")


@valid
def declared_invariants_hold(trial: Trial) -> Iterator[Failure]:
    """The answer does not change with an invariant column."""
    if not trial.claims.invariant:
        raise Skip("no column is declared invariant")
    for name in trial.claims.invariant:
        pool = pool_of(trial, name)
        few = others(pool)
        if len(few) > 1:
            yield from _along(trial, name, few, every(pool), _Same(trial=trial), f"{name} changes")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Way:
    """The answer rises with the values (times *sign*)."""

    trial: Trial
    sign: float
    ordered = True

    @property
    def roles(self) -> tuple[str, ...]:
        return (self.trial.main,)

    def broken(self, values: Values, width: int) -> Array:
        """Return for each row the places of two values, the earlier with the larger answer, shape
        (rows, 2); -1 where there are none. *values* are in the order of rows, then values."""
        near = _near(self.trial)
        found = values[self.trial.main]
        line = self.sign * found[:, -1].reshape(-1, width)
        peak = np.fmax.accumulate(line, axis=1)
        with np.errstate(invalid="ignore"):
            drop = peak - line > near.absolute + near.relative * np.abs(peak)
        places = np.full((len(line), 2), -1)
        for row in np.flatnonzero(drop.any(axis=1)).tolist():
            stop = int(drop[row].argmax())
            places[row] = int(np.nanargmax(line[row, :stop])), stop
        return places


@dataclass(frozen=True, kw_only=True, slots=True)
class _Same:
    """The answer is the same for all values."""

    trial: Trial
    ordered = False

    @property
    def roles(self) -> tuple[str, ...]:
        return tuple(self.trial.roles)

    def broken(self, values: Values, width: int) -> Array:
        """Return for each row the places of two values with unequal answers, as above."""
        near = _near(self.trial)
        rows = len(values[self.trial.main]) // width
        apart = np.zeros((rows, width), bool)
        for role, given in values.items():
            lined = given.reshape(rows, width, -1).astype(float)
            first = lined[:, :1]
            with np.errstate(invalid="ignore"):
                largest = np.maximum(np.abs(lined), np.abs(first))
                other = np.abs(lined - first) > near.absolute + near.relative * largest
            if role == "labels" and "probabilities" in values:
                other &= ~_tied(values["probabilities"], near.absolute + near.relative).reshape(
                    rows, width, 1
                )
            apart |= other.any(axis=2)
        places = np.full((rows, 2), -1)
        where = np.flatnonzero(apart.any(axis=1))
        places[where, 0], places[where, 1] = 0, apart[where].argmax(axis=1)
        return places


def _near(trial: Trial) -> Any:
    return tolerance(trial.claims, *(trial.probe.answers[role] for role in trial.roles))


def _tied(values: Array, slack: float) -> Mask:
    if values.shape[1] == 1:
        return np.asarray(np.abs(values[:, 0] - 0.5) <= slack, bool)
    top = np.sort(values, axis=1)[:, -2:]
    return np.asarray(top[:, 1] - top[:, 0] <= slack, bool)


def _along(
    trial: Trial, name: str, few: list[Any], many: list[Any], law: _Way | _Same, told: str
) -> Iterator[Failure]:
    """Yield where *law* is broken along *name*: *few* values in real rows, then *many* in more."""
    rows = trial.probe.rows
    affordable = int(min(len(few), max(_FEWEST_VALUES, trial.rate * _FIRST_SECONDS / rows.rows)))
    tried = [few[i] for i in np.unique(np.linspace(0, len(few) - 1, affordable).astype(int))]

    def places(batch: Batch) -> Array:
        values = trial.reading(spread(batch, name, tried), law.roles).values
        return law.broken(values, len(tried))

    where = ""

    def observed(row: Batch) -> str:
        nonlocal where
        start, stop = places(row)[0].tolist()
        low, high = tried[start], tried[stop]
        if isinstance(law, _Way):
            low, high = _closer(trial, row, name, low, high, law)
            where = f", but not {_step(low, high)}"
        pair = spread(row, name, [low, high])
        answers = {role: trial.answer(pair, role) for role in law.roles}
        before, after = (shown(trial.claims, answers, place) for place in (0, 1))
        return f"{name} = {_cell(low)}: {before}; {name} = {_cell(high)}: {after}"

    oracle = Bulk(lambda batch: np.asarray(places(batch)[:, 0] >= 0, bool))
    suspects = rows.take(np.flatnonzero(oracle.mask(rows)))
    if not suspects.rows:
        found, values = _scattered(trial, name, many, law)
        if not found.rows:
            return
        tried = sorted({*few, *values}) if law.ordered else list(dict.fromkeys([*values, *few]))
        suspects = found.take(np.flatnonzero(oracle.mask(found)))
    alone = [
        i for i in range(min(suspects.rows, 3)) if oracle.mask(suspects.take(np.array([i])))[0]
    ]
    if not alone:
        return  # what depends on the other rows of its batch is batch-equals-single's to tell
    suspects = suspects.take(np.arange(alone[0], suspects.rows))
    for failure in failures(trial, oracle, suspects, observed):
        yield replace(failure, cause=_of_column(failure.cause, name, told, where))


def _of_column(cause: Cause, name: str, told: str, where: str) -> Cause:
    if not cause.steady:
        return replace(cause, columns=(name,), rule=f"{told}: {cause.rule}")
    rule = f", {cause.rule}" if cause.columns else ""
    columns = (name, *(column for column in cause.columns if column != name))
    return replace(cause, columns=columns, rule=f"{told}{rule}{where}")


def _step(low: Any, high: Any) -> str:
    """Return the step from *low* to *high* for a reader, as the plainest number between them."""
    if isinstance(low, float) and high - low <= _NARROW * max(abs(low), abs(high)):
        return f"across {shortest(low, high)!r}"
    return f"from {_cell(low)} to {_cell(high)}"


def _scattered(
    trial: Trial, name: str, many: Sequence[Any], law: _Way | _Same
) -> tuple[Batch, list[Any]]:
    """Return real and made rows that break *law* with values of their own, and those values."""
    base = bases(trial)
    draw = np.random.default_rng(trial.settings.seed)
    places = draw.integers(0, len(many), (base.rows, _WIDTH))
    places = np.sort(places, axis=1) if law.ordered else places
    wide = scattered(base, name, many, places)
    claimed = len(trial.claims.monotone if law.ordered else trial.claims.invariant)
    seconds = min(_MOST_SECONDS, _SECONDS / claimed)
    found = answered(trial, wide, seconds=seconds, roles=law.roles, width=_WIDTH)
    values = {}
    for role, held in found.values.items():
        values[role] = np.full((wide.rows, *held.shape[1:]), np.nan)
        values[role][found.rows] = held
    pairs = law.broken(values, _WIDTH)
    rows = np.flatnonzero(pairs[:, 0] >= 0)[:_PAIRS]
    return base.take(rows), [many[places[row, at]] for row in rows for at in pairs[row]]


def _closer(trial: Trial, row: Batch, name: str, low: Any, high: Any, law: _Way) -> tuple[Any, Any]:
    """Return two values as near to each other as a few calls find them that still break *law*."""
    domain, near = trial.claims.domain(name), _near(trial)
    if domain.values or domain.multiple_of:
        return low, high
    for _ in range(_ROUNDS):
        inner = np.linspace(low, high, _CLOSER + 2)[1:-1]
        if domain.kind == "integer":
            inner = np.floor(inner)
        between = {type(low)(value) for value in inner.tolist()}
        values = [low, *sorted(between - {low, high}), high]
        reading = trial.reading(spread(row, name, values), law.roles)
        line = law.sign * reading.values[trial.main][:, -1]
        falls = line[:-1] - line[1:]
        broken = falls > near.absolute + near.relative * np.abs(line[:-1])
        if len(values) == 2 or not broken.any():
            break
        at = int(np.where(broken, falls, -np.inf).argmax())
        low, high = values[at], values[at + 1]
    return low, high


def _cell(value: Any) -> str:
    return "missing" if value is None else plain(value)
