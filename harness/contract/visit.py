"""A visit: the same model loaded anew in another process, and what it answers there.

A fresh process knows nothing of earlier questions, and may have another hash seed, time zone or
clock. What differs there is blamed on one of them by further visits; when nothing does, one visit
is all it takes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from harness.contract.artifact import Files, changed, files
from harness.contract.batch import Answer, Batch, Broken, Model, Refusal, mosaic
from harness.contract.further import at_edges, inner
from harness.contract.rule import ordered
from harness.contract.trial import Trial

HASH_SEED, ZONE, CLOCK = "PYTHONHASHSEED", "TZ", "HARNESS_CLOCK"
_HOUR, _DAY = 3600.0, 86_400.0
_START = 9 * 365.25 * _DAY + 153 * _DAY + 12 * _HOUR
LATER = {"12 hours later": 12 * _HOUR, "3 days later": 78 * _HOUR, "half a year later": 182 * _DAY}
"""Shifts of the clock that are asked about beside the nine years of the start."""
_KATHMANDU = 20_700
_MOST_COLUMNS, _ROWS_A_COLUMN = 16, 4

Answers = Mapping[str, "Answer | Refusal"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """One question to the visited model: *what* was asked (a name in ``asked_about``) and, by
    role, what it said."""

    what: str
    answers: Answers


@dataclass(frozen=True, kw_only=True, slots=True)
class Visit:
    """What the model said in another process, *turns* in the order of asking; *later* the answers
    to the probe rows at further shifts of the clock, by what these are called. *changed* are the
    files of its artifact that are others than before, None where they can't be looked at; *broken*
    says why it didn't answer.
    """

    environment: Mapping[str, str]
    turns: tuple[Turn, ...] = ()
    later: Mapping[str, Answers] = field(default_factory=dict)
    changed: tuple[str, ...] | None = None
    broken: str = ""
    seconds: float = 0.0


def varied() -> dict[str, str]:
    """Return an environment in which all that must not matter is another than here."""
    seed = "4242" if os.environ.get(HASH_SEED) != "4242" else "2424"
    zone = "Asia/Kathmandu" if -time.timezone != _KATHMANDU else "Pacific/Marquesas"
    return {HASH_SEED: seed, ZONE: zone, CLOCK: str(_START)}


def visit(trial: Trial, environment: Mapping[str, str], order: tuple[str, ...]) -> Visit:
    """Return what the model says in a process with *environment*, asked in *order* about
    the rows of ``asked_about``; each visit is paid once.

    Raises Skip where there is no other process, OutOfTime.
    """
    key = (id(trial.probe), *sorted(environment.items()), *order)
    if key not in trial.visits:
        trial.visits[key] = _visited(trial, environment, order)
    return trial.visits[key]


def _visited(trial: Trial, environment: Mapping[str, str], order: tuple[str, ...]) -> Visit:
    batches = asked_about(trial)
    before = _files(trial)
    turns: list[Turn] = []
    later: dict[str, Answers] = {}
    broken, began = "", time.monotonic()
    try:
        with trial.elsewhere(**environment) as model:
            for what in (name for name in order if name in batches):
                turns.append(Turn(what=what, answers=_asked(trial, model, batches[what])))
            if CLOCK in environment and hasattr(model, "shift_clock"):
                for how, seconds in (LATER | _amid(trial)).items():
                    model.shift_clock(seconds)
                    later[how] = _asked(trial, model, batches["probe"], (trial.main,))
    except Broken as gone:
        broken = str(gone)
    after = _files(trial)
    return Visit(
        environment=environment,
        turns=tuple(turns),
        later=later,
        changed=None if before is None or after is None else changed(before, after),
        broken=broken,
        seconds=time.monotonic() - began,
    )


def _amid(trial: Trial) -> dict[str, float]:
    """Return the shift of the clock into the midst of the dates that the rows hold, if they hold
    any: what lies ahead of now and what lies behind it is another half of them then."""
    dates = [d.name for d in trial.claims.domains if d.kind in ("date", "datetime")]
    columns = [trial.probe.rows[name] for name in dates]
    held = [ordered(column)[~column.absent].astype(float) for column in columns]
    moments = np.concatenate(held) if held else np.zeros(0)
    moments = moments[np.isfinite(moments)]
    if not len(moments):
        return {}
    amid = float(np.median(moments)) / 1e6
    return {"with the clock amid the rows' own dates": amid - time.time()}


def asked_about(trial: Trial) -> dict[str, Batch]:
    """Return the rows that visitors are asked about: ``probe`` and ``mixed`` ones; ``edges``, where
    there are any, and the ``inner`` ones of these."""
    batches = {"probe": trial.probe.rows, "mixed": mixed(trial)}
    if (edges := at_edges(trial)) is not None:
        near = inner(trial, edges.rows)
        batches |= {"edges": edges.rows} | ({"inner": near} if near.rows else {})
    return batches


def _files(trial: Trial) -> Files | None:
    artifact = getattr(trial.model, "artifact", None)
    return None if artifact is None else files(artifact)


def _asked(
    trial: Trial, model: Model, batch: Batch, roles: tuple[str, ...] | None = None
) -> dict[str, Answer | Refusal]:
    found: dict[str, Answer | Refusal] = {}
    for role in roles or trial.roles:
        try:
            found[role] = trial.asked_of(model, batch, role)
        except Refusal as refusal:
            found[role] = refusal
    return found


def mixed(trial: Trial) -> Batch:
    """Return rows that share one cell each with a row to probe with, all others being of other
    rows: what was remembered of one row by a part of it is wrong for them."""
    pool = trial.probe.rows
    width, count = len(pool.columns), pool.rows
    columns = np.linspace(0, width - 1, min(width, _MOST_COLUMNS)).astype(int)
    parts = []
    for turn, column in enumerate(columns.tolist()):
        row = (np.arange(_ROWS_A_COLUMN) * max(count // _ROWS_A_COLUMN, 1) + turn) % count
        source = np.repeat(((row + 1 + count // 3) % count)[:, None], width, axis=1)
        source[:, column] = row
        parts.append(source)
    return mosaic(pool, np.concatenate(parts))
