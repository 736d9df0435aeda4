"""Whether the tables of a ``harness.toml`` agree with each other and with the inputs' schema.

Works on the document as it was read, so that a wrong key elsewhere hides nothing here; a value of
the wrong type is the form's to report, and is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.spec import schema
from harness.spec.document import value_at
from harness.spec.nearest import did_you_mean
from harness.spec.problem import Place, Problem

_OUTPUTS: Place = ("contract", "outputs")
_PART_OF = {
    "probabilities": ("kind", "labels", "positive_only"),
    "labels": ("kind", "labels"),
    "regression": ("kind", "minimum", "maximum", "targets"),
}
_JUDGED_BY = {
    "probabilities": ("log_loss", "brier", "accuracy"),
    "labels": ("accuracy",),
    "regression": (),
}
"""Which metrics can judge which kind of output."""


def disagreements(raw: Mapping[str, Any], inputs: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what contradicts itself in the document *raw*, whose schema of a row is *inputs*."""
    yield from _outputs(raw)
    yield from _metric(raw)
    yield from _files(raw)
    yield from _quality(raw)
    properties = inputs.get("properties")
    if isinstance(properties, dict) and properties:
        yield from _columns(raw, properties)


def _outputs(raw: Mapping[str, Any]) -> Iterator[Problem]:
    outputs = _table(raw, _OUTPUTS)
    kind = _text(raw, (*_OUTPUTS, "kind"))
    if kind not in _PART_OF:
        return
    for key in outputs:
        wanted = [other for other, keys in _PART_OF.items() if key in keys]
        if wanted and kind not in wanted:
            text = f'belongs to kind = "{" or ".join(wanted)}", and the kind is "{kind}"'
            yield Problem(place=(*_OUTPUTS, key), text=text)
    labels = outputs.get("labels")
    if kind in ("probabilities", "labels") and labels is None:
        text = 'missing (the classes in order, like ["on_time", "late"])'
        yield Problem(place=(*_OUTPUTS, "labels"), text=text, kind="missing")
    count = len(labels) if isinstance(labels, list) else 0
    if kind == "probabilities" and outputs.get("positive_only") is True and count > 2:
        text = f"one probability can't tell {count} labels apart"
        yield Problem(place=(*_OUTPUTS, "positive_only"), text=text)
    low, high = outputs.get("minimum"), outputs.get("maximum")
    if isinstance(low, int | float) and isinstance(high, int | float) and low >= high:
        text = f"must be less than maximum = {high}, found {low}"
        yield Problem(place=(*_OUTPUTS, "minimum"), text=text)


def _metric(raw: Mapping[str, Any]) -> Iterator[Problem]:
    metric = _text(raw, ("success", "metric"))
    kind = _text(raw, (*_OUTPUTS, "kind"))
    known = {name for metrics in _JUDGED_BY.values() for name in metrics}
    if kind in _JUDGED_BY and metric in known and metric not in _JUDGED_BY[kind]:
        able = " or ".join(f'"{name}"' for name in _JUDGED_BY[kind])
        yield Problem(
            place=("success", "metric"),
            text=f'"{metric}" can\'t judge outputs of kind "{kind}"; {able} can'
            if able
            else f'a metric for outputs of kind "{kind}" is not built yet',
            kind="wrong" if able else "later",
        )
    if value_at(raw, ("success", "clip")) is not None and metric in known - {"log_loss"}:
        text = f'only "log_loss" is clipped, and the metric is "{metric}"'
        yield Problem(place=("success", "clip"), text=text)


def _files(raw: Mapping[str, Any]) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for key in ("train", "dev", "holdout"):
        named = _text(raw, ("data", key))
        if not named:
            continue
        if named in seen:
            yield Problem(place=("data", key), text=f'"{named}" is data.{seen[named]} too')
        seen.setdefault(named, key)


def _quality(raw: Mapping[str, Any]) -> Iterator[Problem]:
    kind = _text(raw, (*_OUTPUTS, "kind"))
    claimed = {key: value_at(raw, ("contract", key)) for key in ("calibration", "slices")}
    for key, value in claimed.items():
        if value and not _text(raw, ("data", "dev")):
            text = "is judged on dev rows: name their file as data.dev"
            yield Problem(place=("contract", key), text=text)
    if claimed["calibration"] and kind in ("labels", "regression"):
        text = f'belongs to kind = "probabilities", and the kind is "{kind}"'
        yield Problem(place=("contract", "calibration"), text=text)
    if (target := _text(raw, ("data", "target"))) in _table(raw, ("contract", "slices")):
        text = "the target is no slice: name a column that is known beforehand"
        yield Problem(place=("contract", "slices", target), text=text)
    for name, relation in _table(raw, ("contract", "relations")).items():
        expect = value_at(relation, ("expect",))
        if kind == "labels" and expect in ("up", "down"):
            text = f'"{expect}" needs a probability or a number, and the kind is "labels"'
            yield Problem(place=("contract", "relations", name, "expect"), text=text)


def _columns(raw: Mapping[str, Any], properties: Mapping[str, Any]) -> Iterator[Problem]:
    target = _text(raw, ("data", "target"))
    if target in properties:
        text = f'"{target}" is among the inputs: the model would be shown the answer'
        yield Problem(place=("data", "target"), text=text)
    for name in _table(raw, ("contract", "monotone")):
        place: Place = ("contract", "monotone", name)
        column = properties.get(name)
        if name not in properties:
            yield Problem(place=place, text=_no_column(name, properties))
        elif isinstance(column, dict) and schema.kind_of(column) in ("string", "boolean"):
            text = f"a {schema.kind_of(column)} column has no up and down"
            yield Problem(place=place, text=text)
    invariant = value_at(raw, ("contract", "invariant"))
    for position, name in enumerate(invariant if isinstance(invariant, list) else ()):
        if isinstance(name, str) and name and name not in properties:
            place = ("contract", "invariant", position)
            yield Problem(place=place, text=_no_column(name, properties))


def _no_column(name: str, properties: Mapping[str, Any]) -> str:
    return f'no column "{name}" among the inputs{did_you_mean(name, properties)}'


def _table(raw: Mapping[str, Any], place: Place) -> Mapping[str, Any]:
    value = value_at(raw, place)
    return value if isinstance(value, Mapping) else {}


def _text(raw: Mapping[str, Any], place: Place) -> str:
    value = value_at(raw, place)
    return value if isinstance(value, str) else ""
