"""A pandera schema (an object, or its YAML or JSON) as JSON Schema.

pandera is imported here alone, when such a schema is asked for.
"""

from __future__ import annotations

import contextlib
import importlib
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.contract.schema_checks import CARRIED, plain, type_of
from harness.core.errors import SpecInvalid, ToolMissing

_INSTALL = 'pip install "pandera[pandas,io]"'
_TYPES: tuple[tuple[str, Mapping[str, Any]], ...] = (
    (r"u?int(8|16|32|64)?", {"type": "integer"}),
    (r"(float|double|decimal)\w*(\(.*)?", {"type": "number"}),
    (r"bool(ean)?", {"type": "boolean"}),
    (r"date(32|64)?", {"type": "string", "format": "date"}),
    (r"(datetime|timestamp).*", {"type": "string", "format": "date-time"}),
    (r"(str|string|utf8|object|large_string)(\[.*)?", {"type": "string"}),
)
_RANGE = {f"int{size}": 2 ** (size - 1) for size in (8, 16, 32)}


def columns(
    what: str, folder: Path, names: list[str]
) -> tuple[dict[str, dict[str, Any]], list[str], bool]:
    """Return each column's schema by name, what can't be carried over, and whether no other column
    is admitted.

    *what* is a YAML or JSON file that pandera wrote, or ``module:object`` (a schema or a model),
    imported with *folder* on the path; *names* are the data's columns, for those that are declared
    by a regular expression. Raises SpecInvalid, ToolMissing.
    """
    schema = _opened(what, folder)
    notes: list[str] = []
    found: dict[str, dict[str, Any]] = {}
    for name, column in schema.columns.items():
        described, told = _column(column)
        covered = [str(name)]
        if getattr(column, "regex", False):
            covered = [one for one in names if re.match(str(name), one)]
            told.append(f"a regular expression, for {len(covered)} columns of the data")
        found |= {one: dict(described) for one in covered}
        notes += [f"{name}: {remark}" for remark in told]
    notes += [f"the rows: check {_name(check)}" for check in schema.checks or ()]
    if getattr(schema, "unique", None):
        notes.append(f"the rows: unique in {schema.unique}; write it under [data] key")
    if getattr(schema, "index", None) is not None:
        notes.append("the index: a row's index is no input")
    if getattr(schema, "ordered", False):
        notes.append("ordered: a model is asked for other orders too")
    return found, notes, schema.strict is True


def _opened(what: str, folder: Path) -> Any:
    _pandera()
    path = Path(what)
    if path.suffix in (".yaml", ".yml", ".json"):
        return _from_file(path)
    module, _, name = what.partition(":")
    try:
        with _importable(folder):
            found: Any = importlib.import_module(module)
            for part in name.split("."):
                found = getattr(found, part)
    except (ImportError, AttributeError) as missing:
        raise SpecInvalid(
            f"{what}: {missing}", hint=f"module:object, importable from {folder}"
        ) from missing
    except Exception as raised:  # code of the user's own
        raise SpecInvalid(
            f"{what} can't be imported: {type(raised).__name__}: {raised}",
            hint=f"import it by hand in {folder}",
        ) from raised
    if isinstance(found, type) and hasattr(found, "to_schema"):
        found = found.to_schema()
    if not hasattr(found, "columns") or not hasattr(found, "checks"):
        raise SpecInvalid(
            f"{what} is no pandera schema but a {type(found).__name__}",
            hint="name a DataFrameSchema or a DataFrameModel",
        )
    return found


def _from_file(path: Path) -> Any:
    try:
        schema: Any = importlib.import_module("pandera.pandas").DataFrameSchema
        text = path.read_text(encoding="utf-8")
        return schema.from_json(text) if path.suffix == ".json" else schema.from_yaml(text)
    except ImportError as missing:
        raise ToolMissing(f"{path.name}: pandera can't read it: {missing}", hint=_INSTALL) from (
            missing
        )
    except Exception as raised:  # whatever pandera raises for a file that it didn't write
        raise SpecInvalid(
            f"{path}: pandera can't read it: {type(raised).__name__}: {raised}",
            hint="a file that DataFrameSchema.to_yaml or to_json wrote is wanted",
        ) from raised


def _pandera() -> None:
    try:
        importlib.import_module("pandera.pandas")
    except ImportError as missing:
        raise ToolMissing(
            f"a pandera schema needs pandera, and it can't be imported: {missing}", hint=_INSTALL
        ) from missing


@contextlib.contextmanager
def _importable(folder: Path) -> Iterator[None]:
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def _column(column: Any) -> tuple[dict[str, Any], list[str]]:
    notes: list[str] = []
    described = _typed(column.dtype, notes)
    for check in column.checks or ():
        carry = CARRIED.get(_name(check))
        statistics = dict(getattr(check, "statistics", None) or {})
        if carry is None or getattr(check, "raise_warning", False):
            warns = " (which only warns)" if carry is not None else ""
            notes.append(f"check {_name(check)}{warns}")
        elif problem := carry(described, statistics):
            notes.append(f"check {_name(check)}: {problem}")
    if column.nullable:
        if "type" in described:
            described["type"] = [described["type"], "null"]
        if "enum" in described:
            described["enum"] = [*described["enum"], None]
    if not column.required:
        notes.append("not required, so it may be left out of a row; here it may not")
    if column.unique:
        notes.append("unique: is it what tells rows apart? write it under [data] key")
    if column.coerce:
        notes.append("coerce: a model gets values as they come")
    return described, notes


def _typed(dtype: Any, notes: list[str]) -> dict[str, Any]:
    if dtype is None:
        return {}
    categories = getattr(dtype, "categories", None)
    if categories is not None:
        return {"enum": [plain(value) for value in categories], "type": type_of(categories)}
    named = str(dtype).lower()
    if named.startswith("category"):
        return {"type": "string"}
    for pattern, described in _TYPES:
        if re.fullmatch(pattern, named):
            found = dict(described)
            if named in _RANGE:
                found |= {"minimum": -_RANGE[named], "maximum": _RANGE[named] - 1}
            elif named.startswith("uint"):
                found["minimum"] = 0
            return found
    notes.append(f"type {dtype}")
    return {}


def _name(check: Any) -> str:
    return str(getattr(check, "name", None) or check)
