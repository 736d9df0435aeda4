"""What answers are worth on rows whose outcome is known: training rows and dev rows, never the
holdout. Whether the model is better than another one is the decision's business, not asked here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import permutations

import numpy as np

from harness.contract.intervals import holm, rank_above
from harness.contract.judged import Judged, judged
from harness.contract.outputs import plain
from harness.contract.promise import Cause, Failure, Skip, valid
from harness.contract.trial import Trial

_SURE = 1e-4
_AGAINST = 0.4  # of pairs told apart rightly: below it answers go against the outcomes
_FEW_OF_ONE, _MOST_LABELS = 20, 20
_FEWEST_ON_DEV, _FEWEST = 200, 50


@valid
def answers_go_with_the_outcomes(trial: Trial) -> Iterator[Failure]:
    """Answers go with the outcomes: no label stands in another's place, no number is turned."""
    try:
        found = judged(trial, "dev")
    except Skip:
        found = None  # there may be training rows
    if found is None or len(found.truth) < _FEWEST_ON_DEV:
        found = judged(trial, "training")
    if len(found.truth) < _FEWEST:
        raise Skip(f"{len(found.truth)} {found.source} rows with an outcome are too few to tell")
    if trial.claims.outputs.kind == "regression":
        yield from _turned(trial, found)
    else:
        yield from _displaced(trial, found)


def _displaced(trial: Trial, found: Judged) -> Iterator[Failure]:
    """Yield labels whose columns belong to each other: a ring of two or more, each of whose columns
    is largest where the outcome is the next one, clearly above where it is its own."""
    labels, truth, said = trial.claims.outputs.labels, found.truth, found.said
    counts = np.bincount(truth, minlength=len(labels))
    often = [i for i in np.argsort(-counts).tolist() if counts[i] >= _FEW_OF_ONE][:_MOST_LABELS]
    if len(often) < 2:
        raise Skip(f"too few {found.source} rows of two labels to tell")
    pairs = list(permutations(often, 2))
    ranked = [rank_above(said[truth == i, i], said[truth == j, i]) for i, j in pairs]
    sure = holm([p for _, p in ranked])
    share = {
        pair: right
        for pair, (right, _), p in zip(pairs, ranked, sure, strict=True)
        if p < _SURE and right < _AGAINST
    }
    owner = {i: min((right, j) for (of, j), right in share.items() if of == i)[1] for i, _ in share}
    for ring in _rings(owner):
        own, other = ring[0], ring[1]
        of_own = np.flatnonzero(truth == own)
        row = int(of_own[(said[of_own, own] - said[of_own, other]).argmin()])
        answers = (f"{labels[i]} = {plain(float(said[row, i]))}" for i in ring)
        named = [plain(labels[i]) for i in ring]
        rule = (
            f"{', '.join(named[:-1])} and {named[-1]} stand in each other's place: "
            f"{labels[own]} is larger where the outcome is {plain(labels[other])} than where it is "
            f"{named[0]}, in {1 - share[own, other]:.0%} of the pairs of such {found.source} rows"
        )
        classes = getattr(trial.model, "classes", None)
        if classes and {*map(str, classes)} == {*map(str, labels)} and tuple(classes) != labels:
            rule += f"; the model's own order is {', '.join(map(str, classes))}"
        observed = f"{', '.join(answers)}, and the outcome is {named[0]}"
        yield Failure(
            row=found.rows.row(row), observed=observed, cause=Cause(columns=(), rule=rule)
        )


def _rings(follows: Mapping[int, int]) -> list[tuple[int, ...]]:
    """Return the rings of *follows*, each from its least member on."""
    found: set[tuple[int, ...]] = set()
    for start in follows:
        path = [start]
        while path[-1] in follows and follows[path[-1]] not in path:
            path.append(follows[path[-1]])
        if follows.get(path[-1]) == start:
            least = path.index(min(path))
            found.add((*path[least:], *path[:least]))
    return sorted(found)


def _turned(trial: Trial, found: Judged) -> Iterator[Failure]:
    """Yield numbers that are smaller where the outcome is large."""
    targets = trial.claims.outputs.targets or (trial.claims.target,)
    for place, name in enumerate(targets):
        truth, said = found.truth[:, place], found.said[:, place]
        low, high = np.quantile(truth, [1 / 3, 2 / 3])
        large, small = np.flatnonzero(truth >= high), np.flatnonzero(truth <= low)
        if low == high or min(len(large), len(small)) < _FEW_OF_ONE:
            continue
        share, p = rank_above(said[large], said[small])
        if p < _SURE and share < _AGAINST:
            row = int(large[said[large].argmin()])
            observed = f"{plain(float(said[row]))}, and {name} is {plain(float(truth[row]))}"
            rule = (
                f"{name} is turned: the answer is larger where {name} is small than where it is "
                f"large, in {1 - share:.0%} of the pairs of such {found.source} rows"
            )
            cause = Cause(columns=(), rule=rule)
            yield Failure(row=found.rows.row(row), observed=observed, cause=cause)
