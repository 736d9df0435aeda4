"""A project's model opened and checked on this machine: what ``harness check`` and pytest do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from harness.contract import keep
from harness.contract.batch import Batch
from harness.contract.claims import Claims, claims_of
from harness.contract.door import Door, in_its_own_process, in_this_process
from harness.contract.in_process import InProcess, read_rows, training_rows
from harness.contract.infer import Draft, draft, open_file
from harness.contract.process import Opening
from harness.contract.promise import DEFAULT, Report, Settings
from harness.contract.run import replay, run
from harness.core.errors import DataInvalid, ModelUnusable, SpecInvalid
from harness.spec import running
from harness.spec.project import Model, Project

ROWS = Path(".harness") / "rows"
"""Where a project keeps rows that failed, relative to its folder."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ready:
    """A project ready to be checked. *draft* is there when its contract had to be inferred."""

    project: Project
    claims: Claims
    door: Door
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


def opening(project: Project, model: Model | None = None, *, memory: int = 0) -> Opening:
    """Return how the process of *project*'s model (or *model*, a challenger) is started.

    Raises ModelUnusable when the artifact isn't there.
    """
    declared = model or project.model
    artifact = project.folder / declared.artifact
    if not artifact.exists():
        raise ModelUnusable(
            f"{declared.name} has no artifact: {artifact} is not there",
            hint="harness train" if declared.train else "[model] artifact names what load reads",
        )
    settings = running.settings(declared, project.contract)
    return Opening(settings=settings, artifact=artifact, folder=project.folder, memory=memory)


def prepare(
    project: Project,
    *,
    model: Model | None = None,
    in_process: bool = False,
    memory: int = 0,
) -> Ready:
    """Return *project* (or *model*, one of its challengers) loaded, with rows and claims.

    The model gets a process of its own, with at most *memory* bytes (0: any), unless it is wanted
    *in_process*. A project without a contract gets one drafted from its training data. Raises
    SpecInvalid, ModelUnusable, DataMissing, DataInvalid.
    """
    claims, drafted = claims_for(project, model), None
    rows = training_rows(project)
    if claims is None and project.data is None:
        raise SpecInvalid(
            f"{project.file} declares neither [contract] nor [data]: nothing is claimed",
            hint="[data] train and target are enough for a first check",
        )
    way = opening(project, model, memory=memory)
    outputs = project.contract.outputs if project.contract else None
    door = in_this_process(way, outputs) if in_process else in_its_own_process(way)
    if claims is None:
        assert project.data is not None
        table = read_rows(project.data.train)
        target = project.data.target
        if target not in table.names:
            raise DataInvalid(f"{project.data.train.name} has no column {target}")
        drafted = draft(rows, target=table[target], model=door.model)  # type: ignore[arg-type]
        claims = claims_of(model or project.model, drafted.contract, target=target)
    return Ready(project=project, claims=claims, door=door, rows=rows, draft=drafted)


def check_project(
    project: Project,
    *,
    model: Model | None = None,
    settings: Settings = DEFAULT,
    expected_failures: Mapping[str, str] | None = None,
    replayed: str = "",
    in_process: bool = False,
    command: str = "harness check",
) -> Report:
    """Return the report on *project*'s model; rows that fail are kept in its ``.harness/rows``.

    *replayed* is the id of one kept row to ask again, alone. Raises what `prepare` raises, and
    DataMissing for an id that isn't kept.
    """
    ready = prepare(project, model=model, in_process=in_process, memory=settings.memory)
    door = ready.door
    try:
        kept = keep.read(ready.rows_folder)
        if replayed:
            report = replay(
                ready.claims,
                door.model,
                ready.rows,
                keep.find(kept, replayed),
                settings=settings,
                reopen=door.reopen,
                elsewhere=door.elsewhere,
                command=command,
            )
        else:
            report = run(
                ready.claims,
                door.model,
                ready.rows,
                settings=settings,
                reopen=door.reopen,
                elsewhere=door.elsewhere,
                expected_failures=expected_failures,
                kept=kept,
                rows_folder=ready.rows_folder,
                command=command,
            )
    finally:
        door.close()
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
