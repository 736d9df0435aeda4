"""pytest's manners: one item a check, with stable names, and every way of choosing among them."""

from __future__ import annotations

import json
import os
import sys
import xml.etree.ElementTree as ElementTree
from importlib.metadata import entry_points
from pathlib import Path

import numpy  # noqa: F401 - pytest within pytest forgets what it imported; numpy can't be twice
import pytest

import harness.contract.checks.catalogue
import harness.contract.collected  # noqa: F401 - what is loaded here isn't loaded for each run
from harness.contract.budget import chosen, settings
from harness.contract.promise import Settings

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
import json, os
from pathlib import Path
import numpy as np

def load(artifact):
    Path(__file__).with_name("pid").write_text(str(os.getpid()))
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
{last}
"""
OWN = """
import pytest
from hypothesis import given, settings
from harness.contract.examples import rows

@settings(max_examples=1, derandomize=False, deadline=None)
@given(row=rows("../harness.toml"))
def test_once(row):
    assert not 5000000.0 < row["income"] < 5010000.0

@pytest.mark.parametrize("case", [1])
@settings(max_examples=1, derandomize=False, deadline=None)
@given(row=rows("../harness.toml"))
def test_case(case, row):
    assert not 5000000.0 < row["income"] < 5010000.0
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

    def write(
        self,
        *,
        bound: float = 1e12,
        more: str = "",
        last: str = "",
        file: str = "../harness.toml",
    ) -> None:
        tests = self.folder / "tests"
        tests.mkdir(exist_ok=True)
        (self.folder / "harness.toml").write_text(HARNESS_TOML.format(name="model"))
        (self.folder / "inputs.schema.json").write_text(json.dumps(SCHEMA))
        (self.folder / "toy_model.py").write_text(MODEL)
        (self.folder / "artifact.json").write_text(json.dumps({"bound": bound}))
        (tests / "test_contract.py").write_text(TEST.format(file=file, more=more, last=last))

    def run(self, *arguments: str) -> pytest.RunResult:
        """pytest within this process, and its items' own modules forgotten afterwards."""
        return self.pytester.runpytest_inprocess(*PLUGIN, *arguments)

    def kept(self) -> list[dict[str, object]]:
        """The rows that failed values-are-finite."""
        file = self.folder / ".harness" / "rows" / "values-are-finite.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()]

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


SINGLE = ("-k", "values or outputs or valid-rows or one-row or empty-batch")
"""A few checks, among them one that fails where incomes are over the bound."""


def test_a_healthy_model_passes_and_the_summary_counts_the_rows(repository: Repository) -> None:
    repository.write()

    result = repository.run("-q")

    assert 0 == result.ret
    assert "failed" not in result.parseoutcomes()
    assert any(line == "toy: 2,000 rows" for line in result.outlines)


def test_a_failing_check_shows_the_row_and_no_traceback(repository: Repository) -> None:
    repository.write(bound=5e6)

    result = repository.run("-q", "-k", "values-are-finite")

    text = result.stdout.str()
    assert 1 == result.ret
    assert "income > 5000000.0" in text
    assert "promise    No predicted value is NaN or infinite" in text
    assert "@example(row={'age': " in text
    assert "Traceback" not in text and "collected.py" not in text and "hidden" not in text
    (entry,) = repository.kept()
    assert f"--replay {entry['id']}" in text


def test_items_are_chosen_by_keyword_and_by_name(repository: Repository) -> None:
    repository.write()

    by_keyword = repository.run("-k", "batch-equals-single")
    by_name = repository.run("tests/test_contract.py::test_contract[one-row]")

    assert 1 == by_keyword.parseoutcomes()["passed"]
    assert 1 == by_name.parseoutcomes()["passed"]


def test_the_first_failure_stops_and_the_last_failed_run_again(repository: Repository) -> None:
    repository.write(bound=5e6)

    stopped = repository.run("-x", *SINGLE)
    again = repository.run("--lf")

    assert 1 == stopped.parseoutcomes()["failed"]
    assert {"failed": 1} == {
        key: count for key, count in again.parseoutcomes().items() if key in ("passed", "failed")
    }


