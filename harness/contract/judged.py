"""Rows whose outcome is known, and what the model says to them. Never a row of the holdout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.contract.asking import Malformed
from harness.contract.batch import Array, Batch, Broken, Cells, Mask, Refusal
from harness.contract.cells import cells
from harness.contract.claims import Claims
from harness.contract.domain import admits
from harness.contract.outputs import label_positions
from harness.contract.promise import Skip
from harness.contract.trial import Trial

NUMERIC = ("number", "integer", "boolean")
SOURCES = ("dev", "training")
MOST = 20_000
SECONDS, DECLARED_SECONDS = 0.5, 3.0
"""How long rows are asked for, and how long dev rows that something is claimed of."""

_REFUSED_CALLS = 200
_NO_NUMBER, _NO_LABEL = "NaN or infinite", "a label that is not claimed"
_FIRST, _LARGEST, _FEWEST, _GROWTH = 64, 20_000, 8, 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """Rows of *source* (``dev`` or ``training``) that the schema admits and the model answered.

    *given* holds all their columns. *truth* are positions in the claimed labels, shape (n,), or
    numbers, shape (n, targets). *said* are probabilities by label, shape (n, labels), the predicted
    label as 1.0 among zeros, or numbers like *truth*. *values* are the readings by role. Of the
    other rows asked, *refused* ones got no answer, *unsound* ones NaN or no label, and *why*.
    """

    source: str
    given: Batch
    rows: Batch
    truth: Array
    said: Array
    values: dict[str, Array]
    refused: Batch
    unsound: Batch
    why: str


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
    if given is None or not given.rows or claims.document is not None:
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
    """Return what the model says to rows of *source* that it answers.

    Raises Skip with the reason when there are none, and what asking the model raises.
    """
    found = asked(trial, source)
    if not len(found.truth):
        raise Skip(f"no {source} row is answered{found.why}")
    return found


def asked(trial: Trial, source: str) -> Judged:
    """Return what the model says to rows of *source*, asked for once, for half a second (three for
    dev rows where something is claimed of them). How many get no answer is noted.

    Raises as ``judged`` does, but where no row is answered.
    """
    if source not in trial.judged:
        found = known(trial, source)
        try:
            trial.judged[source] = _asked(trial, source, found)
        except Broken as broken:
            trial.judged[source] = broken
    held = trial.judged[source]
    if isinstance(held, Broken):
        raise held
    return held


def _asked(trial: Trial, source: str, found: Known) -> Judged:
    rows = like(found.given.only(trial.claims.columns), trial.training)
    claimed = trial.claims.calibration is not None or trial.claims.slices
    seconds = DECLARED_SECONDS if source == "dev" and claimed else SECONDS
    got = answered(trial, rows, seconds=seconds)
    said = _said(trial.claims, got.values[trial.main])
    sound = np.isfinite(said).all(axis=1)
    kept, unsound = got.rows[sound], got.rows[~sound]
    nothing = _NO_LABEL if trial.claims.outputs.kind == "labels" else _NO_NUMBER
    whys = [told for told, out in ((got.why, got.refused), (nothing, unsound)) if len(out)]
    why = f" ({'; '.join(whys)})" if whys else ""
    if left_out := len(got.refused) + len(unsound):
        most = "" if got.alone else "up to "
        trial.notes.append(
            f"{most}{left_out:,} of {left_out + len(kept):,} {source} rows are not answered{why}: "
            f"figures are over the other {len(kept):,}"
        )
    return Judged(
        source=source,
        given=found.given.take(kept),
        rows=rows.take(kept),
        truth=found.truth[kept],
        said=said[sound],
        values={role: given[sound] for role, given in got.values.items()},
        refused=rows.take(got.refused),
        unsound=rows.take(unsound),
        why=why,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """The numbers of the *rows* of a batch that were answered in the claimed form, and their
    readings by role; those that were *refused*, the ones that are alone first, and *why* the first
    was. Not all of them were asked *alone* where neighbours count as refused, too."""

    rows: Array
    values: dict[str, Array]
    refused: Array
    why: str = ""
    alone: bool = True


def answered(
    trial: Trial,
    batch: Batch,
    *,
    seconds: float,
    roles: Sequence[str] | None = None,
    width: int = 1,
) -> Answered:
    """Return which rows of *batch* were answered within *seconds*. Rows come from all over the
    batch, *width* neighbours together; those that are refused are narrowed down to for two hundred
    calls, then their neighbours count as refused too."""
    roles = tuple(roles or trial.roles)
    groups = np.random.default_rng(0).permutation(batch.rows // width)
    order = (groups[:, None] * width + np.arange(width)).reshape(-1)
    size = int(max(1, min(_FIRST, trial.rate * seconds)))
    began, at, calls, why = trial.left, 0, 0, ""
    waiting: list[Array] = []
    refused: list[Array] = []
    found: list[tuple[Array, dict[str, Array]]] = []
    while (waiting or at < batch.rows) and (spent := began - trial.left) < seconds:
        if waiting:
            part = waiting.pop()
        else:
            part = order[at : at + max(1, round(size / width)) * width]
            at += len(part)
        try:
            reading = trial.reading(batch.take(part), roles)
        except (Refusal, Malformed) as trouble:
            calls, why = calls + 1, why or str(trouble)
            size = max(_FEWEST, min(size, len(part)) // 2)
            if len(part) > 1 and calls < _REFUSED_CALLS:
                half = len(part) // 2
                waiting += [part[half:], part[:half]]
            else:
                refused.append(part)
            continue
        found.append((part, {role: reading.values[role] for role in roles}))
        taken = max(began - trial.left - spent, 1e-6)
        affordable = len(part) / taken * max(seconds - spent - taken, 0.0)
        larger = size if calls else size * _GROWTH
        size = int(max(1, min(larger, _LARGEST, affordable)))
    refused.sort(key=len)
    out = np.concatenate([np.zeros(0, int), *refused])
    alone = all(len(part) == 1 for part in refused)
    if not found:
        none = {role: np.zeros((0, trial.claims.width)) for role in roles}
        return Answered(rows=np.zeros(0, int), values=none, refused=out, why=why, alone=alone)
    places = np.concatenate([part for part, _ in found])
    back = np.argsort(places)
    values = {role: np.concatenate([held[role] for _, held in found])[back] for role in roles}
    return Answered(rows=places[back], values=values, refused=out, why=why, alone=alone)


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
