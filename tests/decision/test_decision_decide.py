"""Decisions: the bit, its rule, and nothing else that a label could have shaped."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.errors import DataInvalid
from harness.decision.decide import (
    EVALUE,
    MCNEMAR,
    Decision,
    Verdict,
    decide,
    ready,
    rows_needed,
)
from harness.decision.guardrail import Guardrail, Outcome, artifact_size
from harness.decision.policy import Policy

ACCURACY = Policy(metric="accuracy", classes=2)
LOG_LOSS = Policy(metric="log_loss", classes=2, minimum_gain=0.005)
BRIER = Policy(metric="brier", classes=3)


def outcome(champion: object, challenger: object, policy: Policy, **given: object) -> Decision:
    settings = {"look": 1, "promotions": 0, **given}
    return decide(np.asarray(champion), np.asarray(challenger), policy, **settings)  # type: ignore[arg-type]


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Policy, np.ndarray, np.ndarray]:
    policy = draw(st.sampled_from([ACCURACY, LOG_LOSS, BRIER]))
    size = draw(st.integers(30, 60))
    shares = st.lists(st.sampled_from([0.0, 1.0, 1.0]), min_size=size, max_size=size)
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    scale = 1.0 if policy is ACCURACY else policy.bound * random.uniform(0.2, 1.0)
    return policy, np.array(draw(shares)) * scale, np.array(draw(shares)) * scale


def test_a_challenger_right_on_many_more_rows_is_promoted() -> None:
    decision = outcome([1] * 30 + [0] * 970, [0] * 30 + [1] * 5 + [0] * 965, ACCURACY)

    assert decision.verdict is Verdict.PROMOTE
    assert decision.rule == MCNEMAR
    assert decision.level == pytest.approx(0.001)
    assert decision.reason == "shown to be better in accuracy on 1,000 rows at level 0.001"


def test_a_challenger_right_on_a_few_more_rows_is_not() -> None:
    decision = outcome([1] * 20 + [0] * 980, [0] * 20 + [1] * 15 + [0] * 965, ACCURACY)

    assert decision.verdict is Verdict.KEEP
    assert decision.reason.startswith("not shown to be better in accuracy on 1,000 rows")


def test_a_gain_below_the_minimum_is_not_enough_however_many_rows_show_it() -> None:
    champion = np.full(200_000, 0.300)

    assert outcome(champion, champion - 0.004, LOG_LOSS).verdict is Verdict.KEEP
    assert outcome(champion, champion - 0.010, LOG_LOSS).verdict is Verdict.PROMOTE


@pytest.mark.parametrize(
    ("policy", "rule"),
    [
        (ACCURACY, MCNEMAR),
        (Policy(metric="accuracy", classes=2, minimum_gain=0.01), EVALUE),
        (LOG_LOSS, EVALUE),
        (BRIER, EVALUE),
    ],
)
def test_only_accuracy_without_a_minimum_gain_takes_the_exact_test(
    policy: Policy, rule: str
) -> None:
    assert outcome([1.0] * 50, [0.0] * 50, policy).rule == rule


@given(pairs(), pairs())
def test_two_decisions_with_one_verdict_are_equal_whatever_the_losses_were(
    one: tuple[Policy, np.ndarray, np.ndarray], other: tuple[Policy, np.ndarray, np.ndarray]
) -> None:
    policy, rows = one[0], min(len(one[1]), len(other[1]))
    limit = policy.bound
    second = [np.minimum(np.sign(x[:rows]) * limit, limit) for x in other[1:]]

    first = outcome(one[1][:rows], one[2][:rows], policy)
    again = outcome(second[0], second[1], policy)

    assert first.verdict != again.verdict or first == again


@given(pairs(), st.integers(0, 2**32))
def test_the_order_of_the_rows_changes_nothing(
    pair: tuple[Policy, np.ndarray, np.ndarray], seed: int
) -> None:
    policy, champion, challenger = pair
    order = np.random.default_rng(seed).permutation(len(champion))

    assert outcome(champion, challenger, policy) == outcome(
        champion[order], challenger[order], policy
    )


@given(pairs())
def test_no_two_models_are_each_better_than_the_other(
    pair: tuple[Policy, np.ndarray, np.ndarray],
) -> None:
    policy, one, other = pair

    verdicts = [outcome(one, other, policy).verdict, outcome(other, one, policy).verdict]

    assert verdicts.count(Verdict.PROMOTE) <= 1


def test_a_model_never_replaces_its_equal() -> None:
    same = np.random.default_rng(1).uniform(0, 1, 5000)

    assert outcome(same, same, LOG_LOSS).verdict is Verdict.KEEP


@settings(max_examples=50)
@given(
    st.sampled_from(["accuracy", "brier", "log_loss"]),
    st.sampled_from([0.0, 0.01, 0.4]),
    st.sampled_from([0.05, 0.2]),
    st.integers(1, 100),
    st.integers(0, 99),
)
def test_rows_suffice_exactly_when_winning_all_of_them_would_promote(
    metric: str, gain: float, error: float, looks: int, promotions: int
) -> None:
    policy = Policy(metric=metric, classes=2, minimum_gain=gain, error=error, looks=looks)
    promotions %= looks
    needed = rows_needed(policy, promotions=promotions)

    def all_won(rows: int) -> Decision:
        worst, best = np.full(rows, policy.bound), np.zeros(rows)
        return outcome(worst, best, policy, promotions=promotions)

    assert all_won(needed).verdict is Verdict.PROMOTE
    assert all_won(needed - 1).verdict is Verdict.UNDECIDED
    assert f"at least {needed} are needed" in all_won(needed - 1).reason.replace(",", "")


def test_too_few_rows_are_undecided_for_every_label_they_could_have() -> None:
    reasons = {outcome([a] * 9, [b] * 9, ACCURACY) for a in (0, 1) for b in (0, 1)}

    assert {decision.verdict for decision in reasons} == {Verdict.UNDECIDED}
    assert len(reasons) == 1


def test_after_the_last_look_nothing_is_decided() -> None:
    policy = Policy(metric="accuracy", classes=2, looks=3)

    decision = outcome([1] * 500, [0] * 500, policy, look=4)

    assert decision.verdict is Verdict.UNDECIDED
    assert decision.reason == "no looks left: all 3 of this holdout are spent"
    assert ready(policy, rows=500, look=3, promotions=0) is None


def test_a_broken_guardrail_keeps_the_champion_before_any_label_is_read() -> None:
    too_large = artifact_size(300_000_000, limit=200_000_000)

    decision = ready(ACCURACY, rows=500, look=1, promotions=0, guardrails=[too_large])

    assert decision is not None
    assert decision.verdict is Verdict.KEEP
    assert decision.reason == "artifact_size is 300,000,000 bytes, and 200,000,000 are allowed"
    assert outcome([1] * 500, [0] * 500, ACCURACY, guardrails=[too_large]) == decision


def test_a_guardrail_that_cannot_tell_blocks() -> None:
    unclear = Guardrail(
        name="slice", outcome=Outcome.INCONCLUSIVE, observed=12, limit=500, unit="rows"
    )

    decision = outcome([1] * 500, [0] * 500, ACCURACY, guardrails=[unclear])

    assert decision.verdict is Verdict.UNDECIDED


def test_a_guardrail_that_holds_is_told_and_decides_nothing() -> None:
    fits = artifact_size(200_000_000, limit=200_000_000)

    decision = outcome([1] * 500, [0] * 500, ACCURACY, guardrails=[fits])

    assert decision.verdict is Verdict.PROMOTE
    assert decision.body()["guardrails"][0]["outcome"] == "held"


@pytest.mark.parametrize(
    ("champion", "challenger", "policy", "says"),
    [
        ([0.0, 1.0], [0.0], ACCURACY, "paired"),
        ([[0.0]], [[0.0]], ACCURACY, "paired"),
        ([math.nan], [0.0], BRIER, "champion"),
        ([0.0], [math.inf], BRIER, "challenger"),
        ([0.0], [2.5], BRIER, "not within 0 and 2"),
        ([-0.1], [0.0], BRIER, "not within"),
        ([0.5], [0.0], ACCURACY, "neither 0 nor 1"),
    ],
)
def test_losses_that_cannot_be_are_refused(
    champion: object, challenger: object, policy: Policy, says: str
) -> None:
    with pytest.raises(DataInvalid, match=says):
        outcome(champion, challenger, policy)
