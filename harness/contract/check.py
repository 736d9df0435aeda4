"""A project's model opened and checked on this machine: what ``harness check`` and pytest do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.contract import keep
from harness.contract.batch import Batch
from harness.contract.claims import Claims, claims_of
from harness.contract.documents import lines
from harness.contract.door import Door, in_its_own_process, in_this_process, over_http
from harness.contract.draft import Draft, draft
from harness.contract.in_process import read_rows
from harness.contract.infer import Opened, open_target
from harness.contract.process import Opening
from harness.contract.promise import DEFAULT, Report, Settings
from harness.contract.run import replay, run
from harness.contract.target import Target
from harness.core.errors import DataInvalid, ModelUnusable, SpecInvalid
from harness.spec import running
from harness.spec.project import Model, Project

ROWS = Path(".harness") / "rows"
"""Where a project keeps rows that failed, relative to its folder."""
MOST_DOCUMENTS = 20_000
"""Training documents that are read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ready:
    """A project ready to be checked. Training *rows* and *dev* rows come with their target; *draft*
    is there when the contract had to be inferred."""

    project: Project
    claims: Claims
    door: Door
    rows: Batch
    dev: Batch | None = None
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
    served: Target | None = None,
) -> Ready:
    """Return *project* (or *model*, one of its challengers) loaded, with rows and claims.

    The model gets a process of its own, with at most *memory* bytes (0: any), unless it is wanted
    *in_process*, or is *served* elsewhere. A project without a contract gets one drafted from its
    training data. Raises SpecInvalid, ModelUnusable, DataMissing, DataInvalid.
    """
    claims, drafted = claims_for(project, model), None
    rows = _training_rows(project)
    dev = dev_rows(project)
    if claims is None and project.data is None:
        raise SpecInvalid(
            f"{project.file} declares neither [contract] nor [data]: nothing is claimed",
            hint="[data] train and target are enough for a first check",
        )
    if claims is None and project.model.input == "documents":
        raise SpecInvalid(
            f"{project.file} declares no [contract]: the schema of a document is not guessed",
            hint='[contract] inputs = "inputs.schema.json", a JSON Schema of one document',
        )
    if served is not None:
        return _served(project, claims, served, rows, dev)
    way = opening(project, model, memory=memory)
    outputs = project.contract.outputs if project.contract else None
    door = in_this_process(way, outputs) if in_process else in_its_own_process(way)
    if claims is None:
        assert project.data is not None
        target = project.data.target
        if target not in rows.names:
            raise DataInvalid(f"{project.data.train.name} has no column {target}")
        features = rows.only([name for name in rows.names if name != target])
        drafted = draft(features, target=rows[target], model=door.model)
        claims = claims_of(model or project.model, drafted.contract, target=target)
    return Ready(project=project, claims=claims, door=door, rows=rows, dev=dev, draft=drafted)


def _served(
    project: Project, claims: Claims | None, served: Target, rows: Batch, dev: Batch | None
) -> Ready:
    if claims is None or claims.document is not None:
        raise SpecInvalid(
            f"{project.file} declares no [contract] of columns, which a served model is held to",
            hint=f"harness check {served.url} --data FILE --target COLUMN drafts one",
        )
    # Imported here: most checks need no sockets.
    from harness.contract.http import DECLARED

    sample = rows.only(claims.columns).head(8) if rows.columns else rows
    door = over_http(served.url, served.headers, sample)
    kind = str(getattr(door.model, "about", {})["input"])
    claims = replace(claims, input=kind, errors=(*claims.errors, DECLARED))
    return Ready(project=project, claims=claims, door=door, rows=rows, dev=dev)


def _training_rows(project: Project) -> Batch:
    if project.data is None:
        return Batch(columns=())
    if project.model.input == "documents":
        return lines.read(project.data.train, without=project.data.target, most=MOST_DOCUMENTS)
    return read_rows(project.data.train)


def dev_rows(project: Project) -> Batch | None:
    """Return *project*'s dev rows with their target; None when none are declared, or there."""
    dev = project.data.dev if project.data else None
    if project.model.input == "documents" or dev is None or not dev.is_file():
        return None
    return read_rows(dev)


def check_project(
    project: Project,
    *,
    model: Model | None = None,
    settings: Settings = DEFAULT,
    expected_failures: Mapping[str, str] | None = None,
    replayed: str = "",
    in_process: bool = False,
    served: Target | None = None,
    command: str = "harness check",
) -> Report:
    """Return the report on *project*'s model; rows that fail are kept in its ``.harness/rows``.

    *replayed* is the id of one kept row to ask again, alone; *served* is where to ask, in place of
    the artifact on this machine. Raises what `prepare` raises, and
    DataMissing for an id that isn't kept.
    """
    ready = prepare(
        project, model=model, in_process=in_process, memory=settings.memory, served=served
    )
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
                dev=ready.dev,
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
                dev=ready.dev,
                expected_failures=expected_failures,
                kept=kept,
                rows_folder=ready.rows_folder,
                command=command,
            )
    finally:
        door.close()
    return _with_assumptions(report, ready.draft)


def check_target(
    target: Target,
    data: Path,
    *,
    predicted: Sequence[str],
    settings: Settings = DEFAULT,
    in_process: bool = False,
) -> Report:
    """Return the report on a model without a project, with a contract drafted from *data*.

    *predicted* are the columns that it predicts. Nothing is written. Raises ModelUnusable,
    DataMissing, DataInvalid.
    """
    return report_on(
        open_target(
            target, data, predicted=predicted, in_process=in_process, memory=settings.memory
        ),
        settings=settings,
    )


def report_on(opened: Opened, *, settings: Settings = DEFAULT) -> Report:
    """Return the report on a model that was *opened*; it is closed then."""
    door = opened.door
    try:
        report = run(
            opened.claims,
            door.model,
            opened.rows,
            settings=settings,
            reopen=door.reopen,
            elsewhere=door.elsewhere,
        )
    finally:
        door.close()
    return _with_assumptions(report, opened.draft)


def _with_assumptions(report: Report, drafted: Draft | None) -> Report:
    if drafted is None:
        return report
    assumed = tuple(f"assumed {line}" for line in drafted.assumptions)
    return replace(report, notes=(*report.notes, *assumed))
