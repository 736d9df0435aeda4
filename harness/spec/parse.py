"""Specifications read: ``environment.toml`` and ``harness.toml`` become nouns.

All that is wrong with a file is reported at once, each problem with its dotted path.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.core.errors import HarnessError, SpecMissing, UnknownEnvironment
from harness.spec import document, schema, size
from harness.spec.agree import disagreements
from harness.spec.document import value_at
from harness.spec.environment import ARCHITECTURES, PYTHONS, About, Change, Environment
from harness.spec.forms import (
    ContractForm,
    CustomizedForm,
    DataForm,
    EnvironmentForm,
    ProjectForm,
    VariantForm,
)
from harness.spec.nearest import did_you_mean, nearest
from harness.spec.problem import Place, Problem, field_at, problems_of, refuse
from harness.spec.project import (
    Contract,
    Data,
    Described,
    Guardrails,
    Ledger,
    Model,
    Outputs,
    Project,
    Relation,
    Success,
)

ENVIRONMENT_FILE = "environment.toml"
PROJECT_FILE = "harness.toml"


def environment(folder: Path) -> Environment:
    """Return the environment that ``environment.toml`` in *folder* declares.

    Raises SpecMissing, SpecInvalid, NotBuiltYet.
    """
    file = folder.resolve() / ENVIRONMENT_FILE
    raw = document.toml(file)
    problems: list[Problem] = []
    kind = CustomizedForm if "from" in raw else EnvironmentForm
    try:
        form = kind.model_validate(raw)
    except ValidationError as invalid:
        problems = problems_of(invalid, kind)
    on_image = kind is EnvironmentForm and isinstance(value_at(raw, ("base", "image")), str)
    problems += _image_problems(raw) if on_image else _suite_problems(raw)
    refuse(file, problems)
    own: dict[str, Any] = {}
    if isinstance(form, CustomizedForm):
        source = form.source if "://" in form.source else str(_path(file.parent, form.source))
        own["change"] = Change(
            parent=form.parent,
            source=source,
            add=tuple(form.add),
            remove=tuple(form.remove),
            replace=tuple(form.replace),
        )
    else:
        own["image"] = form.base.image or ""
        own["platforms"] = tuple(sorted(ARCHITECTURES[machine] for machine in form.platforms))
    return Environment(
        folder=file.parent,
        name=form.name,
        version=form.version,
        python=form.python if isinstance(form, EnvironmentForm) else "",
        suite=form.base.debian or "" if isinstance(form, EnvironmentForm) else "",
        requirements=tuple(form.requirements) if isinstance(form, EnvironmentForm) else (),
        os=tuple(form.os),
        resolver=form.resolver,
        build=tuple(form.build),
        without=tuple(form.without),
        build_requirements=tuple(form.build_requirements),
        build_os=tuple(form.build_os),
        about=About(
            purpose=form.purpose,
            owner=form.owner,
            end_of_life=form.end_of_life,
            smoke=_path(file.parent, form.smoke) if form.smoke else None,
        ),
        **own,
    )


def find(reference: str, source: Path) -> Environment:
    """Return the environment that *reference* (``tabular:3``, or ``tabular``) names in *source*.

    Raises UnknownEnvironment, which lists what there is, and what `environment` raises.
    """
    name, _, version = reference.partition(":")
    there = _listed(source)
    if name in there:
        declared = environment(source / name)
        if declared.name != name:
            refuse(
                declared.folder / ENVIRONMENT_FILE,
                [Problem(place=("name",), text=f'"{declared.name}" lies in the folder "{name}"')],
            )
        if version in ("", str(declared.version)):
            return declared
        raise UnknownEnvironment(
            f"no environment {reference} in {source}: {name} is at version {declared.version}",
            hint=f'environment = "{declared.reference}"',
        )
    listed = ", ".join(there.values())
    raise UnknownEnvironment(
        f"no environment {reference} in {source}" + (f"; there are {listed}" if listed else ""),
        hint=_what_instead(name, there, source),
    )


def project(folder_or_file: Path, *, needs: frozenset[str] = frozenset()) -> Project:
    """Return the project declared in ``harness.toml``, else ``[tool.harness]`` in pyproject.toml.

    *needs* names what the caller can't do without, with dots: ``data``, ``data.holdout``,
    ``model.train``; ``environments`` is there when its folder is. Raises SpecMissing, SpecInvalid,
    NotBuiltYet.
    """
    file, prefix, raw = _document(folder_or_file.resolve())
    folder = file.parent
    problems: list[Problem] = []
    inputs: Mapping[str, Any] = {}
    form = None
    try:
        form = ProjectForm.model_validate(raw)
    except ValidationError as invalid:
        problems += problems_of(invalid, ProjectForm)
    named = value_at(raw, ("contract", "inputs"))
    if isinstance(named, str) and named.strip():
        documents = value_at(raw, ("model", "input")) == "documents"
        reads = schema.read_document if documents else schema.read
        inputs, found = reads(_path(folder, named), named)
        problems += found
    problems += disagreements(raw, inputs)
    problems += _unmet(raw, folder, needs)
    refuse(file, problems, prefix=prefix)
    assert form is not None  # it would have had problems
    return _project(form, file, inputs)


def _project(form: ProjectForm, file: Path, inputs: Mapping[str, Any]) -> Project:
    folder = file.parent
    declared = form.model.model_dump(exclude_unset=True)
    limit = form.guardrails.artifact_size
    registry = "://" in form.environments.source
    return Project(
        folder=folder,
        file=file,
        environments=None if registry else _path(folder, form.environments.source),
        registry=form.environments.source if registry else "",
        model=_model(declared),
        challengers={
            name: _model(declared | variant.model_dump(exclude_unset=True))
            for name, variant in sorted(form.challengers.items())
        },
        data=_data(form.data, folder) if form.data else None,
        success=Success(**form.success.model_dump()) if form.success else None,
        guardrails=Guardrails(artifact_size=size.parse(limit) if limit else None),
        contract=_contract(form.contract, inputs) if form.contract else None,
        ledger=Ledger(
            location=_path(folder, form.ledger.location),
            create=form.ledger.create,
        ),
    )


def _model(declared: Mapping[str, Any]) -> Model:
    values = VariantForm.model_validate(declared).model_dump()
    return Model(**{**values, "artifact": Path(values["artifact"])})


def _data(form: DataForm, folder: Path) -> Data:
    return Data(
        train=_path(folder, form.train),
        dev=_path(folder, form.dev) if form.dev else None,
        holdout=_path(folder, form.holdout) if form.holdout else None,
        target=form.target,
        key=tuple(form.key),
        described=Described(**form.described.model_dump()) if form.described else None,
    )


def _contract(form: ContractForm, inputs: Mapping[str, Any]) -> Contract:
    outputs = form.outputs
    return Contract(
        inputs=inputs,
        outputs=Outputs(
            kind=outputs.kind,
            labels=tuple(outputs.labels),
            positive_only=outputs.positive_only,
            minimum=outputs.minimum,
            maximum=outputs.maximum,
            targets=tuple(outputs.targets),
        ),
        monotone=dict(form.monotone),
        invariant=tuple(form.invariant),
        relations=tuple(
            Relation(name=name, change=relation.change, expect=relation.expect)
            for name, relation in sorted(form.relations.items())
        ),
        calibration=form.calibration,
        slices=dict(sorted(form.slices.items())),
        errors=tuple(form.errors),
    )


def _document(path: Path) -> tuple[Path, Place, dict[str, Any]]:
    """Return the file of the project at *path*, where its table lies in it, and the table."""
    if path.is_dir():
        if (path / PROJECT_FILE).is_file():
            return path / PROJECT_FILE, (), document.toml(path / PROJECT_FILE)
        path = path / "pyproject.toml"
        if not path.is_file():
            raise SpecMissing(
                f"no {PROJECT_FILE} in {path.parent}, and no pyproject.toml",
                hint=f'the least a {PROJECT_FILE} can say: [model] name = "my-model"',
            )
    raw = document.toml(path)
    if path.name != "pyproject.toml":
        return path, (), raw
    table = value_at(raw, ("tool", "harness"))
    if not isinstance(table, dict):
        raise SpecMissing(
            f"no [tool.harness] in {path}, and no {PROJECT_FILE} beside it",
            hint='the least it can say: [tool.harness.model] name = "my-model"',
        )
    return path, ("tool", "harness"), table


def _unmet(raw: Mapping[str, Any], folder: Path, needs: frozenset[str]) -> Iterator[Problem]:
    for need in sorted(needs):
        place: Place = tuple(need.split("."))
        if need == "environments":
            source = value_at(raw, ("environments", "source"))
            if isinstance(source, str) and "://" in source:
                continue
            where = _path(folder, source if isinstance(source, str) else "../envs")
            if not where.is_dir():
                text = f"{where} is not a folder"
                yield Problem(place=("environments", "source"), text=text)
            continue
        wish = field_at(ProjectForm, place).description
        value = value_at(raw, place)
        if value is None:
            yield Problem(place=place, text=f"missing ({wish})", kind="missing")


def _suite_problems(raw: Mapping[str, Any]) -> Iterator[Problem]:
    python, suite = raw.get("python"), value_at(raw, ("base", "debian"))
    if python is None and "from" not in raw:
        wish = field_at(EnvironmentForm, ("python",)).description
        yield Problem(place=("python",), text=f"missing ({wish})", kind="missing")
    ships = "; ".join(f'"{s}" ships Python {p}' for s, p in sorted(PYTHONS.items()))
    if isinstance(suite, str) and suite.strip() and suite not in PYTHONS:
        text = f'unknown suite "{suite}"{did_you_mean(suite, PYTHONS)} ({ships})'
        yield Problem(place=("base", "debian"), text=text)
    elif isinstance(python, str) and python != PYTHONS.get(str(suite), python):
        yield Problem(place=("python",), text=f'"{python}" is not the base\'s: {ships}')
    elif isinstance(python, str) and python not in PYTHONS.values():
        yield Problem(place=("python",), text=f'no suite ships "{python}": {ships}')


def _image_problems(raw: Mapping[str, Any]) -> Iterator[Problem]:
    python = raw.get("python")
    if isinstance(python, str) and not re.fullmatch(r"3\.\d+", python):
        text = f'"{python}" is not like "3.11"; left out, it is the image\'s'
        yield Problem(place=("python",), text=text)
    for key in ("os", "build", "build_os"):
        if raw.get(key):
            text = "an image of others is not added to by Debian packages: choose one that has them"
            if key == "build":
                text = (
                    "on an image of others nothing is built from source: its packages need wheels"
                )
            yield Problem(place=(key,), text=text)


def _listed(source: Path) -> dict[str, str]:
    """Return what environments *source* holds: the folder's name, and ``name:version``."""
    there = {}
    for file in sorted(source.glob(f"*/{ENVIRONMENT_FILE}")):
        try:
            version = document.toml(file).get("version", "?")
        except HarnessError:
            version = "?"  # a broken neighbour is listed; it is reported when it is asked for
        there[file.parent.name] = f"{file.parent.name}:{version}"
    return there


def _what_instead(name: str, there: Mapping[str, str], source: Path) -> str:
    if close := nearest(name, there):
        return f'did you mean "{there[close]}"?'
    if there:
        return f"write one of these, or add {source / name / ENVIRONMENT_FILE}"
    if source.is_dir():
        return f"it holds no environment: add {source / name / ENVIRONMENT_FILE}"
    return "that folder is not there: [environments] source in harness.toml names it"


def _path(folder: Path, named: str) -> Path:
    return Path(os.path.normpath(folder / named))
