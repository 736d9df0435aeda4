"""What a careful user asserts by hand about a batch: the same for every peer.

`basic` judges the answers themselves, `full` what must not matter about a batch as well. Both raise
AssertionError, or whatever the model raises.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.contract.corpus import Case

NEAR = {"rtol": 1e-4, "atol": 1e-6}


def frame(case: Case, rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return *rows* as a frame of the training data's dtypes, as far as their cells allow."""
    train = case.train.head(0)
    columns = {}
    for name in case.table.columns:
        held = pd.Series([row.get(name) for row in rows], dtype=object)
        try:
            columns[name] = held.astype(train[name].dtype)
        except (TypeError, ValueError, OverflowError):  # a gap among integers, say
            columns[name] = held.infer_objects()
    return pd.DataFrame(columns)


def given(case: Case, rows: pd.DataFrame) -> Any:
    """Return *rows* as the model takes them."""
    if case.input == "pyarrow":
        import pyarrow

        return pyarrow.Table.from_pandas(rows, preserve_index=False)
    return rows.to_numpy() if case.input == "numpy" else rows


def answer(case: Case, model: Any, rows: pd.DataFrame) -> np.ndarray:
    """Return the claimed answer to *rows*."""
    method = "predict_proba" if case.outputs["kind"] == "probabilities" else "predict"
    return np.asarray(getattr(model, method, model)(given(case, rows)))


def basic(case: Case, model: Any, rows: pd.DataFrame) -> None:
    """Judge each answer: its shape, its bounds, its labels."""
    found, outputs = answer(case, model, rows), case.outputs
    if outputs["kind"] == "labels":
        assert found.shape == (len(rows),)
        assert set(found.tolist()) <= set(case.labels)
        return
    assert np.isfinite(found.astype(float)).all()
    if outputs["kind"] == "regression":
        targets = outputs.get("targets")
        assert found.shape == ((len(rows), len(targets)) if targets else (len(rows),))
        assert (found >= outputs.get("minimum", -np.inf)).all()
        assert (found <= outputs.get("maximum", np.inf)).all()
        return
    assert ((found >= 0) & (found <= 1)).all()
    if outputs.get("positive_only"):
        assert found.shape == (len(rows),)
        return
    assert found.shape == (len(rows), len(case.labels))
    assert np.allclose(found.sum(axis=1), 1, **NEAR)
    if hasattr(model, "predict"):
        labels = np.asarray(model.predict(given(case, rows))).tolist()
        assert set(labels) <= set(case.labels)
        top = np.sort(found, axis=1)[:, -2:]
        for row in np.flatnonzero(top[:, 1] - top[:, 0] > 1e-3).tolist():
            assert case.labels[int(found[row].argmax())] == labels[row]


def full(case: Case, model: Any, rows: pd.DataFrame) -> None:
    """Judge the answers, and what must not matter: repetition, order, company, the columns'."""
    kept = rows.copy(deep=True)
    basic(case, model, rows)
    pd.testing.assert_frame_equal(kept, rows)
    first = answer(case, model, rows)
    assert _same(first, answer(case, model, rows))
    backwards = rows.iloc[::-1].reset_index(drop=True)
    assert _same(first[::-1], answer(case, model, backwards))
    if len(rows):
        assert _same(first[:1], answer(case, model, rows.head(1)))
    if case.input == "pandas":
        assert _same(first, answer(case, model, rows[list(rows.columns)[::-1]]))
        assert _same(first, answer(case, model, rows.set_axis(range(7, 7 + len(rows)))))


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    if one.shape != other.shape:
        return False
    if one.dtype.kind in "fiu" and other.dtype.kind in "fiu":
        return bool(np.allclose(one, other, equal_nan=True, **NEAR))
    return one.tolist() == other.tolist()