def test_two_workers_share_the_items_and_keep_a_row_once(repository: Repository) -> None:
    twice = "test_again = contract('../harness.toml', settings=settings(rows=2000))"
    repository.write(bound=5e6, last=twice)

    one = repository.run(*SINGLE)
    before = repository.kept()
    for file in (repository.folder / ".harness" / "rows").iterdir():
        file.unlink()
    two = repository.run_apart(*PLUGIN, "-n", "2", *SINGLE)

    counted = ("passed", "failed", "skipped")
    assert [one.parseoutcomes().get(k) for k in counted] == [
        two.parseoutcomes().get(k) for k in counted
    ]
    assert any(line.startswith("toy: 2,000 rows") for line in two.outlines)
    assert [1, 1] == [len(before), len(repository.kept())]


def test_junit_gets_one_case_a_check_with_its_properties(repository: Repository) -> None:
    repository.write(bound=5e6)

    repository.run("--junitxml", "junit.xml", *SINGLE)

    cases = ElementTree.parse(repository.folder / "junit.xml").getroot().iter("testcase")
    told = {
        case.get("name"): {p.get("name"): p.get("value") for p in case.iter("property")}
        for case in cases
    }
    failed = told["test_contract[values-are-finite]"]
    assert repository.kept()[0]["id"] == failed["harness.replay"]
    assert ("toy", "valid") == (failed["harness.model"], failed["harness.grade"])
    assert all(
        {"harness.model", "harness.check", "harness.grade", "harness.calls"} <= properties.keys()
        and name == f"test_contract[{properties['harness.check']}]"
        for name, properties in told.items()
    )
    assert "structural" == told["test_contract[one-row]"]["harness.grade"]


def test_an_expected_failure_is_an_xfail_and_strict(repository: Repository) -> None:
    more = ', expected_failures={"values-are-finite": "known", "one-row": "wrong"}'
    repository.write(bound=5e6, more=more)

    result = repository.run("-k", "values-are-finite or one-row")

    assert {"xfailed": 1, "failed": 1} == {
        key: count for key, count in result.parseoutcomes().items() if "fail" in key
    }
    assert "[XPASS(strict)] wrong" in result.stdout.str()


@pytest.mark.parametrize(
    ("more", "file", "told"),
    [
        (', expected_failures={"empty-bach": "why"}', "../harness.toml", "is called empty-bach"),
        ("", "nowhere.toml", "nowhere.toml is not there"),
        (', train="train.csv"', "../harness.toml", "train= goes with module:function"),
        (', monotone={"incom": "up"}', "../harness.toml", "monotone.incom: no such input column"),
        ("", "toy_model:load", "the contract is drafted from training rows"),
        (', train="no.csv", target="y"', "toy_model:load", "the training rows are not there"),
    ],
)
def test_what_cannot_be_used_is_one_clear_failure(
    repository: Repository, more: str, file: str, told: str
) -> None:
    repository.write(more=more, file=file)

    result = repository.run()

    assert {"failed": 1} == result.parseoutcomes()
    assert told in result.stdout.str()
    assert "Traceback" not in result.stdout.str()


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ('profile="fast"', "no profile is called fast"),
        ("row=3", 'no setting is called row, did you mean "rows"?'),
        ("rows=0", "rows must be a number above 0"),
    ],
)
def test_a_setting_that_cannot_be_is_one_clear_failure(
    repository: Repository, asked: str, told: str
) -> None:
    repository.write()
    test = repository.folder / "tests" / "test_contract.py"
    test.write_text(test.read_text().replace("rows=2000", asked))

    result = repository.run()

    assert {"failed": 1} == result.parseoutcomes()
    assert told in result.stdout.str()


