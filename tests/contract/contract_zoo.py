"""Models to check: healthy ones of several kinds, and one with a single planted bug each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from harness.contract.batch import Batch
from harness.contract.claims import Claims, claims_of
from harness.contract.deadline import Worker
from harness.contract.in_process import InProcess
from harness.runtime import adapter
from harness.runtime.outputs import encode_series
from harness.spec.project import Contract, Model, Outputs

NUMBERS = ["age", "income", "balance", "debt", "util", "tenure", "visits", "score"]
TEXTS = ["region", "plan", "channel", "job"]
LABELS = ("bad", "good")
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "income": {"type": ["number", "null"], "minimum": 0, "maximum": 1e9},
        "balance": {"type": "number", "minimum": -1e6, "maximum": 1e9},
        "debt": {"type": "number", "minimum": 0, "maximum": 1e12},
        "util": {"type": "number", "minimum": 0, "maximum": 1},
        "tenure": {"type": "integer", "minimum": 0, "maximum": 600},
        "visits": {"type": "integer", "minimum": 0, "maximum": 10000},
        "score": {"type": "number", "minimum": 300, "maximum": 850},
        "region": {"type": "string", "enum": ["north", "south", "east", "west"]},
        "plan": {"type": "string", "x-harness-open": True},
        "channel": {"type": ["string", "null"], "x-harness-open": True},
        "job": {"type": "string", "x-harness-open": True},
        "active": {"type": "boolean"},
        "signup": {"type": "string", "format": "date"},
    },
}


@cache
def customers(rows: int = 2000) -> pd.DataFrame:
    """Training rows of 14 mixed columns, and whether the customer is good."""
    draw = np.random.default_rng(7)
    frame = pd.DataFrame(
        {
            "age": draw.integers(18, 90, rows),
            "income": np.round(draw.lognormal(10.5, 0.5, rows), 2),
            "balance": np.round(draw.normal(2000, 900, rows), 2).clip(-900),
            "debt": np.round(draw.gamma(2.0, 4000, rows), 2),
            "util": np.round(draw.beta(2, 5, rows), 3),
            "tenure": draw.integers(0, 240, rows),
            "visits": draw.integers(0, 60, rows),
            "score": np.round(draw.uniform(400, 800, rows), 1),
            "region": draw.choice(["north", "south", "east", "west"], rows),
            "plan": draw.choice(["basic", "silver", "gold"], rows, p=[0.5, 0.3, 0.2]),
            "channel": draw.choice(["web", "shop", "phone"], rows),
            "job": draw.choice(["nurse", "clerk", "eng", "none"], rows),
            "active": draw.random(rows) < 0.7,
            "signup": [
                f"20{y:02d}-{m:02d}-{d:02d}"
                for y, m, d in zip(
                    draw.integers(5, 24, rows),
                    draw.integers(1, 13, rows),
                    draw.integers(1, 29, rows),
                    strict=True,
                )
            ],
        }
    )
    frame.loc[draw.random(rows) < 0.05, "income"] = np.nan
    frame.loc[draw.random(rows) < 0.03, "channel"] = None
    chance = 1 / (1 + np.exp(-(frame["score"] - 600) / 80 + frame["util"] * 2))
    frame["good"] = np.where(draw.random(rows) < chance, "good", "bad")
    return frame


def inputs() -> pd.DataFrame:
    """Training rows without what is predicted."""
    return customers().drop(columns="good")


def batch_of(frame: pd.DataFrame) -> Batch:
    """A frame as the rows that a contract is given."""
    return Batch.from_columns([encode_series(str(name), frame[name]) for name in frame.columns])


def columns() -> ColumnTransformer:
    """How the 14 columns become numbers; the date is left out."""
    strict = OneHotEncoder(handle_unknown="error", sparse_output=False)
    loose = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), NUMBERS),
            ("region", strict, ["region"]),
            ("texts", loose, ["plan", "channel", "job"]),
            ("active", "passthrough", ["active"]),
        ]
    )


FEW = ["age", "income", "region", "plan"]


def few_columns() -> ColumnTransformer:
    """Four of them, for trees: missing numbers as they are, categories as numbers."""
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    strict = OneHotEncoder(handle_unknown="error", sparse_output=False)
    return ColumnTransformer(
        [
            ("numbers", "passthrough", ["age", "income"]),
            ("region", strict, ["region"]),
            ("plan", codes, ["plan"]),
        ]
    )


FEW_SCHEMA = {**SCHEMA, "properties": {name: SCHEMA["properties"][name] for name in FEW}}


@cache
def logistic() -> Any:
    """The pipeline that most repositories hold."""
    return make_pipeline(columns(), LogisticRegression(max_iter=500)).fit(
        inputs(), customers()["good"]
    )


@cache
def boosted() -> Any:
    """Trees that take missing numbers as they are."""
    trees = HistGradientBoostingClassifier(max_iter=10, random_state=0)
    return make_pipeline(few_columns(), trees).fit(inputs()[FEW], customers()["good"])


@cache
def valuer() -> Any:
    """Predicts the debt's logarithm."""
    trees = HistGradientBoostingRegressor(max_iter=10, random_state=0)
    target = np.log1p(customers()["debt"])
    return make_pipeline(few_columns(), trees).fit(inputs()[FEW], target)


