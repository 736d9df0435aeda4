"""Which of three species a penguin is, from its measures; a value that is missing is no obstacle.

``train`` is the declared training; ``train_worse`` is a challenger to turn down.
"""

from __future__ import annotations

from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from penguins.inputs import read

MEASURES = ("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g")
ISLANDS = ("Biscoe", "Dream", "Torgersen")
LABELS = ("Adelie", "Chinstrap", "Gentoo")
FILE = "model.joblib"


class Species:
    """A fitted model: probabilities of the three species for a frame of penguins."""

    def __init__(self, pipeline: Pipeline, measured: bool) -> None:
        self.pipeline = pipeline
        self.measured = measured

    def predict_proba(self, penguins: pd.DataFrame) -> np.ndarray:
        """Return shape (n, 3), in the order of LABELS. Raises Refused (a ValueError)."""
        features = matrix(read(penguins), measured=self.measured)
        if not len(features):
            return np.empty((0, len(LABELS)))
        return self.pipeline.predict_proba(features)

    def predict(self, penguins: pd.DataFrame) -> np.ndarray:
        """Return the likeliest species of each of n penguins. Raises Refused (a ValueError)."""
        return np.array(LABELS)[self.predict_proba(penguins).argmax(axis=1)]


def matrix(columns: dict[str, np.ndarray], *, measured: bool) -> np.ndarray:
    """Return float64 of shape (n, features), NaN where missing; an unknown island is none of the
    three."""
    features = [(columns["island"] == island).astype(np.float64) for island in ISLANDS]
    if measured:
        features += [columns[name] for name in MEASURES]
        sex = pd.Series(columns["sex"], dtype=object)
        features.append(sex.map({"female": 0.0, "male": 1.0}).to_numpy(dtype=np.float64))
    return np.column_stack(features)


def train(data: Path, artifact: Path, seed: int) -> None:
    """Fit the model of this repository on the Parquet file *data*; write it below *artifact*."""
    fit(data, artifact, seed, measured=True)


def train_worse(data: Path, artifact: Path, seed: int) -> None:
    """The same without looking at the bird: where it lives, and no more."""
    fit(data, artifact, seed, measured=False)


def fit(data: Path, artifact: Path, seed: int, *, measured: bool) -> None:
    """Fit a logistic regression; the same file gives the same bytes (its solver draws nothing)."""
    frame = pd.read_parquet(data)
    pipeline = make_pipeline(
        SimpleImputer(strategy="median"),
        StandardScaler(),
        LogisticRegression(max_iter=1000, random_state=seed),
    )
    species = frame["species"].map({name: place for place, name in enumerate(LABELS)})
    # One thread: sums in another order end in other last bits, and cores differ by machine.
    with threadpool_limits(limits=1):
        pipeline.fit(matrix(read(frame), measured=measured), species.to_numpy(dtype=np.int64))
    artifact.mkdir(parents=True, exist_ok=True)
    joblib.dump({"pipeline": pipeline, "measured": measured}, artifact / FILE)


def load(artifact: Path) -> Species:
    """Return the model that ``train`` or ``train_worse`` wrote below *artifact*."""
    fitted = joblib.load(artifact / FILE)
    return Species(fitted["pipeline"], fitted["measured"])
