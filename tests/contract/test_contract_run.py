"""Running a contract with fake models: what each check may cost the others, and what is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.contract import keep
from harness.contract.batch import Answer, Batch, Broken, Refusal, cells
from harness.contract.checks.catalogue import checks_for
from harness.contract.claims import Claims, claims_of
from harness.contract.promise import Check, Outcome, Report, Settings, structural
from harness.contract.run import examine, open_trial, replay, run
from harness.core.errors import DataInvalid, DataMissing, SpecInvalid
from harness.spec.project import Contract, Model, Outputs

SHORT = Settings(rows=2000, seconds=20.0)
SCHEMA = {
    "type": "object",
    "properties": {
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "income": {"type": ["number", "null"], "minimum": 0, "maximum": 1e9},
        "plan": {"type": "string", "enum": ["basic", "gold"]},
    },
}


def claims(**changes: Any) -> Claims:
    made: dict[str, Any] = {
        "inputs": SCHEMA,
        "outputs": Outputs(kind="regression"),
        "errors": ("ValueError",),
    }
    return claims_of(Model(name="fake"), Contract(**(made | changes)))


def training(rows: int = 40) -> Batch:
    draw = np.random.default_rng(0)
    return Batch(
        columns=(
            cells("age", "integer", draw.integers(18, 90, rows).tolist()),
            cells("income", "number", draw.uniform(1e4, 1e5, rows).tolist()),
            cells("plan", "string", draw.choice(["basic", "gold"], rows).tolist()),
        )
    )


def number(batch: Batch, name: str) -> np.ndarray:
    column = batch[name]
    if column.kind not in ("number", "integer"):
        raise refusal("ValueError", f"{name} is no number")
    return np.where(column.absent, 0.0, column.values.astype(float))


def refusal(kind: str, words: str) -> Refusal:
    return Refusal(kind, [kind, "Exception"], words)


def sound(batch: Batch) -> np.ndarray:
    """Refuses what it doesn't know, answers the rest row by row."""
    if {"age", "income", "plan"} - set(batch.names):
        raise refusal("ValueError", "a column is missing")
    plan = batch["plan"]
    known = np.array([v in ("basic", "gold") for v in plan.values], bool)
    if plan.absent.any() or not known.all():
        raise refusal("ValueError", "a plan is unknown")
    age, income = number(batch, "age"), number(batch, "income")
    if batch["age"].absent.any() or not np.isfinite(age + income).all():
        raise refusal("ValueError", "a number is missing or not finite")
    return age * 0.5 + np.log1p(income)


def filled(batch: Batch) -> Batch:
    """The batch with 30 for every missing age."""
    ages = np.where(batch["age"].absent, 30.0, batch["age"].values)
    return batch.put(cells("age", "number", ages.tolist()))


class Fake:
    """A model without pandas: *answered* maps a batch to values."""

    methods = ("predict",)

    def __init__(self, answered: Callable[[Batch], np.ndarray] = sound) -> None:
        self.answered = answered
        self.calls = 0

    def answer(self, batch: Batch, *, method: str) -> Answer:
        self.calls += 1
        return Answer(values=self.answered(batch))


def outcome(report: Report, check: str) -> Outcome:
    return next(found for found in report.checks if found.id == check)


def test_a_sound_model_passes_every_check_that_applies() -> None:
    report = run(claims(), Fake(), training(), settings=SHORT)

    assert () == report.failed, report.text
    assert report.ok
    assert 2000 == report.rows
    assert report.coverage[3] > 0.95
    assert {"passed", "skipped"} == {check.outcome for check in report.checks}


def test_every_skipped_check_says_why() -> None:
    report = run(claims(), Fake(), training(), settings=SHORT)

    assert all(check.reason for check in report.checks if check.outcome == "skipped")


def test_each_failure_is_one_whole_row_with_a_cause_and_a_replay(tmp_path: Path) -> None:
    def wrong(batch: Batch) -> np.ndarray:
        found = sound(batch)
        found[number(batch, "income") > 2.5e6] = np.nan
        return found

    report = run(claims(), Fake(wrong), training(), settings=SHORT, rows_folder=tmp_path)

    (failure,) = outcome(report, "values-are-finite").failures
    assert {"age", "income", "plan"} == set(failure.row)
    assert ("income",) == failure.cause.columns
    assert "income > 2500000.0" == failure.cause.rule
    assert "value = nan" == failure.observed
    assert 0 < failure.cause.calls <= 60
    assert failure.replay


