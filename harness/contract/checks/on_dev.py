"""What is claimed of dev rows: calibration, and that no slice is answered much worse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from harness.contract.batch import Array, Cells, Mask
from harness.contract.intervals import (
    at_least,
    at_most,
    clopper_pearson,
    holm,
    mean_above,
    mean_at_least,
    mean_at_most,
)
from harness.contract.judged import Judged, judged
from harness.contract.outputs import plain
from harness.contract.promise import Cause, Failure, Skip, valid
from harness.contract.trial import Trial

ERROR = 0.01
"""How likely a model that keeps the claim fails one of these checks, at most."""

_BINS, _FEWEST_IN_BIN = 10, 50
_FEWEST_IN_SLICE, _MOST_SLICES, _QUARTERS_FROM = 30, 50, 20
_CLIP = 1e-3
_LARGEST_LOSS = -float(np.log(_CLIP))


@valid
def probabilities_are_calibrated_on_dev(trial: Trial) -> Iterator[Failure]:
    """Of dev rows that get a probability p, a share of p has that outcome, within the allowance."""
    allowance = trial.claims.calibration
    if allowance is None:
        raise Skip("no calibration is claimed")
    found = judged(trial, "dev")
    if len(found.truth) < _FEWEST_IN_BIN:
        raise Skip(f"{len(found.truth)} dev rows are too few: {_FEWEST_IN_BIN} fill one bin")
    labels = trial.claims.outputs.labels
    asked = range(1 if len(labels) == 2 else 0, len(labels))  # of two, one says it all
    bins = [bin for label in asked for bin in _bins(found, label)]
    sure = holm([bin.p_value(allowance) for bin in bins])
    for bin, p in sorted(zip(bins, sure, strict=True), key=lambda pair: pair[1]):
        if p >= ERROR:
            break
        low, high = clopper_pearson(bin.hits, len(bin.rows), ERROR / len(bins))
        name = labels[bin.label]
        observed = (
            f"{name} = {bin.mean:.3g} on average, and {bin.hits / len(bin.rows):.3g} "
            f"[{low:.3g}, {high:.3g}] of these {len(bin.rows):,} dev rows are {name}"
        )
        ends = f"{plain(float(bin.said.min()))} <= {name} <= {plain(float(bin.said.max()))}"
        rule = f"off by more than {allowance:g} where {ends}"
        row = found.rows.row(int(bin.rows[0]))
        yield Failure(row=row, observed=observed, cause=Cause(columns=(), rule=rule))
    trial.notes.append(f"calibration: {len(found.truth):,} dev rows in {len(bins)} bins")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Bin:
    """Rows by number that get about the same probability of *label*; *hits* of them have it."""

    label: int
    rows: Array
    said: Array
    hits: int

    @property
    def mean(self) -> float:
        return float(self.said.mean())

    def p_value(self, allowance: float) -> float:
        """Return how likely so many hits are if the rate is within *allowance* of the mean.

        The trials' rates differ; the binomial tail holds for them too (Hoeffding 1956, Theorem 4)
        once the hits are more than one from their mean.
        """
        n = len(self.rows)
        high, low = min(1.0, self.mean + allowance), max(0.0, self.mean - allowance)
        above = at_least(self.hits, n, high) if self.hits > n * high + 1 else 1.0
        below = at_most(self.hits, n, low) if self.hits < n * low - 1 else 1.0
        return min(1.0, 2.0 * min(above, below))


def _bins(found: Judged, label: int) -> Iterator[_Bin]:
    """Yield up to ten bins of about one size, by rising probability of *label*."""
    said = found.said[:, label]
    count = min(_BINS, len(said) // _FEWEST_IN_BIN)
    for part in np.array_split(np.argsort(said, kind="stable"), count):
        hits = int((found.truth[part] == label).sum())
        yield _Bin(label=label, rows=part, said=said[part], hits=hits)


@valid
def no_slice_is_answered_worse_on_dev(trial: Trial) -> Iterator[Failure]:
    """No slice of the dev rows is answered worse than all of them by more than the allowance."""
    if not trial.claims.slices:
        raise Skip("no slices are claimed")
    found = judged(trial, "dev")
    losses = _losses(trial, found)
    worst = losses.at_most(np.ones(len(found.truth), bool), ERROR / 2)
    tried: list[tuple[str, str, float, Mask]] = []
    few: list[str] = []
    for name, allowance in trial.claims.slices:
        if name not in found.given.names:
            cause = Cause(columns=(name,), rule="slices name a column that isn't there")
            yield Failure(row={}, observed=f"dev has {', '.join(found.given.names)}", cause=cause)
            continue
        for rule, mask in _slices(name, found.given[name]):
            enough = int(mask.sum()) >= _FEWEST_IN_SLICE
            tried += [(name, rule, allowance, mask)] if enough else []
            few += [] if enough else [rule]
    if few:
        shown = "; ".join(few[:8]) + ("; …" if len(few) > 8 else "")
        trial.notes.append(f"slices with too few dev rows to tell: {shown}")
    if few and not tried:
        raise Skip(f"every slice has too few dev rows: under {_FEWEST_IN_SLICE}")
    sure = holm([losses.p_value(mask, worst + allowance) for _, _, allowance, mask in tried])
    for (name, rule, allowance, mask), p in zip(tried, sure, strict=True):
        if p >= ERROR / 2:
            continue
        part, low = losses.mean(mask), losses.at_least(mask, ERROR / 2)
        whole = losses.mean(np.ones(len(mask), bool))
        observed = (
            f"{losses.metric} {part:.3g} (at least {low:.3g}) in {int(mask.sum()):,} dev rows, "
            f"{whole:.3g} (at most {worst:.3g}) in all {len(mask):,}; allowed {allowance:g} more"
        )
        rows_of_it = np.flatnonzero(mask)
        row = int(rows_of_it[losses.values[rows_of_it].argmax()])
        shown_row = {name: found.given[name].at(row)} | found.rows.row(row)
        yield Failure(row=shown_row, observed=observed, cause=Cause(columns=(name,), rule=rule))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Losses:
    """How badly each row is answered: *values* in [0, 1], times *scale* in the metric's unit."""

    metric: str
    values: Array
    scale: float = 1.0

    @property
    def _counted(self) -> bool:
        return self.metric == "error rate"

    def mean(self, mask: Mask) -> float:
        return float(self.values[mask].mean()) * self.scale

    def p_value(self, mask: Mask, limit: float) -> float:
        """Return the p-value of "the mean of these rows is *limit* at most"."""
        part = self.values[mask]
        if self._counted:
            return at_least(int(part.sum()), len(part), limit)
        return mean_above(part, limit / self.scale)

    def at_most(self, mask: Mask, error: float) -> float:
        part = self.values[mask]
        if self._counted:
            return clopper_pearson(int(part.sum()), len(part), 2 * error)[1]
        return mean_at_most(part, error) * self.scale

    def at_least(self, mask: Mask, error: float) -> float:
        part = self.values[mask]
        if self._counted:
            return clopper_pearson(int(part.sum()), len(part), 2 * error)[0]
        return mean_at_least(part, error) * self.scale


