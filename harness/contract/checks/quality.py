"""What answers are worth on rows whose outcome is known: training rows and dev rows, never the
holdout. Whether the model is better than another one is the decision's business, not asked here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations

import numpy as np

from harness.contract.cells import Array
from harness.contract.intervals import holm, in_order, in_order_above, rank_above
from harness.contract.judged import Judged, judged
from harness.contract.outputs import plain
from harness.contract.promise import Cause, Failure, Skip, valid
from harness.contract.trial import Trial

_SURE = 1e-4
_AGAINST = 0.4  # of pairs told apart rightly: below it answers go against the outcomes
_FEW_OF_ONE, _MOST_LABELS = 20, 20
# Of pairs: so many in another target's order, and so many more of them than in its own.
_CROSSED, _MARGIN = 0.6, 0.02
_MOST_TARGETS, _MOST_ORDERED = 20, 1000
_FEWEST_ON_DEV, _FEWEST = 200, 50


@valid
def answers_go_with_the_outcomes(trial: Trial) -> Iterator[Failure]:
    """Answers go with the outcomes: no label or number stands in another's place, or is turned."""
    try:
        found = judged(trial, "dev")
    except Skip:
        found = None  # there may be training rows
    if found is None or len(found.truth) < _FEWEST_ON_DEV:
        found = judged(trial, "training")
    if len(found.truth) < _FEWEST:
        raise Skip(f"{len(found.truth)} {found.source} rows with an outcome are too few to tell")
    if trial.claims.outputs.kind == "regression":
        yield from _numbers(trial, found)
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


def _numbers(trial: Trial, found: Judged) -> Iterator[Failure]:
    """Yield targets that stand in each other's place, then others that are turned."""
    targets = trial.claims.outputs.targets or (trial.claims.target,)
    share = _crossed(found)
    owner = {j: max((right, i) for (i, of), right in share.items() if of == j)[1] for _, j in share}
    rings = _rings(owner)
    for ring in rings:
        own, other = ring[:2]
        truth, said = found.truth[:, ring], found.said[:, ring]
        row = int(np.abs(np.diff(truth.argsort(axis=0).argsort(axis=0)[:, :2])).argmax())
        names = [targets[i] for i in ring]
        rule = (
            f"{', '.join(names[:-1])} and {names[-1]} stand in each other's place: the answer for "
            f"{targets[other]} is in the order of {targets[own]} in {share[other, own]:.0%} of the "
            f"pairs of {found.source} rows, clearly more than the answer for {targets[own]}"
        )
        observed = f"{_listed(names, said[row])}, and the outcome is {_listed(names, truth[row])}"
        cause = Cause(columns=(), rule=rule)
        yield Failure(row=found.rows.row(row), observed=observed, cause=cause)
    told = {place for ring in rings for place in ring}
    for place, name in enumerate(targets):
        if place not in told:
            yield from _turned(found, place, name)


def _crossed(found: Judged) -> dict[tuple[int, int], float]:
    """Return, by *i* and *j*, how often the answer for target *i* is in the order of target *j*:
    those that clearly are more often than the answer for *j* itself.

    One such pair is no fault: target *j* may be answered badly, and go with *i*. A ring of them is:
    answers that tell most of their own targets have none, however much these go with each other.
    """
    few = np.linspace(0, len(found.truth) - 1, min(len(found.truth), _MOST_ORDERED)).astype(int)
    truth, said = found.truth[few].T[:_MOST_TARGETS], found.said[few].T[:_MOST_TARGETS]
    pairs = list(permutations(range(len(truth)), 2))
    if not pairs:
        return {}
    shares = [[in_order(answer, outcome) for outcome in truth] for answer in said]
    sure = holm([in_order_above(shares[i][j], shares[j][j]) for i, j in pairs])
    crossed = {(i, j): float(shares[i][j].mean()) for i, j in pairs}
    return {
        (i, j): crossed[i, j]
        for (i, j), p in zip(pairs, sure, strict=True)
        if p < _SURE and crossed[i, j] >= max(_CROSSED, float(shares[j][j].mean()) + _MARGIN)
    }


def _listed(names: Sequence[str], values: Array) -> str:
    return ", ".join(f"{n} = {plain(float(v))}" for n, v in zip(names, values, strict=True))


def _turned(found: Judged, place: int, name: str) -> Iterator[Failure]:
    """Yield a number that is smaller where the outcome is large."""
    truth, said = found.truth[:, place], found.said[:, place]
    low, high = np.quantile(truth, [1 / 3, 2 / 3])
    large, small = np.flatnonzero(truth >= high), np.flatnonzero(truth <= low)
    if low == high or min(len(large), len(small)) < _FEW_OF_ONE:
        return
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