def test_a_model_that_does_not_load_fails_each_item_with_the_same_words(
    repository: Repository,
) -> None:
    repository.write()
    (repository.folder / "artifact.json").write_text("no json")

    result = repository.run("-k", "one-row or empty-batch")

    assert {"failed": 2} == {
        key: count for key, count in result.parseoutcomes().items() if key != "deselected"
    }
    assert "JSONDecodeError" in result.stdout.str()
    assert "Traceback" not in result.stdout.str()


def test_what_the_model_prints_is_captured(repository: Repository) -> None:
    repository.write()

    result = repository.run("-q", "-k", "one-row")

    assert "the model says hello" not in result.stdout.str()


def test_the_model_has_its_own_process_unless_it_is_wanted_in_this_one(
    repository: Repository,
) -> None:
    repository.write()
    pid = repository.folder / "pid"

    repository.run("-k", "one-row")
    apart = int(pid.read_text())
    repository.run("-k", "one-row", "--contract-in-process")

    assert os.getpid() == int(pid.read_text()) != apart


def test_options_override_the_settings_of_the_file(repository: Repository) -> None:
    repository.write()

    fewer = repository.run("--contract-rows", "500", *SINGLE)
    hurried = repository.run("--contract-seconds", "1e-9", "-k", "one-row")
    unknown = repository.run("--contract-profile", "fast", "-k", "one-row")

    assert any(line.startswith("toy: 500 rows") for line in fewer.outlines)
    assert "the budget of 1e-09 s is used up" in hurried.stdout.str()
    assert "no profile is called fast" in unknown.stdout.str()


def test_what_is_said_comes_before_a_profile_and_an_option_before_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("HARNESS_PROFILE", raising=False)
    asked = settings(rows=7, profile="ci", seed=3)

    in_file = chosen(asked)
    monkeypatch.setenv("HARNESS_PROFILE", "quick")
    in_environment = chosen(asked)
    by_option = chosen(asked, profile="default", seconds=1.5)
    unsaid = chosen(None)

    assert (7, 60.0, 3) == (in_file.rows, in_file.seconds, in_file.seed)
    assert (7, 10.0) == (in_environment.rows, in_environment.seconds)
    assert (7, 1.5) == (by_option.rows, by_option.seconds)
    assert (10_000, 10.0) == (unsaid.rows, unsaid.seconds)
    assert Settings(rows=5) == chosen(Settings(rows=5))


def test_a_replay_runs_the_kept_row_alone_until_it_is_mended(repository: Repository) -> None:
    repository.write(bound=5e6)
    repository.run("-k", "values-are-finite")
    (entry,) = repository.kept()

    broken = repository.run("--contract-replay", str(entry["id"]))
    repository.write(bound=1e12)
    mended = repository.run("--contract-replay", str(entry["id"]))

    outcomes = broken.parseoutcomes()
    assert 1 == outcomes.pop("failed") and {"deselected"} == set(outcomes)
    assert "toy: 1 rows" in broken.stdout.str()
    assert "income > 5000000.0" in broken.stdout.str()
    assert (1, 0) == (mended.parseoutcomes()["passed"], mended.ret)
    assert [entry] == repository.kept()


def test_a_replay_finds_the_one_contract_that_keeps_the_row(repository: Repository) -> None:
    repository.write(bound=5e6)
    repository.run("-k", "values-are-finite")
    (entry,) = repository.kept()
    other = repository.folder / "other"
    other.mkdir()
    for name in ("harness.toml", "inputs.schema.json", "toy_model.py", "artifact.json"):
        (other / name).write_bytes((repository.folder / name).read_bytes())
    test = "from harness.contract import contract\ntest_other = contract('harness.toml')\n"
    (other / "test_other.py").write_text(test)

    found = repository.run("-v", "--contract-replay", str(entry["id"]))

    failed = [line for line in found.outlines if "FAILED" in line and "::" in line]
    assert all("tests/test_contract.py::test_contract[values-are-finite]" in f for f in failed)
    assert 1 == found.parseoutcomes()["failed"]


