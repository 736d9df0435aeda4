"""Values that training data don't have, in the columns that are open to them.

Found out once for a trial: the check of them tells it, and the sweep leaves such rows out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.contract.asking import Malformed
from harness.contract.batch import Batch, Broken, Refusal, cells
from harness.contract.domain import Domain, admits
from harness.contract.levels import ODD_TEXT, UNSEEN
from harness.contract.promise import Cause, Failure
from harness.contract.rule import Condition, Rule
from harness.contract.trial import Trial

_SEVERAL, _MOST_ALONE = 3, 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Unseen:
    """What unseen values of one column do: the *failure* of those that get no answer and the *rule*
    that leaves them out. Where only some odd ones get none, there is neither, but *odd* rows: what
    is odd about them is the better cause."""

    failure: Failure | None = None
    rule: Rule | None = None
    odd: Batch | None = None


def unseen(trial: Trial) -> tuple[Unseen, ...]:
    """Return what unseen values do, for each open column in which they do anything.

    Raises Skip, Refusal or Malformed when there are no answered rows to put them into, Broken when
    the model dies of one.
    """
    if trial.unseen is None:
        opened = [domain for domain in trial.claims.domains if domain.open]
        try:
            found = [_found(trial, domain, trial.probe.rows) for domain in opened]
        except Broken as gone:  # told by whoever asks, and not asked again
            trial.unseen = gone
        else:
            trial.unseen = tuple(one for one in found if one is not None)
    if isinstance(trial.unseen, Broken):
        raise trial.unseen
    return trial.unseen


def _found(trial: Trial, domain: Domain, rows: Batch) -> Unseen | None:
    name = domain.name
    held = set(known_in(trial, domain))
    tried = cells(name, "string", [*UNSEEN, *ODD_TEXT], dtype=rows[name].dtype)
    good = admits(domain, tried)
    values = [v for v, g in zip(tried.values.tolist(), good, strict=True) if g and v not in held]
    if not values:
        return None
    places = np.arange(len(values)) % rows.rows
    batch = rows.take(places).put(cells(name, "string", values, dtype=tried.dtype))
    calls = trial.calls
    seen = _unanswered(trial, batch)
    if not seen:
        return None
    enough = min(_SEVERAL, len(values))
    alone: list[str] = []
    bad: list[int] = []
    for row in range(min(batch.rows, _MOST_ALONE)):
        alone.append(_unanswered(trial, batch.take(np.array([row]))))
        bad += [row] if alone[-1] else []
        if bad[:1] == [0] and len(bad) == enough:  # the first is a plain word
            break
    plain = bad[:1] == [0] and len(bad) >= enough
    if bad and not plain:
        return Unseen(odd=batch.take(np.array(bad)))
    cause = Cause(
        columns=(name,),
        rule=f"{name} is a value that training data don't have",
        calls=trial.calls - calls,
    )
    failure = Failure(row=batch.row(0), observed=alone[0] or seen, cause=cause)
    return Unseen(failure=failure, rule=unseen_in(trial, domain) if plain else None)


def unseen_in(trial: Trial, domain: Domain) -> Rule:
    """Return the rule that the column of *domain* holds a value that training data don't have."""
    known = known_in(trial, domain)
    return Rule(conditions=(Condition(column=domain.name, sign="unseen", value=known),))


def known_in(trial: Trial, domain: Domain) -> tuple[Any, ...]:
    """Return the values that the column of *domain* is known to hold."""
    values = [*domain.values, *trial.training[domain.name].values.tolist()]
    return tuple(dict.fromkeys(value for value in values if value is not None))


def _unanswered(trial: Trial, batch: Batch) -> str:
    try:
        with trial.within(trial.patience(batch.rows)):
            trial.reading(batch)
    except Refusal as refusal:
        return f"raised {refusal}"
    except Malformed as malformed:
        return str(malformed)
    return ""
