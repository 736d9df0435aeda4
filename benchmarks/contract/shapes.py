"""The bodies of the corpus' own models: a door in front, features, an estimator behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.contract.doors import Arrays, read
from benchmarks.contract.tables import Table

Features = Callable[[Arrays], np.ndarray]


class Matrix:
    """Columns to float64 of shape (n, features): numbers, flags and dates as they are, text as one
    column a known value. *fill* puts the training median where a number is missing."""

    def __init__(self, table: Table, *, fill: bool = True) -> None:
        columns = read(table.schema, table.inputs())
        self.fill = fill
        self.medians: dict[str, float] = {}
        self.known: dict[str, list[str]] = {}
        for name, values in columns.items():
            if values.dtype == object:
                self.known[name] = sorted({value for value in values if value is not None})
            else:
                self.medians[name] = float(np.nanmedian(values))

    def __call__(self, columns: Arrays) -> np.ndarray:
        features = []
        for name, values in columns.items():
            if name in self.known:
                features += [(values == value).astype(float) for value in self.known[name]]
            elif self.fill:
                features.append(np.where(np.isnan(values), self.medians[name], values))
            else:
                features.append(values)
        return np.column_stack(features)


class Reader:
    """What is common: the schema's door, then the features."""

    def __init__(
        self, table: Table, features: Features, estimator: Any, *, fold: bool = False
    ) -> None:
        self.schema: Mapping[str, Any] = table.schema
        self.features = features
        self.estimator = estimator
        self.fold = fold

    def matrix(self, rows: Any) -> np.ndarray:
        return self.features(read(self.schema, rows, fold=self.fold))


class Classifier(Reader):
    """Probabilities by *estimator*'s ``predict_proba``, labels by the largest of them."""

    def __init__(self, *parts: Any, labels: Sequence[Any], fold: bool = False) -> None:
        super().__init__(*parts, fold=fold)
        self.classes_ = np.array(labels)

    def predict_proba(self, rows: Any) -> np.ndarray:
        features = self.matrix(rows)
        if not len(features):
            return np.empty((0, len(self.classes_)))
        return np.asarray(self.estimator.predict_proba(features))

    def predict(self, rows: Any) -> np.ndarray:
        return self.classes_[self.predict_proba(rows).argmax(axis=1)]


class Labeller(Reader):
    """Labels by *estimator*'s ``predict`` alone."""

    def __init__(self, *parts: Any, labels: Sequence[Any], fold: bool = False) -> None:
        super().__init__(*parts, fold=fold)
        self.labels = np.array(labels)

    def predict(self, rows: Any) -> np.ndarray:
        features = self.matrix(rows)
        return self.estimator.predict(features) if len(features) else self.labels[:0]


class Regressor(Reader):
    """Values by *estimator*'s ``predict``, cut to *low* and *high*."""

    def __init__(
        self, *parts: Any, low: float = -np.inf, high: float = np.inf, targets: int = 0
    ) -> None:
        super().__init__(*parts)
        self.low, self.high, self.targets = low, high, targets

    def predict(self, rows: Any) -> np.ndarray:
        features = self.matrix(rows)
        if not len(features):
            return np.empty((0, self.targets) if self.targets else 0)
        return np.clip(self.estimator.predict(features), self.low, self.high)


class Checked:
    """A fitted pipeline that takes the frame itself, once the schema's door has let it through."""

    def __init__(self, table: Table, pipeline: Any) -> None:
        self.schema = table.schema
        self.pipeline = pipeline
        self.names = list(table.columns)
        self.first = table.inputs().iloc[:1]

    def __getattr__(self, name: str) -> Any:
        if name not in ("predict", "predict_proba"):
            raise AttributeError(name)
        method = getattr(self.pipeline, name)

        def answer(rows: pd.DataFrame) -> Any:
            read(self.schema, rows)
            # No rows: what one row would get, without it.
            return method(rows[self.names]) if len(rows) else method(self.first)[:0]

        return answer


def fitted(table: Table, estimator: Any, *, fill: bool = True) -> tuple[Table, Matrix, Any]:
    """Return the three parts of a `Reader`, with *estimator* fitted to the table's target."""
    from threadpoolctl import threadpool_limits

    features = Matrix(table, fill=fill)
    with threadpool_limits(1):  # threads that wait for a busy core make a small fit a slow one
        estimator.fit(features(read(table.schema, table.inputs())), table.rows()[table.target])
    return table, features, estimator
