"""A project: what a model's repository declares in ``harness.toml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """How the model is reached. *load* and *train* are ``module:function``; None where absent.

    *artifact* is relative to the project's folder and lies below it.
    """

    name: str
    environment: str | None = None
    input: str = "pandas"
    load: str | None = None
    train: str | None = None
    artifact: Path = Path("artifact")
    seed: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Described:
    """What the data are, in the words of whoever collected them."""

    collected: str
    grain: str
    source: str
    personal_data: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Data:
    """Where the data lie (absolute paths) and which column is predicted."""

    train: Path
    target: str
    dev: Path | None = None
    holdout: Path | None = None
    key: tuple[str, ...] = ()
    described: Described | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Success:
    """What "better" means; sealed in the ledger before a result exists."""

    metric: str
    baseline: str = "prior"
    minimum_gain: float = 0.0
    clip: float = 1e-3
    policy: str = "frozen"
    error: float = 0.05
    looks: int = 40


@dataclass(frozen=True, kw_only=True, slots=True)
class Guardrails:
    """What must not get worse, or too large. *artifact_size* is in bytes."""

    artifact_size: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Outputs:
    """What the model claims to answer (the table of outputs in docs/contract.md)."""

    kind: str
    labels: tuple[Any, ...] = ()
    positive_only: bool = False
    minimum: float | None = None
    maximum: float | None = None
    targets: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Relation:
    """What must hold between a row and a changed one. *change* is ``module:function`` of the
    project (rows to changed rows, in the model's own kind of input); *expect* is ``equal``, ``up``,
    ``down``, or a ``module:function`` (answers before, answers after) to one truth value a row."""

    name: str
    change: str
    expect: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Contract:
    """The claims about inputs and outputs; *inputs* is the parsed JSON Schema of one row.

    *calibration* is how far a probability may be off on dev rows (None: not claimed), *slices*
    how much worse than all dev rows the rows of one value of a column may be answered.
    """

    inputs: Mapping[str, Any]
    outputs: Outputs
    monotone: Mapping[str, str] = field(default_factory=dict)
    invariant: tuple[str, ...] = ()
    relations: tuple[Relation, ...] = ()
    calibration: float | None = None
    slices: Mapping[str, float] = field(default_factory=dict)
    errors: tuple[str, ...] = ("ValueError", "TypeError", "KeyError")


@dataclass(frozen=True, kw_only=True, slots=True)
class Ledger:
    """Where the ledger lies (absolute) and whether one may be created: always | unless-ci."""

    location: Path
    create: str = "unless-ci"


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    """A parsed ``harness.toml``. *folder* is the model's working directory and import path.

    *environments* is the absolute folder of environments, there or not, unless they come from a
    *registry* (``oci://…``); *challengers* maps a variant's name to the model as that variant
    declares it.
    """

    folder: Path
    file: Path
    model: Model
    environments: Path | None = None
    registry: str = ""
    challengers: Mapping[str, Model] = field(default_factory=dict)
    data: Data | None = None
    success: Success | None = None
    guardrails: Guardrails = field(default_factory=Guardrails)
    contract: Contract | None = None
    ledger: Ledger

    @property
    def source(self) -> str:
        """Where environments come from: a folder or a registry."""
        return self.registry or str(self.environments)

    @property
    def wanted(self) -> tuple[str, ...]:
        """The environments that the model and its variants name, sorted."""
        models = (self.model, *self.challengers.values())
        return tuple(sorted({m.environment for m in models if m.environment is not None}))