def claims(**changes: Any) -> Claims:
    """The claims of the 14-column classifier; *changes* replace parts of its contract."""
    made = {"inputs": SCHEMA, "outputs": Outputs(kind="probabilities", labels=LABELS), **changes}
    kind = made.pop("input", "pandas")
    return claims_of(Model(name="customers", input=kind), Contract(**made))


def opened(
    model: Any, *, outputs: str = "probabilities", kind: str = "pandas", folder: Path | None = None
) -> InProcess:
    """*model* behind the door that ``harness check`` uses."""
    methods = adapter.methods(model, {"kind": outputs})
    return InProcess(model, methods, kind=kind, folder=folder or Path.cwd(), worker=Worker())


class Wrapped:
    """A healthy model around the pipeline; a mutant overrides one step."""

    def __init__(self) -> None:
        self.inner = logistic()

    def predict_proba(self, frame: pd.DataFrame) -> Any:
        if len(frame) == 0:
            return np.zeros((0, 2))
        return self.after(frame, self.inner.predict_proba(self.before(frame)))

    def predict(self, frame: pd.DataFrame) -> Any:
        return np.array(LABELS)[self.predict_proba(frame).argmax(axis=1)]

    def before(self, frame: pd.DataFrame) -> pd.DataFrame:
        return frame

    def after(self, frame: pd.DataFrame, found: np.ndarray) -> Any:
        return found


class TooSure(Wrapped):
    """B01: p > 1 for a huge income."""

    def after(self, frame, found):
        found[frame["income"].to_numpy() > 1e7, 1] = 1.02
        return found


class StrictPlan(Wrapped):
    """B02: a plan that it doesn't know is an error."""

    def before(self, frame):
        unknown = set(frame["plan"]) - {"basic", "silver", "gold"}
        if unknown:
            raise KeyError(f"{len(unknown)} plans are unknown")
        return frame


class Overdrawn(Wrapped):
    """B03: NaN for a balance below -1001."""

    def after(self, frame, found):
        found[frame["balance"].to_numpy() < -1001] = np.nan
        return found


class Squeezed(Wrapped):
    """B04: one row loses a dimension."""

    def after(self, frame, found):
        return np.squeeze(found)

    def predict(self, frame):
        return np.array(LABELS)[np.atleast_2d(self.predict_proba(frame)).argmax(axis=-1)]


class Corner(Wrapped):
    """B05: a label nobody claimed, in a corner of three columns."""

    def predict(self, frame):
        found = super().predict(frame).astype(object)
        odd = (frame["age"] < 18) & (frame["region"] == "north") & (frame["plan"] == "gold")
        found[odd.to_numpy()] = "minor"
        return found


class BatchNormal(Wrapped):
    """B06: a column is centred with the batch's own mean."""

    def before(self, frame):
        return frame.assign(score=frame["score"] - frame["score"].mean() + 600)


class Mutating(Wrapped):
    """B07: fills the caller's frame."""

    def before(self, frame):
        frame["income"] = frame["income"].fillna(0.0)
        return frame


class ByPosition(Wrapped):
    """B08: takes columns by position."""

    def before(self, frame):
        return frame.set_axis(list(inputs().columns), axis=1)


class Narrow(Wrapped):
    """B09: squares debt in float32, which overflows from 2**32 on... to infinity, then NaN."""

    def after(self, frame, found):
        with np.errstate(all="ignore"):
            wide = np.square(np.square(frame["debt"].to_numpy(np.float32)))
            found = found + (wide - wide)[:, None]
        return found


class SharedState(Wrapped):
    """B10: keeps the batch on itself between two steps."""

    def __init__(self) -> None:
        super().__init__()
        self.frame = None
        self.turn = threading.Event()

    def predict_proba(self, frame):
        if len(frame) == 0:
            return np.zeros((0, 2))
        self.frame = frame
        self.turn.wait(0.002)
        return self.inner.predict_proba(self.frame)


class NoEmpty(Wrapped):
    """B11: looks at the first row, also where there is none."""

    def predict_proba(self, frame):
        frame.iloc[0]
        return super().predict_proba(frame)


class FilledForward(Wrapped):
    """B12: a missing income is that of the row before."""

    def before(self, frame):
        return frame.assign(income=frame["income"].ffill())


class TypeMatters(Wrapped):
    """B13: whole visits that come as floats count for half."""

    def before(self, frame):
        if frame["visits"].dtype.kind == "f":
            return frame.assign(score=frame["score"] - 60)
        return frame


class HalfSum(Wrapped):
    """B14: the sum is 0.5 in a corner of four columns."""

    def after(self, frame, found):
        odd = (
            (frame["util"] > 0.9)
            & (frame["visits"] == 0)
            & (frame["job"] == "eng")
            & (frame["channel"] == "web")
        )
        found[odd.to_numpy()] = 0.25
        return found


