"""A draft written to a folder: ``harness.toml`` and ``inputs.schema.json``, neither overwritten."""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from types import MappingProxyType
from typing import Any

from harness.contract.draft import Draft
from harness.contract.draft_toml import SCHEMA_FILE, toml
from harness.core.errors import SpecInvalid
from harness.spec import document
from harness.spec.document import value_at
from harness.spec.project import Model

PROJECT_FILE = "harness.toml"
_WIDTH = 96


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """One file of a draft. *state* is ``created``, ``equal`` (there already, with these very bytes)
    or ``differs``; *diff* then says what a draft would change, as a unified diff."""

    path: Path
    state: str
    diff: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """What became of a draft's files. *ok* says that each of them holds what was drafted."""

    folder: Path
    files: tuple[File, ...]

    @property
    def ok(self) -> bool:
        """Whether no file was there with other contents."""
        return all(file.state != "differs" for file in self.files)

    @property
    def lines(self) -> list[str]:
        """What a terminal shows: one line a file, each followed by its diff."""
        found = []
        for file in self.files:
            found.append(f"{file.state:<12} {file.path.name}")
            found += file.diff.splitlines()
        return found


def write_draft(
    drafted: Draft,
    folder: Path,
    *,
    data: Path,
    targets: Sequence[str],
    model: Model,
    remarks: Sequence[str] = (),
    more: Mapping[str, str] = MappingProxyType({}),
) -> Written:
    """Write *drafted* into *folder* as ``harness.toml`` and ``inputs.schema.json``.

    *model* is declared as it is, but for its name, which is made one that ``harness.toml`` takes.
    Its artifact is relative to *folder* or absolute. *more* are other files by name. A file that is
    there stays as it is. Raises
    SpecInvalid for an artifact outside the folder, for labels that can't be declared, and where a
    ``pyproject.toml`` declares the project already.
    """
    folder = folder.resolve()
    _refuse_second(folder)
    model = _declared(model, folder)
    relative = _relative(data.absolute(), folder)
    text = toml(
        drafted,
        model=model,
        data=relative,
        targets=targets,
        others=_others(folder, relative),
        remarks=remarks,
    )
    schema = json_text(drafted.contract.inputs)
    folder.mkdir(parents=True, exist_ok=True)
    texts = {PROJECT_FILE: text, SCHEMA_FILE: schema, **more}
    files = tuple(_put(folder / name, held) for name, held in texts.items())
    return Written(folder=folder, files=files)


def json_text(schema: Mapping[str, Any]) -> str:
    """Return *schema* as JSON that a person reads: short lists on one line."""
    return _json(schema, "") + "\n"


def name_for(text: str) -> str:
    """Return *text* as a model's name: small letters and digits, ``-`` between; else ``model``."""
    words = re.findall(r"[a-z0-9]+", text.lower())
    return "-".join(words)[:100].rstrip("-") or "model"


def _put(path: Path, text: str) -> File:
    wanted = text.encode()
    try:
        with path.open("xb") as file:
            file.write(wanted)
    except FileExistsError:
        there = path.read_bytes()
    else:
        return File(path=path, state="created")
    if there == wanted:
        return File(path=path, state="equal")
    diff = difflib.unified_diff(
        there.decode("utf-8", "replace").splitlines(),
        text.splitlines(),
        f"{path.name} (there)",
        f"{path.name} (drafted)",
        lineterm="",
    )
    return File(path=path, state="differs", diff="\n".join(diff))


def _refuse_second(folder: Path) -> None:
    file = folder / "pyproject.toml"
    if (folder / PROJECT_FILE).exists() or not file.is_file():
        return
    if value_at(document.toml(file), ("tool", "harness")) is not None:
        raise SpecInvalid(
            f"{file} declares the project under [tool.harness]; {PROJECT_FILE} would hide that",
            hint="draft into an empty folder, and copy what is missing into pyproject.toml",
        )


def _declared(model: Model, folder: Path) -> Model:
    artifact = _relative(folder / model.artifact, folder)
    if not artifact.parts:
        raise SpecInvalid(
            f"{model.name} is no file: a project's model is loaded from an artifact in its folder",
            hint="write a function load(artifact) that returns it, then: "
            "harness init --model module:load",
        )
    if artifact.is_absolute() or ".." in artifact.parts:
        raise SpecInvalid(
            f"{model.artifact} lies outside of {folder}, and an artifact lies below its folder",
            hint=f"copy it there, or draft into the folder that holds it: {model.artifact.parent}",
        )
    return Model(
        name=name_for(model.name),
        input=model.input,
        load=model.load,
        train=model.train,
        artifact=Path(artifact),
        seed=model.seed,
    )


def _relative(path: Path, folder: Path) -> PurePath:
    """Return *path* as seen from *folder*."""
    return PurePosixPath(PurePath(os.path.relpath(os.path.normpath(path), folder)).as_posix())


def _others(folder: Path, data: PurePath) -> list[tuple[str, str]]:
    """Return the dev and holdout files that lie beside the training data, by their names."""
    if not re.search(r"train", data.stem):
        return []
    found = []
    for name in ("dev", "holdout"):
        other = data.with_name(data.name.replace("train", name))
        if (folder / other).is_file():
            found.append((name, other.as_posix()))
    return found


def _json(value: Any, indent: str) -> str:
    flat = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if not isinstance(value, Mapping | list) or not value:
        return flat
    deeper = indent + "  "
    if isinstance(value, list):
        if len(indent) + len(flat) <= _WIDTH and not any(isinstance(v, Mapping) for v in value):
            return flat
        inner = ",\n".join(deeper + _json(item, deeper) for item in value)
        return f"[\n{inner}\n{indent}]"
    pairs = (
        f"{deeper}{json.dumps(key, ensure_ascii=False)}: {_json(item, deeper)}"
        for key, item in value.items()
    )
    return "{\n" + ",\n".join(pairs) + f"\n{indent}}}"
