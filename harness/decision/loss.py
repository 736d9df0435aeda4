"""Losses: how wrong each answer is, row by row, always within known bounds.

The bound is what makes the e-value exact without knowing a distribution, so it is part of the
metric: ``accuracy`` 1, ``brier`` 1 for two classes and 2 for more, ``log_loss`` -log(clip).
Which of two models is better is not decided here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.core.errors import DataInvalid

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

METRICS = ("log_loss", "brier", "accuracy")

_SUM_TOLERANCE = 1e-3  # float32 answers of many classes; the contract is stricter and comes first
_EDGE_TOLERANCE = 1e-6


def bound(metric: str, *, classes: int, clip: float) -> float:
    """Return the largest loss that *metric* can give a row, in the metric's unit."""
    match metric:
        case "accuracy":
            return 1.0
        case "brier":
            return 1.0 if classes == 2 else 2.0
        case "log_loss":
            return -math.log(clip)
        case _:
            raise ValueError(f"no metric {metric!r}; there are {', '.join(METRICS)}")


def losses(
    metric: str,
    answers: npt.ArrayLike,
    targets: npt.ArrayLike,
    *,
    labels: Sequence[Any],
    clip: float = 1e-3,
    kind: str = "probabilities",
) -> Floats:
    """Return the loss of each of n rows, within 0 and ``bound(metric, ...)``.

    *answers* has shape (n, k), one column per label in the order of *labels*; for two labels (n,),
    the last label's probability, will do. With ``kind="labels"`` (accuracy only) it holds the n
    labels themselves. *targets* has the n true labels.

    - ``accuracy``: 0 where the likeliest label (the first of equals) is the true one, else 1.
    - ``brier``: the sum over classes of squared errors (Brier 1950, doi
      10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2), halved for two classes, where it is the
      squared error of one probability, as scikit-learn gives it.
    - ``log_loss``: -log of the true label's probability after ``floored``; nats.

    Raises DataInvalid, naming rows and never their values, for answers that are not finite, not
    within [0, 1], don't sum to one or have another shape, and for a target that is no label.
    """
    truth = codes(targets, labels=labels, what="target")
    if kind == "labels":
        if metric != "accuracy":
            raise DataInvalid(
                f"{metric} needs probabilities, and the model answers labels",
                hint='metric = "accuracy", or outputs.kind = "probabilities"',
            )
        chosen = codes(answers, labels=labels, what="answer")
        _same_rows(len(chosen), len(truth))
        return np.asarray(chosen != truth, dtype=np.float64)
    p = _probabilities(answers, len(labels))
    _same_rows(len(p), len(truth))
    rows = np.arange(len(truth))
    match metric:
        case "accuracy":
            return np.asarray(p.argmax(axis=1) != truth, dtype=np.float64)
        case "brier":
            p[rows, truth] -= 1.0
            squares = np.square(p).sum(axis=1) / (2 if len(labels) == 2 else 1)
            return np.asarray(np.minimum(squares, bound(metric, classes=len(labels), clip=clip)))
        case "log_loss":
            nats = -np.log(floored(p, clip)[rows, truth])
            return np.clip(nats, 0.0, bound(metric, classes=len(labels), clip=clip))
        case _:
            raise ValueError(f"no metric {metric!r}; there are {', '.join(METRICS)}")


def floored(probabilities: Floats, clip: float) -> Floats:
    """Return rows of probabilities, each at least *clip*, each row still summing to one.

    What lies below *clip* is raised to it and the rest of the row is scaled down, repeatedly, until
    max(clip, s·p) sums to one. For two classes this is clipping to [clip, 1 - clip]. It is also the
    distribution q ≥ clip nearest to p in Kullback–Leibler divergence KL(p‖q) (its Karush–Kuhn–
    Tucker conditions say q = max(clip, s·p)), which is why the clipped log loss stays proper:
    nobody expects a smaller loss by answering anything but what they believe. Clipping without
    making up the sum would pay for certainty that isn't there, by up to (k - 1)·clip nats.
    Needs clip < 1/k.
    """
    p = probabilities.copy()
    open_rows = np.flatnonzero((p < clip).any(axis=1))
    part = p[open_rows]
    low = part < clip
    for _ in range(p.shape[1]):  # each turn raises at least one more cell
        room = 1.0 - clip * low.sum(axis=1)
        rest = np.where(low, 0.0, part).sum(axis=1)
        raised = np.where(low, clip, part * (room / rest)[:, None])
        more = raised < clip
        if not more.any():
            break
        low |= more
    if len(open_rows):
        p[open_rows] = raised
    return p


def prior(targets: npt.ArrayLike, *, labels: Sequence[Any], rows: int) -> Floats:
    """Return the baseline's answers for *rows* rows: the class frequencies of the training targets.

    Shape (rows, k). This is the champion that the first challenger must beat. Raises DataInvalid
    for a target that is no label, and when there are no targets.
    """
    truth = codes(targets, labels=labels, what="training target")
    if not len(truth):
        raise DataInvalid("the training data have no rows, so there are no class frequencies")
    frequencies = np.bincount(truth, minlength=len(labels)) / len(truth)
    return np.tile(frequencies, (rows, 1))


def codes(values: npt.ArrayLike, *, labels: Sequence[Any], what: str) -> Integers:
    """Return each value's place in *labels*; raises DataInvalid naming the rows that have none."""
    array = np.asarray(values)
    if array.ndim != 1:
        raise DataInvalid(f"the {what}s have shape {array.shape}; one column is expected")
    places = {label: place for place, label in enumerate(labels)}
    found = np.fromiter(
        (places.get(value, -1) for value in array.tolist()), dtype=np.int64, count=len(array)
    )
    _refuse(found < 0, f"the {what} is none of the declared labels", "outputs.labels names them")
    return found


def _probabilities(answers: npt.ArrayLike, classes: int) -> Floats:
    """Return answers as float64 of shape (n, classes), each row summing to one; a fresh array."""
    try:
        p = np.array(answers, dtype=np.float64)
    except (TypeError, ValueError) as wrong:
        raise DataInvalid("the answers are not all numbers") from wrong
    if p.ndim == 1 and classes == 2:
        p = np.stack([1.0 - p, p], axis=1)
    if p.ndim != 2 or p.shape[1] != classes:
        raise DataInvalid(f"the answers have shape {p.shape}; (n, {classes}) is expected")
    _refuse(np.asarray(~np.isfinite(p).all(axis=1)), "a probability is not finite")
    outside = (p < -_EDGE_TOLERANCE) | (p > 1.0 + _EDGE_TOLERANCE)
    _refuse(np.asarray(outside.any(axis=1)), "a probability lies outside [0, 1]")
    p = np.clip(p, 0.0, 1.0)
    total = p.sum(axis=1)
    _refuse(np.abs(total - 1.0) > _SUM_TOLERANCE, "the probabilities don't sum to one")
    return np.asarray(p / total[:, None], dtype=np.float64)


def _same_rows(answers: int, rows: int) -> None:
    if answers != rows:
        raise DataInvalid(f"{answers} answers for {rows} rows")


def _refuse(wrong: npt.NDArray[np.bool_], what: str, hint: str = "") -> None:
    """Raise DataInvalid where any row is *wrong*; quotes rows, never cells."""
    rows = np.flatnonzero(wrong)
    if len(rows):
        shown = ", ".join(str(row) for row in rows[:5]) + (", …" if len(rows) > 5 else "")
        raise DataInvalid(f"{what} (row {shown}; {len(rows)} in all)", hint=hint)
