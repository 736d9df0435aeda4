"""The signature of an MLflow model, as JSON Schema.

Source: MLflow's documentation, "Model Signatures and Input Examples"; the signature lies in
``MLmodel`` (YAML), its ``inputs`` as JSON in a string.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.core.errors import SpecInvalid, ToolMissing

_SINGLE = 3.4028234663852886e38
_TYPES: Mapping[str, Mapping[str, Any]] = {
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
    "long": {"type": "integer"},
    "float": {"type": "number", "minimum": -_SINGLE, "maximum": _SINGLE},
    "double": {"type": "number"},
    "string": {"type": "string"},
    "datetime": {"type": "string", "format": "date-time"},
}
_OF_NUMPY: Mapping[str, str] = {
    "bool": "boolean",
    "int32": "integer",
    "int64": "long",
    "float32": "float",
    "float64": "double",
    "str": "string",
    "object": "string",
}


def columns(path: Path, names: list[str]) -> tuple[dict[str, dict[str, Any]], list[str], bool]:
    """Return each input's schema by name, what can't be carried over, and that there are no others.

    *path* is an ``MLmodel`` file or the folder that holds one; *names* are the data's columns, for
    a signature of one unnamed matrix. Raises SpecInvalid, ToolMissing.
    """
    file = path / "MLmodel" if path.is_dir() else path
    declared = _document(file).get("signature") or {}
    inputs = declared.get("inputs")
    if not inputs:
        raise SpecInvalid(
            f"{file} has no signature: nothing is known of its inputs",
            hint="log the model with signature=infer_signature(…), or draft without --from",
        )
    try:
        listed = json.loads(inputs) if isinstance(inputs, str) else inputs
    except ValueError as broken:
        raise SpecInvalid(f"{file}: signature.inputs is broken JSON: {broken}") from broken
    notes: list[str] = []
    found: dict[str, dict[str, Any]] = {}
    for place, column in enumerate(listed):
        if not isinstance(column, Mapping):
            raise SpecInvalid(f"{file}: signature.inputs[{place}] is no column")
        found |= _column(column, place, names, notes)
    if declared.get("params"):
        notes.append("params: a contract's model gets rows alone")
    return found, notes, True


def _column(
    column: Mapping[str, Any], place: int, names: list[str], notes: list[str]
) -> dict[str, dict[str, Any]]:
    kind = str(column.get("type"))
    name = column.get("name")
    if kind == "tensor":
        spec = column.get("tensor-spec") or {}
        kind = _OF_NUMPY.get(str(spec.get("dtype")), "")
        shape = list(spec.get("shape") or ())
        if name is None and len(shape) == 2 and shape[1] == len(names) and kind:
            notes.append(
                f"the signature is a matrix without names: the data's {len(names)} columns"
            )
            return {each: dict(_TYPES[kind]) for each in names}
        if len(shape) != 1 and shape[1:] != [1]:
            notes.append(f"{name or f'input {place}'}: a tensor of shape {shape}")
            return {} if name is None else {str(name): {}}
    if name is None:
        if place >= len(names):
            notes.append(f"input {place} has no name, and the data have {len(names)} columns")
            return {}
        name = names[place]
        notes.append(f"input {place} has no name: taken for {name}, by its place")
    if kind not in _TYPES:
        notes.append(f"{name}: type {column.get('type')}")
        return {str(name): {}}
    described = dict(_TYPES[kind])
    if column.get("required") is False:
        described["type"] = [described["type"], "null"]
        notes.append(f"{name}: optional, so it may be left out of a row; here it may be missing")
    return {str(name): described}


def _document(file: Path) -> Mapping[str, Any]:
    try:
        yaml: Any = importlib.import_module("yaml")
    except ModuleNotFoundError as missing:
        raise ToolMissing(
            f"{file.name} is YAML, and nothing here reads that", hint="pip install pyyaml"
        ) from missing
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as broken:
        raise SpecInvalid(f"{file}: broken YAML: {broken}") from broken
    return found if isinstance(found, Mapping) else {}
