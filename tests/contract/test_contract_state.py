"""What is told of a model's state: each cause once, and none where only the other rows matter."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from contract_zoo import batch_of, opened

from harness.contract import growth
from harness.contract.batch import Answer, Batch, Mask, Refusal, cells
from harness.contract.cause import explain
from harness.contract.checks.catalogue import checks_for
from harness.contract.claims import Claims, claims_of
from harness.contract.door import in_its_own_process
from harness.contract.levels import pools
from harness.contract.observed import observe
from harness.contract.oracle import Bulk, Group
from harness.contract.process import Opening
from harness.contract.promise import Outcome, Settings
from harness.contract.run import examine, open_trial
from harness.contract.schema import domains
from harness.contract.texts import properties
from harness.contract.trial import Trial
from harness.spec.project import Contract, Model, Outputs

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "score": {"type": "number", "minimum": 0, "maximum": 1000},
        "visits": {"type": "integer", "minimum": 0, "maximum": 10_000},
        "moment": {"type": "number", "minimum": 0, "maximum": 2e9},
    },
}
SETTINGS = Settings(rows=500, seconds=600.0)
STATE = (
    *("threads-get-the-same-answers", "earlier-batches-do-not-matter"),
    *("cuts-of-large-batches-do-not-matter", "an-answer-given-stays-as-it-is"),
)
LASTING = "an-answer-given-stays-as-it-is"


def numbers(count: int = 300) -> Batch:
    draw = np.random.default_rng(3)
    return batch_of(
        pd.DataFrame(
            {
                "score": np.round(draw.uniform(300, 850, count), 1),
                "visits": draw.integers(0, 60, count),
                "moment": np.round(draw.uniform(1.5e9, 1.7e9, count)),
            }
        )
    )


def claims(kind: str = "numpy", schema: dict[str, Any] = SCHEMA) -> Claims:
    outputs = Outputs(kind="regression")
    return claims_of(Model(name="tried", input=kind), Contract(inputs=schema, outputs=outputs))


def trial_of(model: Callable[[Any], Any], kind: str = "numpy") -> Trial:
    return open_trial(claims(kind), opened(model, kind=kind), numbers(), settings=SETTINGS)


def outcome(trial: Trial, check: str) -> Outcome:
    return next(examine(trial, found) for found in checks_for(trial.claims) if found.id == check)


def formula(matrix: Any) -> Any:
    wide = np.asarray(matrix, float)
    return wide[:, 0] / 80 + wide[:, 1] / 50


def centred(matrix: Any) -> Any:
    found = formula(matrix)
    return found - found.mean() if len(found) else found


def in_order(matrix: Any) -> Any:
    return np.sort(formula(matrix))


def filled_forward(matrix: Any) -> Any:
    wide = np.asarray(matrix, float)
    return np.maximum(formula(wide), np.concatenate([[0.0], formula(wide)])[: len(wide)])


def not_alone(matrix: Any) -> Any:
    """Normalises by the batch, and raises for one row, as torch does in training mode."""
    if len(matrix) == 1:
        raise ValueError("expected more than 1 value per channel when training")
    return centred(matrix)


@pytest.mark.parametrize("model", [centred, in_order, filled_forward, not_alone])
def test_what_depends_on_the_other_rows_is_no_matter_of_threads_or_earlier_batches(
    model: Callable[[Any], Any],
) -> None:
    trial = trial_of(model)

    found = {check: outcome(trial, check) for check in ("batch-equals-single", *STATE)}

    failed = [check for check, told in found.items() if told.outcome == "failed"]
    assert ["batch-equals-single"] == failed, found
    assert "other rows matter" in found["cuts-of-large-batches-do-not-matter"].reason


def test_a_row_that_is_refused_alone_is_told_by_one_check() -> None:
    def one_less(matrix: Any) -> Any:
        if len(matrix) == 1:
            raise RuntimeError("one row alone")
        return formula(matrix)

    trial = trial_of(one_less)

    found = [outcome(trial, check) for check in ("batch-equals-single", *STATE)]
    found.append(outcome(trial, "answers-keep-their-type"))

    assert [] == [told.id for told in found if told.outcome == "failed"]
    assert "failed" == outcome(trial, "one-row").outcome


class Buffered:
    """Answers with a part of one array, which the next call overwrites."""

    def __init__(self) -> None:
        self.out = np.zeros(100_000)

    def __call__(self, matrix: Any) -> Any:
        part = self.out[: len(matrix)]
        part[:] = formula(matrix)
        return part


class Framed(Buffered):
    """As a frame that shares the array."""

    def __call__(self, frame: Any) -> Any:
        part = super().__call__(frame.to_numpy())
        return pd.DataFrame({"found": part}, copy=False)["found"]


@pytest.mark.parametrize(("made", "kind"), [(Buffered, "numpy"), (Framed, "pandas")])
def test_an_answer_that_the_next_call_overwrites_is_found(made: type[Buffered], kind: str) -> None:
    odd = outcome(trial_of(made(), kind), LASTING)
    healthy = outcome(trial_of(lambda m: made()(m), kind), LASTING)

    assert ("failed", "passed") == (odd.outcome, healthy.outcome)
    assert "the same object after other calls" in odd.failures[0].observed


CODE = '''
"""Models that keep something."""
import json
import numpy as np

HELD, OUT = [], np.zeros(100_000)


def formula(matrix):
    wide = np.asarray(matrix, float)
    return wide[:, 0] / 80 + wide[:, 1] / 50


def load(artifact):
    return globals()[json.loads(artifact.read_text())["kind"]]


def remembering(matrix):
    """Looks each row up among those that it had before in the batch."""
    seen = []
    for row in np.asarray(matrix).tolist():
        if row not in seen:
            seen.append(row)
    return formula(matrix)


def auditing(matrix):
    HELD.extend(dict(enumerate(row)) for row in np.asarray(matrix).tolist())
    return formula(matrix)


def caching(matrix):
    """Holds its last answers: no more after many calls than after a few."""
    HELD[:] = [np.asarray(matrix).tolist()]
    return formula(matrix)


def buffered(matrix):
    OUT[: len(matrix)] = formula(matrix)
    return OUT[: len(matrix)]
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("state")
    (folder / "keeping_models.py").write_text(CODE)
    return folder


@contextmanager
def in_a_process(folder: Path, kind: str) -> Iterator[Trial]:
    file = folder / f"{kind}.json"
    file.write_text(json.dumps({"kind": kind}))
    settings = {"name": kind, "load": "keeping_models:load", "input": "numpy"}
    outputs = {"kind": "regression"}
    door = in_its_own_process(
        Opening(settings={**settings, "outputs": outputs}, artifact=file, folder=folder)
    )
    try:
        yield open_trial(claims(), door.model, numbers(3000), settings=SETTINGS, reopen=door.reopen)
    finally:
        door.close()


def test_an_answer_is_kept_in_the_model_s_own_process(folder: Path) -> None:
    found = {}
    for kind in ("buffered", "formula"):
        with in_a_process(folder, kind) as trial:
            found[kind] = outcome(trial, LASTING).outcome

    assert {"buffered": "failed", "formula": "passed"} == found


def test_time_that_only_grows_with_different_rows_is_found(folder: Path) -> None:
    with in_a_process(folder, "remembering") as trial:
        found = outcome(trial, "time-grows-no-faster-than-the-batch")

    assert "failed" == found.outcome, found
    assert "(with different rows)" in found.failures[0].observed


def test_different_rows_are_real_ones_and_then_mixed_ones() -> None:
    trial = open_trial(claims(), opened(formula), numbers(300), settings=SETTINGS)

    some, many = growth.distinct(trial, 200), growth.distinct(trial, 5000)

    known = {tuple(numbers().row(i).values()) for i in range(300)}
    assert {tuple(some.row(i).values()) for i in range(200)} <= known
    assert 4900 < len({tuple(many.row(i).values()) for i in range(5000)})


def test_what_is_kept_where_other_memory_was_freed_is_a_leak_too(folder: Path) -> None:
    check = "repeated-calls-leak-no-memory"
    found = {}
    for kind in ("auditing", "caching"):
        with in_a_process(folder, kind) as trial:
            for _ in range(20):  # a few objects keep much freed memory from the system
                trial.answer(growth.many(trial, 16_384), trial.main)
            found[kind] = outcome(trial, check)

    assert "passed" == found["caching"].outcome, found
    assert "failed" == found["auditing"].outcome, found
    assert "KB with each call" in found["auditing"].failures[0].observed


def test_a_column_that_is_changed_in_place_is_named() -> None:
    def codes(frame: pd.DataFrame) -> Any:
        frame["visits"] = frame["visits"] % 7
        return frame["score"].to_numpy() / 80

    def grown(frame: pd.DataFrame) -> Any:
        frame["ratio"] = 1.0
        return frame["score"].to_numpy() / 80

    def first(matrix: Any) -> Any:
        matrix[:, 0] -= 1
        return formula(matrix)

    check = "the-input-is-left-alone"
    found = [
        outcome(trial_of(model, kind), check).failures[0]
        for model, kind in ((codes, "pandas"), (grown, "pandas"), (first, "numpy"))
    ]

    assert [("visits",), (), ("score",)] == [told.cause.columns for told in found]
    assert ["not as before: visits", "new: ratio", "not as before: score"] == [
        told.observed.partition("; ")[2] for told in found
    ]


TEXTS = {"type": "object", "properties": {"note": {"type": "string", "maxLength": 6000}}}


def notes() -> Batch:
    words = ("the", "order", "came", "late", "and", "broken", "please", "call")
    return Batch(
        columns=(cells("note", "string", [" ".join(words[: 2 + i % 6]) for i in range(30)]),)
    )


@pytest.mark.parametrize(
    ("limit", "size", "rule"),
    [
        (64, lambda t: len(t.split()), "note has more than 64 words in it"),
        (40, lambda t: len(t.splitlines()), "note has more than 40 lines in it"),
        (255, len, "note is longer than 255 characters"),
    ],
)
@pytest.mark.parametrize("way", [Bulk, Group])
def test_texts_of_many_words_and_lines_are_tried_and_told_by_their_number(
    limit: int, size: Callable[[str], int], rule: str, way: type
) -> None:
    tried = pools(domains(TEXTS), notes())

    def fails(batch: Batch) -> Mask:
        return np.array([size(str(text)) > limit for text in batch["note"].values], bool)

    failing = [v for v in tried[0].levels.values if size(v) > limit]
    row = Batch(columns=(cells("note", "string", failing[:1]),))
    oracle = Bulk(fails) if way is Bulk else Group(lambda batch: bool(fails(batch).any()))
    found = explain(oracle, row, notes(), tried)

    assert rule == found.rule.text
    assert limit + 1 == size(found.row["note"].at(0))


def test_long_texts_keep_to_the_length_that_is_declared() -> None:
    schema = {"type": "object", "properties": {"note": {"type": "string", "maxLength": 100}}}

    (pool,) = pools(domains(schema), notes())

    assert max(map(len, pool.levels.values)) <= 100
    assert max(len(text.split()) for text in pool.levels.values) >= 20


def test_a_number_of_words_is_told_only_where_words_tell_them_apart() -> None:
    long = "x" * 900

    found = {p.name for p in properties(["a b c d e"], ["a b c", long])}

    assert "words" in found and "longer" not in found


@pytest.mark.parametrize(
    ("values", "target", "remark"),
    [
        (np.array([-4.5, 5.6, 0.1]), [0, 1, 1], True),
        (np.array([[-1.0, 2.0, 0.5], [3.0, -2.0, 0.0]]), ["a", "b", "c"], True),
        (np.array([0.2, 0.7, 0.5]), [10, 20, 30], False),
        (np.array([-4.5, 5.6, 0.1]), [10.0, 20.5, 30.25], False),
    ],
)
def test_margins_for_a_target_of_few_values_are_told_as_such(
    values: np.ndarray, target: list[Any], remark: bool
) -> None:
    kinds = {int: "integer", float: "number", str: "string"}
    column = cells("y", kinds[type(target[0])], target)

    found = observe({"predict": Answer(values=values)}, [column])

    assert found is not None and "regression" == found.outputs.kind
    assert remark == ("not a probability" in found.words)


def test_a_batch_that_raises_is_no_answer_to_keep() -> None:
    class Refusing:
        methods = ("predict",)

        def answer(self, batch: Batch, *, method: str) -> Answer:
            return Answer(values=np.ones(batch.rows))

        def lasting(self, batches: list[Batch], *, method: str) -> tuple[Answer, Answer]:
            raise Refusal("ValueError", ["ValueError"], "too many rows")

    trial = open_trial(claims(), Refusing(), numbers(), settings=SETTINGS)

    assert "skipped" == outcome(trial, LASTING).outcome


def test_rows_that_the_schema_does_not_admit_are_no_matter_where_all_others_matter() -> None:
    found = outcome(trial_of(centred), "hostile-rows-spoil-no-other-row")

    assert "skipped" == found.outcome, found.failures
    assert "see batch-equals-single" in found.reason


def test_one_row_is_no_evidence_for_a_threshold_that_was_not_found() -> None:
    def rounded_alone(matrix: Any) -> Any:
        found = formula(matrix)
        return np.round(found, 2) if len(found) == 1 else found

    (failure,) = outcome(trial_of(rounded_alone), "batch-equals-single").failures

    assert () == failure.cause.columns, failure.cause.rule


DATED = """
import datetime

