"""What every single answer must be: asked of real rows first, then of the sweep's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

import numpy as np

from harness.contract.asking import Malformed
from harness.contract.batch import Batch, Broken, Mask, Refusal, join
from harness.contract.failures import failures
from harness.contract.judged import SOURCES, asked
from harness.contract.oracle import Bulk
from harness.contract.outputs import Reading, nearly_tied, shown, tolerance
from harness.contract.promise import Check, Failure, OutOfTime, Skip, valid
from harness.contract.sweep import Sweep, sweep
from harness.contract.trial import Trial

Wrong = Callable[[Reading], Mask]


def probabilities_are_finite(reading: Reading) -> Mask:
    """No probability is NaN or infinite."""
    return np.asarray(~np.isfinite(reading.values["probabilities"]).all(axis=1), bool)


def probabilities_lie_between_zero_and_one(reading: Reading) -> Mask:
    """Probabilities lie in [0, 1]."""
    values = reading.values["probabilities"]
    slack = tolerance(reading.claims, reading.answers["probabilities"]).absolute
    with np.errstate(invalid="ignore"):
        return np.asarray(((values < -slack) | (values > 1 + slack)).any(axis=1), bool)


def probabilities_sum_to_one(reading: Reading) -> Mask:
    """The probabilities of a row sum to one."""
    near = tolerance(reading.claims, reading.answers["probabilities"])
    with np.errstate(invalid="ignore", over="ignore"):
        total = reading.values["probabilities"].sum(axis=1)
        apart = np.abs(total - 1) > near.relative + near.absolute
    return np.asarray(np.isfinite(total) & apart, bool)


def labels_are_claimed_ones(reading: Reading) -> Mask:
    """Every predicted label is one of the claimed labels."""
    return np.asarray(reading.values["labels"] < 0, bool)


def the_most_probable_label_is_predicted(reading: Reading) -> Mask:
    """The predicted label is the most probable one; at a tie either may be."""
    values, labels = reading.values["probabilities"], reading.values["labels"]
    near = tolerance(reading.claims, reading.answers["probabilities"])
    clear = np.isfinite(values).all(axis=1) & (labels >= 0) & ~nearly_tied(reading, near)
    if values.shape[1] == 1:  # the last label's alone
        last = reading.claims.width - 1
        return np.asarray(clear & ((values[:, 0] > 0.5) != (labels == last)), bool)
    return np.asarray(clear & (values.argmax(axis=1) != labels), bool)


def values_are_finite(reading: Reading) -> Mask:
    """No predicted value is NaN or infinite."""
    return np.asarray(~np.isfinite(reading.values["regression"]).all(axis=1), bool)


def values_stay_within_their_bounds(reading: Reading) -> Mask:
    """Predicted values stay within the claimed minimum and maximum."""
    values, outputs = reading.values["regression"], reading.claims.outputs
    low = -np.inf if outputs.minimum is None else outputs.minimum
    high = np.inf if outputs.maximum is None else outputs.maximum
    with np.errstate(invalid="ignore"):
        return np.asarray(((values < low) | (values > high)).any(axis=1), bool)


_NEEDS: dict[Wrong, tuple[str, ...]] = {
    probabilities_are_finite: ("probabilities",),
    probabilities_lie_between_zero_and_one: ("probabilities",),
    probabilities_sum_to_one: ("probabilities",),
    labels_are_claimed_ones: ("labels",),
    the_most_probable_label_is_predicted: ("probabilities", "labels"),
    values_are_finite: ("regression",),
    values_stay_within_their_bounds: ("regression",),
}


def row_checks(kind: str, *, positive_only: bool, bounded: bool) -> Iterator[Check]:
    """Yield the checks of single answers for outputs of *kind*."""
    if kind == "regression":
        yield _row_check(values_are_finite)
        if bounded:
            yield _row_check(values_stay_within_their_bounds)
        return
    yield _row_check(probabilities_are_finite)
    yield _row_check(probabilities_lie_between_zero_and_one)
    if not positive_only:
        yield _row_check(probabilities_sum_to_one)
    yield _row_check(labels_are_claimed_ones)
    yield _row_check(the_most_probable_label_is_predicted)


NONSENSE: tuple[Wrong, ...] = (
    probabilities_are_finite,
    probabilities_lie_between_zero_and_one,
    probabilities_sum_to_one,
    labels_are_claimed_ones,
    values_are_finite,
)
"""What no row at all may get, be it admitted or not."""


def judged(trial: Trial) -> dict[str, Wrong]:
    """Return the masks that apply to *trial*'s model, by the id of their check."""
    there = set(trial.roles)
    return {
        _identity(wrong): wrong
        for wrong, needs in _NEEDS.items()
        if there.issuperset(needs)
        and not (wrong is probabilities_sum_to_one and trial.claims.outputs.positive_only)
    }


