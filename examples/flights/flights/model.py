"""Whether a flight out of New York arrives 15 minutes late or more, as its doors close.

The declared training is ``train``. The others are its challengers: ``train_best`` knows more
before departure, ``train_worse`` knows less, and ``load_broken`` spoils what ``train`` made.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from flights.inputs import SCHEMA, read

LABELS = ("on_time", "late")
FILE = "model.joblib"


@dataclass(frozen=True)
class Recipe:
    """Which columns a model looks at, and how its trees grow."""

    columns: tuple[str, ...]
    trees: int
    leaves: int = 31
    share_of_columns: float = 0.6


GOOD = Recipe(columns=("dep_delay", "dep_minute", "distance", "carrier", "origin"), trees=100)
BEST = Recipe(
    columns=(
        *GOOD.columns,
        "dest",
        "weekday",
        "arr_minute",
        "scheduled",
        "minutes_lost",
        "precipitation",
        "visibility",
        "wind_speed",
    ),
    trees=150,
)
WORSE = Recipe(columns=("dep_delay",), trees=10, leaves=2, share_of_columns=1.0)


class Punctuality:
    """A fitted model: probabilities of on_time and late for a frame of flights."""

    def __init__(
        self,
        columns: tuple[str, ...],
        known: dict[str, list[str]],
        trees: HistGradientBoostingClassifier,
    ) -> None:
        self.columns = columns
        self.known = known
        self.trees = trees

    def predict_proba(self, flights: pd.DataFrame) -> np.ndarray:
        """Return shape (n, 2), in the order of LABELS. Raises Refused (a ValueError)."""
        features = matrix(read(flights), self.columns, self.known)
        if not len(features):
            return np.empty((0, len(LABELS)))
        return self.trees.predict_proba(features)

    def predict(self, flights: pd.DataFrame) -> np.ndarray:
        """Return the likelier label of each of n flights. Raises Refused (a ValueError)."""
        return np.array(LABELS)[self.predict_proba(flights).argmax(axis=1)]


class Broken(Punctuality):
    """A plausible mistake: beyond the longest delay that training saw, certainty keeps growing."""

    def __init__(self, longest_delay: float, **fitted: Any) -> None:
        super().__init__(**fitted)
        self.longest_delay = longest_delay

    def predict_proba(self, flights: pd.DataFrame) -> np.ndarray:
        """Return what can't be probabilities for delays beyond the longest one."""
        answer = super().predict_proba(flights)
        beyond = read(flights)["dep_delay"] > self.longest_delay
        answer[beyond] = (-0.02, 1.02)
        return answer


def matrix(
    columns: dict[str, np.ndarray], wanted: tuple[str, ...], known: dict[str, list[str]]
) -> np.ndarray:
    """Return float64 of shape (n, len(wanted)): a category as its place in *known*, and NaN for
    what is missing or was not seen in training."""
    # Minutes between the two clocks, each in its own time zone: with dest, the scheduled duration.
    scheduled = (columns["arr_minute"] - columns["dep_minute"]) % 1440
    columns = {**columns, "scheduled": scheduled}
    return np.column_stack(
        [_places(columns[name], known[name]) if name in known else columns[name] for name in wanted]
    )


def _places(values: np.ndarray, known: list[str]) -> np.ndarray:
    places = pd.Index(known, dtype=object).get_indexer(pd.Index(values, dtype=object))
    return np.where(places < 0, np.nan, places)


def train(data: Path, artifact: Path, seed: int) -> None:
    """Fit the model of this repository on the Parquet file *data*; write it below *artifact*."""
    fit(GOOD, data, artifact, seed)


def train_best(data: Path, artifact: Path, seed: int) -> None:
    """The same, and also the destination, the timetable, the weather and the day's winds."""
    fit(BEST, data, artifact, seed)


def train_worse(data: Path, artifact: Path, seed: int) -> None:
    """Ten stumps that look at nothing but the departure delay."""
    fit(WORSE, data, artifact, seed)


def fit(recipe: Recipe, data: Path, artifact: Path, seed: int) -> None:
    """Fit *recipe*; the same file and seed give the same bytes."""
    frame = pd.read_parquet(data)
    columns = read(frame)
    late = (frame["late"] == LABELS[1]).to_numpy(dtype=np.int64)
    known = {
        name: sorted({value for value in columns[name] if value is not None})
        for name in recipe.columns
        if name in SCHEMA and "string" in SCHEMA[name]["type"]
    }
    trees = HistGradientBoostingClassifier(
        max_iter=recipe.trees,
        max_leaf_nodes=recipe.leaves,
        min_samples_leaf=200,
        l2_regularization=10.0,
        max_features=recipe.share_of_columns,
        categorical_features=[name in known for name in recipe.columns],
        # What makes `monotone = { dep_delay = "up" }` true rather than likely.
        monotonic_cst=[int(name == "dep_delay") for name in recipe.columns],
        early_stopping=True,
        random_state=seed,
    )
    # One thread: sums in another order end in other last bits, and cores differ by machine.
    with threadpool_limits(limits=1):
        trees.fit(matrix(columns, recipe.columns, known), late)
    fitted = {
        "recipe": asdict(recipe),
        "known": known,
        "trees": trees,
        "longest_delay": float(columns["dep_delay"].max()),
    }
    artifact.mkdir(parents=True, exist_ok=True)
    joblib.dump(fitted, artifact / FILE)


def load(artifact: Path) -> Punctuality:
    """Return the model that ``train``, ``train_best`` or ``train_worse`` wrote below *artifact*."""
    fitted = joblib.load(artifact / FILE)
    return Punctuality(fitted["recipe"]["columns"], fitted["known"], fitted["trees"])


def load_broken(artifact: Path) -> Broken:
    """Return a model that breaks its contract far outside the training data, to see it caught."""
    fitted = joblib.load(artifact / FILE)
    return Broken(
        longest_delay=fitted["longest_delay"],
        columns=fitted["recipe"]["columns"],
        known=fitted["known"],
        trees=fitted["trees"],
    )
