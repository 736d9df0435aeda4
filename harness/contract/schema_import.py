"""A schema that somebody wrote for the same rows already, taken over into a draft.

From pandera, an MLflow signature or a JSON Schema. What it says stands; what it leaves open is
guessed from the training data; what a contract has no words for is told.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.contract import schema_json, schema_mlflow, schema_pandera
from harness.contract.batch import Batch
from harness.contract.domain import admits
from harness.contract.draft import Draft
from harness.contract.schema import domains
from harness.core.errors import SpecInvalid, SpecMissing
from harness.spec import document
from harness.spec.nearest import did_you_mean

_OBJECT = re.compile(r"[\w.]+:[\w.]+")
_BOUNDS = ("minimum", "maximum")
_OF_NUMBERS = frozenset((*_BOUNDS, "exclusiveMinimum", "exclusiveMaximum", "enum", "const"))
_OF_TEXT = frozenset(("enum", "const", "pattern", "format", "minLength", "maxLength"))
_ABOUT = ("title", "description", "$comment")


@dataclass(frozen=True, kw_only=True, slots=True)
class Imported:
    """A schema read from *source*: each column's JSON Schema, in its order. *notes* say what can't
    be carried over; *whole* says that it admits no other column."""

    source: str
    columns: Mapping[str, Mapping[str, Any]]
    notes: tuple[str, ...]
    whole: bool


def read_schema(what: str, names: Sequence[str], *, folder: Path) -> Imported:
    """Return the schema that *what* names, for data with the columns *names*.

    *what* is a YAML or JSON file of pandera, ``module:object`` (imported with *folder* on the
    path), an MLflow model's folder or its ``MLmodel``, or a JSON Schema. Raises SpecMissing,
    SpecInvalid, ToolMissing.
    """
    path = Path(what)
    if not path.exists():
        if _OBJECT.fullmatch(what):
            found = schema_pandera.columns(what, folder, list(names))
            return _imported(what, found)
        raise SpecMissing(
            f"{what} is not there{_neighbour(path)}",
            hint="--from takes a file of pandera (YAML, JSON), module:object, an MLmodel, or a "
            "JSON Schema",
        )
    if path.is_dir() or path.name == "MLmodel":
        if path.is_dir() and not (path / "MLmodel").is_file():
            raise SpecInvalid(f"{path} is a folder without an MLmodel", hint="name a file in it")
        return _imported(what, schema_mlflow.columns(path, list(names)))
    if path.suffix in (".yaml", ".yml"):
        return _imported(what, schema_pandera.columns(what, folder, list(names)))
    if path.suffix != ".json":
        raise SpecInvalid(
            f"{path.name}: a schema is .yaml, .json, MLmodel or module:object",
            hint="for a pandera schema in Python: --from package.module:schema",
        )
    value = document.parsed_json(path)
    if not isinstance(value, dict):
        raise SpecInvalid(f"{path} is no schema: it holds no JSON object")
    if value.get("schema_type") == "dataframe":  # how pandera's own JSON begins
        return _imported(what, schema_pandera.columns(what, folder, list(names)))
    return _imported(what, schema_json.columns(value))


def with_schema(
    drafted: Draft, imported: Imported, rows: Batch, *, fixed: bool, targets: Sequence[str] = ()
) -> tuple[Draft, tuple[str, ...]]:
    """Return *drafted* with what *imported* says of its columns, and what could not be carried
    over.

    *fixed*: the model was seen to take the drafted columns, in this order; else the schema says
    which there are. *rows* are the training data without the *targets*.
    """
    notes = list(imported.notes)
    guessed: Mapping[str, Mapping[str, Any]] = drafted.contract.inputs["properties"]
    names = _names(imported, guessed, rows, fixed=fixed, targets=targets, notes=notes)
    properties: dict[str, Any] = {}
    told: dict[str, str] = {}
    for name in names:
        guess = drafted.columns.get(name, {})
        if name not in imported.columns:
            properties[name] = guess
            continue
        properties[name], added = _merged(imported.columns[name], guess, imported.source)
        problem = _problem(name, properties[name])
        if problem and guess:
            notes.append(f"{name}: {problem}; guessed from the data instead")
            properties[name] = guess
            continue
        if problem:
            notes.append(f"{name}: {problem}; left out")
            del properties[name]
            continue
        told[name] = f"as {imported.source} says" + (f"; guess: {added}" if added else "")
        notes += _contradicted(name, properties[name], rows)
    if not properties:
        raise SpecInvalid(
            f"{imported.source} describes no column of the training data",
            hint=f"the data have {', '.join(rows.names)}",
        )
    inputs = {**drafted.contract.inputs, "properties": properties, "required": list(properties)}
    return (
        replace(
            drafted,
            contract=replace(drafted.contract, inputs=inputs),
            assumptions=_assumed(drafted, told, properties),
            left_out=tuple((n, why) for n, why in drafted.left_out if n not in properties),
        ),
        tuple(notes),
    )


def _imported(what: str, found: tuple[dict[str, dict[str, Any]], list[str], bool]) -> Imported:
    columns, notes, whole = found
    if not columns:
        raise SpecInvalid(
            f"{what} describes no columns",
            hint="a schema of one row is wanted: an object with properties",
        )
    return Imported(source=Path(what).name, columns=columns, notes=tuple(notes), whole=whole)


def _neighbour(path: Path) -> str:
    there = [file.name for file in path.parent.iterdir()] if path.parent.is_dir() else []
    return did_you_mean(path.name, there)


def _names(
    imported: Imported,
    guessed: Mapping[str, Any],
    rows: Batch,
    *,
    fixed: bool,
    targets: Sequence[str],
    notes: list[str],
) -> list[str]:
    """Return the columns of the merged schema, in order."""
    for name in imported.columns:
        if name in targets:
            notes.append(f"{name}: it is predicted, so it is no input")
        elif name not in rows.names:
            notes.append(f"{name}: the training data have no such column; left out")
        elif fixed and name not in guessed:
            notes.append(f"{name}: the model does not take it; left out")
    if fixed:
        return list(guessed)
    known = [name for name in imported.columns if name in rows.names]
    rest = [name for name in guessed if name not in known]
    if imported.whole:
        notes += [f"{name}: a column of the data that the schema lacks; left out" for name in rest]
        return known
    return [*known, *rest]


def _merged(
    said: Mapping[str, Any], guess: Mapping[str, Any], source: str
) -> tuple[dict[str, Any], str]:
    """Return what is *said* of a column, completed by the *guess*, and what was added."""
    merged = {key: value for key, value in said.items() if key not in _ABOUT}
    kind, guessed_kind = _kind(merged), _kind(guess)
    added: list[str] = []
    if not kind and guess:
        merged["type"] = guess["type"]
        kind = guessed_kind
        added.append("type")
    numbers = ("number", "integer")
    if kind in numbers and guessed_kind in numbers and _open_ended(merged):
        added += _add_bounds(merged, guess)
    elif kind == guessed_kind == "string" and not _OF_TEXT & set(merged):
        for key in ("enum", "pattern", "format", "formatMinimum", "formatMaximum"):
            if key in guess:
                merged[key] = _nulls_as(merged, guess[key]) if key == "enum" else guess[key]
                added.append(key)
        if "x-harness-open" not in merged and "x-harness-open" in guess:
            merged["x-harness-open"] = guess["x-harness-open"]
            added.append("an open category")
        if "examples" in guess:
            merged.setdefault("examples", guess["examples"])
    elif merged.get("format") and merged.get("format") == guess.get("format"):
        for key in ("formatMinimum", "formatMaximum"):
            if key in guess and key not in merged:
                merged[key] = guess[key]
                added.append(key)
    about = {"type": merged.pop("type")} if "type" in merged else {}
    about["description"] = said.get("description") or said.get("title") or _held(guess)
    comment = [str(said["$comment"])] if said.get("$comment") else [f"from {source}"]
    if added:
        comment.append(f"guess, from the data: {', '.join(added)}")
    about["$comment"] = "; ".join(comment)
    return {**{k: v for k, v in about.items() if v}, **merged}, ", ".join(added)


def _kind(described: Mapping[str, Any]) -> str:
    types = described.get("type", [])
    listed = [types] if isinstance(types, str) else [t for t in types if t != "null"]
    return str(listed[0]) if len(listed) == 1 else ""


def _open_ended(described: Mapping[str, Any]) -> bool:
    """Return whether numbers are unbounded at an end, or bounded by nothing but their own type."""
    if "enum" in described or "const" in described:
        return False
    low = described.get("minimum", described.get("exclusiveMinimum"))
    high = described.get("maximum", described.get("exclusiveMaximum"))
    return low is None or high is None or (high > 2e9 and low < -2e9)


def _add_bounds(described: dict[str, Any], guess: Mapping[str, Any]) -> list[str]:
    """Bound *described* by the *guess* where it says nothing; return the words for it."""
    values = [value for value in guess.get("enum", ()) if value is not None]
    ends = {
        "minimum": guess.get("minimum", min(values, default=None)),
        "maximum": guess.get("maximum", max(values, default=None)),
    }
    added = []
    for end, limit in ends.items():
        exclusive = f"exclusive{end.capitalize()}"
        held = described.get(end, described.get(exclusive))
        if limit is None or (held is not None and abs(held) < 2e9):
            continue
        other = "maximum" if end == "minimum" else "minimum"
        opposite = described.get(other, described.get(f"exclusive{other.capitalize()}"))
        if opposite is not None and (limit - opposite) * (1 if end == "maximum" else -1) <= 0:
            continue
        described.pop(exclusive, None)
        described[end] = limit
        added.append(end)
    return added


def _nulls_as(described: Mapping[str, Any], values: Sequence[Any]) -> list[Any]:
    found = [value for value in values if value is not None]
    return [*found, None] if "null" in described.get("type", ()) else found


def _held(guess: Mapping[str, Any]) -> str:
    """Return what the data hold, without the guess."""
    return str(guess.get("description", "")).partition("; guess: ")[0]


def _problem(name: str, described: Mapping[str, Any]) -> str:
    """Return why a contract can't use *described*; empty where it can."""
    try:
        domains({"type": "object", "properties": {name: described}})
    except SpecInvalid as invalid:
        lines = invalid.message.splitlines()[1:] or [invalid.message]
        return "; ".join(line.strip().removeprefix(f"properties.{name}") for line in lines).strip()
    return ""


def _contradicted(name: str, described: Mapping[str, Any], rows: Batch) -> list[str]:
    if name not in rows.names:
        return []
    (domain,) = domains({"type": "object", "properties": {name: described}})
    fine = admits(domain, rows[name])
    if fine.all():
        return []
    return [f"{name}: {int((~fine).sum())} of {rows.rows} training rows hold what it doesn't admit"]


def _assumed(
    drafted: Draft, told: Mapping[str, str], properties: Mapping[str, Any]
) -> tuple[str, ...]:
    """Return the draft's assumptions, those about imported columns replaced."""
    before = list(drafted.assumptions)
    found = []
    for name in properties:
        mine = [line for line in before if line.startswith(f"{name}: ")]
        before = [line for line in before if line not in mine]
        found += [f"{name}: {told[name]}"] if name in told else mine
    gone = [f"{name}: " for name in drafted.contract.inputs["properties"] if name not in properties]
    return (*found, *(line for line in before if not line.startswith(tuple(gone))))
