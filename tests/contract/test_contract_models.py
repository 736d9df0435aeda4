"""Real models: each planted bug is found with its columns, and healthy ones are left in peace."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from contract_zoo import (
    HEALTHY,
    LABELS,
    MUTANTS,
    SCHEMA,
    Healthy,
    Wrapped,
    batch_of,
    claims,
    inputs,
    opened,
    outputs_of,
)

from harness.contract.checks.catalogue import checks_for
from harness.contract.promise import Outcome, Settings
from harness.contract.run import examine, open_trial, run
from harness.spec.project import Outputs


@functools.cache
def training() -> Any:
    return batch_of(inputs())


def examined(model: Any, check: str, *, rows: int = 20_000) -> Outcome:
    trial = open_trial(
        claims(), opened(model), training(), settings=Settings(rows=rows, seconds=120.0)
    )
    return examine(trial, next(found for found in checks_for(claims()) if found.id == check))


@pytest.mark.parametrize(
    ("mutant", "check", "columns"),
    MUTANTS,
    ids=[f"{mutant.__name__}-{check}" for mutant, check, _ in MUTANTS],
)
def test_a_planted_bug_is_found_with_its_columns(
    mutant: type[Wrapped], check: str, columns: tuple[str, ...]
) -> None:
    found = examined(mutant(), check)

    assert "failed" == found.outcome, found.reason
    assert [columns] == [failure.cause.columns for failure in found.failures]


@pytest.mark.parametrize("check", sorted({check for _, check, _ in MUTANTS}))
def test_the_healthy_base_of_the_mutants_passes_the_checks_that_find_them(check: str) -> None:
    found = examined(Wrapped(), check, rows=3000)

    assert "passed" == found.outcome, (found.reason, found.failures)


@pytest.mark.parametrize("case", HEALTHY, ids=[name for name, _, _ in HEALTHY])
def test_a_healthy_model_raises_no_alarm(case: Healthy) -> None:
    _, make, changes = case
    made = claims(**changes)
    model = opened(make(), outputs=outputs_of(changes), kind=made.input)

    report = run(made, model, training(), settings=Settings(rows=5000, seconds=120.0))

    assert () == report.failed, report.text
    assert report.rows == 5000


def test_what_is_allowed_by_tolerance_is_decided_by_the_type_of_the_answer() -> None:
    class Rough(Wrapped):
        """Noise of 1e-6: above what float64 may have, below what float32 may."""

        turn = 0

        def after(self, frame: Any, found: Any) -> Any:
            type(self).turn += 1
            return found + (type(self).turn % 3) * 4e-7

    class Single(Rough):
        def after(self, frame: Any, found: Any) -> Any:
            return super().after(frame, found).astype("float32")

    check = "same-input-gives-same-output"

    assert "failed" == examined(Rough(), check).outcome
    assert "passed" == examined(Single(), check).outcome


def test_columns_of_an_answering_frame_in_another_order_are_a_failure() -> None:
    class Reordered(Wrapped):
        predict = None  # type: ignore[assignment]

        def after(self, frame: Any, found: Any) -> Any:
            import pandas

            return pandas.DataFrame(found[:, ::-1], columns=list(LABELS[::-1]))

    found = examined(Reordered(), "outputs-have-the-claimed-shape", rows=100)

    assert "failed" == found.outcome
    assert "its columns are good, bad" in found.failures[0].observed


def test_a_model_that_prints_is_heard_on_stderr_alone(capsys: pytest.CaptureFixture[str]) -> None:
    class Talks(Wrapped):
        def before(self, frame: Any) -> Any:
            print("hello from the model")
            return frame

    found = examined(Talks(), "one-row")

    assert "passed" == found.outcome
    out, err = capsys.readouterr()
    assert "hello" not in out
    assert "hello from the model" in err


def test_a_model_that_calls_exit_fails_and_pytest_lives() -> None:
    class Exits(Wrapped):
        def before(self, frame: Any) -> Any:
            if (frame["age"] > 100).any():
                raise SystemExit(3)
            return frame

    found = examined(Exits(), "valid-rows-are-answered", rows=1000)

    (failure,) = found.failures
    assert ("age",) == failure.cause.columns
    assert "raised SystemExit: 3" == failure.observed


def test_integer_and_boolean_labels_are_labels() -> None:
    flags = {
        "type": "object",
        "properties": {"active": SCHEMA["properties"]["active"]},
    }
    for labels in ((0, 1), (False, True)):
        made = claims(inputs=flags, outputs=Outputs(kind="labels", labels=labels))

        def predict(frame: Any, labels: tuple[Any, ...] = labels) -> list[Any]:
            if frame["active"].dtype != bool and str(frame["active"].dtype) != "boolean":
                raise ValueError("active must be true or false")
            return [labels[1] if flag else labels[0] for flag in frame["active"]]

        model = opened(predict, outputs="labels")
        report = run(made, model, training(), settings=Settings(rows=500))

        assert () == report.failed, report.text
