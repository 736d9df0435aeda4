"""A draft as the text of ``harness.toml``: every table, a comment on each guess.

What only a person can know stands in it commented out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Any

from harness.contract.draft import Draft
from harness.core.errors import SpecInvalid
from harness.spec.project import Model, Outputs

SCHEMA_FILE = "inputs.schema.json"
_COMMENT_AT = 35
_METRICS = {"probabilities": "log_loss", "labels": "accuracy"}


def toml(
    drafted: Draft,
    *,
    model: Model,
    data: PurePath,
    targets: Sequence[str],
    others: Sequence[tuple[str, str]] = (),
    remarks: Sequence[str] = (),
) -> str:
    """Return the text of the ``harness.toml`` for *model*, whose training rows lie in *data*.

    *data* and the model's artifact are relative to the file's folder; *others* are ``dev`` and
    ``holdout`` with their files, where there are any. Raises SpecInvalid for labels that no
    ``harness.toml`` can declare.
    """
    lines = [
        f"# Drafted from {_said(data.as_posix())}. What follows a “guess:” or is commented out",
        f"# wants a person's look; so do the guesses about columns, in {SCHEMA_FILE}.",
        *_tables_of_model(model),
        *_tables_of_data(drafted, data, targets, others, remarks),
        *_success(drafted.contract.outputs),
        *_contract(drafted),
        "",
        "[ledger]",
        _line("location", ".harness/ledger.db"),
        _line("create", "unless-ci", "where CI=true and none is found, promoting stops"),
    ]
    return "\n".join(lines) + "\n"


def _tables_of_model(model: Model) -> Iterator[str]:
    yield from ("", "[environments]")
    yield _line("source", "../envs", "the folder that holds environments")
    yield from ("", "[model]", _line("name", model.name))
    yield _line("environment", "NAME:VERSION", "to build and promote: what it ships in", off=True)
    yield _line("input", model.input, "what predict receives: pandas, numpy or pyarrow")
    if model.load:
        yield _line("load", model.load, "(artifact: Path) -> the model")
    else:
        yield _line("load", "package.model:load", "needed but for known formats", off=True)
    yield _line("train", model.train or "package.model:train", "to promote", off=not model.train)
    yield _line("artifact", model.artifact.as_posix(), "where train writes and load reads")
    yield _line("seed", model.seed)


def _tables_of_data(
    drafted: Draft,
    data: PurePath,
    targets: Sequence[str],
    others: Sequence[tuple[str, str]],
    remarks: Sequence[str],
) -> Iterator[str]:
    yield from ("", "[data]", *(f"# {_said(remark)}" for remark in remarks))
    yield _line("train", data.as_posix())
    given = dict(others)
    for name, why in (("dev", "free to look at"), ("holdout", "to promote: judges, trains nobody")):
        if name in given:
            yield _line(name, given[name], f"guess: by its name; {why}")
        else:
            yield _line(name, f"data/{name}{data.suffix}", why, off=True)
    more = f"with {', '.join(targets[1:])}: outputs.targets" if targets[1:] else ""
    yield _line("target", targets[0], more)
    if drafted.key:
        why = "guess: no value stands twice"
        yield _line("key", list(drafted.key), f"{why}; what makes two rows the same row")
    else:
        yield _line("key", ["id"], "what makes two rows the same; else all columns", off=True)
    for name, why in drafted.left_out:
        yield f"# guess: {_said(name)} is no input ({_said(why)})"
    yield from ("", "# Required to promote: nobody should ship on undocumented data.")
    for name, why in drafted.personal:
        yield f"# guess: {_said(name)} is personal data ({_said(why)})"
    yield "# [data.described]"
    yield _line("collected", "TODO when, like 2013-01..2013-12", off=True)
    yield _line("grain", "TODO what one row is, like one flight", off=True)
    yield _line("source", "TODO where the data come from", off=True)
    seen = "guess: see above" if drafted.personal else "guess: nothing looks like it"
    yield _line("personal_data", bool(drafted.personal), seen, off=True)


def _success(outputs: Outputs) -> Iterator[str]:
    metric = _METRICS.get(outputs.kind)
    if metric is None:
        yield from ("", "# [success] is missing: no metric judges a regression yet.")
    else:
        yield from ("", "[success]")
        choice = "log_loss, brier or accuracy" if metric == "log_loss" else ""
        yield _line("metric", metric, choice)
        yield _line("baseline", "prior")
        yield _line("minimum_gain", 0.0, "“better” means at least this much, in the metric's unit")
        yield _line("policy", "frozen")
        yield _line("error", 0.05)
        yield _line("looks", 40)
    yield from ("", "[guardrails]", _line("artifact_size", "200 MB", off=True))


def _contract(drafted: Draft) -> Iterator[str]:
    contract = drafted.contract
    yield from ("", "[contract]", _line("inputs", SCHEMA_FILE, "every guess has its comment there"))
    outputs: dict[str, Any] = {"kind": contract.outputs.kind}
    if contract.outputs.labels:
        outputs["labels"] = [_label(label) for label in contract.outputs.labels]
        yield "# guess: the labels, in the order of the answer's columns"
    if contract.outputs.targets:
        outputs["targets"] = list(contract.outputs.targets)
    if contract.outputs.positive_only:
        outputs["positive_only"] = True
    for name in ("minimum", "maximum"):
        if (bound := getattr(contract.outputs, name)) is not None:
            outputs[name] = bound
    yield _line("outputs", outputs)
    yield _line("monotone", {_first(drafted, "number"): "up"}, "up or down, for sure?", off=True)
    yield _line("invariant", [_first(drafted, "string")], "no answer depends on it?", off=True)
    if contract.outputs.kind == "probabilities":
        yield _line("calibration", 0.05, "on dev rows, off by that much at most", off=True)
    slices = {_first(drafted, "string"): 0.05}
    yield _line("slices", slices, "on dev rows, that much worse than all at most", off=True)
    yield _line("errors", list(contract.errors), "declared refusals")


def _first(drafted: Draft, kind: str) -> str:
    """Return the first input of a *kind*, as an example; else the first."""
    properties = drafted.contract.inputs["properties"]
    for name, described in properties.items():
        types = described.get("type", [])
        if kind in ([types] if isinstance(types, str) else types):
            return str(name)
    return str(next(iter(properties)))


def _label(label: Any) -> Any:
    if isinstance(label, float) and label.is_integer():
        return int(label)
    if not isinstance(label, str | int):
        raise SpecInvalid(
            f"the label {label!r} can't be declared: labels are text, whole numbers or booleans",
            hint="predict one of these, or declare the outputs by hand",
        )
    return label


def _line(key: str, value: Any, why: str = "", *, off: bool = False) -> str:
    line = f"{'# ' if off else ''}{key} = {_value(value)}"
    return f"{line:<{_COMMENT_AT}} # {_said(why)}" if why else line


def _value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case list():
            return f"[{', '.join(map(_value, value))}]"
        case dict():
            pairs = ", ".join(f"{_key(key)} = {_value(inner)}" for key, inner in value.items())
            return f"{{ {pairs} }}"
    return repr(value)


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _value(key)


def _said(text: str) -> str:
    """Return *text* as a comment may hold it: on one line, without control characters."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
