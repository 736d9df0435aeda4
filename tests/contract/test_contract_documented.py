"""docs/contract.md says what the code does."""

from __future__ import annotations

from pathlib import Path

from contract_zoo import claims

from harness.contract import schema
from harness.contract.checks.catalogue import checks_for
from harness.contract.promise import GRADES, OUTCOMES, SCHEMA
from harness.spec.project import Outputs, Relation

PAGE = (Path(__file__).parents[2] / "docs" / "contract.md").read_text(encoding="utf-8")


def test_every_check_stands_on_the_page_with_its_promise_and_no_other_does() -> None:
    relation = Relation(name="law", change="rules:change", expect="equal")
    classifier = claims(
        monotone={"score": "up"},
        invariant=("job",),
        relations=(relation,),
        calibration=0.05,
        slices={"job": 0.05},
    )
    valuer = claims(outputs=Outputs(kind="regression", minimum=0.0))

    there = {*checks_for(classifier), *checks_for(valuer)}
    rows = {f"| `{check.id}` | {check.grade} | {check.promise} |" for check in there}

    listed = {line for line in PAGE.splitlines() if line.split(" | ")[1:2] and "` | " in line}
    grades = {line for line in listed if line.split(" | ")[1] in GRADES}
    assert len(rows) >= len({check.id for check in there})
    assert rows == grades


def test_every_keyword_that_is_read_stands_on_the_page() -> None:
    left_out = {"allOf", "oneOf", "type"}  # forms of the others

    for keyword in schema._OF_A_COLUMN - left_out:
        assert keyword in PAGE, keyword


def test_the_words_of_the_report_stand_on_the_page() -> None:
    for word in (SCHEMA, *GRADES, *OUTCOMES):
        assert word in PAGE, word