def test_a_replay_of_no_row_is_wrong_usage(repository: Repository) -> None:
    repository.write(bound=5e6)
    repository.run("-k", "values-are-finite")
    (entry,) = repository.kept()
    one = "tests/test_contract.py::test_contract[one-row]"

    unknown = repository.run("--contract-replay", "zzzz")
    not_chosen = repository.run("--contract-replay", str(entry["id"]), one)
    worker = repository.run_apart(*PLUGIN, "-n", "1", "--contract-replay", "zzzz")

    told = f"no kept row has the id zzzz (there are: {entry['id']} of values-are-finite)"
    assert [pytest.ExitCode.USAGE_ERROR] * 2 == [unknown.ret, not_chosen.ret]
    assert told in unknown.stderr.str()
    assert f"row {entry['id']} is kept for values-are-finite, and no chosen test" in (
        not_chosen.stderr.str()
    )
    assert {"failed": 1} == worker.parseoutcomes()
    assert told in worker.stdout.str() and "INTERNALERROR" not in worker.stdout.str()


def test_a_damaged_kept_line_fails_with_its_place_and_others_report(
    repository: Repository,
) -> None:
    repository.write()
    rows = repository.folder / ".harness" / "rows"
    rows.mkdir(parents=True)
    (rows / "one-row.jsonl").write_text("{half a line\n")

    result = repository.run("-k", "one-row")

    assert 1 == result.parseoutcomes()["failed"]
    assert "one-row.jsonl, line 1: not a kept row" in result.stdout.str()
    assert "Traceback" not in result.stdout.str()


def test_rows_that_cannot_be_kept_are_told_all_the_same(repository: Repository) -> None:
    repository.write(bound=5e6)
    (repository.folder / ".harness").write_text("a file where the folder would be")

    result = repository.run("-k", "values-are-finite")

    assert 1 == result.parseoutcomes()["failed"]
    assert "income > 5000000.0" in result.stdout.str()
    assert "note       rows that failed could not be kept: " in result.stdout.str()


def test_a_module_and_its_training_rows_are_enough(repository: Repository) -> None:
    repository.write(
        file="toy_model:load",
        more=', train="train.csv", target="y", input="numpy", monotone={"income": "up"}',
    )
    tests = repository.folder / "tests"
    for name in ("toy_model.py", "artifact.json"):
        (repository.folder / name).rename(tests / name)
    (tests / "artifact.json").rename(tests / "artifact")
    rows = "".join(f"{n % 80},{n * 10}.5,{n / 2}\n" for n in range(100))
    (tests / "train.csv").write_text("age,income,y\n" + rows)

    result = repository.run("-k", "one-row or directions or finite")

    assert 3 == result.parseoutcomes()["passed"]


def test_without_the_plugin_the_two_lines_work_all_the_same(repository: Repository) -> None:
    repository.write()
    blocked = ("-p", "no:harness") if REGISTERED else ()

    result = repository.run_apart(*blocked, "-k", "one-row")

    assert 1 == result.parseoutcomes()["passed"]


def test_kept_rows_reach_hypothesis_tests_of_the_same_session(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)  # there Hypothesis keeps no database by default
    repository.write(bound=5e6)
    repository.run("-k", "values-are-finite")
    (repository.folder / "tests" / "test_own.py").write_text(OWN)

    result = repository.run_apart(*PLUGIN, "tests/test_own.py")

    assert {"failed": 2} == result.parseoutcomes()
    assert 2 <= result.stdout.str().count("row={'age': 0, 'income': 5000001.0},")


def test_pytest_in_a_repository_without_contracts_says_nothing_of_them(
    repository: Repository,
) -> None:
    repository.pytester.makepyfile("def test_nothing(): pass")

    result = repository.run()

    assert 0 == result.ret
    assert not [
        line for line in result.outlines if line.startswith("===") and "contracts =" in line
    ]
