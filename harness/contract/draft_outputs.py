"""What a model is taken to answer, from what it says of itself and from the target's values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.contract.batch import Model
from harness.contract.cells import Cells
from harness.core.errors import DataInvalid
from harness.spec.project import Outputs

_FEW_CLASSES = 20
_SHOWN = 8


def outputs_of(
    targets: Sequence[Cells], model: Model | None
) -> tuple[Outputs, str, tuple[str, ...]]:
    """Return the outputs claimed for *targets*, the guess in words, and remarks for a person.

    *model* None: nobody looked at it, and the target alone decides. Raises DataInvalid for targets
    that nothing can be claimed about.
    """
    if len(targets) > 1:
        names = tuple(target.name for target in targets)
        wrong = [target.name for target in targets if target.kind not in ("number", "integer")]
        if wrong:
            raise DataInvalid(
                f"of several targets each must be a number; {', '.join(wrong)} is not",
                hint="name one target",
            )
        return Outputs(kind="regression", targets=names), f"{len(names)} numbers", ()
    (target,) = targets
    remarks = []
    if target.kind in ("mixed", "datetime"):
        raise DataInvalid(
            f"the target {target.name} holds "
            + ("moments" if target.kind == "datetime" else "values of several types"),
            hint="a target is text, true or false, or a number",
        )
    if absent := int(target.absent.sum()):
        remarks.append(f"{target.name} is missing in {absent} rows: nothing can be learnt of them")
    labels = _labels(target, model)
    if labels is None:
        return Outputs(kind="regression"), "a number", tuple(remarks)
    if len(set(map(str, labels))) < 2:
        raise DataInvalid(
            f"the target {target.name} has one value in all rows: nothing is to be predicted",
            hint="give training data with every label",
        )
    remarks += _rare(target, labels)
    kind = "probabilities" if model is None or "predict_proba" in model.methods else "labels"
    shown = ", ".join(map(str, labels[:_SHOWN])) + (", …" if len(labels) > _SHOWN else "")
    return Outputs(kind=kind, labels=tuple(labels)), f"{kind} of {shown}", tuple(remarks)


def _labels(target: Cells, model: Model | None) -> Sequence[Any] | None:
    """Return the classes in the model's own order, else those of the target; None for numbers."""
    classes = getattr(model, "classes", None)
    if classes:
        return list(classes)
    there = target.values[~target.absent].tolist()
    different = sorted(set(there), key=lambda value: (str(type(value)), value))
    if target.kind in ("number", "integer"):
        if model is not None and "predict_proba" not in model.methods:
            return None
        if model is None and not _few_whole(target, different):
            return None
        if all(float(value).is_integer() for value in different):
            return [int(value) for value in different]
    return different


def _few_whole(target: Cells, different: Sequence[Any]) -> bool:
    """Return whether numbers look like classes: few, whole, and each stands several times."""
    there = target.values[~target.absent]
    if not 2 <= len(different) <= _FEW_CLASSES or not np.isfinite(there.astype(float)).all():
        return False
    _, counts = np.unique(there, return_counts=True)
    return all(float(v).is_integer() for v in different) and bool(counts.min() >= 2)


def _rare(target: Cells, labels: Sequence[Any]) -> list[str]:
    held = {str(value) for value in target.values[~target.absent].tolist()}
    held |= {str(int(v)) for v in target.values[~target.absent].tolist() if _whole(v)}
    plain = {str(int(label)) if _whole(label) else str(label) for label in labels}
    unknown = sorted(held - plain - {f"{value}.0" for value in plain})
    if not unknown or target.kind not in ("string", "integer", "boolean"):
        return []
    return [f"{target.name} holds {len(unknown)} values that are no labels of the model"]


def _whole(value: Any) -> bool:
    return isinstance(value, float) and value.is_integer()
