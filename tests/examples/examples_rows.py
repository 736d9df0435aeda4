"""Rows that a schema admits, made up: what the examples' models are tried on without their data."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

OPEN = {"dest": ["IAH", "MIA", "ATL", "ORD"], "island": ["Biscoe", "Dream", "Torgersen"]}
PLAUSIBLE = {
    "dep_delay": (-30, 60),
    "distance": (100, 3000),
    "minutes_lost": (-30, 40),
    "bill_length_mm": (32, 60),
    "bill_depth_mm": (13, 22),
    "flipper_length_mm": (170, 235),
    "body_mass_g": (2700, 6300),
}
"""Where the real data lie, so that a model has something to learn; other columns: their bounds."""


@dataclass(frozen=True)
class Example:
    """One example's copy: its *folder*, its *model* module, its target and labels."""

    name: str
    folder: Path
    model: ModuleType
    target: str

    @property
    def schema(self) -> dict[str, dict[str, Any]]:
        """The columns as declared."""
        text = (self.folder / "inputs.schema.json").read_text(encoding="utf-8")
        return dict(json.loads(text)["properties"])

    def rows(self, count: int, *, seed: int = 0) -> pd.DataFrame:
        """Return plausible rows, a tenth of the nullable cells missing, and their target."""
        drawn = np.random.default_rng(seed)
        frame = pd.DataFrame({n: _column(n, s, count, drawn) for n, s in self.schema.items()})
        if self.target == "late":
            late = frame["dep_delay"] + drawn.normal(0, 20, count) > 15
            frame["late"] = np.where(late, "late", "on_time")
        else:
            home = frame["island"].map({"Biscoe": 0, "Dream": 5, "Torgersen": -5})
            long = frame["bill_length_mm"].fillna(45) + home + drawn.normal(0, 2, count)
            frame["species"] = np.array(self.model.LABELS)[np.digitize(long, [41, 50])]
        return frame

    def edges(self) -> pd.DataFrame:
        """Return VALID rows at the edges: in each, one column at one end of what it may hold."""
        plain = {name: _plain(said) for name, said in self.schema.items()}
        return pd.DataFrame(
            [
                {**plain, name: value}
                for name, said in self.schema.items()
                for value in _extremes(said)
            ],
            dtype=object,
        )

    def fitted(self, artifact: Path, *, train: str = "train", seed: int = 0) -> Any:
        """Return the model that *train* makes of 600 made-up rows."""
        data = artifact.with_suffix(".parquet")
        self.rows(600).to_parquet(data)
        getattr(self.model, train)(data, artifact, seed)
        return self.model.load(artifact)


def _column(name: str, said: dict[str, Any], count: int, drawn: np.random.Generator) -> Any:
    if "string" in said["type"]:
        known = OPEN.get(name) or [v for v in said.get("enum", ["N1", "N2"]) if v is not None]
        values = pd.Series(drawn.choice(known, count), dtype="str")
    else:
        low, high = PLAUSIBLE.get(name, (said["minimum"], said["maximum"]))
        numbers = drawn.uniform(low, high, count)
        whole = "integer" in said["type"]
        values = pd.Series(numbers.round(0 if whole else 1)).astype("int64" if whole else "float64")
    if "null" in said["type"]:
        values[drawn.random(count) < 0.1] = None
    return values


def _plain(said: dict[str, Any]) -> Any:
    if "string" in said["type"]:
        return said.get("enum", ["IAH"])[0]
    return (said["minimum"] + said["maximum"]) // 2


def _extremes(said: dict[str, Any]) -> list[Any]:
    missing = [None, np.nan, pd.NaT, pd.NA] if "null" in said["type"] else []
    if "enum" in said:
        return [*(v for v in said["enum"] if v is not None), *missing]
    if "string" in said["type"]:
        return ["", " ", "ß", "A\u030a", "\x00", "\U0001f427" * 50, "12,5", "nan", *missing]
    low, high = said["minimum"], said["maximum"]
    if "integer" in said["type"]:
        return [low, high, float(low), *missing]
    inside = [float(low), float(high), np.nextafter(low, np.inf), np.nextafter(high, -np.inf)]
    return [*inside, *(5e-324 for _ in [0] if low <= 0), *missing]
