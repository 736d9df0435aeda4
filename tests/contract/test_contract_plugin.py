"""pytest's manners: one item a check, with stable names, and every way of choosing among them."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ElementTree
from importlib.metadata import entry_points
from pathlib import Path

import numpy  # noqa: F401 - pytest within pytest forgets what it imported; numpy can't be twice
import pytest

HARNESS_TOML = """
[model]
name = "toy"
input = "numpy"
load = "toy_{name}:load"
artifact = "artifact.json"

[contract]
inputs = "inputs.schema.json"
outputs = {{ kind = "regression" }}
"""
SCHEMA = {
    "type": "object",
    "properties": {
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "income": {"type": "number", "minimum": 0, "maximum": 1e9},
    },
}
MODEL = """
import json
import numpy as np

def load(artifact):
    bound = json.loads(artifact.read_text())["bound"]
    def predict(matrix):
        print("the model says hello")
        wide = np.asarray(matrix, float)
        if wide.shape[1:] != (2,) or not np.isfinite(wide).all():
            raise ValueError("two finite numbers are needed")
        found = wide @ np.array([0.5, 1e-4])
        found[wide[:, 1] > bound] = np.nan
        return found
    return predict
"""
TEST = """
from harness.contract import contract, settings
test_contract = contract({file!r}, settings=settings(rows=2000){more})
"""
REGISTERED = any("harness" == entry.name for entry in entry_points(group="pytest11"))
PLUGIN = () if REGISTERED else ("-p", "harness.contract.plugin")


class Repository:
    """A model's repository, and pytest in it."""

    def __init__(self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
        root = Path(__file__).parents[2]
        monkeypatch.setenv("PYTHONPATH", str(root))
        self.pytester = pytester
        self.folder = pytester.path

    def write(self, *, bound: float = 1e12, more: str = "", file: str = "../harness.toml") -> None:
        tests = self.folder / "tests"
        tests.mkdir(exist_ok=True)
        (self.folder / "harness.toml").write_text(HARNESS_TOML.format(name="model"))
        (self.folder / "inputs.schema.json").write_text(json.dumps(SCHEMA))
        (self.folder / "toy_model.py").write_text(MODEL)
        (self.folder / "artifact.json").write_text(json.dumps({"bound": bound}))
        (tests / "test_contract.py").write_text(TEST.format(file=file, more=more))

    def run(self, *arguments: str) -> pytest.RunResult:
        """pytest within this process, and its items' own modules forgotten afterwards."""
        return self.pytester.runpytest_inprocess(*PLUGIN, *arguments)

    def run_apart(self, *arguments: str) -> pytest.RunResult:
        """pytest in a process of its own."""
        return self.pytester.run(sys.executable, "-m", "pytest", *arguments)


@pytest.fixture
def repository(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Repository:
    return Repository(pytester, monkeypatch)


def test_two_lines_make_one_item_a_check_with_stable_names(repository: Repository) -> None:
    repository.write()

    listed = repository.run("--collect-only", "-q").outlines

    items = [line for line in listed if "::" in line]
    assert len(items) > 20
    assert "tests/test_contract.py::test_contract[batch-equals-single]" in items
    assert items == [
        line for line in repository.run("--collect-only", "-q").outlines if "::" in line
    ]


def test_a_healthy_model_passes_and_the_summary_counts_the_rows(repository: Repository) -> None:
    repository.write()

    result = repository.run("-q")

    assert 0 == result.ret
    assert "failed" not in result.parseoutcomes()
    assert "toy: 2,000 rows" in result.outlines


def test_a_failing_check_shows_the_row_and_no_traceback(repository: Repository) -> None:
    repository.write(bound=5e6)

    result = repository.run("-q")

    text = result.stdout.str()
    assert 1 == result.ret
    assert "income > 5000000.0" in text
    assert "promise    No predicted value is NaN or infinite" in text
    assert "Traceback" not in text and "collected.py" not in text
    kept = (repository.folder / ".harness" / "rows" / "values-are-finite.jsonl").read_text()
    assert f"--replay {json.loads(kept)['id']}" in text


def test_items_are_chosen_by_keyword_and_by_name(repository: Repository) -> None:
    repository.write()

    by_keyword = repository.run("-k", "batch-equals-single")
    by_name = repository.run("tests/test_contract.py::test_contract[one-row]")

    assert 1 == by_keyword.parseoutcomes()["passed"]
    assert 1 == by_name.parseoutcomes()["passed"]


def test_the_first_failure_stops_and_the_last_failed_run_again(repository: Repository) -> None:
    repository.write(bound=5e6)

    stopped = repository.run("-x")
    repository.run()
    again = repository.run("--lf")

    assert 1 == stopped.parseoutcomes()["failed"]
    outcomes = again.parseoutcomes()
    assert {"failed"} == {key for key in outcomes if key in ("passed", "failed")}


def test_two_workers_share_the_items(repository: Repository) -> None:
    repository.write(bound=5e6)

    one, two = repository.run(), repository.run_apart(*PLUGIN, "-n", "2")

    counted = ("passed", "failed", "skipped")
    assert [one.parseoutcomes().get(k) for k in counted] == [
        two.parseoutcomes().get(k) for k in counted
    ]
    assert any(line.startswith("toy: 2,000 rows") for line in two.outlines)


def test_junit_gets_one_case_a_check_with_its_properties(repository: Repository) -> None:
    repository.write(bound=5e6)

    repository.run("--junitxml", "junit.xml")

    cases = ElementTree.parse(repository.folder / "junit.xml").getroot().iter("testcase")
    by_name = {case.get("name"): case for case in cases}
    failed = by_name["test_contract[values-are-finite]"]
    assert failed.find("failure") is not None
    properties = {p.get("name"): p.get("value") for p in failed.iter("property")}
    assert "toy" == properties["harness.model"]
    assert "valid" == properties["harness.grade"]
    assert properties["harness.replay"]


def test_an_expected_failure_is_an_xfail_and_strict(repository: Repository) -> None:
    more = ', expected_failures={"values-are-finite": "known", "one-row": "wrong"}'
    repository.write(bound=5e6, more=more)

    result = repository.run("-k", "values-are-finite or one-row")

    assert {"xfailed": 1, "failed": 1} == {
        key: count for key, count in result.parseoutcomes().items() if "fail" in key
    }
    assert "[XPASS(strict)] wrong" in result.stdout.str()


def test_an_expected_failure_of_no_check_is_one_clear_failure(repository: Repository) -> None:
    repository.write(more=', expected_failures={"empty-bach": "why"}')

    result = repository.run()

    assert {"failed": 1} == result.parseoutcomes()
    result.stdout.fnmatch_lines(["*no check is called empty-bach*"])


def test_a_missing_file_is_one_clear_failure(repository: Repository) -> None:
    repository.write(file="nowhere.toml")

    result = repository.run()

    assert {"failed": 1} == result.parseoutcomes()
    assert "nowhere.toml" in result.stdout.str()
    assert "Traceback" not in result.stdout.str()


def test_a_model_that_does_not_load_fails_each_item_with_the_same_words(
    repository: Repository,
) -> None:
    repository.write()
    (repository.folder / "artifact.json").write_text("no json")

    result = repository.run("-k", "one-row or empty-batch")

    assert {"failed": 2} == {
        key: count for key, count in result.parseoutcomes().items() if key != "deselected"
    }
    assert "the model does not load: JSONDecodeError" in result.stdout.str()


def test_what_the_model_prints_is_captured(repository: Repository) -> None:
    repository.write()

    result = repository.run("-q", "-k", "one-row")

    assert "the model says hello" not in result.stdout.str()


def test_options_override_the_settings_of_the_file(repository: Repository) -> None:
    repository.write()

    fewer = repository.run("--contract-rows", "500")
    hurried = repository.run("--contract-seconds", "1e-9", "-k", "one-row")

    assert "toy: 500 rows" in fewer.outlines
    assert "the budget of 1e-09 s is used up" in hurried.stdout.str()


def test_without_the_plugin_the_two_lines_work_all_the_same(repository: Repository) -> None:
    repository.write()
    blocked = ("-p", "no:harness") if REGISTERED else ()

    result = repository.run_apart(*blocked, "-k", "one-row")

    assert 1 == result.parseoutcomes()["passed"]


def test_pytest_in_a_repository_without_contracts_says_nothing_of_them(
    repository: Repository,
) -> None:
    repository.pytester.makepyfile("def test_nothing(): pass")

    result = repository.run()

    assert 0 == result.ret
    assert not [
        line for line in result.outlines if line.startswith("===") and "contracts =" in line
    ]