def test_two_bugs_in_one_promise_are_both_told() -> None:
    def wrong(batch: Batch) -> np.ndarray:
        found = sound(batch)
        found[(number(batch, "income") > 2.5e6) | (number(batch, "age") > 110)] = np.inf
        return found

    report = run(claims(), Fake(wrong), training(), settings=SHORT)

    rules = {f.cause.rule for f in outcome(report, "values-are-finite").failures}
    assert {"income > 2500000.0", "age > 110"} == rules


def test_rows_that_are_refused_hide_no_other_bug() -> None:
    def wrong(batch: Batch) -> np.ndarray:
        age, income = number(batch, "age"), number(batch, "income")
        if (age == 0).any():
            raise refusal("ZeroDivisionError", "division by zero")
        found = sound(batch)
        found[income > 2.5e6] = np.nan
        return found

    report = run(claims(), Fake(wrong), training(), settings=SHORT)

    (refused,) = outcome(report, "valid-rows-are-answered").failures
    (nan,) = outcome(report, "values-are-finite").failures
    assert "age == 0" == refused.cause.rule
    assert "raised ZeroDivisionError: division by zero" == refused.observed
    assert "income > 2500000.0" == nan.cause.rule


def test_a_model_that_refuses_everything_fails_once_and_says_so() -> None:
    def never(batch: Batch) -> np.ndarray:
        raise refusal("RuntimeError", "not today")

    report = run(claims(), Fake(never), training(), settings=SHORT)

    assert ["valid-rows-are-answered"] == [check.id for check in report.failed]
    (failure,) = report.failed[0].failures
    assert "every row" == failure.cause.rule


def test_an_answer_that_loses_rows_is_traced_to_the_cell() -> None:
    def drops(batch: Batch) -> np.ndarray:
        return sound(batch)[~batch["income"].absent]

    report = run(claims(), Fake(drops), training(), settings=SHORT)

    (failure,) = outcome(report, "outputs-have-the-claimed-shape").failures
    assert "income is missing" == failure.cause.rule


def test_a_broken_check_takes_no_other_check_down() -> None:
    @structural
    def something_else(trial: Any) -> Any:
        """Something else holds."""
        raise ZeroDivisionError("ours")
        yield

    trial = open_trial(claims(), Fake(), training(), settings=SHORT)

    found = examine(trial, something_else)
    other = examine(trial, next(c for c in checks_for(claims()) if c.id == "one-row"))

    assert "failed" == found.outcome
    assert "the check itself broke: ZeroDivisionError: ours" == found.reason
    assert "passed" == other.outcome


def test_a_model_that_dies_is_opened_again_for_the_other_checks() -> None:
    opened = []

    def dies(batch: Batch) -> np.ndarray:
        if batch.rows == 1:
            raise Broken("it died of signal 11")
        return sound(batch)

    def reopen() -> Fake:
        opened.append(Fake(dies))
        return opened[-1]

    report = run(claims(), Fake(dies), training(), settings=SHORT, reopen=reopen)

    assert "it died of signal 11" == outcome(report, "one-row").reason
    assert "passed" == outcome(report, "row-order-does-not-matter").outcome
    assert "passed" == outcome(report, "values-are-finite").outcome
    assert opened


def test_a_dead_model_that_cannot_be_opened_again_fails_what_needs_it() -> None:
    def dies(batch: Batch) -> np.ndarray:
        if batch.rows == 1:
            raise Broken("it died")
        return sound(batch)

    report = run(claims(), Fake(dies), training(), settings=SHORT)

    assert "passed" == outcome(report, "training-rows-fit-the-schema").outcome
    assert "the model is gone since: it died" in outcome(report, "empty-batch").reason
    assert not report.ok


def test_a_model_that_hangs_fails_and_is_left_behind() -> None:
    never = threading.Event()

    def hangs(batch: Batch) -> np.ndarray:
        if batch.rows == 1:
            never.wait()
        return sound(batch)

    settings = Settings(rows=1000, seconds=6.0)
    report = run(claims(), Fake(hangs), training(), settings=settings, reopen=lambda: Fake(hangs))

    assert "the model hangs: no answer within 2 s" == outcome(report, "one-row").reason
    assert "passed" == outcome(report, "row-order-does-not-matter").outcome
    never.set()