def load(artifact):
    return ahead

def ahead(frame):
    today = datetime.date.today().isoformat()
    return (frame["day"] > today).to_numpy(float) + frame["score"].to_numpy(float)
"""


def test_what_lies_ahead_of_now_is_found_where_all_rows_lie_behind(tmp_path: Path) -> None:
    (tmp_path / "dated_models.py").write_text(DATED)
    day = {"type": "string", "format": "date"}
    bounds = {"formatMinimum": "2010-01-01", "formatMaximum": "2020-12-31"}
    schema = {"properties": {"day": day | bounds, "score": {"type": "number", "minimum": 0}}}
    days = [f"2012-{1 + i % 12:02}-{1 + i % 28:02}" for i in range(200)]
    rows = batch_of(pd.DataFrame({"day": days, "score": np.arange(200.0)}))
    settings = {"name": "dated", "load": "dated_models:load", "input": "pandas"}
    way = Opening(
        settings=settings | {"outputs": {"kind": "regression"}}, artifact=tmp_path, folder=tmp_path
    )
    door = in_its_own_process(way)
    try:
        trial = open_trial(
            claims("pandas", schema),
            door.model,
            rows,
            settings=SETTINGS,
            reopen=door.reopen,
            elsewhere=door.elsewhere,
        )
        found = outcome(trial, "the-clock-does-not-matter")
    finally:
        door.close()

    assert "failed" == found.outcome, found.reason
    assert "amid the rows' own dates" in found.failures[0].observed
