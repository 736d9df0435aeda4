"""Declared relations between a row and one that the project's own function makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.contract.along import bases
from harness.contract.asking import Malformed
from harness.contract.batch import Batch, Mask, Refusal
from harness.contract.failures import failures
from harness.contract.oracle import Bulk
from harness.contract.outputs import plain, shown
from harness.contract.promise import Cause, Failure, Skip, valid
from harness.contract.relation import NoRelation, compared
from harness.contract.trial import Trial
from harness.spec.project import Relation

_SECONDS, _FIRST, _GROWTH = 0.6, 64, 4


@valid
def declared_relations_hold(trial: Trial) -> Iterator[Failure]:
    """What is declared of a row and of a changed one holds between their answers."""
    if not trial.claims.relations:
        raise Skip("no relation is declared")
    asked = 0
    for relation in trial.claims.relations:
        try:
            suspects, count = _suspects(trial, relation)
        except NoRelation as unusable:
            cause = Cause(columns=(), rule=f"{relation.name}: no rows can be changed")
            yield Failure(row=trial.probe.rows.row(0), observed=str(unusable), cause=cause)
            asked += 1
            continue
        asked += count
        if not count:
            trial.notes.append(f"relation {relation.name}: the schema admits no changed row")
        yield from _explained(trial, relation, suspects)
    if not asked:
        raise Skip("no changed row is one that the schema admits")


def _suspects(trial: Trial, relation: Relation) -> tuple[Batch, int]:
    """Return rows that break *relation*, and how many were asked: real ones, then made ones.

    Raises NoRelation when real rows can't be changed; made ones that can't be are left out.
    """
    real = trial.probe.rows
    found = compared(trial, relation, real)
    count, began = len(found.asked), trial.left
    if found.broken.any():
        return real.take(np.flatnonzero(found.broken)), count
    more = bases(trial)
    order = np.random.default_rng(trial.settings.seed).permutation(more.rows)
    at, size = 0, int(max(1, min(_FIRST, trial.rate * _SECONDS / 2)))
    while at < more.rows and began - trial.left < _SECONDS:
        part = more.take(order[at : at + size])
        at += size
        try:
            found = compared(trial, relation, part)
        except (NoRelation, Refusal, Malformed):
            size = max(size // _GROWTH, 1)
            continue
        size = int(min(size * _GROWTH, max(1, trial.rate * _SECONDS)))
        count += len(found.asked)
        if found.broken.any():
            return part.take(np.flatnonzero(found.broken)), count
    return real.head(0), count


def _explained(trial: Trial, relation: Relation, suspects: Batch) -> Iterator[Failure]:
    def fails(batch: Batch) -> Mask:
        try:
            return compared(trial, relation, batch).broken
        except NoRelation as unusable:  # of rows made to find the cause: they tell nothing
            raise Refusal("NoRelation", ["NoRelation"], str(unusable)) from unusable

    def observed(row: Batch) -> str:
        found = compared(trial, relation, row)
        turned = ", ".join(
            f"{column.name} = {plain(column.at(0))}"
            for column in found.changed.columns
            if column.at(0) != row[column.name].at(0)
        )
        before, after = (shown(trial.claims, a, 0) for a in (found.before, found.after))
        return f"{before}; with {turned or 'nothing changed'}: {after}"

    for failure in failures(trial, Bulk(fails), suspects, observed):
        named = failure.cause.columns or not failure.cause.steady
        rule = failure.cause.rule if named else ""
        told = f"{relation.name}: {relation.expect} is expected"
        cause = replace(failure.cause, rule=f"{told}, {rule}" if rule else told)
        yield replace(failure, cause=cause)
