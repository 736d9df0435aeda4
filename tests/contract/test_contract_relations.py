"""Declared relations: between a column and the answer, between a row and a changed one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.contract.batch import Answer, Batch, cells
from harness.contract.checks.between_rows import declared_relations_hold
from harness.contract.checks.relations import declared_directions_hold, declared_invariants_hold
from harness.contract.claims import Claims, claims_of
from harness.contract.deadline import Worker
from harness.contract.in_process import InProcess
from harness.contract.probe import FrameModel
from harness.contract.promise import Check, Outcome, Settings
from harness.contract.run import examine, open_trial
from harness.core.errors import SpecInvalid
from harness.runtime import probe as probe_program
from harness.spec.project import Contract, Model, Outputs, Relation

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "income": {"type": ["number", "null"], "minimum": 0, "maximum": 1e9},
        "plan": {"type": "string", "enum": ["basic", "gold"]},
        "stars": {"type": "integer", "enum": [1, 2, 3, 5]},
    },
}


def claims(**changes: Any) -> Claims:
    made: dict[str, Any] = {"inputs": SCHEMA, "outputs": Outputs(kind="regression"), **changes}
    return claims_of(Model(name="fake", input=made.pop("input", "pandas")), Contract(**made))


def training(rows: int = 200) -> Batch:
    draw = np.random.default_rng(0)
    income = [None if i % 20 == 0 else v for i, v in enumerate(draw.uniform(1e4, 1e5, rows))]
    return Batch(
        columns=(
            cells("age", "integer", draw.integers(18, 90, rows).tolist()),
            cells("income", "number", income),
            cells("plan", "string", draw.choice(["basic", "gold"], rows).tolist()),
            cells("stars", "integer", draw.choice([1, 2, 3, 5], rows).tolist()),
        )
    )


def number(batch: Batch, name: str) -> np.ndarray:
    column = batch[name]
    return np.where(column.absent, 0.0, column.values.astype(float))


def gold(batch: Batch) -> np.ndarray:
    return np.array([value == "gold" for value in batch["plan"].values], bool)


def sound(batch: Batch) -> np.ndarray:
    return number(batch, "age") * 0.5 + np.log1p(number(batch, "income")) + number(batch, "stars")


class Fake:
    """A model without pandas."""

    methods = ("predict",)

    def __init__(self, answered: Callable[[Batch], np.ndarray]) -> None:
        self.answered = answered
        self.rows = 0

    def answer(self, batch: Batch, *, method: str) -> Answer:
        self.rows += batch.rows
        return Answer(values=self.answered(batch))


def outcome(check: Check, model: Any, claimed: Claims) -> Outcome:
    settings = Settings(rows=2000, seconds=20.0)
    return examine(open_trial(claimed, model, training(), settings=settings), check)


UP = {"age": "up", "income": "up", "stars": "up"}


def test_a_model_that_keeps_its_directions_passes_over_all_rows() -> None:
    model = Fake(sound)

    found = outcome(declared_directions_hold, model, claims(monotone=UP))

    assert "passed" == found.outcome, found
    assert model.rows > 30_000


def test_a_dip_in_a_corner_that_no_training_row_has_is_found_with_its_cause() -> None:
    def dips(batch: Batch) -> np.ndarray:
        odd = gold(batch) & (number(batch, "income") > 1e6) & (number(batch, "age") >= 100)
        return np.where(odd, sound(batch) - 60, sound(batch))

    (failure,) = outcome(
        declared_directions_hold, Fake(dips), claims(monotone={"age": "up"})
    ).failures

    assert ("age", "income", "plan") == failure.cause.columns
    assert failure.cause.rule.startswith("age goes up, income > 1000000")
    assert "age = 99: " in failure.observed
    assert "age = 100: " in failure.observed


def test_a_narrow_dip_is_found_and_shown_at_its_edge() -> None:
    def dips(batch: Batch) -> np.ndarray:
        income = number(batch, "income")
        return np.where((income > 52_000) & (income < 52_700), sound(batch) - 20, sound(batch))

    (failure,) = outcome(
        declared_directions_hold, Fake(dips), claims(monotone={"income": "up"})
    ).failures

    assert ("income",) == failure.cause.columns
    edges = [float(part.split(":")[0]) for part in failure.observed.split("income = ")[1:]]
    assert edges[0] < edges[1]
    assert 51_900 < edges[0] < 52_000.1
    assert 52_000 < edges[1] < 52_100


def test_listed_numbers_have_directions_too() -> None:
    def turned(batch: Batch) -> np.ndarray:
        return sound(batch) - 7 * (number(batch, "stars") == 5)

    (failure,) = outcome(
        declared_directions_hold, Fake(turned), claims(monotone={"stars": "up"})
    ).failures

    assert "stars = 3: " in failure.observed
    assert "stars = 5: " in failure.observed


def test_noise_below_the_tolerance_breaks_no_direction() -> None:
    draw = np.random.default_rng(0)

    def noisy(batch: Batch) -> np.ndarray:
        return sound(batch) * (1 + 1e-9 * draw.normal(size=batch.rows))

    claimed = claims(monotone=UP, invariant=("plan",))

    for check in (declared_directions_hold, declared_invariants_hold):
        assert "passed" == outcome(check, Fake(noisy), claimed).outcome


def test_an_invariant_column_that_matters_in_a_corner_is_found() -> None:
    def leaks(batch: Batch) -> np.ndarray:
        return sound(batch) + gold(batch) * (number(batch, "age") > 110)

    claimed = claims(invariant=("plan",))
    (failure,) = outcome(declared_invariants_hold, Fake(leaks), claimed).failures

    assert ("plan", "age") == failure.cause.columns
    assert "plan changes, age > 110" == failure.cause.rule


def test_a_missing_cell_is_one_of_the_values_of_an_invariant_column() -> None:
    def leaks(batch: Batch) -> np.ndarray:
        return number(batch, "age") + batch["income"].absent

    (failure,) = outcome(
        declared_invariants_hold, Fake(leaks), claims(invariant=("income",))
    ).failures

    assert ("income",) == failure.cause.columns
    assert "income = missing" in failure.observed


CODE = """
import numpy as np