def swept(trial: Trial) -> Sweep:
    """Return the sweep of *trial*, made at the first call."""
    return sweep(trial, judged(trial))


def _identity(wrong: Wrong) -> str:
    return wrong.__name__.replace("_", "-")


def _row_check(wrong: Wrong) -> Check:
    def evidence(trial: Trial) -> Iterator[Failure]:
        missing = [role for role in _NEEDS[wrong] if role not in trial.roles]
        if missing:
            raise Skip(f"the model has no {_METHOD[missing[0]]}")
        found = swept(trial)
        if found.rows == 0:
            if found.hung:
                raise OutOfTime(f"the sweep did not get to its first rows: {found.stopped}")
            if trial.sound[0] is None:
                raise Skip(f"no row is answered: {trial.sound[2]}")

        def fails(batch: Batch) -> Mask:
            return wrong(trial.reading(batch, _NEEDS[wrong]))

        suspects = found.suspects.get(_identity(wrong))
        parts = _real_suspects(trial, wrong)
        if suspects is not None:
            parts.append(trial.again(suspects.indices))
        if parts:
            yield from failures(
                trial,
                Bulk(fails),
                join(parts),
                lambda row: shown(trial.claims, trial.answers(row), 0),
                at_first=suspects.observed if suspects else "",
            )

    evidence.__name__, evidence.__doc__ = wrong.__name__, wrong.__doc__
    return valid(evidence)


_METHOD = {"probabilities": "predict_proba", "labels": "predict", "regression": "predict"}


def _real_suspects(trial: Trial, wrong: Wrong) -> list[Batch]:
    """Return the real rows that are *wrong*; other checks tell of those without an answer, or with
    one of another form."""
    found: list[Batch] = []
    with suppress(Skip, Malformed, Refusal):
        probe = trial.probe
        mask = wrong(trial.read(probe.rows.rows, probe.answers))
        found += [probe.rows.take(np.flatnonzero(mask))] if mask.any() else []
    for source in SOURCES:
        with suppress(Skip, Malformed, Refusal, Broken):
            rows = asked(trial, source).unsound
            mask = wrong(trial.reading(rows, _NEEDS[wrong])) if rows.rows else np.zeros(0, bool)
            found += [rows.take(np.flatnonzero(mask))] if mask.any() else []
    return found


@valid
def valid_rows_are_answered(trial: Trial) -> Iterator[Failure]:
    """Every row that the schema admits is answered."""
    found = swept(trial)
    yield from _troubles(found, "refused")
    if found.hung:
        raise OutOfTime(f"after {found.rows:,} rows: {found.stopped}")
    if found.rows == 0 and not found.troubles:
        raise OutOfTime(found.stopped or "no time was left for a single row")


@valid
def outputs_have_the_claimed_shape(trial: Trial) -> Iterator[Failure]:
    """The answer has the claimed shape, and named columns are in the claimed order."""
    yield from _form(trial, "shape")


@valid
def outputs_have_the_claimed_type(trial: Trial) -> Iterator[Failure]:
    """Probabilities and values are numbers."""
    yield from _form(trial, "dtype")


def _form(trial: Trial, kind: str) -> Iterator[Failure]:
    found = swept(trial)
    yield from _troubles(found, kind)
    if found.rows == 0 and not any(t.kind == kind for t in found.troubles):
        if found.hung:
            raise OutOfTime(f"the sweep did not get to its first rows: {found.stopped}")
        raise Skip(f"no made row is answered: {found.stopped}")


def _troubles(found: Sweep, kind: str) -> Iterator[Failure]:
    return (trouble.failure for trouble in found.troubles if trouble.kind == kind)
