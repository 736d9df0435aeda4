"""Reading an answer by the claims: its form, its values, and what is equal to what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.contract.batch import Answer, Array, Mask
from harness.contract.claims import Claims, Tolerance


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """Well-formed answers to one batch, by role: ``probabilities`` float64 (n, k), ``regression``
    float64 (n, m), ``labels`` integer positions in the claimed labels, -1 for any other value.

    *answers* holds what the model gave.
    """

    claims: Claims
    rows: int
    values: Mapping[str, Array]
    answers: Mapping[str, Answer]


def shape_problem(claims: Claims, role: str, answer: Answer, rows: int) -> str:
    """Return what is wrong with the answer's shape or column order; empty when nothing is."""
    wanted: tuple[int, ...] = (rows,)
    by_label = role == "probabilities" and not claims.outputs.positive_only
    if by_label or (role == "regression" and claims.outputs.targets):
        wanted = (rows, claims.width)
    if not rows and answer.container == "list" and answer.values.shape == (0,):
        return ""  # a list of no rows has no width
    if answer.values.shape != wanted:
        return f"{rows} rows got an answer of shape {answer.values.shape}, claimed is {wanted}"
    declared: tuple[str, ...] = ()
    if role == "probabilities":
        declared = tuple(str(label) for label in claims.outputs.labels)
    elif role == "regression":
        declared = claims.outputs.targets
    names = answer.names
    if names is not None and names != declared and set(names) == set(declared):
        return f"its columns are {', '.join(names)}; the claimed order is {', '.join(declared)}"
    return ""


def dtype_problem(claims: Claims, role: str, answer: Answer) -> str:
    """Return what is wrong with the type of the answer's values; empty when nothing is."""
    kind = answer.values.dtype.kind
    if role == "labels":
        return ""  # that each value is one of the labels says it all
    if kind in "fiu":
        return ""
    if kind == "O" and not answer.values.size:
        return ""
    held = {type(value).__name__ for value in answer.values.ravel()[:1000].tolist()}
    return f"{role} are numbers; the answer holds {', '.join(sorted(held)) or 'nothing'}"


def read(claims: Claims, answers: Mapping[str, Answer], rows: int) -> Reading:
    """Return the answers by role, as numbers; they must have passed the two checks above."""
    values: dict[str, Array] = {}
    for role, answer in answers.items():
        if role == "labels":
            values[role] = label_positions(claims, answer.values)
        else:
            values[role] = answer.values.astype(np.float64).reshape(rows, -1)
    return Reading(claims=claims, rows=rows, values=values, answers=answers)


def label_positions(claims: Claims, given: Array) -> Array:
    """Return the position of each given value in the claimed labels, -1 where it is none of them.

    ``1``, ``1.0`` and ``True`` are one label, as in Python; the text ``"1"`` is another.
    """
    where = {label: position for position, label in enumerate(claims.outputs.labels)}
    values = given.ravel().tolist()
    try:
        found = [where.get(value, -1) for value in values]
    except TypeError:  # a list or a dict among them: unhashable, and no label
        found = [
            where.get(v, -1) if isinstance(v, str | int | float | None) else -1 for v in values
        ]
    return np.array(found, np.int64)


def tolerance(claims: Claims, *answers: Answer) -> Tolerance:
    """Return how near is equal for *answers*: the coarser one when any is float32 or narrower."""
    narrow = any(a.values.dtype.kind == "f" and a.values.dtype.itemsize < 8 for a in answers)
    return claims.single if narrow else claims.double


def differs(claims: Claims, one: Answer, other: Answer) -> Mask:
    """Return which rows two answers to the same rows disagree on, within the tolerance.

    Shape (n,) for the rows of *other*; all of them when the shapes differ.
    """
    a, b = one.values, other.values
    rows = b.shape[0] if b.ndim else 1
    if a.shape != b.shape:
        return np.ones(rows, bool)
    if a.dtype.kind in "fiub" and b.dtype.kind in "fiub":
        near = tolerance(claims, one, other)
        a, b = a.astype(np.float64), b.astype(np.float64)
        with np.errstate(invalid="ignore", over="ignore"):
            limit = near.absolute + near.relative * np.maximum(np.abs(a), np.abs(b))
            apart = ~((a == b) | (np.abs(a - b) <= limit))
        apart &= ~(np.isnan(a) & np.isnan(b))
        infinite = np.isinf(a) | np.isinf(b)
        apart = np.where(infinite, a != b, apart)
    else:
        apart = np.array(
            [x != y for x, y in zip(a.ravel().tolist(), b.ravel().tolist(), strict=True)], bool
        ).reshape(a.shape)
    return apart.reshape(rows, -1).any(axis=1) if apart.size else np.zeros(rows, bool)


def nearly_tied(reading: Reading, near: Tolerance) -> Mask:
    """Return the rows whose two largest probabilities are equal within the tolerance.

    There either label is right: rounding may decide.
    """
    values = reading.values["probabilities"]
    if values.shape[1] == 1:
        return np.asarray(np.abs(values[:, 0] - 0.5) <= near.absolute + near.relative, bool)
    top = np.sort(values, axis=1)[:, -2:]
    return np.asarray(top[:, 1] - top[:, 0] <= near.absolute + near.relative * top[:, 1], bool)


def shown(claims: Claims, answers: Mapping[str, Answer], row: int) -> str:
    """Return one row's answers for a reader, e.g. ``late = 1.02`` or ``predict = 'gold'``."""
    parts = []
    for role, answer in answers.items():
        if answer.values.ndim == 0 or row >= len(answer.values):
            parts.append(f"an answer of shape {answer.values.shape}")
            continue
        value = answer.values[row]
        names = _names(claims, role)
        if role != "labels" and np.ndim(value) == 1 and len(names) == len(value):
            parts += [f"{n} = {plain(v)}" for n, v in zip(names, value.tolist(), strict=True)]
        else:
            held = value.tolist() if isinstance(value, np.generic | np.ndarray) else value
            name = names[-1] if role == "probabilities" else _word(role)
            parts.append(f"{name} = {plain(held)}")
    return ", ".join(parts)


def plain(value: Any) -> str:
    """Return a value for a reader: floats as short as they round-trip, text in quotes."""
    return repr(value)


def _names(claims: Claims, role: str) -> tuple[str, ...]:
    if role == "probabilities":
        return tuple(str(label) for label in claims.outputs.labels)
    return claims.outputs.targets


def _word(role: str) -> str:
    return {"labels": "predict", "regression": "value"}.get(role, role)
