"""Whether a visitor buys: a logistic regression in numpy, quick to train and quick to ask."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

CITIES = ("Ghent", "Lille", "Trier")
FILE = "weights.json"


class Buys:
    """Probabilities of 0 and 1 from the weights of the columns, the constant first."""

    def __init__(self, weights: list[float]) -> None:
        self.weights = np.array(weights)

    def predict_proba(self, visits: pd.DataFrame) -> np.ndarray:
        """Return shape (n, 2). Raises ValueError for rows that the schema doesn't admit."""
        score = matrix(visits) @ self.weights
        one = self.squash(score)
        return np.column_stack([1.0 - one, one])

    def predict(self, visits: pd.DataFrame) -> np.ndarray:
        """Return the likelier of 0 and 1 for each visit."""
        return self.predict_proba(visits).argmax(axis=1)

    @staticmethod
    def squash(score: np.ndarray) -> np.ndarray:
        """Return the logistic function of *score*."""
        return 0.5 * (1.0 + np.tanh(0.5 * score))


class Unbounded(Buys):
    """The same with a straight line in the place of the curve: it leaves [0, 1] far out."""

    @staticmethod
    def squash(score: np.ndarray) -> np.ndarray:
        """Return what is a probability near the training rows only."""
        return 0.5 + 0.02 * score


def matrix(visits: pd.DataFrame) -> np.ndarray:
    """Return float64 of shape (n, 6): a constant, minutes, basket, one column a city."""
    minutes, basket = number(visits["minutes"]), number(visits["basket"])
    if not np.isfinite(minutes).all():
        raise ValueError("minutes: missing or infinite")
    if np.isinf(basket).any():
        raise ValueError("basket: infinite")
    city = visits["city"]
    if city.isna().any() or not all(isinstance(name, str) for name in city):
        raise ValueError("city: missing, or no text")
    known = np.where(np.isnan(basket), 50.0, basket)
    cities = [(city == name).to_numpy(dtype=float) for name in CITIES]
    return np.column_stack([np.ones(len(visits)), minutes - 50.0, known - 50.0, *cities])


def number(column: pd.Series) -> np.ndarray:
    """Return a column of numbers as float64, NaN where missing; raises ValueError for text."""
    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        cells = [None if gone else cell for cell, gone in zip(column, column.isna(), strict=True)]
        if any(isinstance(cell, bool | str | bytes) for cell in cells):
            raise ValueError(f"{column.name}: no number")
        return np.array([np.nan if cell is None else float(cell) for cell in cells], dtype=float)
    return column.to_numpy(dtype=float, na_value=np.nan)


def fit(data: Path, artifact: Path, used: tuple[int, ...], ridge: float = 1.0) -> None:
    """Fit the *used* columns by Newton's method and write the weights, 0 for the others."""
    visits = pd.read_csv(data)
    x, y = matrix(visits)[:, used], visits["bought"].to_numpy(dtype=float)
    weights = np.zeros(len(used))
    for _ in range(8):
        p = Buys.squash(x @ weights)
        slope = x.T @ (p - y) + ridge * weights
        curve = (x * (p * (1 - p))[:, None]).T @ x + ridge * np.eye(len(used))
        weights -= np.linalg.solve(curve, slope)
    found = [0.0] * 6
    for place, weight in zip(used, weights.tolist(), strict=True):
        found[place] = weight
    (artifact / FILE).write_text(json.dumps(found))


def train(data: Path, artifact: Path, seed: int) -> None:
    """The declared training: minutes and nothing else."""
    fit(data, artifact, (0, 1))


def train_best(data: Path, artifact: Path, seed: int) -> None:
    """All that is known of a visit."""
    fit(data, artifact, (0, 1, 2, 3, 4, 5))


def train_other(data: Path, artifact: Path, seed: int) -> None:
    """All but the city."""
    fit(data, artifact, (0, 1, 2))


def train_worse(data: Path, artifact: Path, seed: int) -> None:
    """The city alone."""
    fit(data, artifact, (0, 3, 4, 5))


def load(artifact: Path) -> Buys:
    """Return the model that a training wrote below *artifact*."""
    return Buys(json.loads((artifact / FILE).read_text()))


def load_broken(artifact: Path) -> Buys:
    """Return the model whose probabilities leave [0, 1]."""
    return Unbounded(json.loads((artifact / FILE).read_text()))
