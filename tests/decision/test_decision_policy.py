"""The policy and the α-tree, enumerated node by node."""

from __future__ import annotations

import json
import random
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core import canonical
from harness.core.errors import SpecInvalid
from harness.decision.policy import MOST_LOOKS, Policy, level, of_body, of_project
from harness.spec.project import Guardrails, Success


def policy(**settings: object) -> Policy:
    return Policy(**{"metric": "accuracy", "classes": 2, **settings})  # type: ignore[arg-type]


@pytest.mark.parametrize("looks", [1, 2, 3, 7, 12])
@pytest.mark.parametrize("error", [0.05, 0.1, 0.3])
def test_all_nodes_of_the_tree_together_spend_at_most_the_error(looks: int, error: float) -> None:
    spent = sum(
        Fraction(level(policy(looks=looks, error=error), promotions=sum(bits)))
        for depth in range(looks)
        for bits in product((0, 1), repeat=depth)
    )

    assert spent <= Fraction(error)
    assert spent >= Fraction(error) * Fraction(79, 100)


@given(st.integers(1, 9), st.integers(0, 2**32))
def test_results_that_come_late_spend_no_more(looks: int, seed: int) -> None:
    """Trainers open looks and wait for results in any order that what they saw suggests."""
    rules = policy(looks=looks)
    choose = random.Random(seed)

    def spend(opened: int, out: int, promotions: int) -> Fraction:
        may_open = opened < looks
        if not may_open and not out:
            return Fraction(0)
        if may_open and (not out or choose.random() < 0.6):
            here = Fraction(level(rules, promotions=promotions))
            return here + spend(opened + 1, out + 1, promotions)
        return spend(opened, out - 1, promotions) + spend(opened, out - 1, promotions + 1)

    assert spend(0, 0, 0) <= Fraction(rules.error)


@given(st.integers(1, MOST_LOOKS - 1), st.integers(0, MOST_LOOKS), st.floats(1e-6, 0.5))
def test_more_looks_or_a_smaller_error_make_each_look_stricter(
    looks: int, promotions: int, error: float
) -> None:
    promotions %= looks
    here = level(policy(looks=looks, error=error), promotions=promotions)

    assert 0 < level(policy(looks=looks + 1, error=error), promotions=promotions) < here
    assert 0 < level(policy(looks=looks, error=error / 2), promotions=promotions) < here
    assert here < error


def test_the_first_levels_are_those_of_the_formula() -> None:
    rules = policy(looks=40, error=0.05)

    assert level(rules, promotions=0) == pytest.approx(0.05 * 0.8 / 40)
    assert level(rules, promotions=1) == pytest.approx(0.05 * 0.1 / 780)
    assert level(rules, promotions=2) == pytest.approx(0.05 * 0.05 / 9880)


@pytest.mark.parametrize("promotions", [-1, 40])
def test_there_is_no_level_without_a_look(promotions: int) -> None:
    with pytest.raises(ValueError, match="leave no look"):
        level(policy(looks=40), promotions=promotions)


@pytest.mark.parametrize(
    "rules",
    [
        policy(),
        policy(metric="log_loss", clip=0.01, minimum_gain=0.005, artifact_size=10**8),
        policy(metric="brier", classes=7, error=0.01, looks=3),
    ],
)
def test_a_policy_survives_the_ledger(rules: Policy) -> None:
    sealed = json.loads(canonical.dumps(rules.body()))

    assert of_body(sealed).body() == rules.body() == sealed


def test_a_clip_that_the_metric_does_not_use_is_no_part_of_the_policy() -> None:
    assert policy(clip=0.01).body() == policy(clip=0.001).body()
    with_clip = policy(metric="log_loss", clip=0.01)
    assert with_clip.body() != policy(metric="log_loss", clip=0.001).body()


def test_all_that_is_wrong_with_a_policy_is_said_at_once_with_its_path() -> None:
    with pytest.raises(SpecInvalid) as refused:
        Policy(
            metric="log_loss",
            classes=1,
            clip=0.7,
            baseline="zero",
            name="hopeful",
            error=float("nan"),
            looks=0,
            artifact_size=-1,
        )

    for path in (
        "contract.outputs.labels",
        "success.clip",
        "success.baseline",
        "success.policy",
        "success.error",
        "success.looks",
        "guardrails.artifact_size",
    ):
        assert path in refused.value.message


@pytest.mark.parametrize(
    ("metric", "gain"), [("accuracy", 1.0), ("brier", 1.5), ("log_loss", 7.0), ("brier", -0.1)]
)
def test_a_gain_that_no_model_could_show_is_refused(metric: str, gain: float) -> None:
    with pytest.raises(SpecInvalid, match="minimum_gain"):
        policy(metric=metric, minimum_gain=gain)


def test_an_unknown_metric_is_refused_by_name() -> None:
    with pytest.raises(SpecInvalid, match=r"success\.metric: expected one of log_loss"):
        policy(metric="auc")


def test_a_project_becomes_its_policy() -> None:
    success = Success(metric="log_loss", minimum_gain=0.005, looks=20)

    rules = of_project(success, Guardrails(artifact_size=1000), classes=3)

    assert rules == Policy(
        metric="log_loss", classes=3, minimum_gain=0.005, looks=20, artifact_size=1000
    )
