"""`@given_rows`: a user's own property, asked of rows in bulk and reported like a contract."""

from __future__ import annotations

import json
from importlib.metadata import entry_points
from pathlib import Path

import pandas  # noqa: F401 - pytest within pytest forgets what it imported; these can't be twice
import pyarrow  # noqa: F401
import pytest

import harness.contract.given  # noqa: F401 - what is loaded here isn't loaded for each run

SCHEMA = {
    "type": "object",
    "properties": {
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "income": {"type": ["number", "null"], "minimum": 0, "maximum": 1e9},
        "region": {"enum": ["north", "south"]},
    },
}
HARNESS_TOML = """
[model]
name = "toy"
artifact = "artifact"

[data]
train = "train.csv"
target = "late"

[contract]
inputs = "inputs.schema.json"
outputs = { kind = "regression" }
"""
HEAD = """
import numpy, pytest
from harness.contract import given_rows
FEW = {"rows": 3000}
"""
REGISTERED = any("harness" == entry.name for entry in entry_points(group="pytest11"))
PLUGIN = () if REGISTERED else ("-p", "harness.contract.plugin")


class Repository:
    """A repository with a schema and a test file, and pytest in it."""

    def __init__(self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
        self.pytester = pytester
        self.folder = pytester.path
        (self.folder / "inputs.schema.json").write_text(json.dumps(SCHEMA))

    def write(self, body: str) -> None:
        (self.folder / "test_prices.py").write_text(HEAD + body)

    def run(self, *arguments: str) -> pytest.RunResult:
        return self.pytester.runpytest_inprocess(*PLUGIN, *arguments)

    def kept(self, check: str) -> list[dict[str, object]]:
        file = self.folder / ".harness" / "rows" / f"{check}.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.fixture
def repository(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Repository:
    return Repository(pytester, monkeypatch)


def test_a_property_that_is_false_is_told_as_one_row_its_cause_and_its_threshold(
    repository: Repository,
) -> None:
    repository.write("""
@pytest.fixture
def limit():
    return 5e6

@given_rows("inputs.schema.json", **FEW)
def test_small(rows, limit):
    '''Incomes are small.'''
    return ~(rows["income"] > limit)
""")

    result = repository.run()

    assert {"failed": 1} == result.parseoutcomes()
    text = result.stdout.str()
    (entry,) = repository.kept("test_prices.test_small")
    assert "promise    Incomes are small (test_prices.test_small, valid)" in text
    assert "observed   the property is False" in text
    assert "cause      income > 5000000.0" in text
    assert "@example(row={'age': " in text
    assert f"replay     pytest test_prices.py --contract-replay {entry['id']}" in text
    assert "test_prices.test_small: 3,000 rows, 3-way " in text
    assert ["income"] == entry["columns"]
    assert "Traceback" not in text and "given.py" not in text


def test_a_property_that_raises_is_narrowed_down_to_its_cells(repository: Repository) -> None:
    repository.write("""
@given_rows("inputs.schema.json", **FEW)
def test_adults(rows):
    assert not ((rows["age"] < 18) & (rows["region"] == "north")).any(), "a minor"

@given_rows("inputs.schema.json", **FEW)
def test_whole(rows):
    return (rows["age"] < 100).all()
""")

    result = repository.run()

    assert {"failed": 2} == result.parseoutcomes()
    text = result.stdout.str()
    assert "cause      age < 18 and region == 'north'" in text
    assert "AssertionError: a minor" in text
    assert "cause      age >= 100" in text or "cause      age > 99" in text


def test_properties_that_hold_pass_over_every_kind_of_input_and_answer(
    repository: Repository,
) -> None:
    repository.write("""
@given_rows("inputs.schema.json", **FEW)
def test_frame(rows):
    return rows["age"] >= 0

@given_rows({"type": "object", "properties": {"x": {"type": "number"}}}, input="numpy", **FEW)
def test_matrix(matrix):
    return [True] * len(matrix)

@given_rows("inputs.schema.json", input="pyarrow", **FEW)
def test_table(table):
    assert table.num_columns == 3

@given_rows("inputs.schema.json", **FEW)
def test_nullable(rows):
    return (rows["income"].astype("Float64") >= 0).fillna(True)

class TestAll:
    @pytest.mark.parametrize("case", [1, 2])
    @given_rows("inputs.schema.json", **FEW)
    def test_method(self, rows, case, request):
        assert request.node.callspec.params["case"] == case
        return True

@given_rows("inputs.schema.json", **FEW)
def test_skipped(rows):
    pytest.skip("not here")
""")

    assert {"passed": 6, "skipped": 1} == repository.run().parseoutcomes()


def test_training_rows_are_among_the_rows_and_the_target_is_not(repository: Repository) -> None:
    (repository.folder / "harness.toml").write_text(HARNESS_TOML)
    table = "age,income,region,late\n" + "".join(f"{n},{n}.125,north,1\n" for n in range(18, 60))
    (repository.folder / "train.csv").write_text(table)
    repository.write("""
SEEN = set()

@given_rows("harness.toml", **FEW)
def test_rows(rows):
    SEEN.update(rows["income"].dropna())
    return list(rows.columns) == ["age", "income", "region"]

def test_seen():
    assert {18.125, 59.125} <= SEEN
""")

    assert {"passed": 2} == repository.run().parseoutcomes()


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('@given_rows("inputs.schema.json")\ndef test(rows): return rows["age"]', "one True or"),
        ('@given_rows("inputs.schema.json")\ndef test(rows): return [True]', "of shape (1,)"),
        ('@given_rows("nowhere.json")\ndef test(rows): return True', "nowhere.json is not there"),
        ('@given_rows("inputs.schema.json", profile="fast")\ndef test(rows): ...', "called fast"),
        ('@given_rows("inputs.schema.json", rows=-1)\ndef test(rows): ...', "rows must be"),
        ('@given_rows({"type": "object"})\ndef test(rows): ...', "has no properties"),
        ('@given_rows("inputs.schema.json")\ndef test(): ...', "no parameter for the rows"),
    ],
)
def test_what_cannot_be_used_is_one_clear_failure(
    repository: Repository, body: str, told: str
) -> None:
    repository.write(body)

    result = repository.run()

    assert {"failed": 1} == result.parseoutcomes()
    assert told in result.stdout.str()
    assert "Traceback" not in result.stdout.str()
    assert "During handling" not in result.stdout.str()


