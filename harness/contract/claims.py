"""What a model claims: its input columns, what it answers, how it relates the two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.contract.batch import Refusal
from harness.contract.documents.rows import COLUMN
from harness.contract.domain import Domain
from harness.contract.schema import domains
from harness.core.errors import ModelUnusable, SpecInvalid
from harness.spec.project import Contract, Model, Outputs, Relation

KINDS = ("probabilities", "labels", "regression")
METHODS = ("predict_proba", "predict", "call")


@dataclass(frozen=True, kw_only=True, slots=True)
class Tolerance:
    """When two numbers are equal: within *relative* of the larger plus *absolute*."""

    relative: float
    absolute: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Claims:
    """The claims about one model. *domains* are in the order in which it gets its columns
    (*document* is the schema of what it gets instead, if it takes nested documents);
    *calibration* and *slices* are how far it may be off on dev rows; *double* and *single* say
    what "equal" means for float64 and float32 answers."""

    name: str
    input: str
    domains: tuple[Domain, ...]
    outputs: Outputs
    document: Mapping[str, Any] | None = None
    target: str = ""
    monotone: tuple[tuple[str, str], ...] = ()
    invariant: tuple[str, ...] = ()
    relations: tuple[Relation, ...] = ()
    calibration: float | None = None
    slices: tuple[tuple[str, float], ...] = ()
    errors: tuple[str, ...] = ("ValueError", "TypeError", "KeyError")
    double: Tolerance = Tolerance(relative=1e-6, absolute=1e-9)
    single: Tolerance = Tolerance(relative=1e-4, absolute=1e-6)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the input columns, in order."""
        return tuple(domain.name for domain in self.domains)

    def domain(self, name: str) -> Domain:
        """Return the domain of the column called *name*; raises KeyError."""
        for domain in self.domains:
            if domain.name == name:
                return domain
        raise KeyError(name)

    @property
    def width(self) -> int:
        """The number of labels, or of regression targets (1 where there are none named)."""
        if self.outputs.kind == "regression":
            return len(self.outputs.targets) or 1
        return len(self.outputs.labels)

    @property
    def equal(self) -> str:
        """What "equal" means, for a reader."""
        double, single = self.double, self.single
        return (
            f"{double.relative:g} relative + {double.absolute:g} absolute "
            f"(float32: {single.relative:g} + {single.absolute:g})"
        )


def claims_of(model: Model, contract: Contract, *, target: str | None = None) -> Claims:
    """Return what *contract* claims of *model*; *target* is the column that is predicted.

    Raises SpecInvalid with every problem, each with its dotted path.
    """
    documents = model.input == "documents"
    columns = (COLUMN,) if documents else domains(contract.inputs)
    by_name = {domain.name: domain for domain in columns}
    outputs = contract.outputs
    problems = []
    if outputs.kind not in KINDS:
        problems.append(f"contract.outputs.kind: expected one of {', '.join(KINDS)}")
    elif outputs.kind != "regression" and len(set(outputs.labels)) < 2:
        problems.append("contract.outputs.labels: at least two different labels are needed")
    if target is not None and target in (contract.inputs.get("properties") or {}):
        problems.append(f"contract.inputs: holds the target {target}, which no model may see")
    for name, direction in contract.monotone.items():
        domain = by_name.get(name)
        if domain is None:
            problems.append(f"contract.monotone.{name}: no such input column")
        elif domain.kind not in ("number", "integer"):
            problems.append(f"contract.monotone.{name}: only a number can go up or down")
        if direction not in ("up", "down"):
            problems.append(f"contract.monotone.{name}: expected up or down")
    if contract.monotone and (outputs.kind == "labels" or len(outputs.targets) > 1):
        problems.append("contract.monotone: needs a probability or one regression value")
    for name in contract.invariant:
        if name not in by_name:
            problems.append(f"contract.invariant: no input column {name}")
    if outputs.kind == "labels" or len(outputs.targets) > 1:
        problems += [
            f"contract.relations.{relation.name}.expect: {relation.expect} needs a probability or "
            "one regression value"
            for relation in contract.relations
            if relation.expect in ("up", "down")
        ]
    if contract.calibration is not None and outputs.kind != "probabilities":
        problems.append("contract.calibration: only probabilities can be calibrated")
    if target and target in contract.slices:
        problems.append(f"contract.slices.{target}: the target is no slice")
    if documents:
        for key in ("monotone", "invariant", "relations", "calibration", "slices"):
            if getattr(contract, key):
                problems.append(f"contract.{key}: speaks of columns, and the inputs are documents")
    if problems:
        raise SpecInvalid("the contract can't be used:\n  " + "\n  ".join(problems))
    return Claims(
        name=model.name,
        input=model.input,
        domains=columns,
        outputs=outputs,
        document=contract.inputs if documents else None,
        target=target or "",
        monotone=tuple(sorted(contract.monotone.items())),
        invariant=tuple(contract.invariant),
        relations=contract.relations,
        calibration=contract.calibration,
        slices=tuple(sorted(contract.slices.items())),
        errors=tuple(contract.errors),
    )


def declared(claims: Claims, refusal: Refusal) -> bool:
    """Return whether *refusal* is by one of the declared errors, subclasses included."""
    names = {error.rpartition(".")[2] for error in claims.errors}
    return not names.isdisjoint(name.rpartition(".")[2] for name in refusal.mro)


def roles(claims: Claims, methods: Sequence[str]) -> dict[str, str]:
    """Return which method answers what: ``probabilities``, ``labels`` or ``regression``.

    The first is the claimed kind; a model with both ``predict_proba`` and ``predict`` has a
    second. Raises ModelUnusable when the claimed kind has no method.
    """
    kind = claims.outputs.kind
    wanted = "predict_proba" if kind == "probabilities" else "predict"
    method = next((m for m in (wanted, "call") if m in methods), None)
    if method is None:
        raise ModelUnusable(
            f"the outputs are {kind}, and the model has no {wanted} and can't be called",
            hint=f"load must return an object with {wanted}, or a function of a batch",
        )
    found = {kind: method}
    if method == "predict_proba" and "predict" in methods:
        found["labels"] = "predict"
    elif kind == "labels" and method == "predict" and "predict_proba" in methods:
        found["probabilities"] = "predict_proba"
    return found
