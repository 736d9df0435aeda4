"""A first draft of a contract, from training data: each guess is said, a person reviews it.

The guesses: a number may lie ten times its training range outside it (but not below zero where no
training value does); text is open, so that unseen values must be answered; a column that has a
missing value may have more.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.contract.batch import Batch, Cells
from harness.contract.claims import Claims, claims_of
from harness.contract.domain import Domain, admits
from harness.contract.in_process import InProcess, open_artifact, read_rows
from harness.core.errors import DataInvalid, UntrustedPickle
from harness.runtime import loading
from harness.spec.project import Contract, Model, Outputs

_MARGIN = 10.0
_FREE_TEXT = 50
_ISO = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """A drafted contract. *assumptions* say, a line each, what was taken for granted."""

    contract: Contract
    assumptions: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """A model file with what was drafted for it: all that ``run`` needs."""

    claims: Claims
    model: InProcess
    rows: Batch
    draft: Draft


def open_file(
    model: Path, data: Path, *, target: str, trust: bool = False, kind: str = "pandas"
) -> Opened:
    """Return the model in a file, its training rows without *target*, and drafted claims.

    Raises UntrustedPickle for a pickle without *trust*, ModelUnusable, DataMissing, DataInvalid.
    """
    model, data = model.resolve(), data.resolve()
    if model.suffix in loading.PICKLES and not trust:
        raise UntrustedPickle(
            f"{model.name} is a pickle: loading it runs whatever its author put into it",
            hint="--trust, if you know where it is from",
        )
    table = read_rows(data)
    if target not in table.names:
        raise DataInvalid(
            f"{data.name} has no column {target}", hint=f"it has {', '.join(table.names)}"
        )
    rows = table.only([name for name in table.names if name != target])
    settings = {"name": model.stem, "load": None, "input": kind}
    loaded = open_artifact(model, settings, outputs=None, kind=kind, folder=model.parent)
    drafted = draft(rows, target=table[target], model=loaded)
    declared = Model(name=model.stem, input=kind, artifact=model)
    claims = claims_of(declared, drafted.contract, target=target)
    return Opened(claims=claims, model=loaded, rows=rows, draft=drafted)


def draft(rows: Batch, *, target: Cells, model: InProcess) -> Draft:
    """Return a contract for *model*, which predicts *target* from columns like *rows*."""
    properties, told = {}, []
    for column in rows.columns:
        properties[column.name], words = _column(column)
        told.append(f"{column.name}: {words}")
    outputs, words = _outputs(target, model)
    told.append(f"{target.name} (predicted): {words}")
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": properties,
        "required": list(properties),
    }
    return Draft(contract=Contract(inputs=schema, outputs=outputs), assumptions=tuple(told))


def _column(column: Cells) -> tuple[dict[str, Any], str]:
    there = column.values[~column.absent]
    described: dict[str, Any]
    if column.kind in ("number", "integer"):
        whole = column.kind == "integer" or _looks_whole(column)
        low, high = _range(there, whole=whole)
        described = {"type": "integer" if whole else "number", "minimum": low, "maximum": high}
        words = f"{described['type']} from {low!r} to {high!r}"
    elif column.kind == "boolean":
        described, words = {"type": "boolean"}, "true or false"
    elif column.kind == "datetime":
        form = "date" if column.dtype == "date" else "date-time"
        described, words = {"type": "string", "format": form}, form
    elif column.kind == "string":
        described, words = _text(column, there)
    else:
        raise DataInvalid(
            f"column {column.name} holds values of several types",
            hint="give it one type, or leave it out of the data",
        )
    if column.absent.any():
        described["type"] = [described["type"], "null"]
        words += ", may be missing"
    return described, words


def _looks_whole(column: Cells) -> bool:
    """Whether floats are whole numbers that became floats because some are missing."""
    there = column.values[~column.absent]
    return bool(column.absent.any() and len(there) and (there == np.floor(there)).all())


def _range(values: Any, *, whole: bool) -> tuple[float | int, float | int]:
    finite = values[np.isfinite(values)] if len(values) else np.zeros(1)
    low, high = float(finite.min()), float(finite.max())
    span = max(high - low, abs(high), 1.0) * _MARGIN
    floor = 0.0 if low >= 0 else low - span
    return (int(floor), int(high + span)) if whole else (floor, high + span)


def _text(column: Cells, there: Any) -> tuple[dict[str, Any], str]:
    for form in ("date", "date-time"):
        domain = Domain(name=column.name, kind="date" if form == "date" else "datetime")
        if len(there) and _ISO.match(there[0]) and admits(domain, column)[~column.absent].all():
            return {"type": "string", "format": form}, f"{form} as text"
    distinct = len(set(there.tolist()))
    if distinct > _FREE_TEXT and distinct > len(there) / 2:
        return {"type": "string"}, "free text"
    return (
        {"type": "string", "x-harness-open": True},
        f"one of {distinct} known values, or an unseen one",
    )


def _outputs(target: Cells, model: InProcess) -> tuple[Outputs, str]:
    labels = _labels(target, model)
    if labels is None:
        return Outputs(kind="regression"), "a number"
    kind = "probabilities" if "predict_proba" in model.methods else "labels"
    shown = ", ".join(map(str, labels[:8])) + (", …" if len(labels) > 8 else "")
    return Outputs(kind=kind, labels=tuple(labels)), f"{kind} of {shown}"


def _labels(target: Cells, model: InProcess) -> Sequence[Any] | None:
    """Return the classes in the model's own order, else those of the target; None for numbers."""
    if model.classes is not None:
        return list(model.classes)
    if target.kind == "number" and "predict_proba" not in model.methods:
        return None
    there = target.values[~target.absent].tolist()
    if target.kind == "integer" and "predict_proba" not in model.methods:
        return None
    return sorted(set(there), key=lambda value: (str(type(value)), value))