def test_a_check_without_time_has_failed_not_passed() -> None:
    report = run(claims(), Fake(), training(), settings=Settings(rows=1000, seconds=1e-9))

    needs_model = [c for c in report.checks if c.id != "training-rows-fit-the-schema"]
    assert not any(check.outcome == "passed" for check in needs_model)
    assert "the budget of 1e-09 s is used up" == outcome(report, "one-row").reason


def test_an_expected_failure_is_told_apart_and_is_strict() -> None:
    def wrong(batch: Batch) -> np.ndarray:
        if not batch.rows:
            raise refusal("IndexError", "no rows")
        return sound(batch)

    expected = {"empty-batch": "never sent", "one-row": "wrongly expected"}
    report = run(claims(), Fake(wrong), training(), settings=SHORT, expected_failures=expected)

    assert ("expected", "never sent") == (
        outcome(report, "empty-batch").outcome,
        outcome(report, "empty-batch").reason,
    )
    assert "failed" == outcome(report, "one-row").outcome
    assert "expected to fail (wrongly expected)" in outcome(report, "one-row").reason


def test_an_expected_failure_of_no_check_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(SpecInvalid) as refused:
        run(claims(), Fake(), training(), expected_failures={"empty-bach": "why"})

    assert "empty-bach" in refused.value.message
    assert "empty-batch" in refused.value.hint


def test_training_rows_that_contradict_the_schema_are_told_and_not_used() -> None:
    rows = training().put(cells("age", "integer", [200, *[30] * 39]))

    report = run(claims(), Fake(), rows, settings=SHORT)

    (failure,) = outcome(report, "training-rows-fit-the-schema").failures
    assert ("age",) == failure.cause.columns
    assert "above the maximum 120 (1 of 40 rows)" in failure.cause.rule
    assert [failure] == [f for check in report.checks for f in check.failures]


def test_without_training_rows_made_ones_serve() -> None:
    report = run(claims(), Fake(), Batch(columns=()), settings=SHORT)

    assert report.ok, report.text
    assert "no training rows: probes use made rows" in report.notes


def test_a_declared_direction_is_checked_and_names_its_column() -> None:
    def bends(batch: Batch) -> np.ndarray:
        found = sound(batch)
        gold = np.array([v == "gold" for v in batch["plan"].values], bool)
        return np.where(gold & (number(batch, "age") > 60), found - 50, found)

    report = run(claims(monotone={"age": "up"}), Fake(bends), training(), settings=SHORT)

    (failure,) = outcome(report, "declared-directions-hold").failures
    assert ("age", "plan") == failure.cause.columns
    assert "age goes up, plan == 'gold', but not from 60 to 61" == failure.cause.rule


def test_a_declared_invariant_is_checked_and_names_its_column() -> None:
    def leaks(batch: Batch) -> np.ndarray:
        gold = np.array([v == "gold" for v in batch["plan"].values], bool)
        return sound(batch) + gold

    report = run(claims(invariant=("plan",)), Fake(leaks), training(), settings=SHORT)

    (failure,) = outcome(report, "declared-invariants-hold").failures
    assert ("plan",) == failure.cause.columns


HOSTILE = [
    ("hostile-rows-are-answered-or-refused", "IndexError", "no such index"),
    ("hostile-rows-are-answered-or-refused", "AttributeError", "no attribute"),
]


@pytest.mark.parametrize(("check", "error", "words"), HOSTILE)
def test_an_undeclared_error_on_a_hostile_row_is_a_failure(
    check: str, error: str, words: str
) -> None:
    def stumbles(batch: Batch) -> np.ndarray:
        if batch.rows and "age" in batch.names and batch["age"].kind == "mixed":
            raise refusal(error, words)
        return sound(batch)

    report = run(claims(), Fake(stumbles), training(), settings=SHORT)

    assert {check} == {found.id for found in report.failed}
    assert {("age",)} == {f.cause.columns for f in outcome(report, check).failures}


