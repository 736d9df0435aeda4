"""A project's model opened and checked in this process: what ``harness check`` and pytest do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from harness.contract import keep
from harness.contract.batch import Batch
from harness.contract.claims import Claims, claims_of
from harness.contract.in_process import InProcess, open_project, read_rows, training_rows
from harness.contract.infer import Draft, draft, open_file
from harness.contract.promise import DEFAULT, Report, Settings
from harness.contract.run import replay, run
from harness.core.errors import DataInvalid, SpecInvalid
from harness.spec.project import Model, Project

ROWS = Path(".harness") / "rows"
"""Where a project keeps rows that failed, relative to its folder."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ready:
    """A project ready to be checked. *draft* is there when its contract had to be inferred."""

    project: Project
    claims: Claims
    model: InProcess
    rows: Batch
    draft: Draft | None = None

    @property
    def rows_folder(self) -> Path:
        """Where rows that fail are kept."""
        return self.project.folder / ROWS


def claims_for(project: Project, model: Model | None = None) -> Claims | None:
    """Return what *project* claims of its model; None when it declares no contract."""
    if project.contract is None:
        return None
    target = project.data.target if project.data else None
    return claims_of(model or project.model, project.contract, target=target)


def prepare(project: Project, *, model: Model | None = None) -> Ready:
    """Return *project* (or *model*, one of its challengers) loaded, with rows and claims.

    A project without a contract gets one drafted from its training data. Raises SpecInvalid,
    ModelUnusable, DataMissing, DataInvalid.
    """
    claims, drafted = claims_for(project, model), None
    loaded = open_project(project, model=model)
    rows = training_rows(project)
    if claims is None:
        if project.data is None:
            raise SpecInvalid(
                f"{project.file} declares neither [contract] nor [data]: nothing is claimed",
                hint="[data] train and target are enough for a first check",
            )
        table = read_rows(project.data.train)
        target = project.data.target
        if target not in table.names:
            raise DataInvalid(f"{project.data.train.name} has no column {target}")
        drafted = draft(rows, target=table[target], model=loaded)
        claims = claims_of(model or project.model, drafted.contract, target=target)
    return Ready(project=project, claims=claims, model=loaded, rows=rows, draft=drafted)


def check_project(
    project: Project,
    *,
    model: Model | None = None,
    settings: Settings = DEFAULT,
    expected_failures: Mapping[str, str] | None = None,
    replayed: str = "",
    command: str = "harness check",
) -> Report:
    """Return the report on *project*'s model; rows that fail are kept in its ``.harness/rows``.

    *replayed* is the id of one kept row to ask again, alone. Raises what `prepare` raises, and
    DataMissing for an id that isn't kept.
    """
    ready = prepare(project, model=model)
    kept = keep.read(ready.rows_folder)

    def reopen() -> InProcess:
        return open_project(project, model=model)

    if replayed:
        entry = keep.find(kept, replayed)
        report = replay(
            ready.claims,
            ready.model,
            ready.rows,
            entry,
            settings=settings,
            reopen=reopen,
            command=command,
        )
    else:
        report = run(
            ready.claims,
            ready.model,
            ready.rows,
            settings=settings,
            reopen=reopen,
            expected_failures=expected_failures,
            kept=kept,
            rows_folder=ready.rows_folder,
            command=command,
        )
    return _with_assumptions(report, ready.draft)


def check_file(
    model: Path,
    data: Path,
    *,
    target: str,
    trust: bool = False,
    kind: str = "pandas",
    settings: Settings = DEFAULT,
) -> Report:
    """Return the report on a model file with a contract drafted from *data*; nothing is written.

    Raises UntrustedPickle, ModelUnusable, DataMissing, DataInvalid.
    """
    opened = open_file(model, data, target=target, trust=trust, kind=kind)

    def reopen() -> InProcess:
        return open_file(model, data, target=target, trust=trust, kind=kind).model

    report = run(opened.claims, opened.model, opened.rows, settings=settings, reopen=reopen)
    return _with_assumptions(report, opened.draft)


def _with_assumptions(report: Report, drafted: Draft | None) -> Report:
    if drafted is None:
        return report
    assumed = tuple(f"assumed {line}" for line in drafted.assumptions)
    return replace(report, notes=(*report.notes, *assumed))
