"""`harness explain`: every check has its page, and no page is without its check."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli.main import main
from harness.contract.explain import PAGES, SECTIONS, every_check, page

CHECKS = {check.id: check for check in every_check()}
INDEX = Path(__file__).parents[2] / "docs" / "checks" / "README.md"


def test_every_check_has_a_page_and_every_page_a_check() -> None:
    assert set(CHECKS) == {file.stem for file in PAGES.iterdir()}


@pytest.mark.parametrize("identity", sorted(CHECKS))
def test_a_page_says_the_checks_own_promise_and_grade_and_has_every_section(identity: str) -> None:
    found = page(identity)

    head = " ".join(found.text.split("\n## ")[0].split())
    assert f"# {identity} {CHECKS[identity].promise}. Grade: {CHECKS[identity].grade}" == head
    assert list(SECTIONS) == list(found.sections)
    assert all(found.sections.values())
    assert f'"{identity}": "' in found.sections["How to declare an exception"]


def test_the_docs_list_every_page_with_its_promise() -> None:
    listed = [line for line in INDEX.read_text("utf-8").splitlines() if line.startswith("| [")]

    assert [
        f"| [`{c.id}`](../../harness/contract/pages/{c.id}.md) | {c.grade} | {c.promise} |"
        for c in every_check()
    ] == listed


def test_the_command_prints_the_page_and_as_json_its_sections() -> None:
    text = CliRunner().invoke(main, ["explain", "one-row"])
    told = json.loads(CliRunner().invoke(main, ["explain", "one-row", "--output", "json"]).stdout)

    assert (0, page("one-row").text) == (text.exit_code, text.stdout)
    assert ("harness.explain/1", "one-row") == (told["schema"], told["id"])
    assert page("one-row").sections == told["sections"]


def test_without_a_check_all_are_listed() -> None:
    listed = CliRunner().invoke(main, ["explain"]).stdout.splitlines()
    told = json.loads(CliRunner().invoke(main, ["explain", "--output", "json"]).stdout)

    assert list(CHECKS) == [line.split()[0] for line in listed]
    assert list(CHECKS) == [check["id"] for check in told["checks"]]


def test_a_misspelt_check_is_an_error_that_names_the_nearest() -> None:
    result = CliRunner().invoke(main, ["explain", "batch-equal-singel"])

    assert 2 == result.exit_code
    assert 'did you mean "batch-equals-single"?' in result.stderr
