"""How fast the whole loop is, against the bare predict calls on the same rows, in one run.

    python benchmarks/contract/speed.py [--rows 10000000] [--seconds 60]

The model is a logistic regression behind a column transformer, over 14 mixed columns: eight
numbers, an integer, a boolean, three categories and a date's day of the year. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from harness.contract import rows as made
from harness.contract.check import prepare
from harness.contract.checks.catalogue import checks_for
from harness.contract.promise import Settings
from harness.contract.run import examine, open_trial, report
from harness.runtime import adapter
from harness.spec import parse

NUMBERS = ["income", "balance", "debt", "age", "score", "util", "tenure", "limit"]
WORDS = {
    "region": ["north", "south", "east", "west"],
    "plan": ["basic", "silver", "gold"],
    "channel": ["web", "phone", "branch", "agent", "mail"],
}
PROJECT = """
[model]
name = "speed"
artifact = "model.joblib"

[data]
train = "train.parquet"
target = "bad"

[contract]
inputs = "inputs.schema.json"
outputs = { kind = "probabilities", labels = [0, 1] }
"""


def training(rows: int, seed: int = 0) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame({name: draw.normal(50, 20, rows) for name in NUMBERS})
    frame["visits"] = draw.integers(0, 40, rows)
    frame["member"] = draw.random(rows) < 0.4
    frame["day"] = draw.integers(1, 366, rows)
    for name, words in WORDS.items():
        frame[name] = pd.Series(draw.choice(words, rows))
    late = frame["util"] + 5 * (frame["plan"] == "gold") + draw.normal(0, 10, rows) > 55
    return frame.assign(bad=late.astype(int))


def project(folder: Path) -> None:
    frame = training(5000)
    columns = [*NUMBERS, "visits", "member", "day"]
    steps = ColumnTransformer(
        [
            ("numbers", StandardScaler(), columns),
            ("words", OneHotEncoder(handle_unknown="ignore"), list(WORDS)),
        ]
    )
    model = make_pipeline(steps, LogisticRegression(max_iter=1000))
    model.fit(frame.drop(columns="bad"), frame["bad"])
    joblib.dump(model, folder / "model.joblib")
    frame.to_parquet(folder / "train.parquet")
    properties: dict[str, object] = {
        name: {"type": "number", "minimum": -1e6, "maximum": 1e6} for name in NUMBERS
    }
    properties["visits"] = {"type": "integer", "minimum": 0, "maximum": 10_000}
    properties["member"] = {"type": "boolean"}
    properties["day"] = {"type": "integer", "minimum": 1, "maximum": 366}
    properties |= {name: {"type": "string", "x-harness-open": True} for name in WORDS}
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    (folder / "inputs.schema.json").write_text(json.dumps(schema))
    (folder / "harness.toml").write_text(PROJECT)


def bare(folder: Path, plan: made.Plan, rows: int) -> float:
    """Return the seconds that predict_proba and predict alone take for a million rows."""
    model = joblib.load(folder / "model.joblib")
    spent = 0.0
    for start in range(0, rows, 100_000):
        batch = made.make(plan, start, start + 100_000).batch
        frame = adapter.build(batch.to_columns(), kind="pandas")
        began = time.perf_counter()
        model.predict_proba(frame)
        model.predict(frame)
        spent += time.perf_counter() - began
    return spent / rows * 1e6


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        project(folder)
        ready = prepare(parse.project(folder))
        settings = Settings(rows=chosen.rows, seconds=chosen.seconds)
        door = ready.door
        trial = open_trial(
            ready.claims,
            door.model,
            ready.rows,
            settings=settings,
            reopen=door.reopen,
            elsewhere=door.elsewhere,
        )
        before = bare(folder, trial.plan, 500_000)
        outcomes, swept = [], 0.0
        for check in checks_for(ready.claims):
            began = time.perf_counter()
            outcomes.append(examine(trial, check))
            took = time.perf_counter() - began
            if trial.sweep is not None and not swept:
                swept = took
        after = bare(folder, trial.plan, 500_000)
        door.close()
    found = report(trial, outcomes)
    loop = swept / found.rows * 1e6
    alone = (before + after) / 2
    print(
        json.dumps(
            {
                "rows": found.rows,
                "seconds": round(found.seconds, 1),
                "rows_a_second": round(found.rows / swept),
                "microseconds_a_row": {"loop": round(loop, 2), "bare predict": round(alone, 2)},
                "beyond_bare": round(loop / alone - 1, 3),
                "coverage": {t: share for t, share in found.coverage.items()},
                "failed": [(check.id, check.reason) for check in found.failed],
                "notes": found.notes,
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
