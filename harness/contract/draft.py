"""A first draft of a contract, from training data: each guess is said, a person reviews it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.contract.batch import Batch, Model
from harness.contract.cells import Cells
from harness.contract.draft_column import Guess, guess
from harness.contract.draft_outputs import outputs_of
from harness.core.errors import DataInvalid
from harness.spec.project import Contract

DIALECT = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """A drafted contract. *assumptions* say, a line each, what was taken for granted, *remarks*
    what a person should look at. *columns* is what each column of the data is taken for, an input
    or not. *key* are the columns that tell rows apart, *left_out* and *personal* say by column why
    it is no input, and why it looks like personal data."""

    contract: Contract
    assumptions: tuple[str, ...]
    remarks: tuple[str, ...] = ()
    columns: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    key: tuple[str, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    personal: tuple[tuple[str, str], ...] = ()


def draft(rows: Batch, *, target: Cells | Sequence[Cells], model: Model | None) -> Draft:
    """Return a contract for *model*, which predicts *target* from columns like *rows*.

    The inputs are the columns that the model says it was trained on, all where it doesn't say, and
    all but an identifier where *model* is None: nobody looked at it. Raises DataInvalid for columns
    that no one type describes, and for a target that nothing can be claimed about.
    """
    targets = (target,) if isinstance(target, Cells) else tuple(target)
    names = {column.name for column in targets}
    _refuse_mixed(rows)
    guesses = [
        guess(column, targets=targets) for column in rows.columns if column.name not in names
    ]
    key = next((g.name for g in guesses if g.identifier), "")
    inputs, left_out = _inputs(guesses, _features(model), "" if model else key)
    outputs, words, remarks = outputs_of(targets, model)
    told = [f"{found.name}: {found.words}" for found in inputs]
    told += [f"{found.name}: no input ({why})" for found, why in left_out]
    told.append(f"{', '.join(column.name for column in targets)} (predicted): {words}")
    schema = {
        "$schema": DIALECT,
        "type": "object",
        "properties": {found.name: dict(found.described) for found in inputs},
        "required": [found.name for found in inputs],
    }
    return Draft(
        contract=Contract(inputs=schema, outputs=outputs),
        assumptions=tuple(told),
        remarks=(
            *(f"{found.name}: {remark}" for found in guesses for remark in found.remarks),
            *remarks,
        ),
        columns={found.name: found.described for found in guesses},
        key=(key,) if key else (),
        left_out=tuple((found.name, why) for found, why in left_out),
        personal=tuple((found.name, found.personal) for found in guesses if found.personal),
    )


def _features(model: Model | None) -> tuple[str, ...]:
    """Return the columns that the model says it was trained on; none where it doesn't say."""
    told: Any = getattr(model, "features", None)
    if told is None:
        told = (getattr(model, "about", None) or {}).get("features")
    return tuple(map(str, told)) if told is not None else ()


def _inputs(
    guesses: Sequence[Guess], features: Sequence[str], key: str
) -> tuple[list[Guess], list[tuple[Guess, str]]]:
    by_name = {found.name: found for found in guesses}
    if features and all(name in by_name for name in features):
        kept = [by_name[name] for name in features]
        rest = [found for found in guesses if found.name not in features]
        return kept, [(found, "the model was not trained on it") for found in rest]
    kept = [found for found in guesses if found.name != key]
    if not kept:
        return list(guesses), []
    return kept, [(by_name[key], "it tells rows apart")] if key else []


def _refuse_mixed(rows: Batch) -> None:
    wrong = [column for column in rows.columns if column.kind == "mixed"]
    if not wrong:
        return
    if len(wrong) == 1:
        raise DataInvalid(
            f"column {wrong[0].name} holds values of several types{_types(wrong[0])}",
            hint="give it one type, or leave it out of the data",
        )
    listed = "".join(f"\n  {column.name}{_types(column)}" for column in wrong)
    raise DataInvalid(
        f"{len(wrong)} columns hold values of several types:{listed}",
        hint="give each one type, or leave it out of the data",
    )


def _types(column: Cells) -> str:
    kinds = sorted({type(value).__name__ for value in column.values.tolist() if value is not None})
    return f" ({', '.join(kinds)})" if kinds else ""
