"""From rows that fail to failures that a person can read: each cause once."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from harness.contract.asking import Malformed
from harness.contract.baselines import BASELINES, diverse
from harness.contract.batch import Batch, Broken, Refusal
from harness.contract.cause import MOST_CALLS
from harness.contract.company import company, told
from harness.contract.oracle import Oracle
from harness.contract.promise import Cause, Failure, OutOfTime, Skip
from harness.contract.rule import Rule
from harness.contract.steady import Explained, asked_again, sometimes
from harness.contract.trial import Trial

MOST = 3
"""How many causes of one broken promise are looked for."""

UNSTEADY = "one and the same row is answered now in one way, now in another"

_COMPANY = 1000


def failures(
    trial: Trial,
    oracle: Oracle,
    suspects: Batch,
    observed: Callable[[Batch], str],
    *,
    at_first: str = "",
    made: bool = True,
) -> Iterator[Failure]:
    """Yield one failure for each cause among *suspects*, up to ``MOST``.

    *observed* says what came out for a batch of one row; *at_first* what was seen when the first
    suspect was found; with *made* rows may serve as counter-examples where no real row passes.
    """
    passing: Batch | None = None
    for _ in range(MOST):
        if not suspects.rows:
            return
        calls, row = trial.calls, suspects.head(1)
        try:
            if not oracle.mask(row)[0]:
                times = asked_again(oracle.any, row, False)
                if times[0] > 1:
                    yield failure(sometimes(row, times), at_first or UNSTEADY, trial.calls - calls)
                else:
                    with trial.until(calls + MOST_CALLS):
                        alone = _in_company(trial, oracle, suspects, at_first or observed(row))
                    yield alone
                return
            if passing is None:
                passing = passing_rows(trial, oracle, made=made)
            explained = trial.explain(oracle, row, passing, since=calls)
            spent = trial.calls - calls
            steady = explained.rule.times is None
            seen = observed(explained.row) if steady else at_first or UNSTEADY
        except (OutOfTime, Broken) as ended:
            yield Failure(
                row=row.row(0),
                observed=at_first or str(ended),
                cause=Cause(columns=(), rule=f"not found: {ended}", calls=trial.calls - calls),
            )
            return
        yield failure(explained, seen, spent)
        if not steady:
            return
        suspects = left(suspects, explained.rule)


def failure(explained: Explained, observed: str, calls: int) -> Failure:
    """Return an explained row as a failure."""
    rule = explained.rule
    cause = Cause(
        columns=rule.columns,
        rule=rule.text,
        calls=calls,
        inside=explained.inside,
        outside=explained.outside,
        measured=explained.measured,
        steady=rule.times is None,
    )
    return Failure(row=explained.row.row(0), observed=observed, cause=cause)


def _in_company(trial: Trial, oracle: Oracle, suspects: Batch, observed: str) -> Failure:
    """Return the first suspect, which passes alone, with the other rows that make it fail: those
    that an oracle for whole batches can find."""
    row, calls = suspects.head(1), trial.calls
    others = suspects.take(np.arange(1, min(suspects.rows, 1 + _COMPANY)))
    found = None
    for candidates in (others, trial.make(0, _COMPANY).batch) if oracle.bulk else ():
        found = company(lambda batch: bool(oracle.mask(batch)[-1]), row, candidates)
        if found is not None:
            break
    cause = Cause(columns=(), rule=told(found), calls=trial.calls - calls)
    return Failure(row=row.row(0), observed=observed, cause=cause)


def passing_rows(trial: Trial, oracle: Oracle, *, made: bool = True) -> Batch:
    """Return rows that pass: of the real ones if any do, else *made* ones; maybe none at all."""
    try:
        probes = trial.probe.rows
    except (Skip, Malformed, Refusal):
        probes = trial.candidates
    for batch in (probes, *([trial.make(0, 256).batch] if made else [])):
        tried = batch if oracle.bulk else diverse(batch, BASELINES)
        found = np.flatnonzero(~oracle.mask(tried))
        if len(found):
            return tried.take(found)
    return probes.head(0)


def left(suspects: Batch, rule: Rule) -> Batch:
    """Return the suspects that *rule* doesn't explain; the first one is explained."""
    rest = ~rule.matches(suspects)
    rest[:1] = False
    return suspects.take(np.flatnonzero(rest))
