"""Whether the contract and the training data speak of the same rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from harness.contract.batch import Cells, Mask
from harness.contract.claims import Claims
from harness.contract.domain import Domain, admits
from harness.contract.failures import MOST
from harness.contract.judged import NUMERIC, outcome_columns, outcomes
from harness.contract.promise import Cause, Failure, Skip, structural
from harness.contract.trial import Trial


@structural
def training_rows_fit_the_schema(trial: Trial) -> Iterator[Failure]:
    """Every training row is one that the schema admits."""
    given = trial.given
    if not given.rows:
        raise Skip("there are no training rows")
    lacking = [name for name in trial.claims.columns if name not in given.names]
    if lacking:
        cause = Cause(columns=tuple(lacking), rule="the schema names columns that aren't there")
        yield Failure(row={}, observed=f"training data have {', '.join(given.names)}", cause=cause)
        return
    inputs = given.only(trial.claims.columns)
    for domain in trial.claims.domains:
        column = given[domain.name]
        bad = np.flatnonzero(~admits(domain, column))
        if len(bad):
            row = int(bad[0])
            value = column.at(row)
            rule = f"{domain.name}: {_why(domain, value)} ({len(bad)} of {len(column)} rows)"
            observed = f"{domain.name} = {value!r}"
            yield Failure(
                row=inputs.row(row),
                observed=observed,
                cause=Cause(columns=(domain.name,), rule=rule),
            )


@structural
def known_outcomes_are_claimed_ones(trial: Trial) -> Iterator[Failure]:
    """Every outcome in the training and dev rows is one that the outputs claim."""
    seen = False
    for source, given in (("training", trial.given), ("dev", trial.dev)):
        if given is None or not given.rows:
            continue
        for name in outcome_columns(trial.claims, given):
            seen = True
            column = given[name]
            bad = _unclaimed(trial.claims, column) & ~column.absent
            for value in list(dict.fromkeys(column.take(bad).values.tolist()))[:MOST]:
                rows = np.flatnonzero(bad & np.asarray(column.values == value, bool))
                row = {n: given[n].at(int(rows[0])) for n in given.names}
                what = (
                    "a number" if trial.claims.outputs.kind == "regression" else "a claimed label"
                )
                observed = (
                    f"{name} = {row[name]!r} in {len(rows):,} of {given.rows:,} {source} rows"
                )
                cause = Cause(columns=(name,), rule=f"{name} is not {what}")
                yield Failure(row=row, observed=observed, cause=cause)
    if not seen:
        raise Skip("there are no rows with their outcome")


def _unclaimed(claims: Claims, column: Cells) -> Mask:
    if claims.outputs.kind != "regression":
        return np.asarray(outcomes(claims, column) < 0, bool)
    if column.kind in NUMERIC:
        return np.asarray(~np.isfinite(column.values.astype(float)), bool)
    return np.ones(len(column), bool)


def _why(domain: Domain, value: Any) -> str:
    if value is None:
        return "missing, and the schema admits no null"
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if domain.kind in ("number", "integer") and number:
        if value < domain.low:
            return f"below the minimum {domain.low!r}"
        if value > domain.high:
            return f"above the maximum {domain.high!r}"
    if domain.closed:
        return f"not one of the {len(domain.values)} values of its enum"
    return f"not a {domain.kind} that the schema admits"
