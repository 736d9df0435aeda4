"""The forms of ``environment.toml`` and ``harness.toml``: which keys there are, and of what kind.

The only pydantic models of the specification; the nouns made from them are plain dataclasses.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from harness.spec.values import (
    Allowance,
    Calibration,
    Columns,
    DebianNames,
    Exceptions,
    Expect,
    Function,
    Image,
    Labels,
    Later,
    LedgerFile,
    Name,
    PackageNames,
    PathBelow,
    Platforms,
    Policy,
    Reference,
    Requirements,
    Resolver,
    Size,
    Source,
    Text,
)


class Form(BaseModel):
    """A table: unknown keys and other types are refused, nothing is converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class BaseForm(Form):
    """``base = { debian = "bookworm" }``, or ``base = { image = "python@sha256:…" }``."""

    debian: Text | None = None
    image: Image | None = None

    @model_validator(mode="after")
    def _one(self) -> BaseForm:
        if (self.debian is None) == (self.image is None):
            raise ValueError(
                'name a Debian suite, like { debian = "bookworm" }, or an image, like '
                '{ image = "registry.example/team/python@sha256:…" }'
            )
        return self


class EnvironmentForm(Form):
    """``environment.toml``."""

    name: Name = Field(description='like "tabular"')
    version: int = Field(ge=1, description="1, and one more after every release")
    python: str = Field(default="", description='like "3.11"')
    base: BaseForm = Field(description='like { debian = "bookworm" }')
    requirements: Requirements = Field(description='like ["scikit-learn~=1.7", "pandas"]')
    os: DebianNames = []
    resolver: Resolver = "pip-tools"
    platforms: Platforms = ["x86_64"]
    build: PackageNames = []
    without: list[Text] = []
    build_requirements: Requirements = []
    build_os: DebianNames = []
    purpose: Text = ""
    owner: Text = ""
    end_of_life: date | None = None
    smoke: PathBelow | None = None


class CustomizedForm(Form):
    """``environment.toml`` with ``from``."""

    name: Name = Field(description='like "tabular-geo"')
    version: int = Field(ge=1, description="1, and one more after every release")
    parent: Reference = Field(alias="from", description='like "tabular:3"')
    source: Source = ".."
    add: Requirements = []
    remove: PackageNames = []
    replace: Requirements = []
    os: DebianNames = []
    resolver: Resolver = "pip-tools"
    build: PackageNames = []
    without: list[Text] = []
    build_requirements: Requirements = []
    build_os: DebianNames = []
    purpose: Text = ""
    owner: Text = ""
    end_of_life: date | None = None
    smoke: PathBelow | None = None


class EnvironmentsForm(Form):
    """``[environments]``."""

    source: Source = "../envs"


class VariantForm(Form):
    """``[challengers.NAME]``: any key of ``[model]``."""

    name: Name | None = None
    environment: Reference | None = Field(default=None, description='like "tabular:3"')
    input: Literal["pandas", "numpy", "pyarrow", "documents"] = "pandas"
    load: Function | None = Field(default=None, description='like "package.model:load"')
    train: Function | None = Field(default=None, description='like "package.model:train"')
    artifact: PathBelow = "artifact"
    seed: int = Field(default=0, ge=0, lt=2**32)


class ModelForm(VariantForm):
    """``[model]``."""

    name: Name = Field(description='like "flights-delay"')


class DescribedForm(Form):
    """``[data.described]``."""

    collected: Text = Field(description='when, like "2013-01..2013-12"')
    grain: Text = Field(description='what one row is, like "one flight"')
    source: Text = Field(description="where the data come from")
    personal_data: bool = Field(description="true or false")


class DataForm(Form):
    """``[data]``."""

    train: Text = Field(description='like "data/train.parquet"')
    dev: Text | None = Field(default=None, description='like "data/dev.parquet"')
    holdout: Text | None = Field(default=None, description='like "data/holdout.parquet"')
    target: Text = Field(description="the column that is predicted")
    key: Columns = []
    described: DescribedForm | None = Field(
        default=None, description="say collected, grain, source and personal_data"
    )


class SuccessForm(Form):
    """``[success]``."""

    metric: Literal["log_loss", "brier", "accuracy"] = Field(description='like "log_loss"')
    baseline: Literal["prior"] = "prior"
    minimum_gain: float = Field(default=0.0, ge=0)
    clip: float = Field(default=1e-3, gt=0, lt=0.5)
    policy: Policy = "frozen"
    error: float = Field(default=0.05, gt=0, lt=1)
    looks: int = Field(default=40, ge=1)


class GuardrailsForm(Form):
    """``[guardrails]``."""

    slices: Later = None
    latency_p99: Later = None
    artifact_size: Size | None = None


class OutputsForm(Form):
    """``[contract] outputs``."""

    kind: Literal["probabilities", "labels", "regression"] = Field(
        description='"probabilities", "labels" or "regression"'
    )
    labels: Labels = []
    positive_only: bool = False
    minimum: float | None = None
    maximum: float | None = None
    targets: Columns = []


class RelationForm(Form):
    """``[contract.relations.NAME]``."""

    change: Function = Field(description='like "flights.relations:turned", rows to changed rows')
    expect: Expect = Field(description='"equal", "up", "down" or "module:function"')


class ContractForm(Form):
    """``[contract]``."""

    inputs: Text = Field(description='a JSON Schema of one row, like "inputs.schema.json"')
    outputs: OutputsForm = Field(
        description='like { kind = "probabilities", labels = ["on_time", "late"] }'
    )
    monotone: dict[str, Literal["up", "down"]] = {}
    invariant: Columns = []
    relations: dict[Text, RelationForm] = {}
    calibration: Calibration = None
    slices: dict[Text, Allowance] = {}
    errors: Exceptions = [
        "ValueError",
        "TypeError",
        "KeyError",
    ]


class LedgerForm(Form):
    """``[ledger]``, or ``ledger = "…"`` for its location alone."""

    location: LedgerFile = ".harness/ledger.db"
    create: Literal["always", "unless-ci"] = "unless-ci"


def _location(value: Any) -> Any:
    return {"location": value} if isinstance(value, str) else value


class ProjectForm(Form):
    """``harness.toml``, or ``[tool.harness]`` in ``pyproject.toml``."""

    environments: EnvironmentsForm = EnvironmentsForm()
    model: ModelForm = Field(description="a table with at least a name")
    challengers: dict[Name, VariantForm] = {}
    data: DataForm | None = Field(
        default=None, description='a table with train = "data/train.parquet" and target'
    )
    success: SuccessForm | None = Field(
        default=None, description='a table with at least metric = "log_loss"'
    )
    guardrails: GuardrailsForm = GuardrailsForm()
    contract: ContractForm | None = Field(
        default=None, description="a table with inputs and outputs"
    )
    ledger: Annotated[LedgerForm, BeforeValidator(_location)] = LedgerForm()
