"""Rows whose outcome is known, and what the model says to them. Never a row of the holdout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.contract.asking import Malformed
from harness.contract.batch import Array, Batch, Cells, Mask, Refusal
from harness.contract.cells import cells
from harness.contract.claims import Claims
from harness.contract.domain import admits
from harness.contract.outputs import label_positions
from harness.contract.promise import Skip
from harness.contract.trial import Trial

NUMERIC = ("number", "integer", "boolean")
MOST = 20_000
SECONDS, DECLARED_SECONDS = 0.5, 3.0
"""How long rows are asked for, and how long dev rows that something is claimed of."""

_REFUSED_CALLS = 40
_FIRST, _LARGEST, _FEWEST, _GROWTH = 64, 20_000, 8, 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """Rows of *source* (``dev`` or ``training``) that the schema admits and the model answered.

    *given* holds all their columns. *truth* are positions in the claimed labels, shape (n,), or
    numbers, shape (n, targets). *said* are probabilities by label, shape (n, labels), the predicted
    label as 1.0 among zeros, or numbers like *truth*. *values* are the readings by role.
    """

    source: str
    given: Batch
    rows: Batch
    truth: Array
    said: Array
    values: dict[str, Array]


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """Rows of *source* with their outcome *truth*, not yet asked."""

    given: Batch
    truth: Array


def known(trial: Trial, source: str) -> Known:
    """Return the rows of *source* whose outcome is known and that the schema admits, spread evenly
    over it where there are many. Raises Skip with the reason when there are none."""
    if source in trial.known:
        return trial.known[source]
    claims = trial.claims
    given = trial.given if source == "training" else trial.dev
    if given is None or not given.rows:
        raise Skip(f"there are no {source} rows")
    if missing := [name for name in claims.columns if name not in given.names]:
        raise Skip(f"the {source} rows have no column {', '.join(missing)}")
    named = outcome_columns(claims, given)
    if not named:
        raise Skip(f"the {source} rows came without their outcome")
    if given.rows > MOST:
        given = given.take(np.linspace(0, given.rows - 1, MOST).astype(int))
    truth, there = _truth(claims, [given[name] for name in named])
    for domain in claims.domains:
        there &= admits(domain, given[domain.name])
    if not there.any():
        raise Skip(f"no {source} row that the schema admits has an outcome")
    found = Known(given=given.take(np.flatnonzero(there)), truth=truth[there])
    trial.known[source] = found
    return found


def judged(trial: Trial, source: str) -> Judged:
    """Return what the model says to rows of *source*, asked for once, for half a second (three for
    dev rows where something is claimed of them).

    Raises Skip with the reason when there are none, and what asking the model raises.
    """
    if source not in trial.judged:
        found = known(trial, source)
        rows = like(found.given.only(trial.claims.columns), trial.training)
        claimed = trial.claims.calibration is not None or trial.claims.slices
        seconds = DECLARED_SECONDS if source == "dev" and claimed else SECONDS
        kept, values = answered(trial, rows, seconds=seconds)
        if not len(kept):
            raise Skip(f"no {source} row is answered")
        said = _said(trial.claims, values[trial.main])
        sound = np.isfinite(said).all(axis=1)
        kept, said = kept[sound], said[sound]
        trial.judged[source] = Judged(
            source=source,
            given=found.given.take(kept),
            rows=rows.take(kept),
            truth=found.truth[kept],
            said=said,
            values={role: given[sound] for role, given in values.items()},
        )
    return trial.judged[source]


def answered(
    trial: Trial,
    batch: Batch,
    *,
    seconds: float,
    roles: Sequence[str] | None = None,
    width: int = 1,
) -> tuple[Array, dict[str, Array]]:
    """Return which rows of *batch* were answered in the claimed form within *seconds*, and the
    readings by role. Rows come from all over the batch, *width* neighbours together; those that
    are refused are narrowed down to for forty calls, then their neighbours count as refused too."""
    asked = tuple(roles or trial.roles)
    groups = np.random.default_rng(0).permutation(batch.rows // width)
    order = (groups[:, None] * width + np.arange(width)).reshape(-1)
    size = int(max(1, min(_FIRST, trial.rate * seconds)))
    began, at, refused = trial.left, 0, 0
    waiting: list[Array] = []
    found: list[tuple[Array, dict[str, Array]]] = []
    while (waiting or at < batch.rows) and (spent := began - trial.left) < seconds:
        if waiting:
            part = waiting.pop()
        else:
            part = order[at : at + max(1, round(size / width)) * width]
            at += len(part)
        try:
            reading = trial.reading(batch.take(part), asked)
        except (Refusal, Malformed):
            refused += 1
            size = max(_FEWEST, min(size, len(part)) // 2)
            if len(part) > 1 and refused < _REFUSED_CALLS:
                half = len(part) // 2
                waiting += [part[half:], part[:half]]
            continue
        found.append((part, {role: reading.values[role] for role in asked}))
        taken = max(began - trial.left - spent, 1e-6)
        affordable = len(part) / taken * max(seconds - spent - taken, 0.0)
        larger = size if refused else size * _GROWTH
        size = int(max(1, min(larger, _LARGEST, affordable)))
    if not found:
        return np.zeros(0, int), {role: np.zeros((0, trial.claims.width)) for role in asked}
    places = np.concatenate([part for part, _ in found])
    back = np.argsort(places)
    values = {role: np.concatenate([held[role] for _, held in found])[back] for role in asked}
    return places[back], values


def outcome_columns(claims: Claims, given: Batch) -> tuple[str, ...]:
    """Return the columns of *given* that hold what is predicted; none when one is lacking."""
    targets = claims.outputs.targets
    if targets and not set(targets) - set(given.names):
        return targets
    several = claims.outputs.kind == "regression" and claims.width > 1
    return () if several or claims.target not in given.names else (claims.target,)


def outcomes(claims: Claims, column: Cells) -> Array:
    """Return the position of each cell in the claimed labels, -1 where it is none of them.

    ``1`` and ``"1"`` are one label here: a data file may hold labels in another type.
    """
    found = label_positions(claims, column.values)
    places = {str(label): place for place, label in enumerate(claims.outputs.labels)}
    for row in np.flatnonzero(found < 0).tolist():
        found[row] = places.get(_spelt(column.at(row)), -1)
    return found


def like(batch: Batch, training: Batch) -> Batch:
    """Return *batch* with columns of whole numbers, and empty ones, held as *training* holds
    them."""
    columns = []
    for column in batch.columns:
        held = training[column.name] if column.name in training.names else column
        if column.kind == "integer" and held.kind == "number":
            column = replace(column, kind="number", values=column.values.astype(float), dtype="")
        elif column.kind != held.kind and column.absent.all():
            column = cells(column.name, held.kind, [None] * len(column), dtype=held.dtype)
        columns.append(column)
    return Batch(columns=tuple(columns))


def _spelt(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _truth(claims: Claims, columns: Sequence[Cells]) -> tuple[Array, Mask]:
    if claims.outputs.kind != "regression":
        column = columns[0]
        truth = outcomes(claims, column)
        return truth, (truth >= 0) & ~column.absent
    numeric = all(column.kind in NUMERIC for column in columns)
    if not numeric:
        raise Skip("the outcome is no number: see known-outcomes-are-claimed-ones")
    held = np.stack([c.values.astype(float) for c in columns], axis=1)
    there = np.isfinite(held).all(axis=1)
    for column in columns:
        there &= ~column.absent
    return held, there


def _said(claims: Claims, values: Array) -> Array:
    if claims.outputs.kind == "regression":
        return values
    if claims.outputs.kind == "labels":
        said = np.full((len(values), claims.width), np.nan)
        whole = values >= 0
        said[whole] = 0.0
        said[np.flatnonzero(whole), values[whole]] = 1.0
        return said
    if values.shape[1] == 1:  # the last label's alone
        return np.concatenate([1.0 - values, values], axis=1)
    return values
