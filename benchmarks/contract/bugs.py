"""What mutants are made with: a healthy model with a bug around it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.contract.corpus import Case

Ask = Callable[[Any], Any]
Bug = Callable[[Ask, Any], Any]
Change = Callable[[np.ndarray, Any], Any]


class Around:
    """A model whose methods go through bugs: *first* through ``predict_proba`` where there is one,
    and then ``predict`` follows it; else through ``predict``. *second*: ``predict`` instead."""

    def __init__(
        self, model: Any, labels: list[Any], first: Bug | None, second: Bug | None
    ) -> None:
        self.model = model
        self.first = first
        self.second = second
        if labels:
            self.classes_ = np.array(labels)

    def __getattr__(self, name: str) -> Any:
        if name not in ("predict", "predict_proba"):
            raise AttributeError(name)
        own = getattr(self.model, name)
        probable = hasattr(self.model, "predict_proba")
        if name == "predict_proba":
            return (lambda rows: self.first(own, rows)) if self.first else own
        if self.second:
            return lambda rows: self.second(own, rows)
        if probable and self.first:
            return self._likeliest
        return (lambda rows: self.first(own, rows)) if self.first else own

    def _likeliest(self, rows: Any) -> np.ndarray:
        shares = np.asarray(self.predict_proba(rows)).reshape(-1, len(self.classes_))
        return self.classes_[np.nan_to_num(shares, nan=-1.0).argmax(axis=1)]


def around(case: Case, first: Bug | None = None, *, second: Bug | None = None) -> Any:
    """Return *case*'s model with bugs around its methods (a callable stays one)."""
    model = case.build()
    if hasattr(model, "predict") or hasattr(model, "predict_proba"):
        return Around(model, case.labels, first, second)
    return lambda rows: (first or second)(model, rows)  # type: ignore[misc]


def after(change: Change) -> Callable[[Case], Any]:
    """Return a build: what the model answered goes through *change*, with the rows."""
    return lambda case: around(case, lambda ask, rows: change(_array(ask(rows)), rows))


def after_predict(change: Change) -> Callable[[Case], Any]:
    """The same around ``predict`` alone."""
    return lambda case: around(case, second=lambda ask, rows: change(_array(ask(rows)), rows))


def before(change: Callable[[Any], Any]) -> Callable[[Case], Any]:
    """Return a build: the rows go through *change* on their way to every method."""

    def build(case: Case) -> Any:
        def bug(ask: Ask, rows: Any) -> Any:
            return ask(change(rows))

        return around(case, bug, second=bug)

    return build


def calling(bug: Bug) -> Callable[[Case], Any]:
    """Return a build: *bug* is given the way to ask, and the rows."""
    return lambda case: around(case, bug)


def where(condition: Callable[[Any], np.ndarray], value: Any) -> Callable[[Case], Any]:
    """Return a build: the answers of rows that meet *condition* are *value*."""

    def change(answer: np.ndarray, rows: Any) -> np.ndarray:
        met = np.asarray(condition(rows), bool)
        if isinstance(value, str):
            answer = answer.astype(object)
        answer[met] = value
        return answer

    return after(change)


def raising(condition: Callable[[Any], np.ndarray], error: Exception) -> Callable[[Case], Any]:
    """Return a build: a batch with a row that meets *condition* raises *error*."""

    def change(answer: np.ndarray, rows: Any) -> np.ndarray:
        if np.asarray(condition(rows), bool).any():
            raise error
        return answer

    return after(change)


def numbers(rows: pd.DataFrame, name: str) -> np.ndarray:
    """Return a column as float64, NaN where it is missing."""
    return pd.to_numeric(rows[name], errors="coerce").astype(float).to_numpy(float, na_value=np.nan)


def words(rows: pd.DataFrame, name: str) -> np.ndarray:
    """Return a column as objects, None where it is missing."""
    held = rows[name].astype(object).to_numpy()
    return np.array([None if pd.isna(cell) else cell for cell in held], dtype=object)


def each(rows: pd.DataFrame, name: str, test: Callable[[Any], bool]) -> np.ndarray:
    """Return of which rows *test* holds of the column's cell; a missing cell meets none."""
    return np.array([cell is not None and test(cell) for cell in words(rows, name)], dtype=bool)


def _array(answer: Any) -> np.ndarray:
    return np.array(answer)
