"""Columns whose type JSON has no word for: moments, categories, integers with gaps, short ones. A
server gives them to the model as the training data hold them, where that can hold them."""

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


KNOWN = ["free", "pro", "team"]


class Buys:
    def predict_proba(self, visits):
        at, plan, number, size = (visits[name] for name in ("at", "plan", "number", "size"))
        if not pd.api.types.is_datetime64_any_dtype(at):
            raise ValueError("at holds no moments")
        if not isinstance(plan.dtype, pd.CategoricalDtype) or list(plan.cat.categories) != KNOWN:
            raise ValueError("plan has other categories")
        if number.dtype != "Int64":
            raise ValueError("number can't hold a gap")
        if size.dtype.kind != "i":
            raise ValueError("size is no integer")
        hour, pro = at.dt.hour.to_numpy(float), plan.cat.codes.to_numpy() == KNOWN.index("pro")
        if np.isnan(hour).any() or plan.isna().any() or size.isna().any():
            raise ValueError("no visit")
        far = (at.dt.year.to_numpy() > 2200) + (size.to_numpy() > 500)
        gaps = number.fillna(0).to_numpy(float)
        score = 0.3 * (hour - 12) + 2 * pro + 0.1 * gaps - 0.5 - far
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
    "required": ["at", "plan", "number", "size"],
    "properties": {
        "at": {
            "type": "string",
            "format": "date-time",
            "formatMinimum": "1500-01-01T00:00:00Z",
            "formatMaximum": "2500-01-01T00:00:00Z",
        },
        "plan": {"type": "string", "enum": ["free", "pro", "team"]},
        "number": {"type": ["integer", "null"], "minimum": 0, "maximum": 100},
        "size": {"type": "integer", "minimum": 0, "maximum": 1000},
    },
}


def rows(count: int, seed: int) -> pd.DataFrame:
    """Return visits as Parquet keeps them: datetime64[ns], category, Int64, int8. The schema
    admits moments and sizes that two of these can't hold."""
    drawn = np.random.default_rng(seed)
    seconds = pd.to_timedelta(drawn.integers(0, 90 * 86400, count), unit="s")
    at = (pd.Timestamp("2024-01-01") + seconds).astype("datetime64[ns]")
    plan = pd.Categorical(drawn.choice(["free", "pro", "team"], count))
    number = pd.array(drawn.integers(0, 10, count), dtype="Int64")
    number[drawn.random(count) < 0.1] = pd.NA
    score = 0.3 * (at.hour.to_numpy() - 12) + 2 * (np.asarray(plan) == "pro")
    bought = (score + drawn.normal(0, 1, count) > 0).astype(int)
    size = drawn.integers(0, 100, count).astype("int8")
    return pd.DataFrame({"at": at, "plan": plan, "number": number, "size": size, "bought": bought})


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


def test_training_data_that_their_trainer_alone_reads_are_no_obstacle(
    harness: Command, tiny: Callable[..., Path]
):
    folder = tiny(edits={"data/train.csv": "data/train.txt"})
    (folder / "data/train.csv").rename(folder / "data/train.txt")
    line_repository.commit(folder, "Data of a form of their own")

    run = harness("train", folder)

    assert 0 == run.code, run.err
