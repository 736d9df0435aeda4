"""The data stage: what is wrong with the data is named by file, column and row."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from harness.contract.batch import Batch, cells
from harness.spec.project import Contract, Data, Described, Ledger, Model, Outputs, Project
from harness.stages import data
from harness.stages.stage import StageResult

SCHEMA = {
    "type": "object",
    "properties": {
        "age": {"type": "number", "minimum": 0, "maximum": 120},
        "region": {"type": "string", "enum": ["north", "south"]},
        "note": {"type": ["string", "null"]},
    },
}


def project(**changes: object) -> Project:
    declared = Data(
        train=Path("train"),
        holdout=Path("holdout"),
        target="late",
        described=Described(collected="2013", grain="one", source="here", personal_data=False),
    )
    return Project(
        folder=Path(),
        file=Path("harness.toml"),
        model=Model(name="m"),
        data=replace(declared, **changes),  # type: ignore[arg-type]
        contract=Contract(
            inputs=SCHEMA, outputs=Outputs(kind="probabilities", labels=("no", "yes"))
        ),
        ledger=Ledger(location=Path("ledger")),
    )


def table(start: int, rows: int = 4) -> Batch:
    return Batch(
        columns=(
            cells("id", "integer", list(range(start, start + rows))),
            cells("age", "number", [20.0 + i for i in range(rows)]),
            cells("region", "string", ["north", "south"] * (rows // 2)),
            cells("note", "string", [None] * rows),
            cells("late", "string", ["no", "yes"] * (rows // 2)),
        )
    )


def looked_at(train: Batch, holdout: Batch | None = None, **changes: object) -> StageResult:
    return data.check(project(**changes), {"train": train, "holdout": holdout or table(100)})


def said(result: StageResult) -> str:
    return "\n".join(
        p.promise + "\n" + "\n".join(f"{a}: {b}" for a, b in p.lines) for p in result.problems
    )


def test_good_data_pass() -> None:
    result = looked_at(table(0))

    assert result.passed, said(result)


def test_a_holdout_row_inside_train_is_found_by_all_columns_and_by_key() -> None:
    train = table(0)

    everything = looked_at(train, train.take([2, 3]))
    keyed = looked_at(train, replace_age(table(2)), key=("id",))

    assert "no row of holdout is in train" in said(everything)
    assert "2 of 4, equal in id" in said(keyed)


def replace_age(batch: Batch) -> Batch:
    return batch.put(cells("age", "number", [1.0] * batch.rows))


def test_a_value_that_the_schema_does_not_admit_is_named_by_column_and_row() -> None:
    wrong = table(0).put(cells("age", "number", [20.0, 21.0, 500.0, 22.0]))

    result = looked_at(wrong)

    assert "column: age" in said(result)
    assert "row: 2" in said(result)


def test_decimal_commas_are_called_by_their_name() -> None:
    wrong = table(0).put(cells("age", "string", ["20,5", "21,0", "22,5", "1.000,5"]))

    assert "numbers as text with decimal commas" in said(looked_at(wrong))


def test_a_missing_target_and_an_undeclared_label_fail() -> None:
    without = table(0).only(["id", "age", "region", "note"])
    strange = table(0).put(cells("late", "string", ["no", "yes", "maybe", "no"]))

    assert "has no column 'late'" in said(looked_at(without))
    assert "row 2" in said(looked_at(strange))


def test_undeclared_personal_data_are_found_by_name_and_by_value() -> None:
    named = table(0).put(cells("email", "string", ["x"] * 4))
    held = table(0).put(cells("contact", "string", ["ann@example.org"] * 4))

    assert "look personal: email" in said(looked_at(named))
    assert "look personal: contact" in said(looked_at(held))


@given(st.permutations(range(6)))
def test_the_digest_of_rows_knows_no_order(order: list[int]) -> None:
    rows = table(0, 6)

    assert data.rows_digest(rows.take(order)) == data.rows_digest(rows)
    assert data.rows_digest(rows.take(order[:5])) != data.rows_digest(rows)