def test_a_hostile_row_that_gets_a_silent_nan_is_a_failure() -> None:
    def silent(batch: Batch) -> np.ndarray:
        if "age" not in batch.names or batch["age"].kind == "mixed":
            return sound(batch)
        return np.where(batch["age"].absent, np.nan, sound(filled(batch)))

    report = run(claims(), Fake(silent), training(), settings=SHORT)

    assert ["hostile-rows-get-no-silent-nonsense"] == [check.id for check in report.failed]
    (failure,) = report.failed[0].failures
    assert None is failure.row["age"]
    assert "age: missing value" == failure.cause.rule


def test_a_hostile_row_that_changes_its_neighbours_is_a_failure() -> None:
    def spoils(batch: Batch) -> np.ndarray:
        if "age" not in batch.names or batch["age"].kind == "mixed":
            return sound(batch)
        return sound(filled(batch)) + batch["age"].absent.any()

    report = run(claims(), Fake(spoils), training(), settings=SHORT)

    assert ["hostile-rows-spoil-no-other-row"] == [check.id for check in report.failed]


def test_another_spelling_may_be_refused_or_understood_and_nothing_else() -> None:
    def guesses(batch: Batch) -> np.ndarray:
        if "plan" not in batch.names or batch["plan"].kind != "string":
            return sound(batch)
        texts = batch["plan"].values.tolist()
        known = [text if text in ("basic", "gold") else "basic" for text in texts]
        found = sound(batch.put(cells("plan", "string", known)))
        return found + np.array([float(t == "gold") for t in texts])

    def understands(batch: Batch) -> np.ndarray:
        if "plan" not in batch.names or batch["plan"].kind != "string":
            return sound(batch)
        texts = [str(text).strip().lower() for text in batch["plan"].values]
        return sound(batch.put(cells("plan", "string", texts)))

    check = "another-spelling-is-refused-or-answered-the-same"

    guessed = run(claims(), Fake(guesses), training(), settings=SHORT)
    understood = run(claims(), Fake(understands), training(), settings=SHORT)

    assert {("plan",)} == {f.cause.columns for f in outcome(guessed, check).failures}
    assert "passed" == outcome(understood, check).outcome


def test_the_json_is_strict_and_as_designed() -> None:
    def wrong(batch: Batch) -> np.ndarray:
        found = sound(batch)
        found[number(batch, "income") > 2.5e6] = np.nan
        return found

    report = run(claims(), Fake(wrong), training(), settings=SHORT)
    told = json.loads(json.dumps(report.to_json(), allow_nan=False))

    assert "harness.check/1" == told["schema"]
    assert ("fake", None, 2000) == (told["model"], told["digest"], told["rows"])
    assert {"3"} == set(told["coverage"])
    check = next(c for c in told["checks"] if c["id"] == "values-are-finite")
    assert ("valid", "failed", "") == (check["grade"], check["outcome"], check["reason"])
    (failure,) = check["failures"]
    assert {"row", "observed", "cause", "reproduce"} == set(failure)
    assert ["income"] == failure["cause"]["columns"]


def test_the_text_names_promise_row_cause_and_replay(tmp_path: Path) -> None:
    def wrong(batch: Batch) -> np.ndarray:
        found = sound(batch)
        found[number(batch, "income") > 2.5e6] = np.nan
        return found

    report = run(claims(), Fake(wrong), training(), settings=SHORT, rows_folder=tmp_path)
    lines = report.text.splitlines()

    replayed = outcome(report, "values-are-finite").failures[0].replay
    assert lines[0].startswith("contract     FAILED   2 of ")
    assert "2,000 rows, 3-way 97" in lines[0]
    for start in (
        "  promise    No predicted value is NaN or infinite (values-are-finite, valid)",
        "  row        income = ",
        "  observed   value = nan",
        "  cause      income > 2500000.0 (1 cell, ",
        "  example    @example(row={'age': ",
    ):
        assert any(line.startswith(start) for line in lines), start
    assert f"  replay     harness check --replay {replayed}" in lines
    assert "equal means  1e-06 relative + 1e-09 absolute (float32: 0.0001 + 1e-06)" in lines


def test_a_kept_row_is_asked_first_and_found_with_hardly_a_row_swept(tmp_path: Path) -> None:
    def wrong(batch: Batch) -> np.ndarray:
        found = sound(batch)
        found[(number(batch, "income") > 123.0) & (number(batch, "income") < 124.0)] = np.nan
        return found

    row = {"age": 30, "income": 123.5, "plan": "gold"}
    kept = keep.Kept(
        id="abcd", check="values-are-finite", row=row, columns=(), rule="", observed=""
    )

    few = Settings(rows=1, seconds=20.0)
    blind = run(claims(), Fake(wrong), training(), settings=few)
    warned = run(claims(), Fake(wrong), training(), settings=few, kept=[kept])

    assert blind.ok
    assert ["values-are-finite"] == [check.id for check in warned.failed]


