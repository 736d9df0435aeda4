"""What every step of the line needs, gathered once: the project, its environment's image, its
code, its data by digest, and the bench on which jobs run."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.contract.batch import Batch
from harness.contract.claims import Claims, claims_of
from harness.core.digest import Digest
from harness.core.errors import DataInvalid, DataMissing, JobFailed, NotBuiltYet, SpecInvalid
from harness.engine.engine import Engine
from harness.flows import environment as environments
from harness.flows.environment import Opened, opened
from harness.image import code, model
from harness.image.image import Image
from harness.image.key import key
from harness.image.model import Runnable
from harness.spec import running
from harness.spec.nearest import did_you_mean
from harness.spec.project import Contract, Data, Model, Project
from harness.stages import load, train
from harness.stages.load import Bench, Limits
from harness.world import files
from harness.world.store import Store

Progress = Callable[[str], None]
STATE = ".harness"
DTYPES = 1
"""Version of how a column's type in the training data is told; part of the answer's key."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A project on its way. *files* are the data by name (train, dev, holdout), with digests."""

    project: Project
    challenger: str
    declared: Model
    store: Store
    bench: Bench
    environment: Opened
    trees: dict[str, str]
    files: dict[str, tuple[Path, Digest]]
    progress: Progress
    tables: dict[str, Batch] = field(default_factory=dict)

    @property
    def state(self) -> Path:
        """The project's own state folder."""
        return self.project.folder / STATE

    @property
    def contract(self) -> Contract:
        """The declared contract; no line begins without one."""
        assert self.project.contract is not None
        return self.project.contract

    @property
    def data(self) -> Data:
        """The declared data; no line begins without them."""
        assert self.project.data is not None
        return self.project.data

    @property
    def claims(self) -> Claims:
        """What the contract claims of this model."""
        return claims_of(self.declared, self.contract, target=self.data.target)

    @property
    def bare(self) -> Runnable:
        """The environment and our runtime: enough to read data, with no code of the model."""
        runtime = {"runtime": self.trees["runtime"]}
        return model.partial(self.environment.built, runtime, self.store)

    def table(self, name: str) -> Batch:
        """Return the rows of train, dev or holdout, read in the image, once per line."""
        if name not in self.tables:
            self.progress(f"reading {name}")
            self.tables[name] = load.read(self.bench, self.bare, self.files[name][0]).batch
        return self.tables[name]


def begin(
    project: Project,
    *,
    challenger: str,
    store: Store,
    engine: Engine,
    limits: Limits,
    workers: int,
    progress: Progress,
    required: frozenset[str] = frozenset({"train"}),
) -> Line:
    """Return the line at its start: environment built, code collected, data found.

    *required* names the data files that must be there; others that are declared and absent are
    left out, since a private holdout is not where people train. Raises SpecInvalid for an unknown
    challenger, NotBuiltYet for documents, DataMissing for a data file that is not there.
    """
    declared = _variant(project, challenger)
    assert declared.environment is not None
    if declared.input == "documents":
        raise NotBuiltYet(
            'a model with input = "documents" is checked on this machine alone, not in its image',
            hint="harness check, or the contract as a pytest file",
        )
    found = _files(project, required)
    environment = opened(
        environments.found(project, declared.environment, store),
        store,
        engine=lambda: engine,
        workers=workers,
        progress=progress,
    )
    varied = replace(project, model=declared)
    line = Line(
        project=project,
        challenger=challenger,
        declared=declared,
        store=store,
        bench=Bench(engine=engine, env=environment.built.image.settings.env, limits=limits),
        environment=environment,
        trees={
            "runtime": model.runtime_tree(store),
            "code": model.tree("code", code.files(project), store),
        },
        files=found,
        progress=progress,
    )
    told = {**settings(varied), "dtypes": dtypes(line)}
    line.trees["settings"] = model.settings_tree(told, store)
    return line


def settings(project: Project) -> dict[str, Any]:
    """Return what the runtime must know of the model, as ``model.json`` holds it."""
    return running.settings(project.model, project.contract)


def dtypes(line: Line) -> dict[str, str]:
    """Return how the training data hold the columns of the contract (the words of
    ``harness.runtime.frame.Column.dtype``): so a server gives them to the model.

    Nothing of a file that the model's own trainer alone can read, or that lacks a column.
    """
    path, data = line.files["train"]
    columns = sorted(line.contract.inputs["properties"])

    def held() -> dict[str, str]:
        line.progress("reading how train holds its columns")
        read = load.read(line.bench, line.bare, path, columns=columns).batch
        usual = {"datetime": "datetime64[us]"}  # of text, which moments are on the way
        found = {cells.name: cells.dtype or usual.get(cells.kind, "") for cells in read.columns}
        return {name: dtype for name, dtype in found.items() if dtype}

    config = line.environment.built.image.config
    known = key("dtypes", DTYPES, data, path.suffix, columns, config, line.trees["runtime"])
    try:
        return dict(line.store.record("dtypes", known, held))
    except (DataInvalid, JobFailed):
        return {}  # not kept: what needs these data says why they can't be read


def trained(line: Line) -> tuple[str, bool]:
    """Return the artifact's tree and whether it was there before."""
    line.progress("training")
    data, digest = line.files["train"]
    return train.train(
        line.bench,
        line.environment.built,
        line.trees,
        data,
        digest=digest,
        seed=line.declared.seed,
        store=line.store,
    )


def assembled(line: Line, artifact: str) -> Image:
    """Return the model image of the line with its trained *artifact*."""
    return model.assemble(
        line.environment.built,
        {**line.trees, "artifact": artifact},
        line.store,
        name=line.declared.name,
    )


def laid_down(line: Line, artifact: str) -> Path:
    """Put the trained artifact where ``[model] artifact`` says, for checks in process.

    What lay there is replaced whole; the image's own copy is not this one.
    """
    target = line.project.folder / line.declared.artifact
    source = line.store.root / "t" / artifact / model.HOMES["artifact"]
    with tempfile.TemporaryDirectory(prefix=".artifact-", dir=target.parent) as folder:
        shutil.copytree(source, Path(folder) / "new", symlinks=True)
        if target.exists():
            os.replace(target, Path(folder) / "old")
        os.replace(Path(folder) / "new", target)
    return target


def _variant(project: Project, challenger: str) -> Model:
    if not challenger:
        return project.model
    try:
        return project.challengers[challenger]
    except KeyError as unknown:
        meant = did_you_mean(challenger, project.challengers)
        raise SpecInvalid(
            f"{project.file} declares no challenger {challenger!r}{meant}",
            hint=f"declared are: {', '.join(sorted(project.challengers)) or 'none'}",
        ) from unknown


def _files(project: Project, required: frozenset[str]) -> dict[str, tuple[Path, Digest]]:
    data = project.data
    assert data is not None
    named = {"train": data.train, "dev": data.dev, "holdout": data.holdout}
    found = {}
    for name, path in named.items():
        if path is None or (name not in required and not path.is_file()):
            continue
        if not path.is_file():
            prepare = project.folder / "prepare.py"
            raise DataMissing(
                f"{path} is not there; harness.toml names it as data.{name}",
                hint="nox -s promote runs the example's prepare.py first"
                if prepare.is_file()
                else "put the file there, or correct harness.toml",
            )
        found[name] = (path, files.digest_of(path))
    return found
