"""Losses: bounded, as others compute them, and refusing what is no answer."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import DataInvalid
from harness.decision.loss import METRICS, bound, floored, losses, prior

LABELS = ("red", "green", "blue")
CLIP = 1e-3


@st.composite
def distributions(draw: st.DrawFn, classes: int | None = None) -> np.ndarray:
    k = classes or draw(st.integers(2, 6))
    weights = draw(st.lists(st.sampled_from([0, 1, 1, 3, 20, 5000]), min_size=k, max_size=k))
    if not sum(weights):
        weights[0] = 1
    return np.array(weights) / sum(weights)


@given(distributions(), st.sampled_from(METRICS), st.data())
def test_every_loss_lies_within_zero_and_the_bound(
    p: np.ndarray, metric: str, data: st.DataObject
) -> None:
    labels = tuple(range(len(p)))
    target = data.draw(st.sampled_from(labels))

    (value,) = losses(metric, p[None], [target], labels=labels, clip=CLIP)

    assert 0 <= value <= bound(metric, classes=len(p), clip=CLIP)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("classes", [2, 3])
def test_the_bound_is_reached_by_the_worst_answer(metric: str, classes: int) -> None:
    answers = np.eye(classes)[:1]

    (value,) = losses(metric, answers, [1], labels=tuple(range(classes)), clip=CLIP)

    assert value == pytest.approx(bound(metric, classes=classes, clip=CLIP))


@given(distributions())
def test_a_floored_distribution_is_one_and_leaves_no_cell_below_the_clip(p: np.ndarray) -> None:
    (q,) = floored(p[None], 0.01)

    assert q.sum() == pytest.approx(1)
    assert (q >= 0.01 - 1e-15).all()
    assert ((p >= 0.01).all() and (p == q).all()) or (p < 0.01).any()


@given(distributions(2))
def test_two_classes_are_clipped_on_both_sides(p: np.ndarray) -> None:
    (q,) = floored(p[None], 0.01)

    assert q == pytest.approx(np.clip(p, 0.01, 0.99))


@given(distributions(4), distributions(4))
def test_nobody_expects_less_log_loss_by_answering_what_they_do_not_believe(
    belief: np.ndarray, answer: np.ndarray
) -> None:
    def expected(p: np.ndarray) -> float:
        return float(-(belief * np.log(floored(p[None], 0.01)[0])).sum())

    assert expected(belief) <= expected(answer) + 1e-12


def test_log_loss_and_brier_agree_with_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    random = np.random.default_rng(5)
    p, y = random.dirichlet([2, 3, 4], 500), random.integers(0, 3, 500)
    q, z = random.uniform(0.01, 0.99, 500), random.integers(0, 2, 500)

    assert losses("log_loss", p, y, labels=(0, 1, 2), clip=1e-9).mean() == pytest.approx(
        metrics.log_loss(y, p)
    )
    assert losses("log_loss", q, z, labels=(0, 1), clip=1e-9).mean() == pytest.approx(
        metrics.log_loss(z, q)
    )
    assert losses("brier", q, z, labels=(0, 1)).mean() == pytest.approx(
        metrics.brier_score_loss(z, q)
    )
    assert losses("brier", p, y, labels=(0, 1, 2)).mean() == pytest.approx(
        np.square(p - np.eye(3)[y]).sum(axis=1).mean()
    )


def test_of_equally_likely_labels_the_first_counts() -> None:
    answers = [[0.5, 0.5, 0.0], [0.0, 0.5, 0.5]]

    assert losses("accuracy", answers, ["red", "blue"], labels=LABELS).tolist() == [0, 1]


@pytest.mark.parametrize("metric", METRICS)
def test_the_last_labels_probability_alone_is_the_same_answer(metric: str) -> None:
    late = np.array([0.0, 0.25, 0.5, 1.0])
    targets = ["on_time", "late", "late", "late"]
    labels = ("on_time", "late")

    alone = losses(metric, late, targets, labels=labels)

    assert alone.tolist() == (
        losses(metric, np.stack([1 - late, late], axis=1), targets, labels=labels).tolist()
    )


def test_labels_themselves_are_right_or_wrong() -> None:
    answers = np.array(["red", "red", "blue"], dtype=object)

    wrong = losses("accuracy", answers, ["red", "blue", "blue"], labels=LABELS, kind="labels")

    assert wrong.tolist() == [0, 1, 0]


def test_labels_have_no_log_loss() -> None:
    with pytest.raises(DataInvalid, match="needs probabilities"):
        losses("log_loss", ["red"], ["red"], labels=LABELS, kind="labels")


@pytest.mark.parametrize("labels", [(0, 1), (False, True), (0.0, 1.0)])
def test_targets_are_labels_however_their_numbers_are_stored(labels: tuple[object, ...]) -> None:
    for targets in (np.array([0, 1]), np.array([False, True]), np.array([0.0, 1.0])):
        assert losses("accuracy", [0.2, 0.8], targets, labels=labels).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("answers", "targets", "says"),
    [
        ([[0.2, 0.3, math.nan]], ["red"], "not finite"),
        ([[0.2, 0.3, math.inf]], ["red"], "not finite"),
        ([[1.2, -0.2, 0.0]], ["red"], "outside"),
        ([[0.2, 0.2, 0.2]], ["red"], "sum to one"),
        ([[0.5, 0.5]], ["red"], r"\(1, 2\)"),
        ([0.5], ["red"], r"\(1,\)"),
        ([["a", "b", "c"]], ["red"], "not all numbers"),
        ([[1.0, 0.0, 0.0]], ["red", "red"], "1 answers for 2 rows"),
        ([[1.0, 0.0, 0.0]], ["secret"], "none of the declared labels"),
        ([[1.0, 0.0, 0.0]], [None], "none of the declared labels"),
        ([[1.0, 0.0, 0.0]], [math.nan], "none of the declared labels"),
        ([[1.0, 0.0, 0.0]], [["red"]], "one column"),
    ],
)
def test_what_is_no_answer_or_no_label_is_refused(
    answers: object, targets: object, says: str
) -> None:
    with pytest.raises(DataInvalid, match=says):
        losses("brier", answers, targets, labels=LABELS)  # type: ignore[arg-type]


def test_a_refusal_names_rows_and_quotes_no_cell() -> None:
    answers, targets = np.full((9, 3), 1 / 3), ["red"] * 4 + ["confidential", "red"] * 2 + ["red"]

    with pytest.raises(DataInvalid) as refused:
        losses("brier", answers, targets, labels=LABELS)

    assert "row 4, 6; 2 in all" in refused.value.message
    assert "confidential" not in refused.value.message + refused.value.hint


def test_the_prior_answers_the_training_frequencies() -> None:
    answers = prior(["red", "blue", "red", "red"], labels=LABELS, rows=2)

    assert answers.tolist() == [[0.75, 0, 0.25], [0.75, 0, 0.25]]


def test_there_is_no_prior_of_nothing() -> None:
    with pytest.raises(DataInvalid, match="no rows"):
        prior([], labels=LABELS, rows=2)
