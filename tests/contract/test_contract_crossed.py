"""Several predicted numbers, some in each other's place: found, and never where none is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from harness.contract.batch import Answer, Batch, cells
from harness.contract.checks.quality import answers_go_with_the_outcomes
from harness.contract.claims import claims_of
from harness.contract.intervals import in_order, in_order_above
from harness.contract.promise import Outcome, Settings
from harness.contract.run import examine, open_trial
from harness.spec.project import Contract, Model, Outputs

NAMES = ("price", "weight", "days", "length")
Predict = Callable[[np.ndarray], np.ndarray]


class Predicting:
    """Answers *predict* of the columns as a matrix."""

    methods = ("predict",)

    def __init__(self, predict: Predict) -> None:
        self.predict = predict

    def answer(self, batch: Batch, *, method: str) -> Answer:
        given = np.stack([column.values for column in batch.columns], axis=1)
        return Answer(values=self.predict(given))


def found(predict: Predict, given: np.ndarray, truth: np.ndarray) -> Outcome:
    """What the check finds on dev rows *given* with the outcomes *truth*."""
    inputs = [f"x{i}" for i in range(given.shape[1])]
    targets = NAMES[: truth.shape[1]]
    columns = [*zip(inputs, given.T, strict=True), *zip(targets, truth.T, strict=True)]
    dev = Batch(columns=tuple(cells(n, "number", held.tolist()) for n, held in columns))
    contract = Contract(
        inputs={"type": "object", "properties": {name: {"type": "number"} for name in inputs}},
        outputs=Outputs(kind="regression", targets=targets),
    )
    claims = claims_of(Model(name="fake"), contract, target="")
    settings = Settings(rows=100, seconds=60.0, probe_rows=8)
    trial = open_trial(claims, Predicting(predict), dev, settings=settings, dev=dev)
    return examine(trial, answers_go_with_the_outcomes)


def drawn(together: float, *, targets: int = 3, rows: int = 600, seed: int = 0) -> tuple:
    """Rows, their outcomes, and the best answers: targets of unlike scales that go together."""
    draw = np.random.default_rng(seed)
    given = draw.normal(size=(rows, 5))
    weights = np.sqrt(together) * draw.normal(size=(5, 1))
    weights = weights + np.sqrt(1 - together) * draw.normal(size=(5, targets))
    scales = 10.0 ** np.array([3, -2, 0, 5])[:targets]

    def predict(given: np.ndarray) -> np.ndarray:
        return np.exp(given @ weights / 2) * scales  # no straight line, and a long tail

    noise = np.exp(draw.normal(0, 0.3, (rows, targets)))
    return given, predict(given) * noise, predict


@pytest.mark.parametrize("together", [0.0, 0.5, 0.8])
@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1)])
def test_targets_in_each_other_s_place_are_found_whatever_their_scales(
    order: Sequence[int], together: float
) -> None:
    given, truth, predict = drawn(together, rows=1500, seed=1)

    outcome = found(lambda given: predict(given)[:, list(order)], given, truth)

    moved = [name for place, name in enumerate(NAMES[:3]) if order[place] != place]
    assert ("failed" if moved else "passed") == outcome.outcome, outcome
    for failure in outcome.failures:
        assert set(moved) == {name for name in NAMES if name in failure.cause.rule}
        assert "stand in each other's place" in failure.cause.rule


def test_swapped_targets_are_told_once_with_a_row_its_answers_and_outcomes() -> None:
    given, truth, predict = drawn(0.0, targets=2)

    (failure,) = found(lambda given: predict(given)[:, ::-1], given, truth).failures

    assert failure.cause.rule.startswith("price and weight stand in each other's place: the answer")
    assert "the answer for weight is in the order of price in 9" in failure.cause.rule
    assert "of the pairs of dev rows" in failure.cause.rule
    assert "and the outcome is price = " in failure.observed
    assert {"x0", "x1", "x2", "x3", "x4"} == set(failure.row)


def test_swapped_targets_of_opposite_ways_are_no_turned_ones_too() -> None:
    given, truth, predict = drawn(0.0, targets=1)
    both = np.concatenate([truth, 1e6 / truth], axis=1)

    def swapped(given: np.ndarray) -> np.ndarray:
        return np.concatenate([1 / predict(given), predict(given)], axis=1)

    (failure,) = found(swapped, given, both).failures

    assert "stand in each other's place" in failure.cause.rule


def test_a_target_that_another_one_s_answer_tells_better_is_no_fault_alone() -> None:
    """Weight is answered by noise, and goes with price: the price tells it better than its own."""
    given, truth, predict = drawn(0.9, targets=2)
    noise = np.random.default_rng(1)

    def weak(given: np.ndarray) -> np.ndarray:
        return np.stack([predict(given)[:, 0], noise.random(len(given))], axis=1)

    assert "passed" == found(weak, given, truth).outcome


def healthy(draw: np.random.Generator) -> tuple[Predict, np.ndarray, np.ndarray]:
    """A model fitted as it should be, often to few rows, of targets that go together more or less
    and are told more or less well; and the dev rows to judge it by."""
    width, targets = int(draw.integers(1, 8)), int(draw.integers(2, 5))
    trained = int(draw.choice([width + 2, 20, 60, 300]))
    together = draw.choice([0.0, 0.5, 0.8, 0.95, 0.99])
    weights = np.sqrt(together) * draw.normal(size=(width, 1))
    weights = weights + np.sqrt(1 - together) * draw.normal(size=(width, targets))
    noise = draw.choice([0.05, 0.5, 2.0, 10.0], targets) * np.sqrt(width)
    shared = draw.choice([0.0, 0.9])
    scales = 10.0 ** draw.integers(-4, 5, targets)

    def rows(count: int) -> tuple[np.ndarray, np.ndarray]:
        given = draw.normal(size=(count, width))
        common = np.sqrt(shared) * draw.normal(size=(count, 1))
        error = common + np.sqrt(1 - shared) * draw.normal(size=(count, targets))
        return given, (given @ weights + noise * error) * scales

    known, outcomes = rows(trained)
    if draw.random() < 0.3:  # the nearest row's outcomes

        def predict(given: np.ndarray) -> np.ndarray:
            far = ((given[:, None] - known[None]) ** 2).sum(axis=2)
            return outcomes[far.argmin(axis=1)]

    else:  # a line, shrunk more or less
        ridge = draw.choice([1e-6, 1.0, 3.0]) * trained * np.eye(width)
        line = np.linalg.solve(known.T @ known + ridge, known.T @ outcomes)

        def predict(given: np.ndarray) -> np.ndarray:
            return given @ line

    return predict, *rows(int(draw.choice([60, 200, 600])))


@pytest.mark.parametrize("seed", range(6))
def test_none_of_many_healthy_models_has_targets_in_each_other_s_place(seed: int) -> None:
    draw = np.random.default_rng(seed)

    for number in range(50):
        predict, given, truth = healthy(draw)
        outcome = found(predict, given, truth)

        told = [f for f in outcome.failures if "each other's place" in f.cause.rule]
        assert outcome.outcome in ("passed", "failed"), outcome
        assert [] == told, (seed, number)


def test_constant_answers_and_constant_outcomes_go_with_nothing() -> None:
    given, truth, _ = drawn(0.0)
    same = np.ones_like(truth)

    assert "passed" == found(lambda given: np.ones((len(given), 3)), given, truth).outcome
    assert "passed" == found(lambda given: given[:, :3], given, same).outcome


def test_the_share_of_rows_in_order_counts_ties_half() -> None:
    rising = np.arange(4.0)

    assert [1.0] * 4 == in_order(rising, rising * 7).tolist()
    assert [0.0] * 4 == in_order(rising, -rising).tolist()
    assert [0.5] * 4 == in_order(rising, np.ones(4)).tolist()


def test_of_two_answers_that_are_as_good_few_seem_surely_better() -> None:
    """The p-value is no smaller than it says: 1 % of draws fall below 0.01, give or take."""
    below = 0
    for seed in range(400):
        draw = np.random.default_rng(seed)
        truth = draw.normal(size=100)
        one, other = (truth + draw.normal(size=100) for _ in range(2))
        below += in_order_above(in_order(one, truth), in_order(other, truth)) < 0.01

    assert below <= 14  # P(Bin(400, 0.01) > 14) is under 1e-4
