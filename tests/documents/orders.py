"""A model of orders, which are nested documents: healthy, or with one planted bug."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["customer", "items"],
    "properties": {
        "customer": {"$ref": "#/$defs/customer"},
        "items": {
            "type": "array",
            "maxItems": 20,
            "items": {
                "type": "object",
                "required": ["price", "count"],
                "properties": {
                    "price": {"type": "number", "minimum": 0, "maximum": 1e6},
                    "count": {"type": "integer", "minimum": 1, "maximum": 1000},
                },
            },
        },
        "coupon": {"type": ["string", "null"]},
    },
    "$defs": {
        "customer": {
            "type": "object",
            "required": ["age"],
            "properties": {
                "age": {"type": "integer", "minimum": 0, "maximum": 150},
                "plan": {"enum": ["basic", "gold"]},
            },
        }
    },
}
LABELS = ("fine", "fraud")
Bug = Callable[[dict[str, Any], float], float]


def orders(count: int = 60) -> list[dict[str, Any]]:
    """Ordinary orders."""
    draw = random.Random(7)
    made = []
    for _ in range(count):
        items = [
            {"price": round(draw.lognormvariate(3, 1), 2), "count": draw.randint(1, 5)}
            for _ in range(draw.randint(1, 4))
        ]
        order: dict[str, Any] = {"customer": {"age": draw.randint(18, 90)}, "items": items}
        if draw.random() < 0.6:
            order["customer"]["plan"] = draw.choice(["basic", "gold"])
        if draw.random() < 0.5:
            order["coupon"] = draw.choice(["SPRING", "SUMMER", None])
        made.append(order)
    return made


class Model:
    """Answers orders; *bug* changes a probability, or raises."""

    def __init__(self, bug: Bug = lambda order, chance: chance) -> None:
        self.bug = bug

    def predict_proba(self, documents: list[Any]) -> list[list[float]]:
        chances = [self.bug(order, _chance(order)) for order in documents]
        return [[1 - chance, chance] for chance in chances]


def _chance(order: Any) -> float:
    if not isinstance(order, dict) or not isinstance(order["items"], list):
        raise ValueError("no order")
    customer = order["customer"]
    age, plan = _number(customer["age"]), customer.get("plan", "basic")
    if not 0 <= age <= 150 or age != int(age) or plan not in ("basic", "gold"):
        raise ValueError("no such customer")
    if not isinstance(order.get("coupon", ""), str | None):
        raise ValueError("no such coupon")
    total = sum(_number(item["price"]) * _number(item["count"]) for item in order["items"])
    score = math.log1p(abs(total)) - 5 + 0.01 * age - (plan == "gold")
    return 1 / (1 + math.exp(-score))


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("not a number")
    return value


def project(folder: Path, code: str, *, schema: Mapping[str, Any] = SCHEMA) -> Path:
    """Write a model repository whose module is *code*, with training data and a schema."""
    (folder / "data").mkdir(parents=True)
    (folder / "artifact").mkdir()
    lines = [json.dumps({**order, "label": "fine"}) for order in orders()]
    (folder / "data" / "train.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "inputs.schema.json").write_text(json.dumps(schema))
    (folder / "shop.py").write_text(code)
    (folder / "harness.toml").write_text(
        """
[model]
name = "orders"
input = "documents"
load = "shop:load"

[data]
train = "data/train.jsonl"
target = "label"

[contract]
inputs = "inputs.schema.json"
outputs = { kind = "probabilities", labels = ["fine", "fraud"] }
"""
    )
    return folder
