"""Thresholds of the trees in boosters and ONNX files, by the column that they split.

Formats: xgboost's JSON model schema (its docs, "Introduction to Model IO"), lightgbm's text model
(``split_feature``, ``threshold`` and ``decision_type`` of each tree; bit 0 of the last marks a
categorical split), ONNX ``ai.onnx.ml`` TreeEnsembleClassifier and TreeEnsembleRegressor
(``nodes_values``, ``nodes_modes``).
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

LARGEST = 64 << 20
"""Bytes of a model that are looked through."""


def of_xgboost(booster: Any) -> Iterator[tuple[int, float]]:
    """Yield column number and threshold of each numeric split of an xgboost Booster."""
    raw = bytes(booster.save_raw("json"))
    if len(raw) > LARGEST:
        return
    gradient = json.loads(raw)["learner"]["gradient_booster"]
    trees = (gradient.get("gbtree") or gradient).get("model", {}).get("trees") or ()  # dart
    for tree in trees:
        kinds = tree.get("split_type") or [0] * len(tree["left_children"])
        found = zip(
            tree["split_indices"],
            tree["split_conditions"],
            tree["left_children"],
            kinds,
            strict=True,
        )
        yield from (
            (int(column), float(number))
            for column, number, left, kind in found
            if left != -1 and not kind
        )


def of_lightgbm(booster: Any) -> Iterator[tuple[int, float]]:
    """Yield column number and threshold of each numeric split of a lightgbm Booster."""
    text = booster.model_to_string()
    if len(text) > LARGEST:
        return
    for tree in text.split("\nTree=")[1:]:
        said = dict(line.split("=", 1) for line in tree.splitlines() if "=" in line)
        columns = said.get("split_feature", "").split()
        numbers = said.get("threshold", "").split()
        kinds = said.get("decision_type", "").split()
        for column, number, kind in zip(columns, numbers, kinds, strict=False):
            if not int(kind) & 1:
                yield int(column), float(number)


def of_onnx(path: Path) -> Iterator[float]:
    """Yield the thresholds of an ONNX file's trees; none without the ``onnx`` package."""
    try:
        onnx = importlib.import_module("onnx")
    except ImportError:
        return
    if path.stat().st_size > LARGEST:
        return
    for node in onnx.load(str(path), load_external_data=False).graph.node:
        if not node.op_type.startswith("TreeEnsemble"):
            continue
        held = {attribute.name: attribute for attribute in node.attribute}
        if "nodes_values" in held and "nodes_modes" in held:
            yield from _branches(held["nodes_values"].floats, held["nodes_modes"].strings)


def _branches(values: Sequence[float], modes: Sequence[bytes]) -> Iterator[float]:
    for value, mode in zip(values, modes, strict=False):
        if mode != b"LEAF":
            yield float(value)
