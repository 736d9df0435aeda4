"""A model without a project, opened with a contract that is drafted from its training data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from harness.contract.batch import Answer, Batch, Broken, Cells, Refusal, Unsendable
from harness.contract.claims import Claims, claims_of
from harness.contract.deadline import Overdue, Worker
from harness.contract.door import Door, in_its_own_process, in_this_process, over_http
from harness.contract.draft import Draft, draft
from harness.contract.draft_closed import settled
from harness.contract.draft_file import Training, read_training
from harness.contract.in_process import read_rows
from harness.contract.observed import Observed, observe
from harness.contract.process import Opening
from harness.contract.target import Target, is_loader
from harness.core.errors import DataInvalid, ModelUnusable
from harness.spec.project import Contract, Model

_FIRST_ROWS = 64
_FIRST_SECONDS = 60.0
_OTHERS = {"pandas": ("numpy", "pyarrow"), "numpy": ("pandas", "pyarrow")}
_CALLED = {"pandas": "a DataFrame", "numpy": "an array", "pyarrow": "an Arrow Table"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """A model with what was drafted for it: all that ``run`` needs. *rows* come with their targets;
    *declared* is the model as a project would declare it, *training* what was read; *answered* says
    whether it answered the first of the rows."""

    claims: Claims
    door: Door
    rows: Batch
    draft: Draft
    declared: Model
    training: Training
    answered: bool = True


@dataclass(kw_only=True, slots=True)
class _Told:
    """What a model tells of itself, as a draft wants it."""

    methods: tuple[str, ...]
    classes: list[Any] | None
    features: tuple[str, ...]

    def answer(self, batch: Batch, *, method: str) -> Answer:
        raise Broken("nobody is asked while a contract is drafted")


def open_target(
    target: Target,
    data: Path,
    *,
    predicted: Sequence[str],
    in_process: bool = False,
    memory: int = 0,
) -> Opened:
    """Return the model that *target* names, the rows of *data* without the columns *predicted*,
    and claims drafted from them.

    What it takes and what it answers is seen by asking it about some of the rows. It gets a process
    of its own, with at most *memory* bytes (0: any), unless it is wanted *in_process*. Raises
    ModelUnusable, DataMissing, DataInvalid.
    """
    training = read_training(data, predicted)
    door, kind, first = _opened(target, training.rows, in_process=in_process, memory=memory)
    try:
        return _drafted(target, training, door, kind, first)
    except BaseException:
        door.close()
        raise


def predicted(data: Path, target: str) -> tuple[str, ...]:
    """Return the columns of *data* that *target* names: one of that very name, or several with
    commas between them."""
    if "," not in target or not data.is_file() or target in read_rows(data, most=1).names:
        return (target,)
    return tuple(name.strip() for name in target.split(",") if name.strip())


@dataclass(frozen=True, kw_only=True, slots=True)
class _First:
    """The first answers by method, from *rows*; *refusal* says why there are none. *tried* are the
    kinds of input that were refused."""

    rows: Batch
    answers: Mapping[str, Answer]
    refusal: str = ""
    tried: tuple[str, ...] = ()


def _drafted(target: Target, training: Training, door: Door, kind: str, first: _First) -> Opened:
    rows, told = first.rows, _about(door)
    classes = door.classes
    model = _Told(methods=tuple(door.model.methods), classes=classes, features=rows.names)
    drafted = draft(training.rows, target=list(training.targets), model=model)
    seen = observe(
        first.answers, training.targets, kind=str(told.get("kind") or ""), classes=classes
    )
    drafted = _with(
        drafted, training.targets, seen, told, _untaken(first, "" if target.url else kind)
    )
    if first.answers:
        drafted = settled(drafted, rows, lambda batch: _answers(door, batch))
    outcomes = training.targets
    if strange := _codes(outcomes[0], drafted.contract.outputs.labels):
        drafted = replace(drafted, assumptions=(*drafted.assumptions, strange))
        outcomes = ()
    declared = Model(
        name=target.name,
        input=kind,
        artifact=target.artifact,
        load=target.settings.get("load"),
    )
    predicted = training.targets[0].name
    claims = claims_of(declared, drafted.contract, target=predicted)
    return Opened(
        claims=claims,
        door=door,
        rows=Batch(columns=(*training.rows.columns, *outcomes)),
        draft=drafted,
        declared=declared,
        training=training,
        answered=_is_answered(first),
    )


def _answers(door: Door, rows: Batch) -> bool:
    try:
        return bool(_ask(door, rows).answers)
    except ModelUnusable:
        return False


def _codes(target: Cells, labels: Sequence[Any]) -> str:
    """Return what to say where the model's labels are codes for the target's values: nobody knows
    which is which. Nothing where any value is a label."""
    held = set(target.values[~target.absent].tolist())
    if not labels or held & set(labels) or len(held) != len(labels):
        return ""
    return (
        f"{target.name}: holds other values than the model's labels; as many, so they are taken "
        "for codes, and outcomes are not compared"
    )


def _with(
    drafted: Draft,
    targets: Sequence[Cells],
    seen: Observed | None,
    told: Mapping[str, Any],
    refusal: str,
) -> Draft:
    contract: Contract = drafted.contract
    lines = list(drafted.assumptions)
    if seen is not None:
        mark = f"{', '.join(column.name for column in targets)} (predicted): "
        lines = [line for line in lines if not line.startswith(mark)] + [mark + seen.words]
        contract = replace(contract, outputs=seen.outputs)
    if refusal:
        lines.append(refusal)
    if refusals := [name for name in told.get("refusals") or () if name not in contract.errors]:
        contract = replace(contract, errors=(*contract.errors, *refusals))
        lines.append(f"errors: {', '.join(refusals)} refuses a row too")
    return replace(drafted, contract=contract, assumptions=tuple(lines))


def _opened(
    target: Target, rows: Batch, *, in_process: bool, memory: int
) -> tuple[Door, str, _First]:
    """Return a way to the model, what it takes, and its first answers.

    A model that refuses rows as it seems to take them is asked for them as an array, as a frame and
    as an Arrow Table.
    """
    if target.url:
        door = over_http(target.url, target.headers, rows.head(8))
        return door, str(_about(door)["input"]), _ask(door, _columns(door, rows))
    wanted = str(target.settings["input"])
    door = _open(target, wanted, in_process=in_process, memory=memory)
    kind = wanted if wanted != "auto" else str(_about(door).get("input") or "pandas")
    first = _ask(door, _columns(door, rows))
    if first.answers or wanted != "auto":
        return door, kind, _refuse_loader(target, door, first)
    tried = [kind]
    for another in _OTHERS[kind]:
        other = _open(target, another, in_process=in_process, memory=memory)
        try:
            second = _ask(other, _columns(other, rows))
            tried.append(another)
        except ModelUnusable:  # it does not survive this kind, or has no library for it
            second = first
        if second.answers:
            door.close()
            second = replace(second, refusal=first.refusal, tried=tuple(tried[:-1]))
            return other, another, _refuse_loader(target, other, second)
        other.close()
    return door, kind, _refuse_loader(target, door, replace(first, tried=tuple(tried)))


def _untaken(first: _First, kind: str) -> str:
    """Return what to say of the kinds of input that the model refused; nothing where it took the
    one that it seems to take. Nobody chose the *kind* "" of a server."""
    refused = " and ".join(_CALLED.get(name, name) for name in first.tried)
    if first.answers:
        taken = f"input: {_CALLED.get(kind, kind)}; the model refuses"
        return f"{taken} {refused} ({first.refusal})" if refused else ""
    said = f"rows: the model refuses those of the training data ({first.refusal})"
    if refused:
        return f"{said}, as {refused}"
    return f"{said}, as {_CALLED[kind]}; --input says what it takes" if kind in _CALLED else said


def _is_answered(first: _First) -> bool:
    return any(answer.container != "unknown" for answer in first.answers.values())


def _refuse_loader(target: Target, door: Door, first: _First) -> _First:
    if not is_loader(target) or _is_answered(first):
        return first
    door.close()
    address = target.settings["object"]
    raise ModelUnusable(
        f"{address} does not answer rows: {first.refusal or 'what it returns is no answer'}",
        hint=f"if it loads a model from a file: harness check {address} --artifact FILE …",
    )


def _open(target: Target, kind: str, *, in_process: bool, memory: int) -> Door:
    opening = Opening(
        settings={**target.settings, "input": kind},
        artifact=target.artifact,
        folder=target.folder,
        memory=memory,
    )
    return in_this_process(opening, None) if in_process else in_its_own_process(opening)


def _about(door: Door) -> Mapping[str, Any]:
    found: Mapping[str, Any] = getattr(door.model, "about", None) or {}
    return found


def _columns(door: Door, rows: Batch) -> Batch:
    """Return *rows* with the columns that the model says it takes, in its order.

    One that takes a number of columns and no names gets all of them, or those that hold numbers.
    Raises DataInvalid when neither is that many.
    """
    told = _about(door)
    features = told.get("features")
    if features and set(features) <= set(rows.names):
        return rows.only(features)
    width = int(told.get("width") or 0)
    if features or not width or width == len(rows.names):
        return rows
    numbers = [c.name for c in rows.columns if c.kind in ("number", "integer", "boolean")]
    if len(numbers) != width:
        raise DataInvalid(
            f"the model takes {width} columns; the training data have {len(rows.names)} "
            f"({len(numbers)} of them numbers) beside the target",
            hint="leave the columns out that are no inputs",
        )
    return rows.only(numbers)


def _ask(door: Door, rows: Batch) -> _First:
    """Return the answers to some of *rows*, spread evenly."""
    count = min(_FIRST_ROWS, rows.rows)
    some = rows.take(np.linspace(0, rows.rows - 1, count).astype(int))
    model = door.model
    worker = getattr(model, "worker", None) or Worker()
    found: dict[str, Answer] = {}
    try:
        for method in model.methods:
            job = partial(model.answer, some, method=method)
            found[method] = worker.run(job, seconds=_FIRST_SECONDS)
    except (Refusal, Unsendable) as refused:
        return _First(rows=rows, answers={}, refusal=str(refused))
    except (Broken, Overdue) as broken:
        raise ModelUnusable(
            f"the model does not survive {count} rows of its training data: {broken}",
            hint="are these the rows that it was trained on?",
        ) from broken
    return _First(rows=rows, answers=found)