class Priced:
    def predict(self, frame):
        price = frame["width"] * frame["height"] + 0.0 * frame["name"].str.len()
        return np.where(frame["width"] > 1e6, price + frame["width"], price)


def load(artifact):
    return Priced()


def turned(frame):
    return frame.rename(columns={"width": "height", "height": "width"})


def wider(frame):
    return frame.assign(width=frame["width"] * 2)


def doubled(before, after):
    return np.isclose(after, 2 * before, rtol=1e-6)


def shorter(frame):
    return frame.head(1)


def broken(frame):
    raise RuntimeError("no such thing")


def negative(frame):
    return frame.assign(width=-1.0)


def vague(before, after):
    return "yes"
"""
BOXES: dict[str, Any] = {
    "type": "object",
    "properties": {
        "width": {"type": "number", "minimum": 0, "maximum": 1e7},
        "height": {"type": "number", "minimum": 0, "maximum": 1e7},
        "name": {"type": "string", "x-harness-open": True},
    },
}


def boxes(rows: int = 100) -> Batch:
    draw = np.random.default_rng(1)
    return Batch(
        columns=(
            cells("width", "number", draw.uniform(1, 50, rows).tolist()),
            cells("height", "number", draw.uniform(1, 50, rows).tolist()),
            cells("name", "string", draw.choice(["a", "b"], rows).tolist(), dtype="category"),
        )
    )


@pytest.fixture(params=["in process", "behind frames"])
def priced(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """The same repository's model by both ways."""
    module = f"priced_{abs(hash(str(tmp_path)))}"
    (tmp_path / f"{module}.py").write_text(CODE)
    if request.param == "in process":
        sys.path.insert(0, str(tmp_path))
        loaded = __import__(module).load(None)
        door = InProcess(loaded, ["predict"], kind="pandas", folder=tmp_path, worker=Worker())
        yield door, module
        sys.path.remove(str(tmp_path))
        return
    settings = tmp_path / "model.json"
    settings.write_text(
        f'{{"load": "{module}:load", "input": "pandas", "outputs": {{"kind": "regression"}}}}'
    )
    places = ["--settings", settings, "--folder", tmp_path, "--artifact", tmp_path]
    process = subprocess.Popen(
        [sys.executable, str(probe_program.__file__), *map(str, places), "frames"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None and process.stdout is not None
    yield FrameModel(process.stdin, process.stdout), module  # type: ignore[arg-type]
    process.kill()
    process.communicate()


def related(priced: Any, change: str, expect: str) -> Outcome:
    model, module = priced
    if expect not in ("equal", "up", "down"):
        expect = f"{module}:{expect}"
    relation = Relation(name="law", change=f"{module}:{change}", expect=expect)
    claimed = claims(inputs=BOXES, relations=(relation,))
    settings = Settings(rows=2000, seconds=30.0)
    return examine(open_trial(claimed, model, boxes(), settings=settings), declared_relations_hold)


@pytest.mark.parametrize(("change", "expect"), [("wider", "up")])
def test_a_relation_that_holds_passes(priced: Any, change: str, expect: str) -> None:
    found = related(priced, change, expect)

    assert "passed" == found.outcome, found


@pytest.mark.parametrize(("change", "expect"), [("turned", "equal"), ("wider", "doubled")])
def test_a_relation_that_breaks_far_outside_the_training_data_is_found(
    priced: Any, change: str, expect: str
) -> None:
    found = related(priced, change, expect)

    assert "failed" == found.outcome, found
    cause = found.failures[0].cause
    assert cause.rule.startswith("law: ")
    assert {"width", "height"} >= set(cause.columns)
    assert "; with width = " in found.failures[0].observed


@pytest.mark.parametrize(
    ("change", "expect", "words"),
    [
        ("broken", "equal", ":broken raised RuntimeError: no such thing"),
        ("shorter", "equal", ":shorter gave back 1 rows for "),
        ("wider", "vague", "one truth value for each of "),
        ("nowhere", "up", "has no function nowhere"),
    ],
)
def test_a_function_that_is_of_no_use_is_told_in_plain_words(
    priced: Any, change: str, expect: str, words: str
) -> None:
    found = related(priced, change, expect)

    assert "failed" == found.outcome
    assert words in found.failures[0].observed


def test_a_change_that_always_leaves_the_schema_is_skipped(priced: Any) -> None:
    found = related(priced, "negative", "equal")

    assert ("skipped", "no changed row is one that the schema admits") == (
        found.outcome,
        found.reason,
    )


@pytest.mark.parametrize("kind", ["numpy", "pyarrow"])
def test_other_kinds_of_input_are_changed_too(kind: str, tmp_path: Path) -> None:
    module = f"wide_{kind}"
    body = (
        "def doubled(rows):\n    return rows * 2\n"
        if kind == "numpy"
        else "import pyarrow as pa\nimport pyarrow.compute as pc\n"
        "def doubled(rows):\n"
        "    return pa.table({n: pc.multiply(rows[n], 2) for n in rows.column_names})\n"
    )
    (tmp_path / f"{module}.py").write_text(body)
    schema = {**BOXES, "properties": {n: BOXES["properties"][n] for n in ("width", "height")}}
    relation = Relation(name="double", change=f"{module}:doubled", expect="up")
    claimed = claims(inputs=schema, relations=(relation,), input=kind)

    def area(rows: Any) -> np.ndarray:
        table = rows if kind == "numpy" else np.stack([c.to_numpy() for c in rows.columns], axis=1)
        return table[:, 0] * table[:, 1]

    sys.path.insert(0, str(tmp_path))
    model = InProcess(area, ["call"], kind=kind, folder=tmp_path, worker=Worker())
    settings = Settings(rows=500, seconds=20.0)
    trial = open_trial(claimed, model, boxes().only(["width", "height"]), settings=settings)
    found = examine(trial, declared_relations_hold)
    sys.path.remove(str(tmp_path))

    assert "passed" == found.outcome, found


def test_whole_numbers_stay_whole_when_they_are_changed(tmp_path: Path) -> None:
    (tmp_path / "halves.py").write_text("def kept(frame):\n    return frame.astype({'n': float})\n")
    schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 0}}}
    relation = Relation(name="same", change="halves:kept", expect="equal")
    claimed = claims(inputs=schema, relations=(relation,))

    def told(frame: pd.DataFrame) -> np.ndarray:
        assert frame["n"].dtype.kind == "i"
        return frame["n"].to_numpy(float)

    sys.path.insert(0, str(tmp_path))
    model = InProcess(told, ["call"], kind="pandas", folder=tmp_path, worker=Worker())
    rows = Batch(columns=(cells("n", "integer", list(range(100))),))
    trial = open_trial(claimed, model, rows, settings=Settings(rows=200, seconds=20.0))
    found = examine(trial, declared_relations_hold)
    sys.path.remove(str(tmp_path))

    assert "passed" == found.outcome, found


def test_a_direction_of_labels_alone_is_refused() -> None:
    relation = Relation(name="law", change="a:b", expect="up")

    with pytest.raises(SpecInvalid, match=r"contract\.relations\.law\.expect"):
        claims(outputs=Outputs(kind="labels", labels=("a", "b")), relations=(relation,))
