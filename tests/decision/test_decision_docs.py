"""docs/decision.md says what the code does."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from harness.decision.decide import Verdict
from harness.decision.loss import METRICS
from harness.decision.policy import of_project
from harness.spec.project import Guardrails, Success

PAGE = (Path(__file__).parents[2] / "docs" / "decision.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)


def test_its_examples_run() -> None:
    names: dict[str, object] = {}

    for block in blocks("python"):
        exec(block, names)

    assert "gain" in names


def test_its_settings_are_those_of_a_project_and_make_a_policy() -> None:
    (text,) = blocks("toml")
    success = tomllib.loads(text)["success"]

    policy = of_project(Success(**success), Guardrails(artifact_size=200_000_000), classes=2)

    assert policy.body()["looks"] == success["looks"]
    assert {*success} == {*Success.__dataclass_fields__}


def test_it_names_every_metric_and_verdict() -> None:
    for word in (*METRICS, *Verdict):
        assert f"`{word}`" in PAGE