MUTANTS: list[tuple[type[Wrapped], str, tuple[str, ...]]] = [
    (TooSure, "probabilities-lie-between-zero-and-one", ("income",)),
    (StrictPlan, "unseen-values-in-open-columns-are-answered", ("plan",)),
    (Overdrawn, "probabilities-are-finite", ("balance",)),
    (Squeezed, "one-row", ()),
    (Corner, "labels-are-claimed-ones", ("age", "region", "plan")),
    (BatchNormal, "batch-equals-single", ()),
    (Mutating, "the-input-is-left-alone", ("income",)),
    (ByPosition, "column-order-does-not-matter", ()),
    (Narrow, "probabilities-are-finite", ("debt",)),
    (SharedState, "threads-get-the-same-answers", ()),
    (NoEmpty, "empty-batch", ()),
    (FilledForward, "batch-equals-single", ("income",)),
    (TypeMatters, "int-or-float-does-not-matter", ("visits",)),
    (HalfSum, "probabilities-sum-to-one", ("util", "visits", "channel", "job")),
]

Healthy = tuple[str, Callable[[], Any], dict[str, Any]]


class Handmade:
    """A plain formula over a numpy matrix; one probability."""

    def __call__(self, matrix: np.ndarray) -> np.ndarray:
        wide = np.asarray(matrix, float)
        if wide.shape[1] != 2:
            raise ValueError("two columns are needed")
        if not np.isfinite(wide).all():
            raise ValueError("numbers must be finite")
        return 1 / (1 + np.exp(-np.clip(wide[:, 0] * 0.01 - wide[:, 1] * 0.1, -50, 50)))


NUMERIC_SCHEMA = {
    "type": "object",
    "properties": {
        "score": {"type": "number", "minimum": 300, "maximum": 850},
        "visits": {"type": "integer", "minimum": 0, "maximum": 10000},
    },
}


def arrow_labels(table: Any) -> list[str]:
    """String labels from a pyarrow table, by a rule."""
    scores = table.column("score").to_pylist()
    if any(not isinstance(s, int | float) for s in scores):
        raise TypeError("score must be a number")
    return ["good" if score > 600 else "bad" for score in scores]


def linear(frame: pd.DataFrame) -> pd.Series:
    """One number from a frame, as a Series."""
    columns = ["score", "visits"]
    wide = frame[columns].to_numpy(float)
    if not np.isfinite(wide).all():
        raise ValueError("numbers must be finite")
    return pd.Series(wide @ np.array([0.5, 2.0]), index=frame.index)


def framed(frame: pd.DataFrame) -> pd.DataFrame:
    """Probabilities as a frame with the labels as its column names."""
    found = boosted().predict_proba(frame) if len(frame) else np.zeros((0, 2))
    return pd.DataFrame(found, columns=list(LABELS), index=frame.index)


def bare_numbers() -> Any:
    """A scikit-learn estimator on a numpy matrix, integer labels."""
    frame = customers()
    model = make_pipeline(StandardScaler(), LogisticRegression())
    return model.fit(frame[["score", "visits"]].to_numpy(), (frame["good"] == "good").astype(int))


ONE = Outputs(kind="probabilities", labels=LABELS, positive_only=True)
HEALTHY: list[Healthy] = [
    ("logistic", logistic, {}),
    ("boosted", boosted, {"inputs": FEW_SCHEMA}),
    ("frame-of-probabilities", lambda: framed, {"inputs": FEW_SCHEMA}),
    (
        "labels-of-boosted",
        boosted,
        {"inputs": FEW_SCHEMA, "outputs": Outputs(kind="labels", labels=LABELS)},
    ),
    ("regression", valuer, {"inputs": FEW_SCHEMA, "outputs": Outputs(kind="regression")}),
    ("numpy-formula", Handmade, {"inputs": NUMERIC_SCHEMA, "outputs": ONE, "input": "numpy"}),
    (
        "numpy-estimator",
        bare_numbers,
        {
            "inputs": NUMERIC_SCHEMA,
            "outputs": Outputs(kind="probabilities", labels=(0, 1)),
            "input": "numpy",
        },
    ),
    (
        "arrow-labels",
        lambda: arrow_labels,
        {
            "inputs": NUMERIC_SCHEMA,
            "outputs": Outputs(kind="labels", labels=LABELS),
            "input": "pyarrow",
        },
    ),
    (
        "series-of-values",
        lambda: linear,
        {
            "inputs": NUMERIC_SCHEMA,
            "outputs": Outputs(kind="regression", minimum=0.0),
            "monotone": {"score": "up", "visits": "up"},
        },
    ),
]


def outputs_of(changes: dict[str, Any]) -> str:
    """The kind of outputs that *changes* to the usual contract claim."""
    return changes["outputs"].kind if "outputs" in changes else "probabilities"


def names(found: Sequence[Any]) -> list[str]:
    """The ids of some outcomes."""
    return [outcome.id for outcome in found]
