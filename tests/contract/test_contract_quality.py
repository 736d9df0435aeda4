"""What answers are worth where the outcome is known: fake models whose worth is known, too."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.contract.batch import Answer, Batch, Refusal, cells
from harness.contract.check import prepare
from harness.contract.checks.between_rows import declared_relations_hold
from harness.contract.checks.catalogue import checks_for
from harness.contract.checks.on_dev import (
    no_slice_is_answered_worse_on_dev,
    probabilities_are_calibrated_on_dev,
)
from harness.contract.checks.quality import answers_go_with_the_outcomes
from harness.contract.checks.reachable import every_label_is_predicted
from harness.contract.checks.training import (
    known_outcomes_are_claimed_ones,
    training_rows_fit_the_schema,
)
from harness.contract.claims import Claims, claims_of
from harness.contract.judged import judged
from harness.contract.promise import Check, Outcome, Settings
from harness.contract.run import examine, open_trial
from harness.contract.trial import Trial
from harness.core.errors import SpecInvalid
from harness.spec import parse
from harness.spec.project import Contract, Model, Outputs

SCHEMA = {
    "type": "object",
    "properties": {
        "x": {"type": "number", "minimum": -10, "maximum": 10},
        "shop": {"type": "string", "enum": ["a", "b", "c"]},
    },
}
LABELS = ("no", "yes")


def claims(labels: Sequence[Any] = LABELS, kind: str = "probabilities", **changes: Any) -> Claims:
    outputs = Outputs(kind=kind, labels=tuple(labels))
    contract = Contract(inputs=SCHEMA, outputs=changes.pop("outputs", outputs), **changes)
    return claims_of(Model(name="fake"), contract, target="y")


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def drawn(
    count: int, chance: Callable[[np.ndarray], np.ndarray] = sigmoid, *, seed: int = 0
) -> Batch:
    """Rows whose outcome is ``yes`` with a chance that depends on x."""
    draw = np.random.default_rng(seed)
    x = draw.normal(0, 2, count).clip(-10, 10)
    yes = draw.random(count) < chance(x)
    shops = draw.choice(["a", "b", "c"], count, p=[0.55, 0.44, 0.01]).tolist()
    return Batch(
        columns=(
            cells("id", "integer", list(range(count))),
            cells("x", "number", x.tolist()),
            cells("shop", "string", shops),
            cells("y", "string", np.where(yes, "yes", "no").tolist()),
        )
    )


class Fake:
    """Says *answered* of x, by the one method that it has."""

    def __init__(
        self, answered: Callable[[np.ndarray], np.ndarray], method: str = "predict_proba"
    ) -> None:
        self.answered = answered
        self.methods = (method,)
        self.asked: list[tuple[str, ...]] = []

    def answer(self, batch: Batch, *, method: str) -> Answer:
        self.asked.append(batch.names)
        return Answer(values=self.answered(batch["x"].values))


def pair(yes: np.ndarray) -> np.ndarray:
    return np.stack([1 - yes, yes], axis=1)


def sound(x: np.ndarray) -> np.ndarray:
    return pair(sigmoid(x))


def trial(
    model: Any, claimed: Claims | None = None, rows: Batch | None = None, dev: Batch | None = None
) -> Trial:
    settings = Settings(rows=2000, seconds=20.0)
    given = drawn(2000) if rows is None else rows
    return open_trial(claimed or claims(), model, given, settings=settings, dev=dev)


def outcome(check: Check, on: Trial) -> Outcome:
    return examine(on, check)


def test_no_outcome_ever_reaches_the_model() -> None:
    model = Fake(sound)
    on = trial(model, dev=drawn(500, seed=1))

    for check in (every_label_is_predicted, answers_go_with_the_outcomes):
        assert "passed" == outcome(check, on).outcome

    assert {("x", "shop")} == set(model.asked)


@pytest.mark.parametrize(
    "answered",
    [
        sound,
        lambda x: pair(0.02 * sigmoid(x)),  # a rare label that is nobody's most probable one
        lambda x: pair(sigmoid(x - 6)),
    ],
)
def test_a_label_that_can_be_answered_passes_however_rare(answered: Any) -> None:
    rare = drawn(4000, lambda x: answered(x)[:, 1])

    found = outcome(every_label_is_predicted, trial(Fake(answered), rows=rare))

    assert "failed" != found.outcome, found


def test_a_label_s_dead_probability_is_a_failure_that_names_it() -> None:
    model = Fake(lambda x: pair(np.full(len(x), 0.25)))

    found = outcome(every_label_is_predicted, trial(model))

    (failure,) = found.failures
    assert "'yes' is never predicted" == failure.cause.rule
    assert "its probability is 0.25 for all of them" in failure.observed
    assert {"x", "shop"} == set(failure.row)


def test_a_label_that_is_most_probable_and_never_predicted_is_a_failure() -> None:
    class Reluctant(Fake):
        methods = ("predict_proba", "predict")

        def answer(self, batch: Batch, *, method: str) -> Answer:
            x = batch["x"].values
            return Answer(values=sound(x) if method == "predict_proba" else np.full(len(x), "no"))

    model = Reluctant(sound)
    model.methods = ("predict_proba", "predict")

    (failure,) = outcome(every_label_is_predicted, trial(model)).failures

    assert "'yes' is never predicted" == failure.cause.rule
    assert "times it is the most probable one" in failure.observed


def test_labels_alone_that_never_change_are_a_failure() -> None:
    model = Fake(lambda x: np.full(len(x), "no"), "predict")

    (failure,) = outcome(every_label_is_predicted, trial(model, claims(kind="labels"))).failures

    assert "every answer is 'no'" in failure.observed


def test_labels_alone_that_leave_out_a_rare_label_pass() -> None:
    rare = drawn(4000, lambda x: 0.05 * sigmoid(x))
    model = Fake(lambda x: np.full(len(x), "no"), "predict")

    found = outcome(every_label_is_predicted, trial(model, claims(kind="labels"), rows=rare))

    assert "passed" == found.outcome


THREE = ("low", "mid", "high")


def three(count: int = 3000, seed: int = 0) -> Batch:
    rows = drawn(count, seed=seed)
    noise = np.random.default_rng(seed + 1).normal(0, 0.5, count)
    cut = np.digitize(rows["x"].values + noise, [-1, 1])
    return rows.put(cells("y", "string", [THREE[i] for i in cut]))


def spread(x: np.ndarray) -> np.ndarray:
    scores = np.stack([-2 * x - 1, np.ones(len(x)), 2 * x - 1], axis=1)
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def test_a_label_cut_off_the_list_is_a_failure_where_the_others_are_answered_rightly() -> None:
    model = Fake(lambda x: np.array(THREE)[spread(x).argmax(axis=1).clip(0, 1)], "predict")
    on = trial(model, claims(THREE, "labels"), rows=three())

    (failure,) = outcome(every_label_is_predicted, on).failures

    assert "'high' is never predicted" == failure.cause.rule


def test_a_label_that_a_word_tells_and_no_row_gets_is_a_failure() -> None:
    rows = drawn(3000)
    draw = np.random.default_rng(5)
    topics = draw.choice(["crash", "price", "login"], 3000, p=[0.5, 0.3, 0.2]).tolist()
    texts = [f"{draw.integers(10**6)} my {topic} please" for topic in topics]
    schema = {"type": "object", "properties": {"text": {"type": "string"}}}
    told = rows.put(cells("text", "string", texts)).put(cells("y", "string", topics))

    class Reader(Fake):
        def answer(self, batch: Batch, *, method: str) -> Answer:
            read = ["price" if "price" in text else "crash" for text in batch["text"].values]
            return Answer(values=np.array(read, object))

    outputs = Outputs(kind="labels", labels=("crash", "price", "login"))
    claimed = claims_of(Model(name="reader"), Contract(inputs=schema, outputs=outputs), target="y")

    found = outcome(every_label_is_predicted, trial(Reader(sound, "predict"), claimed, told))

    (failure,) = found.failures

    assert "'login' is never predicted" == failure.cause.rule
    assert "with 'login' in text have it" in failure.observed


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (0, 2, 1), (2, 1, 0), (1, 2, 0)])
def test_columns_in_another_order_are_found_and_the_right_one_is_not(order: Any) -> None:
    model = Fake(lambda x: spread(x)[:, list(order)])

    found = outcome(answers_go_with_the_outcomes, trial(model, claims(THREE), rows=three()))

    assert ("passed" if order == (0, 1, 2) else "failed") == found.outcome


def test_swapped_labels_are_told_with_a_row_and_both_labels() -> None:
    model = Fake(lambda x: sound(x)[:, ::-1])

    (failure,) = outcome(answers_go_with_the_outcomes, trial(model, dev=drawn(600))).failures

    assert "in each other's place" in failure.cause.rule
    assert "dev rows" in failure.cause.rule
    assert "'no' and 'yes'" in failure.cause.rule or "'yes' and 'no'" in failure.cause.rule
    assert "and the outcome is" in failure.observed


@pytest.mark.parametrize("seed", range(12))
def test_a_model_that_knows_nothing_does_not_go_against_the_outcomes(seed: int) -> None:
    noise = np.random.default_rng(seed)
    model = Fake(lambda x: pair(noise.random(len(x))))

    found = outcome(answers_go_with_the_outcomes, trial(model, rows=drawn(1500, seed=seed)))

    assert "passed" == found.outcome


def numbers(count: int = 1500) -> Batch:
    rows = drawn(count)
    noise = np.random.default_rng(3).normal(0, 1, count)
    return rows.put(cells("y", "number", (3 * rows["x"].values + noise).tolist()))


VALUE = Outputs(kind="regression")


@pytest.mark.parametrize(("sign", "expected"), [(1, "passed"), (-1, "failed")])
def test_a_turned_number_is_found_and_the_right_one_is_not(sign: int, expected: str) -> None:
    model = Fake(lambda x: sign * 3 * x, "predict")

    found = outcome(
        answers_go_with_the_outcomes, trial(model, claims(outputs=VALUE), rows=numbers())
    )

    assert expected == found.outcome


def test_few_rows_are_skipped_with_their_number() -> None:
    found = outcome(every_label_is_predicted, trial(Fake(sound), rows=drawn(30)))

    assert ("skipped", True) == (found.outcome, "30 training rows" in found.reason)


def test_rows_without_an_outcome_are_skipped() -> None:
    rows = drawn(500).only(["x", "shop"])

    for check in (every_label_is_predicted, answers_go_with_the_outcomes):
        found = outcome(check, trial(Fake(sound), rows=rows))
        assert ("skipped", "the training rows came without their outcome") == (
            found.outcome,
            found.reason,
        )


def test_labels_of_another_type_in_the_file_are_the_same_labels() -> None:
    rows = drawn(2000)
    whole = rows.put(cells("y", "number", (rows["y"].values == "yes").astype(float).tolist()))

    for labels in ((0, 1), ("0", "1"), (False, True)):
        on = trial(Fake(sound), claims(labels), rows=whole)
        for check in (known_outcomes_are_claimed_ones, answers_go_with_the_outcomes):
            assert "passed" == outcome(check, on).outcome, labels


def test_rows_that_are_refused_are_left_out_and_the_others_judged() -> None:
    def picky(x: np.ndarray) -> np.ndarray:
        if (x > 4.5).any():
            raise Refusal("ValueError", ["ValueError"], "too large")
        return sound(x)

    on = trial(Fake(picky))

    assert "passed" == outcome(answers_go_with_the_outcomes, on).outcome
    assert 0 < len(judged(on, "training").truth) < 2000  # as many as a busy machine answers


def test_calibrated_probabilities_pass_and_are_told_with_their_bins() -> None:
    for seed in range(10):
        on = trial(Fake(sound), claims(calibration=0.02), dev=drawn(4000, seed=seed))

        assert "passed" == outcome(probabilities_are_calibrated_on_dev, on).outcome
        assert any("4,000 dev rows in 10 bins" in note for note in on.notes)


def test_probabilities_that_are_too_sure_are_found_with_an_interval() -> None:
    model = Fake(lambda x: pair(sigmoid(3 * x)))
    on = trial(model, claims(calibration=0.05), dev=drawn(4000))

    found = outcome(probabilities_are_calibrated_on_dev, on)

    assert "failed" == found.outcome
    assert "dev rows are yes" in found.failures[0].observed
    assert found.failures[0].cause.rule.startswith("off by more than 0.05 where ")


def test_probabilities_off_by_less_than_the_allowance_pass() -> None:
    model = Fake(lambda x: pair(np.clip(sigmoid(x) + 0.04, 0, 1)))
    on = trial(model, claims(calibration=0.05), dev=drawn(8000))

    assert "passed" == outcome(probabilities_are_calibrated_on_dev, on).outcome


def test_calibration_without_dev_rows_is_skipped_never_asked_of_training_rows() -> None:
    found = outcome(
        probabilities_are_calibrated_on_dev, trial(Fake(sound), claims(calibration=0.05))
    )

    assert ("skipped", "there are no dev rows") == (found.outcome, found.reason)


def worse_in_b(batch: Batch) -> Batch:
    """The outcomes of shop b, for most of its rows, turned to their opposite."""
    turned = (batch["shop"].values == "b") & (np.arange(batch.rows) % 4 > 0)
    yes = (batch["y"].values == "yes") != turned
    return batch.put(cells("y", "string", np.where(yes, "yes", "no").tolist()))


@pytest.mark.parametrize("kind", ["probabilities", "labels"])
def test_a_slice_that_is_answered_worse_is_named_and_too_small_ones_are_told(kind: str) -> None:
    answered = sound if kind == "probabilities" else lambda x: np.where(x > 0, "yes", "no")
    method = "predict_proba" if kind == "probabilities" else "predict"
    model = Fake(answered, method)
    on = trial(model, claims(kind=kind, slices={"shop": 0.05}), dev=worse_in_b(drawn(2000)))

    (failure,) = outcome(no_slice_is_answered_worse_on_dev, on).failures

    assert (("shop",), "shop == 'b'") == (failure.cause.columns, failure.cause.rule)
    assert any("too few dev rows to tell: shop == 'c'" in note for note in on.notes)


@pytest.mark.parametrize("seed", range(10))
def test_slices_that_are_answered_alike_pass(seed: int) -> None:
    claimed = claims(slices={"shop": 0.0, "x": 0.3, "id": 0.0})
    on = trial(Fake(sound), claimed, dev=drawn(2000, seed=seed))

    assert "passed" == outcome(no_slice_is_answered_worse_on_dev, on).outcome


def test_numbers_are_sliced_by_their_quarters() -> None:
    rows = numbers(2000)
    bad = rows["x"].values > 1.4
    worse = rows.put(cells("y", "number", np.where(bad, 99.0, rows["y"].values).tolist()))
    model = Fake(lambda x: 3 * x, "predict")
    on = trial(model, claims(outputs=VALUE, slices={"x": 1.0}), dev=worse)

    (failure,) = outcome(no_slice_is_answered_worse_on_dev, on).failures

    assert failure.cause.rule.startswith("x > 1.3")


def test_a_slice_of_a_column_that_is_not_there_is_a_failure() -> None:
    on = trial(Fake(sound), claims(slices={"region": 0.1}), dev=drawn(500))

    (failure,) = outcome(no_slice_is_answered_worse_on_dev, on).failures

    assert ("region",) == failure.cause.columns


def test_a_label_in_the_data_that_nobody_claims_is_a_failure_and_costs_no_other_check() -> None:
    rows = drawn(2000)
    odd = rows["y"].values.copy()
    odd[7:20] = "perhaps"
    on = trial(Fake(sound), rows=rows.put(cells("y", "string", odd.tolist())))

    (failure,) = outcome(known_outcomes_are_claimed_ones, on).failures

    assert "y = 'perhaps' in 13 of 2,000 training rows" == failure.observed
    assert ("y",) == failure.cause.columns
    assert "passed" == outcome(training_rows_fit_the_schema, on).outcome
    assert "passed" == outcome(answers_go_with_the_outcomes, on).outcome


def test_text_where_a_number_is_predicted_is_a_failure() -> None:
    on = trial(Fake(lambda x: x, "predict"), claims(outputs=VALUE))

    found = outcome(known_outcomes_are_claimed_ones, on)

    assert "y is not a number" == found.failures[0].cause.rule


def test_only_probabilities_can_be_claimed_to_be_calibrated() -> None:
    with pytest.raises(SpecInvalid, match=r"contract\.calibration"):
        claims(kind="labels", calibration=0.05)


def test_the_target_is_no_slice() -> None:
    with pytest.raises(SpecInvalid, match=r"contract\.slices\.y"):
        claims(slices={"y": 0.05})


CODE = """
import numpy as np