def test_a_kept_row_is_asked_before_all_others_and_alone_when_replayed(
    repository: Repository,
) -> None:
    narrow = """
@given_rows("inputs.schema.json", rows=ROWS)
def test_narrow(rows):
    return ~rows["income"].between(123.25, 123.75)

@given_rows("inputs.schema.json", rows=ROWS)
def test_raises(rows):
    assert not rows["income"].between(77.25, 77.75).any()
"""
    row = {"age": 30, "income": 123.5, "region": "north"}
    entries = {
        "test_narrow": ("aaaa", row),
        "test_raises": ("abbb", row | {"income": 77.5}),
    }
    folder = repository.folder / ".harness" / "rows"
    folder.mkdir(parents=True)
    for name, (identity, held) in entries.items():
        entry = {"id": identity, "check": f"test_prices.{name}", "columns": [], "rule": ""}
        line = json.dumps(entry | {"observed": "", "row": held})
        (folder / f"test_prices.{name}.jsonl").write_text(line + "\n")
    repository.write("ROWS = 16" + narrow)

    first = repository.run()
    one = repository.run("--contract-replay", "abbb")
    several = repository.run("--contract-replay", "a")

    assert {"failed": 2} == first.parseoutcomes()
    assert {"failed": 1, "deselected": 1} == one.parseoutcomes()
    assert "test_prices.test_raises: 1 rows" in one.stdout.str()
    assert pytest.ExitCode.USAGE_ERROR == several.ret
    assert "several kept rows begin with a: aaaa of test_prices.test_narrow" in (
        several.stderr.str()
    )


def test_options_and_the_environment_set_rows_that_the_test_does_not_say(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.write("""
@given_rows("inputs.schema.json")
def test_unsaid(rows):
    return True

@given_rows("inputs.schema.json", rows=500)
def test_said(rows):
    return True
""")
    monkeypatch.setenv("HARNESS_PROFILE", "quick")

    by_profile = repository.run()
    by_option = repository.run("--contract-rows", "700")

    assert "test_prices.test_unsaid: 10,000 rows" in by_profile.stdout.str()
    assert "test_prices.test_said: 500 rows" in by_profile.stdout.str()
    assert 2 == by_option.stdout.str().count(": 700 rows")
