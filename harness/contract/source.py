"""What rows are made from without a model: a schema, and training rows where there are any."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.contract.batch import Batch
from harness.contract.check import ROWS
from harness.contract.domain import Domain, admits
from harness.contract.in_process import MOST_TRAINING_ROWS, read_rows
from harness.contract.schema import domains
from harness.core.errors import SpecInvalid
from harness.spec import parse, schema
from harness.spec.problem import refuse

_MOST_SEEN = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """The *domains* of a row's columns, *training* rows (none, or other columns too), and the
    folder in which rows that fail are kept."""

    name: str
    domains: tuple[Domain, ...]
    training: Batch
    rows_folder: Path

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(domain.name for domain in self.domains)

    @property
    def seen(self) -> dict[str, tuple[str, ...]]:
        """The commonest texts of each column of text that the schema admits, commonest first."""
        found = {}
        for domain in self.domains:
            if domain.name not in self.training.names or domain.kind != "string":
                continue
            column = self.training[domain.name]
            if column.kind == "string":
                counted = Counter(column.values[admits(domain, column) & ~column.absent].tolist())
                ordered = sorted(counted, key=lambda text: (-counted[text], text))
                found[domain.name] = tuple(ordered[:_MOST_SEEN])
        return found


def read(what: str | Path | Mapping[str, Any], place: Path) -> Source:
    """Return the source that *what* names, relative to *place*: a ``harness.toml`` (a
    ``pyproject.toml``, a folder with one), the ``.json`` of a row's schema, or a schema itself.

    Training rows that are declared and not there are done without. Raises SpecMissing,
    SpecInvalid, DataInvalid.
    """
    if isinstance(what, Mapping):
        return _of_schema("schema", what, place)
    path = (place / what).resolve()
    if path.suffix == ".json":
        inputs, problems = schema.read(path, path.name)
        refuse(path, problems)
        return _of_schema(path.name, inputs, path.parent)
    project = parse.project(path)
    if project.contract is None:
        raise SpecInvalid(
            f"{project.file} declares no [contract], so nothing says what a row may hold",
            hint="harness init drafts one from the training data",
        )
    training = Batch(columns=())
    if project.data is not None and project.data.train.exists():
        training = read_rows(
            project.data.train, without=project.data.target, most=MOST_TRAINING_ROWS
        )
    return Source(
        name=project.model.name,
        domains=domains(project.contract.inputs),
        training=training,
        rows_folder=project.folder / ROWS,
    )


def _of_schema(name: str, inputs: Mapping[str, Any], folder: Path) -> Source:
    return Source(
        name=name,
        domains=domains(inputs),
        training=Batch(columns=()),
        rows_folder=folder / ROWS,
    )
