"""Columns whose type JSON has no word for: moments, categories, integers with gaps. A server gives
them to the model as the training data hold them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import line_repository
import numpy as np
import pandas as pd
from line_command import Command

MODEL = '''"""Whether a visitor buys, from when they came and what they have."""

import json

import numpy as np
import pandas as pd


class Buys:
    def predict_proba(self, visits):
        if not pd.api.types.is_datetime64_any_dtype(visits["at"]):
            raise ValueError("at holds no moments")
        at, plan = visits["at"].dt.hour.to_numpy(float), visits["plan"].astype(object)
        number = visits["number"].astype("Float64").fillna(0).to_numpy(float)
        known = plan.isin(["free", "pro", "team"]).all()
        if np.isnan(at).any() or not np.isfinite(number).all() or not known:
            raise ValueError("no visit")
        score = 0.3 * (at - 12) + 2 * (plan == "pro").to_numpy(float) + 0.1 * number - 0.5
        one = 0.5 * (1 + np.tanh(0.5 * score))
        return np.column_stack([1 - one, one])

    def predict(self, visits):
        return self.predict_proba(visits).argmax(axis=1)


def load(artifact):
    return Buys()


def train(data, artifact, seed):
    (artifact / "trained").write_text("nothing is learnt")
'''
SCHEMA = {
    "type": "object",
    "required": ["at", "plan", "number"],
    "properties": {
        "at": {
            "type": "string",
            "format": "date-time",
            "formatMinimum": "2020-01-01T00:00:00Z",
            "formatMaximum": "2030-01-01T00:00:00Z",
        },
        "plan": {"type": "string", "enum": ["free", "pro", "team"]},
        "number": {"type": ["integer", "null"], "minimum": 0, "maximum": 100},
    },
}


def rows(count: int, seed: int) -> pd.DataFrame:
    """Return visits as Parquet keeps them: datetime64, category, Int64."""
    drawn = np.random.default_rng(seed)
    seconds = pd.to_timedelta(drawn.integers(0, 90 * 86400, count), unit="s")
    at = pd.Timestamp("2024-01-01") + seconds
    plan = pd.Categorical(drawn.choice(["free", "pro", "team"], count))
    number = pd.array(drawn.integers(0, 10, count), dtype="Int64")
    number[drawn.random(count) < 0.1] = pd.NA
    score = 0.3 * (at.hour.to_numpy() - 12) + 2 * (np.asarray(plan) == "pro")
    bought = (score + drawn.normal(0, 1, count) > 0).astype(int)
    return pd.DataFrame({"at": at, "plan": plan, "number": number, "bought": bought})


def test_the_server_gives_a_model_the_types_that_its_training_data_have(
    harness: Command, tiny: Callable[..., Path]
):
    folder = tiny(edits={".csv": ".parquet"})
    for name, (count, seed) in line_repository.ROWS.items():
        rows(count, seed).to_parquet(folder / "data" / f"{name}.parquet", index=False)
    (folder / "tiny/model.py").write_text(MODEL)
    (folder / "inputs.schema.json").write_text(json.dumps(SCHEMA))
    line_repository.commit(folder, "Moments and categories")

    run = harness("promote", folder, "--output", "json")

    assert 0 == run.code, run.err
    stages = {stage["stage"]: stage["outcome"] for stage in run.body["stages"]}
    assert "passed" == stages["integration"], run.body
    assert "PROMOTE" == run.body["verdict"]
