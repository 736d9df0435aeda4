"""A project begun: what its training data, its model and an older schema say, written down."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.contract.draft import Draft, draft
from harness.contract.draft_file import read_training
from harness.contract.infer import Opened, open_target
from harness.contract.schema_import import read_schema, with_schema
from harness.contract.target import Target, needs_trust
from harness.contract.written import Written, name_for, write_draft
from harness.core.errors import ModelUnusable, SpecMissing
from harness.runtime import formats
from harness.spec.project import Model

ARTIFACT = "artifact"
_NOTHING = "Nothing is read: the model is code alone. A project has this file all the same.\n"
_LOADER = '''"""{module}.{name} is the model itself; a project wants a function that returns it."""

import {module}


def load(artifact):
    """Return the model; nothing is read from *artifact*."""
    return {module}.{name}
'''
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

    *model* is ``module:function`` (what loads the artifact, or the model itself: a loader is
    written for that) or the model's file, else the one that lies in *folder*. It is opened, to see
    what it takes and answers, unless that may run code of a stranger's and nobody said *trust*.
    *schema* names one that exists already (``schema_import.read_schema``). Raises DataMissing,
    DataInvalid, SpecMissing, SpecInvalid.
    """
    folder = folder.resolve()
    training = read_training(data, targets)
    declared = _declared(folder, model)
    notes = list(training.remarks)
    opened, why = _looked_at(declared, folder, data, targets, trust=trust, kind=kind)
    more: dict[str, str] = {}
    if declared.load and (opened is None or not opened.answered):
        itself, _ = _opened(declared, folder, data, targets, kind=kind, setting="object")
        if itself is not None and itself.answered:
            opened, (declared, more) = itself, _loaded_by_us(declared)
            notes.append(f"{model} is the model itself: {', '.join(more)} returns it")
    if opened is not None and not (folder / declared.artifact).exists():
        more[declared.artifact.as_posix()] = _NOTHING
    if opened is None:
        drafted = draft(training.rows, target=training.targets, model=None)
        notes.append(f"the model was not looked at ({why}): the target alone says what it answers")
        declared = replace(declared, input="pandas" if kind == "auto" else kind)
    else:
        drafted = opened.draft
        declared = replace(declared, input=opened.declared.input)
    lost: tuple[str, ...] = ()
    if schema:
        names = [name for name in training.rows.names if name not in targets]
        imported = read_schema(schema, names, folder=folder)
        fixed = opened is not None
        drafted, lost = with_schema(drafted, imported, training.rows, fixed=fixed, targets=targets)
    written = write_draft(
        drafted,
        folder,
        data=data,
        targets=targets,
        model=declared,
        remarks=training.remarks,
        more=more,
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
) -> tuple[Opened | None, str]:
    """Return the model as it was opened and asked, closed again; None and why, where it was not."""
    artifact = folder / declared.artifact
    absent = "" if artifact.exists() else f"there is no {declared.artifact} yet"
    if absent and not declared.load:
        return None, absent
    if not trust and not declared.load and needs_trust(artifact):
        return None, f"opening {artifact.name} may run code in it; --trust says that this is wanted"
    opened, why = _opened(declared, folder, data, targets, kind=kind, setting="load")
    return opened, absent or why


def _opened(
    declared: Model, folder: Path, data: Path, targets: Sequence[str], *, kind: str, setting: str
) -> tuple[Opened | None, str]:
    """Return what *declared* answers when its function is taken for its *setting*: ``load``, or the
    ``object`` itself."""
    settings = {"name": declared.name, setting: declared.load, "input": kind}
    artifact = folder / declared.artifact
    target = Target(name=declared.name, settings=settings, artifact=artifact, folder=folder)
    try:
        opened = open_target(target, data, predicted=targets)
    except ModelUnusable as unusable:
        return None, unusable.message
    opened.door.close()
    return opened, ""


def _loaded_by_us(declared: Model) -> tuple[Model, dict[str, str]]:
    """Return *declared* with a loader of its own, and the loader's file by name."""
    module, _, name = str(declared.load).partition(":")
    own = f"load_{name_for(name).replace('-', '_')}"
    text = _LOADER.format(module=module, name=name)
    return replace(declared, load=f"{own}:load"), {f"{own}.py": text}
