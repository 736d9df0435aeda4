"""The examples' models: what they promise in their harness.toml, on made-up rows."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from examples_rows import Example

VARIANTS = [
    ("flights", "train"),
    ("flights", "train_best"),
    ("flights", "train_worse"),
    ("penguins", "train"),
    ("penguins", "train_worse"),
]


@dataclass(frozen=True)
class Fitted:
    """A healthy model and the example that it comes from."""

    example: Example
    model: Any

    def answer(self, frame: pd.DataFrame) -> np.ndarray:
        answered: np.ndarray = self.model.predict_proba(frame)
        return answered


@pytest.fixture(scope="module", params=VARIANTS, ids="-".join)
def fitted(
    request: pytest.FixtureRequest,
    copies: dict[str, Example],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Fitted]:
    name, train = request.param
    example = copies[name]
    yield Fitted(example, example.fitted(tmp_path_factory.mktemp("fit") / "a", train=train))


def _digest(artifact: Path) -> str:
    return hashlib.sha256((artifact / "model.joblib").read_bytes()).hexdigest()


def test_it_has_learnt_something(fitted: Fitted) -> None:
    rows = fitted.example.rows(500, seed=1)
    labels = list(fitted.example.model.LABELS)
    truth = pd.Categorical(rows[fitted.example.target], categories=labels).codes
    prior = np.bincount(truth, minlength=len(labels)) / len(rows)

    loss = -np.log(fitted.answer(rows)[np.arange(len(rows)), truth]).mean()

    assert loss < -np.log(prior[truth]).mean()


def test_probabilities_are_probabilities_at_every_edge_of_the_schema(fitted: Fitted) -> None:
    rows = fitted.example.edges()

    answer = fitted.answer(rows)

    assert (len(rows), len(fitted.example.model.LABELS)) == answer.shape
    assert np.isfinite(answer).all()
    assert ((answer >= 0) & (answer <= 1)).all()
    assert answer.sum(axis=1) == pytest.approx(1, abs=1e-9)


def test_predict_is_the_likeliest_label(fitted: Fitted) -> None:
    rows = fitted.example.edges()

    expected = np.array(fitted.example.model.LABELS)[fitted.answer(rows).argmax(axis=1)]

    assert (expected == fitted.model.predict(rows)).all()


def test_a_row_alone_gets_the_answer_that_it_gets_in_a_batch(fitted: Fitted) -> None:
    rows = fitted.example.edges()

    alone = np.vstack([fitted.answer(rows.iloc[[i]]) for i in range(len(rows))])

    assert alone == pytest.approx(fitted.answer(rows), rel=1e-9, abs=1e-12)


def test_an_empty_batch_gets_an_empty_answer_of_the_right_shape(fitted: Fitted) -> None:
    for nothing in (fitted.example.rows(5).iloc[:0], fitted.example.edges().iloc[:0]):
        assert (0, len(fitted.example.model.LABELS)) == fitted.answer(nothing).shape
        assert (0,) == fitted.model.predict(nothing).shape


def test_order_index_and_further_columns_make_no_difference(fitted: Fitted) -> None:
    rows = fitted.example.rows(40)
    expected = fitted.answer(rows)

    others = {
        "turned": rows[rows.columns[::-1]],
        "further": rows.assign(zzz="?", aaa=np.nan),
        "bare": rows.drop(columns=fitted.example.target),
        "index": rows.set_index(pd.Index([7] * len(rows))),
    }

    for name, other in others.items():
        assert np.array_equal(expected, fitted.answer(other)), name


@pytest.mark.parametrize("held", ["object", "category", "nullable", "arrow", "float"])
def test_what_holds_a_value_makes_no_difference(fitted: Fitted, held: str) -> None:
    rows = fitted.example.rows(40).drop(columns=fitted.example.target)
    expected = fitted.answer(rows)

    match held:
        case "nullable":
            other = rows.convert_dtypes()
        case "arrow":
            other = rows.convert_dtypes(dtype_backend="pyarrow")
        case "float":
            other = rows.astype({n: "float64" for n, t in rows.dtypes.items() if t == "int64"})
        case _:
            other = rows.astype(held)

    assert not rows.dtypes.equals(other.dtypes)
    assert np.array_equal(expected, fitted.answer(other))


def test_the_input_is_left_as_it_was(fitted: Fitted) -> None:
    rows = fitted.example.edges()
    before = rows.copy(deep=True)

    fitted.answer(rows)

    pd.testing.assert_frame_equal(before, rows)


def test_columns_that_must_not_matter_do_not(fitted: Fitted) -> None:
    rows = fitted.example.rows(40)
    expected = fitted.answer(rows)

    changed = {"flights": {"tailnum": "N99999"}, "penguins": {"year": 1950}}[fitted.example.name]

    assert np.array_equal(expected, fitted.answer(rows.assign(**changed)))


def test_the_same_seed_gives_the_same_bytes_in_another_process(
    example: Example, tmp_path: Path
) -> None:
    data = tmp_path / "train.parquet"
    example.rows(600).to_parquet(data)
    script = (
        "import sys; from pathlib import Path; from importlib import import_module\n"
        f"model = import_module('{example.name}.model')\n"
        "model.train(Path(sys.argv[1]), Path(sys.argv[2]), 3)"
    )

    for threads in ("1", "2"):
        settings = {"PYTHONHASHSEED": threads, "OMP_NUM_THREADS": threads}
        subprocess.run(
            [sys.executable, "-c", script, data, tmp_path / threads],
            env={**os.environ, **settings, "PYTHONPATH": str(example.folder)},
            check=True,
        )

    assert _digest(tmp_path / "1") == _digest(tmp_path / "2")


def test_another_seed_makes_another_flights_model(flights: Example, tmp_path: Path) -> None:
    one, two = (flights.fitted(tmp_path / str(seed), seed=seed) for seed in (1, 2))
    rows = flights.rows(100)

    assert not np.array_equal(one.predict_proba(rows), two.predict_proba(rows))


@pytest.mark.parametrize("train", ["train", "train_best", "train_worse"])
def test_a_longer_departure_delay_never_makes_a_late_arrival_less_likely(
    flights: Example, tmp_path: Path, train: str
) -> None:
    model = flights.fitted(tmp_path / "a", train=train)
    delays = np.concatenate([np.linspace(-120, 400, 200), np.geomspace(401, 2880, 50)])
    rows = flights.rows(30, seed=2)

    late = np.column_stack([model.predict_proba(rows.assign(dep_delay=d))[:, 1] for d in delays])

    assert (np.diff(late, axis=1) >= 0).all()
    assert (late[:, -1] > late[:, 0]).all()


def test_broken_leaves_zero_to_one_beyond_the_longest_delay_in_training_and_only_there(
    flights: Example, tmp_path: Path
) -> None:
    healthy = flights.fitted(tmp_path / "a")
    broken = flights.model.load_broken(tmp_path / "a")
    longest = flights.rows(600)["dep_delay"].max()
    row = flights.rows(1)
    at, beyond = row.assign(dep_delay=longest), row.assign(dep_delay=np.nextafter(longest, np.inf))

    assert np.array_equal(healthy.predict_proba(at), broken.predict_proba(at))
    assert [[-0.02, 1.02]] == broken.predict_proba(beyond).tolist()
    assert (0, 2) == broken.predict_proba(row.iloc[:0]).shape