def _losses(trial: Trial, found: Judged) -> _Losses:
    """Return the losses of the kind of output: error rate, log loss clipped at 0.001, or absolute
    error up to its 99th percentile (so that one wild row decides nothing)."""
    kind = trial.claims.outputs.kind
    if kind == "regression":
        errors = np.abs(found.said - found.truth).mean(axis=1)
        most = float(np.quantile(errors, 0.99)) or 1.0
        return _Losses(metric="mean error", values=np.minimum(errors / most, 1.0), scale=most)
    if kind == "labels":
        wrong = found.said.argmax(axis=1) != found.truth
        return _Losses(metric="error rate", values=wrong.astype(float))
    right = found.said[np.arange(len(found.truth)), found.truth]
    losses = -np.log(np.clip(right, _CLIP, 1.0)) / _LARGEST_LOSS
    return _Losses(metric="log loss", values=losses, scale=_LARGEST_LOSS)


def _slices(name: str, column: Cells) -> Iterator[tuple[str, Mask]]:
    """Yield slices by rule: a column's values, the quarters of one with many numbers, the missing
    cells."""
    there = ~column.absent
    if not there.all():
        yield f"{name} is missing", ~there
    values = column.values[there]
    distinct, counts = np.unique(
        values if column.kind != "mixed" else values.astype(str), return_counts=True
    )
    if column.kind in ("number", "integer") and len(distinct) > _QUARTERS_FROM:
        ends = [-np.inf, *np.quantile(values, [0.25, 0.5, 0.75]).tolist(), np.inf]
        for low, high in pairwise(ends):
            mask = there & (column.values > low) & (column.values <= high)
            rule = f"{low:g} < {name} <= {high:g}" if low > -np.inf else f"{name} <= {high:g}"
            if mask.any():
                yield rule if high < np.inf else f"{name} > {low:g}", mask
        return
    for value in distinct[np.argsort(-counts, kind="stable")][:_MOST_SLICES].tolist():
        held = column.values if column.kind != "mixed" else column.values.astype(str)
        yield f"{name} == {plain(value)}", there & np.asarray(held == value, bool)
