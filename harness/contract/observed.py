"""What a model answers, seen in its first answers: better than a guess from the target alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.contract.batch import Answer, Array, Cells
from harness.spec.project import Outputs

_FEW = 20
_SHOWN = 8
_SUM = 1e-3


@dataclass(frozen=True, kw_only=True, slots=True)
class Observed:
    """What was concluded: the *outputs*, in *words* for a reader, and *method*, which answers."""

    outputs: Outputs
    words: str
    method: str


def observe(
    answers: Mapping[str, Answer],
    targets: Sequence[Cells],
    *,
    kind: str = "",
    classes: Sequence[Any] | None = None,
) -> Observed | None:
    """Return what *answers*, by method, say about the outputs; None when nothing fits.

    *targets* are the columns that are predicted, *kind* and *classes* what the model tells of
    itself. Several targets are numbers, one column each.
    """
    if len(targets) > 1:
        names = tuple(column.name for column in targets)
        return _regression("predict", answers, targets=names, words=f"{len(names)} numbers")
    if "predict_proba" in answers and kind != "regression":
        return _probable("predict_proba", answers["predict_proba"].values, targets[0], classes)
    method = next((name for name in ("predict", "call") if name in answers), None)
    if method is None:
        return None
    values = answers[method].values
    if values.size == 0 or values.ndim not in (1, 2):
        return None
    if kind == "regression":
        return _numbers(method, answers[method], targets[0])
    if values.ndim == 2:
        return _table(method, answers[method], targets[0], classes)
    return _single(method, answers[method], targets[0], kind, classes)


def _single(
    method: str, answer: Answer, target: Cells, kind: str, classes: Sequence[Any] | None
) -> Observed | None:
    values, known = answer.values, _different(target)
    given = _distinct(values)
    if values.dtype.kind in "OUSb" or kind == "labels":
        return _labelled(method, classes or _sorted({*known, *given}))
    if values.dtype.kind not in "iuf":
        return None
    same = given <= {_plain(value) for value in known}
    few = len(known) <= _FEW and all(isinstance(value, str | int) for value in known)
    if same and few and target.kind != "number":
        return _labelled(method, classes or _sorted(known))
    if same and len(known) <= _FEW and values.dtype.kind in "iu":
        return _labelled(method, classes or _sorted(map(_plain, known)))
    between = values.dtype.kind == "f" and bool(((values >= 0) & (values <= 1)).all())
    if between and len(known) == 2 and not given <= {0.0, 1.0}:
        return _probable(method, values, target, classes)
    return _numbers(method, answer, target)


def _table(
    method: str, answer: Answer, target: Cells, classes: Sequence[Any] | None
) -> Observed | None:
    values = answer.values
    if values.dtype.kind not in "iuf" or values.shape[1] == 0:
        return None
    sums = values.sum(axis=1)
    in_range = bool(((values >= 0) & (values <= 1)).all())
    if values.shape[1] > 1 and in_range and bool((np.abs(sums - 1) < _SUM).all()):
        return _probable(method, values, target, classes or answer.names)
    return _numbers(method, answer, target)


def _probable(
    method: str, values: Array, target: Cells, classes: Sequence[Any] | None
) -> Observed | None:
    known = list(classes) if classes else _sorted(_different(target))
    if values.ndim == 1:
        labels = known if len(known) == 2 else [0, 1]
        words = f"probabilities of {_listed(labels)} (of {labels[1]} alone)"
    elif values.ndim == 2 and values.shape[1] > 1:
        count = values.shape[1]
        labels = known if len(known) == count else list(range(count))
        words = f"probabilities of {_listed(labels)}"
    else:
        return None
    if method == "predict":
        return _bounded(method, values, labels)
    outputs = Outputs(kind="probabilities", labels=tuple(labels), positive_only=values.ndim == 1)
    return Observed(outputs=outputs, words=words, method=method)


def _bounded(method: str, values: Array, labels: Sequence[Any]) -> Observed:
    """Probabilities from ``predict``: numbers from 0 to 1, as a contract can say it."""
    targets = tuple(map(str, labels)) if values.ndim == 2 else ()
    outputs = Outputs(kind="regression", minimum=0.0, maximum=1.0, targets=targets)
    words = "numbers from 0 to 1 (probabilities, but from predict)"
    return Observed(outputs=outputs, words=words, method=method)


def _labelled(method: str, labels: Sequence[Any]) -> Observed | None:
    if len(labels) < 2:
        return None
    outputs = Outputs(kind="labels", labels=tuple(labels))
    return Observed(outputs=outputs, words=f"labels of {_listed(labels)}", method=method)


def _numbers(method: str, answer: Answer, target: Cells) -> Observed | None:
    values = answer.values
    if values.dtype.kind not in "iuf":
        return None
    remark = _no_probability(values, target)
    if values.ndim == 1:
        words = f"a number{remark}"
        return Observed(outputs=Outputs(kind="regression"), words=words, method=method)
    count = values.shape[1]
    names = answer.names or tuple(
        [target.name] if count == 1 else [f"{target.name}_{place}" for place in range(count)]
    )
    words = f"{f'{count} numbers' if count > 1 else 'a number'}{remark}"
    outputs = Outputs(kind="regression", targets=tuple(names))
    return Observed(outputs=outputs, words=words, method=method)


def _no_probability(values: Array, target: Cells) -> str:
    """Return what to say of numbers where probabilities would be looked for: as many as the target
    has values (one for two of them), and no such ones."""
    known = _different(target)
    count = values.shape[1] if values.ndim == 2 else 1
    held = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    wanted = len(known) == 2 if count == 1 else 2 <= len(known) == count
    if not wanted or not held.size or (held.min() >= 0 and held.max() <= 1):
        return ""
    return (
        f" from {held.min():.3g} to {held.max():.3g}, not a probability: {target.name} has "
        f"{len(known)} values ({_listed(_sorted(known))}), so these may be margins (scores before "
        "a link function); only that they are finite is promised"
    )


def _regression(
    wanted: str, answers: Mapping[str, Answer], *, targets: tuple[str, ...], words: str
) -> Observed | None:
    method = wanted if wanted in answers else next(iter(answers), None)
    if method is None or answers[method].values.shape[1:] != (len(targets),):
        return None
    outputs = Outputs(kind="regression", targets=targets)
    return Observed(outputs=outputs, words=words, method=method)


def _different(target: Cells) -> set[Any]:
    return set(target.values[~target.absent].tolist())


def _distinct(values: Array) -> set[Any]:
    return {_plain(value) for value in values.ravel().tolist()}


def _plain(value: Any) -> Any:
    """Return whole floats as integers: 1.0 is the label 1."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _sorted(values: Any) -> list[Any]:
    return sorted({_plain(v) for v in values}, key=lambda value: (str(type(value)), value))


def _listed(labels: Sequence[Any]) -> str:
    return ", ".join(map(str, labels[:_SHOWN])) + (", …" if len(labels) > _SHOWN else "")
