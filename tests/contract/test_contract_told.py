"""What a report tells of a fault: the gravest first, each fact once, and no rule that is none."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from harness.contract.batch import Answer, Batch, Mask, Refusal, cells
from harness.contract.cause import explain
from harness.contract.claims import Claims, claims_of
from harness.contract.levels import Pool, pools
from harness.contract.oracle import Bulk, Group
from harness.contract.promise import Failure, Report, Settings
from harness.contract.rule import Condition
from harness.contract.run import run
from harness.contract.schema import domains
from harness.spec.project import Contract, Model, Outputs

PLANS = ("basic", "gold", "silver")
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "income": {"type": "number", "minimum": 0, "maximum": 1e9},
        "plan": {"type": "string", "enum": list(PLANS)},
        "note": {"type": "string", "maxLength": 2000},
    },
}
OPEN = {
    "type": "object",
    "properties": {
        **SCHEMA["properties"],
        "plan": {"type": "string", "enum": list(PLANS), "x-harness-open": True},
    },
}


def training(rows: int = 60) -> Batch:
    draw = np.random.default_rng(0)
    notes = [f"order {n} is late" for n in range(rows)]
    return Batch(
        columns=(
            cells("income", "number", draw.uniform(1e3, 1e5, rows).tolist()),
            cells("plan", "string", draw.choice(PLANS, rows).tolist()),
            cells("note", "string", notes),
        )
    )


def claims(**changes: Any) -> Claims:
    made: dict[str, Any] = {
        "inputs": SCHEMA,
        "outputs": Outputs(kind="regression"),
        "errors": ("ValueError",),
        **changes,
    }
    return claims_of(Model(name="fake"), Contract(**made))


class Fake:
    """A model without pandas."""

    methods = ("predict",)

    def __init__(self, answered: Callable[[Batch], np.ndarray]) -> None:
        self.answered = answered

    def answer(self, batch: Batch, *, method: str) -> Answer:
        if set(batch.names) < set(SCHEMA["properties"]):
            raise refusal("ValueError", "a column is missing")
        for name, column in zip(batch.names, batch.columns, strict=True):
            kinds = ("number", "integer") if name == "income" else ("string",)
            if name in SCHEMA["properties"] and column.kind not in kinds:
                raise refusal("ValueError", f"{name} is of another type")
        return Answer(values=self.answered(batch))


def refusal(kind: str, words: str) -> Refusal:
    return Refusal(kind, [kind, "Exception"], words)


def income(batch: Batch) -> np.ndarray:
    column = batch["income"]
    return np.where(column.absent, 0.0, column.values.astype(float))


def sound(batch: Batch) -> np.ndarray:
    return np.log1p(np.clip(income(batch), 0, 1e9))


def report_of(answered: Callable[[Batch], np.ndarray], **changes: Any) -> Report:
    settings = Settings(rows=3000, seconds=30.0)
    return run(claims(**changes), Fake(answered), training(), settings=settings)


def told(report: Report, check: str) -> tuple[Failure, ...]:
    return next(found.failures for found in report.checks if found.id == check)


def row_of(**values: Any) -> Batch:
    row = training().head(1)
    for name, value in values.items():
        row = row.put(cells(name, row[name].kind, [value]))
    return row


def tried() -> list[Pool]:
    return pools(domains(SCHEMA), training())


NATIVE = (
    "[14:46:57] /workspace/src/data.cc:87: Found a category not in the training set: `x`\n"
    "Stack trace:\n  [bt] (0) lib/libxgboost.so(+0x2be1) [0x7f1c]\n"
)


def test_a_native_error_is_told_without_its_clock_its_path_and_its_stack() -> None:
    error = {"type": "XGBoostError", "mro": ["XGBoostError"], "message": NATIVE}

    found = Refusal.from_header(error)

    assert "XGBoostError: Found a category not in the training set: `x`" == str(found)


def test_an_error_that_prints_a_whole_table_is_cut() -> None:
    error = {"type": "KeyError", "mro": ["KeyError"], "message": "unknown\n" + "1 2 3\n" * 1000}

    assert 500 > len(str(Refusal.from_header(error)))


def test_a_model_that_answers_hardly_an_unseen_value_is_swept_without_them() -> None:
    """Some unseen values are answered by chance; each error has an address of its own."""
    count = 0

    def strict(batch: Batch) -> np.ndarray:
        nonlocal count
        count += 1
        for value in batch["plan"].values:
            if value not in PLANS and zlib.crc32(str(value).encode()) % 3:
                raise refusal("BoosterError", f"at 0x{count:08x}: no category `{value}`")
        return sound(batch)

    report = report_of(strict, inputs=OPEN)

    rules = [failure.cause.rule for failure in told(report, "valid-rows-are-answered")]
    assert "plan is a value that training data don't have" == rules[-1]
    assert len(rules) <= 2
    assert report.rows > 1000, report.notes


def test_one_spelling_fault_is_one_failure_with_its_forms() -> None:
    def spelt(batch: Batch) -> np.ndarray:
        return sound(batch) + np.array([float(v in PLANS) for v in batch["plan"].values])

    report = report_of(spelt)

    (failure,) = told(report, "another-spelling-is-refused-or-answered-the-same")
    assert failure.cause.rule.startswith("plan: value in capitals, with a capital, ")
    assert "(and in" not in failure.cause.rule
    assert "1 calls" not in report.text


def test_nonsense_that_ordinary_rows_get_is_no_hostile_row_s_fault() -> None:
    report = report_of(lambda batch: np.where(scrambled(batch), np.nan, 1.0))

    failed = [check.id for check in report.failed]
    assert "values-are-finite" in failed
    assert "hostile-rows-get-no-silent-nonsense" not in failed


def test_what_valid_rows_get_is_told_before_relations_and_hostile_rows() -> None:
    def wrong(batch: Batch) -> np.ndarray:
        found = np.where(income(batch) > 2.5e6, np.nan, -sound(batch))
        return np.where(batch["income"].absent, np.nan, found)

    report = report_of(wrong, monotone={"income": "up"})

    order = [check.id for check in report.failed]
    last = "hostile-rows-get-no-silent-nonsense"
    assert ["values-are-finite", "declared-directions-hold", last] == order
    assert order == [c["id"] for c in report.to_json()["checks"] if c["outcome"] == "failed"]


def scrambled(batch: Batch) -> Mask:
    """A third of all rows, whatever one cell holds."""
    keys = zip(income(batch).tolist(), *(batch[n].values for n in ("plan", "note")), strict=True)
    return np.array([zlib.crc32(repr(key).encode()) % 3 == 0 for key in keys], bool)


def test_rows_that_fail_without_a_few_cells_to_blame_are_told_by_their_share() -> None:
    known = training(600)
    fails = scrambled(known)
    row, passing = known.take(np.flatnonzero(fails)[:1]), known.take(np.flatnonzero(~fails))

    found = explain(Bulk(scrambled), row, passing, tried(), fresh=lambda rows: training(rows))

    assert () == found.rule.conditions
    assert "no few cells of the row explain it: " in found.rule.text
    assert 0.2 < (found.rule.share or 0.0) < 0.5


def test_many_failing_texts_are_not_told_as_the_one_that_was_seen() -> None:
    def odd(batch: Batch) -> Mask:
        return np.array([zlib.crc32(str(v).encode()) % 2 == 0 for v in batch["note"].values], bool)

    known = training()
    fails = odd(known)
    row, passing = known.take(np.flatnonzero(fails)[:1]), known.take(np.flatnonzero(~fails))

    found = explain(Bulk(odd), row, passing, tried())

    (condition,) = found.rule.conditions
    assert isinstance(condition, Condition)
    assert "in" == condition.sign and len(condition.value) > 6
    assert f"… {len(condition.value)} such values)" in found.rule.text


def test_no_row_outside_is_said_to_fail_only_when_its_neighbours_were_asked() -> None:
    """Beside the rule is a second interval that fails, too, and that no ordinary row reaches."""

    def twice(batch: Batch) -> Mask:
        held = income(batch)
        gold = batch["plan"].values == "gold"
        return np.asarray(gold & (((held > 2e5) & (held < 3e5)) | (held < 1)), bool)

    def once(batch: Batch) -> Mask:
        return np.asarray(twice(batch) & (income(batch) > 1), bool)

    row, quiet = row_of(plan="gold", income=2.5e5), lambda rows: training(rows)
    shown = [
        explain(Group(lambda b, f=f: bool(f(b).any())), row, training(), tried(), fresh=quiet)
        for f in (once, twice)
    ]

    assert [0.0, None] == [found.outside for found in shown]


@pytest.mark.parametrize("edge", [1000.0, 21_474_836.47])
def test_a_direction_that_breaks_is_told_with_its_threshold(edge: float) -> None:
    def wraps(batch: Batch) -> np.ndarray:
        return np.where(income(batch) >= edge, sound(batch) - 30, sound(batch))

    report = report_of(wraps, monotone={"income": "up"})

    (failure,) = told(report, "declared-directions-hold")
    start, _, found = failure.cause.rule.partition(" across ")
    assert "income goes up, but not" == start
    assert edge == pytest.approx(float(found), rel=1e-3)


def test_a_long_text_is_told_by_its_beginning_and_kept_whole_in_the_json() -> None:
    def short(batch: Batch) -> np.ndarray:
        found = sound(batch)
        found[[len(str(v)) > 500 for v in batch["note"].values]] = np.nan
        return found

    report = report_of(short)

    (failure,) = told(report, "values-are-finite")
    assert len(failure.row["note"]) > 500
    assert failure.row["note"] not in report.text.replace("\n", "")
    assert f"({len(failure.row['note']):,} characters)" in " ".join(report.text.split())
    assert repr(failure.row["note"]) in repr(report.to_json())
