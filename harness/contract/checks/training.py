"""Whether the contract and the training data speak of the same rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from harness.contract.domain import Domain, admits
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
    for domain in trial.claims.domains:
        column = given[domain.name]
        bad = np.flatnonzero(~admits(domain, column))
        if len(bad):
            row = int(bad[0])
            value = column.at(row)
            rule = f"{domain.name}: {_why(domain, value)} ({len(bad)} of {len(column)} rows)"
            observed = f"{domain.name} = {value!r}"
            yield Failure(
                row=given.row(row),
                observed=observed,
                cause=Cause(columns=(domain.name,), rule=rule),
            )


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
