"""A project begun: what its training data, its model and an older schema say, written down."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.contract.draft import Draft, draft
from harness.contract.draft_file import read_training
from harness.contract.infer import open_target
from harness.contract.schema_import import read_schema, with_schema
from harness.contract.target import Target, needs_trust
from harness.contract.written import Written, write_draft
from harness.core.errors import ModelUnusable, SpecMissing
from harness.runtime import formats
from harness.spec.project import Model

ARTIFACT = "artifact"
_FUNCTION = re.compile(r"[^\W\d][\w.]*:[^\W\d][\w.]*")


@dataclass(frozen=True, kw_only=True, slots=True)
class Begun:
    """A project's first files. *notes* are for a person: on the file, the model, each column;
    *lost* says what of an imported schema could not be carried over."""

    draft: Draft
    written: Written
    notes: tuple[str, ...]
    lost: tuple[str, ...] = ()


def begin(
    folder: Path,
    data: Path,
    *,
    targets: Sequence[str],
    model: str = "",
    schema: str = "",
    trust: bool = False,
    kind: str = "auto",
) -> Begun:
    """Draft a project in *folder* from the training rows in *data*, and write it.

    *model* is ``module:function`` (what loads the artifact) or the model's file, else the one that
    lies in *folder*. It is opened, to see what it takes and answers, unless that may run code of a
    stranger's and nobody said *trust*. *schema* names one that exists already
    (``schema_import.read_schema``). Raises DataMissing, DataInvalid, SpecMissing, SpecInvalid.
    """
    folder = folder.resolve()
    training = read_training(data, targets)
    declared = _declared(folder, model)
    notes = list(training.remarks)
    opened, why = _looked_at(declared, folder, data, targets, trust=trust, kind=kind)
    if opened is None:
        drafted = draft(training.rows, target=training.targets, model=None)
        notes.append(f"the model was not looked at ({why}): the target alone says what it answers")
        declared = replace(declared, input="pandas" if kind == "auto" else kind)
    else:
        drafted, kind = opened
        declared = replace(declared, input=kind)
    lost: tuple[str, ...] = ()
    if schema:
        names = [name for name in training.rows.names if name not in targets]
        imported = read_schema(schema, names, folder=folder)
        fixed = opened is not None
        drafted, lost = with_schema(drafted, imported, training.rows, fixed=fixed, targets=targets)
    written = write_draft(
        drafted, folder, data=data, targets=targets, model=declared, remarks=training.remarks
    )
    return Begun(draft=drafted, written=written, notes=(*notes, *drafted.remarks), lost=lost)


def _declared(folder: Path, model: str) -> Model:
    """Return the model as ``harness.toml`` declares it."""
    name = folder.name
    path = Path(model) if model else None
    if path is not None and path.exists():
        return Model(name=name, artifact=path.absolute())
    if path is not None and _FUNCTION.fullmatch(model):
        return Model(name=name, load=model, artifact=_artifact(folder))
    if path is not None:
        raise SpecMissing(
            f"{model} is not there",
            hint="--model takes module:function, or the model's file below the project's folder",
        )
    return Model(name=name, artifact=_artifact(folder))


def _artifact(folder: Path) -> Path:
    """Return the model in *folder*, relative to it: ``artifact``, or its only model's file."""
    if (folder / ARTIFACT).exists() or not folder.is_dir():
        return Path(ARTIFACT)
    files = [file for file in sorted(folder.iterdir()) if file.is_file()]
    models = [file for file in files if formats.is_model_file(file)]
    return Path(models[0].name) if len(models) == 1 else Path(ARTIFACT)


def _looked_at(
    declared: Model, folder: Path, data: Path, targets: Sequence[str], *, trust: bool, kind: str
) -> tuple[tuple[Draft, str] | None, str]:
    """Return what the model's own answers say, with what it takes; None and why, where it was not
    asked."""
    artifact = folder / declared.artifact
    if not artifact.exists():
        return None, f"there is no {declared.artifact} yet"
    if not trust and not declared.load and needs_trust(artifact):
        return None, f"opening {artifact.name} may run code in it; --trust says that this is wanted"
    settings = {"name": declared.name, "load": declared.load, "input": kind}
    target = Target(name=declared.name, settings=settings, artifact=artifact, folder=folder)
    try:
        opened = open_target(target, data, predicted=targets)
    except ModelUnusable as unusable:
        return None, unusable.message
    opened.door.close()
    return (opened.draft, opened.declared.input), ""