class Sure:
    classes_ = np.array(["no", "yes"])

    def predict_proba(self, frame):
        yes = 1 / (1 + np.exp(-3 * frame["x"].to_numpy()))
        return np.stack([1 - yes, yes], axis=1)


def load(artifact):
    return Sure()


def larger(frame):
    return frame.assign(x=frame["x"] + 1)
"""
TOML = """
[model]
name = "sure"
load = "{module}:load"

[data]
train = "train.csv"
dev = "dev.csv"
target = "y"

[contract]
inputs = "inputs.schema.json"
outputs = {{ kind = "probabilities", labels = ["no", "yes"] }}
calibration = 0.05
slices = {{ shop = 0.3 }}

[contract.relations.larger]
change = "{module}:larger"
expect = "up"
"""


def test_a_project_s_outcomes_dev_rows_and_functions_reach_its_checks(tmp_path: Path) -> None:
    module = "sure_of_itself"
    (tmp_path / f"{module}.py").write_text(CODE)
    (tmp_path / "harness.toml").write_text(TOML.format(module=module))
    (tmp_path / "inputs.schema.json").write_text(json.dumps(SCHEMA))
    (tmp_path / "artifact").write_text("nothing")
    for name, rows in (("train", drawn(600)), ("dev", drawn(3000, seed=1))):
        lines = (",".join(map(str, rows.row(i).values())) for i in range(rows.rows))
        (tmp_path / f"{name}.csv").write_text("\n".join([",".join(rows.names), *lines]))

    ready = prepare(parse.project(tmp_path))
    on = open_trial(
        ready.claims,
        ready.door.model,
        ready.rows,
        settings=Settings(rows=2000, seconds=60.0),
        dev=ready.dev,
    )
    found = {check.id: examine(on, check) for check in checks_for(ready.claims) if check in MINE}
    ready.door.close()

    assert len(MINE) == len(found)
    failed = [outcome for outcome in found.values() if outcome.outcome != "passed"]
    assert ["probabilities-are-calibrated-on-dev"] == [outcome.id for outcome in failed]
    assert "dev rows are yes" in failed[0].failures[0].observed


MINE = (
    known_outcomes_are_claimed_ones,
    declared_relations_hold,
    every_label_is_predicted,
    answers_go_with_the_outcomes,
    probabilities_are_calibrated_on_dev,
    no_slice_is_answered_worse_on_dev,
)


def test_a_slow_model_is_asked_for_few_rows() -> None:
    pause = threading.Event()
    asked: list[int] = []

    def slow(x: np.ndarray) -> np.ndarray:
        asked.append(len(x))
        pause.wait(0.01 * len(x))
        return sound(x)

    on = trial(Fake(slow))
    assert on.rate < 100
    asked.clear()

    for check in (every_label_is_predicted, answers_go_with_the_outcomes):
        examine(on, check)

    assert sum(asked) <= 130