def test_a_replay_runs_one_check_and_tells_when_the_bug_is_gone(tmp_path: Path) -> None:
    def wrong(batch: Batch) -> np.ndarray:
        found = sound(batch)
        found[number(batch, "income") > 2.5e6] = np.nan
        return found

    run(claims(), Fake(wrong), training(), settings=SHORT, rows_folder=tmp_path)
    kept = next(k for k in keep.read(tmp_path) if k.check == "values-are-finite")

    again = replay(claims(), Fake(wrong), training(), kept, settings=SHORT)
    mended = replay(claims(), Fake(), training(), kept, settings=SHORT)

    assert ["values-are-finite"] == [check.id for check in again.checks]
    assert not again.ok
    assert mended.ok


@pytest.mark.parametrize(
    "check", ["hostile-rows-get-no-silent-nonsense", "a-missing-column-is-refused-or-answered"]
)
def test_a_hostile_row_can_be_replayed_too(tmp_path: Path, check: str) -> None:
    def silent(batch: Batch) -> np.ndarray:
        if "age" not in batch.names:
            return np.full(batch.rows, np.nan)
        if batch["age"].kind == "mixed":
            return sound(batch)
        return np.where(batch["age"].absent, np.nan, sound(filled(batch)))

    run(claims(), Fake(silent), training(), settings=SHORT, rows_folder=tmp_path)
    kept = next(k for k in keep.read(tmp_path) if k.check == check)

    again = replay(claims(), Fake(silent), training(), kept, settings=SHORT)
    mended = replay(claims(), Fake(), training(), kept, settings=SHORT)

    assert not again.ok
    assert mended.ok


def test_a_cause_is_kept_once(tmp_path: Path) -> None:
    def wrong(batch: Batch) -> np.ndarray:
        found = sound(batch)
        found[number(batch, "income") > 2.5e6] = np.nan
        return found

    for seed in (0, 1):
        settings = Settings(rows=2000, seconds=20.0, seed=seed)
        run(claims(), Fake(wrong), training(), settings=settings, rows_folder=tmp_path)

    kept = [k for k in keep.read(tmp_path) if k.check == "values-are-finite"]
    assert 1 == len(kept)
    assert 4 == len(kept[0].id)


def test_numbers_that_json_lacks_are_kept_all_the_same(tmp_path: Path) -> None:
    from harness.contract.promise import Cause, Failure

    cause = Cause(columns=("x",), rule="x: infinity")
    keep.keep(tmp_path, "some-check", [Failure(row={"x": np.inf}, observed="", cause=cause)])

    (kept,) = keep.read(tmp_path)

    assert np.inf == kept.row["x"]
    assert "Infinity" in (tmp_path / "some-check.jsonl").read_text()


def test_a_damaged_file_of_kept_rows_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "one-row.jsonl").write_text('{"id": "ab\n')

    with pytest.raises(DataInvalid, match="line 1"):
        keep.read(tmp_path)


def test_an_id_that_is_not_kept_is_refused_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match="no row of that id: ffff"):
        keep.find(keep.read(tmp_path), "ffff")


def test_ids_of_checks_are_unique_and_promises_are_sentences() -> None:
    checks: list[Check] = list(checks_for(claims(monotone={"age": "up"}, invariant=("plan",))))

    assert len(checks) == len({check.id for check in checks})
    for check in checks:
        assert check.promise[0].isupper() and " " in check.promise, check.id


def test_a_slow_model_is_probed_with_fewer_rows_and_fails_nothing() -> None:
    pause = threading.Event()

    def slow(batch: Batch) -> np.ndarray:
        pause.wait(0.0005 * batch.rows)
        return sound(batch)

    report = run(claims(), Fake(slow), training(), settings=Settings(rows=500, seconds=4.0))

    assert () == report.failed, report.text
    assert any(note.startswith("a slow model: ") for note in report.notes)


def test_one_training_row_is_enough() -> None:
    report = run(claims(), Fake(), training(1), settings=SHORT)

    assert report.ok, report.text
