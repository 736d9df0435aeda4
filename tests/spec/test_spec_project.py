"""``harness.toml``, and ``[tool.harness]`` in its stead."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import HarnessError, NotBuiltYet, SpecInvalid, SpecMissing
from harness.spec import parse
from harness.spec.project import Described, Model, Outputs, Relation, Success

COLUMNS = {
    "dep_delay": {"type": ["number", "null"], "minimum": -100},
    "carrier": {"enum": ["AA", "UA"]},
    "tailnum": {"type": ["string", "null"], "x-harness-open": True},
}
FLIGHTS: dict[str, Any] = {
    "environments": {"source": "../envs"},
    "model": {
        "name": "flights-delay",
        "environment": "tabular:3",
        "input": "pandas",
        "load": "flights.model:load",
        "train": "flights.model:train",
        "artifact": "artifact",
        "seed": 0,
    },
    "challengers": {"worse": {"train": "flights.model:train_worse"}, "seed-1": {"seed": 1}},
    "data": {
        "train": "data/train.parquet",
        "dev": "data/dev.parquet",
        "holdout": "data/holdout.parquet",
        "target": "late",
        "key": ["id"],
        "described": {
            "collected": "2013-01..2013-12",
            "grain": "one flight",
            "source": "Bureau of Transportation Statistics",
            "personal_data": False,
        },
    },
    "success": {
        "metric": "log_loss",
        "baseline": "prior",
        "minimum_gain": 0.005,
        "policy": "frozen",
        "error": 0.05,
        "looks": 40,
    },
    "guardrails": {"artifact_size": "200 MB"},
    "contract": {
        "inputs": "inputs.schema.json",
        "outputs": {"kind": "probabilities", "labels": ["on_time", "late"]},
        "monotone": {"dep_delay": "up"},
        "invariant": ["tailnum"],
        "relations": {"turned": {"change": "flights.relations:turned", "expect": "equal"}},
        "errors": ["ValueError", "TypeError", "KeyError"],
    },
    "ledger": {"location": ".harness/ledger.db", "create": "unless-ci"},
}
PROMOTION = frozenset(
    {"environments", "model.environment", "model.train", "success", "contract"}
    | {"data", "data.holdout", "data.described"}
)


def toml(value: Any) -> str:
    """Return *value* as TOML; a table inside is an inline one."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, float):
        return {"inf": "inf", "-inf": "-inf", "nan": "nan"}.get(str(value), repr(value))
    return value.isoformat() if isinstance(value, date) else json.dumps(value)


def write(
    folder: Path, changes: dict[str, Any] | None = None, *, name: str = "harness.toml"
) -> Path:
    """Write flights' specification with *changes*: dotted path to value, None leaves it out."""
    raw = json.loads(json.dumps(FLIGHTS))
    for path, value in (changes or {}).items():
        *tables, key = path.split(".")
        table = raw
        for part in tables:
            table = table.setdefault(part, {})
        if value is None:
            del table[key]
        else:
            table[key] = value
    folder.mkdir(parents=True, exist_ok=True)
    prefix = "tool.harness." if name == "pyproject.toml" else ""
    (folder / name).write_text("".join(f"{prefix}{k} = {toml(v)}\n" for k, v in raw.items()))
    (folder / "inputs.schema.json").write_text(
        json.dumps({"type": "object", "properties": COLUMNS, "required": ["dep_delay"]})
    )
    return folder


def refusal(folder: Path, needs: frozenset[str] = frozenset()) -> str:
    with pytest.raises(SpecInvalid) as raised:
        parse.project(folder, needs=needs)
    return raised.value.message


def test_the_design_s_project_is_read(tmp_path: Path):
    (tmp_path / "envs").mkdir()

    found = parse.project(write(tmp_path / "flights"), needs=PROMOTION)

    folder = tmp_path / "flights"
    assert (folder, folder / "harness.toml") == (found.folder, found.file)
    assert tmp_path / "envs" == found.environments
    assert found.model == Model(
        name="flights-delay",
        environment="tabular:3",
        input="pandas",
        load="flights.model:load",
        train="flights.model:train",
        artifact=Path("artifact"),
        seed=0,
    )
    assert found.data is not None
    assert folder / "data/train.parquet" == found.data.train
    assert folder / "data/dev.parquet" == found.data.dev
    assert folder / "data/holdout.parquet" == found.data.holdout
    assert ("late", ("id",)) == (found.data.target, found.data.key)
    assert found.data.described == Described(
        collected="2013-01..2013-12",
        grain="one flight",
        source="Bureau of Transportation Statistics",
        personal_data=False,
    )
    assert found.success == Success(metric="log_loss", minimum_gain=0.005)
    assert 200_000_000 == found.guardrails.artifact_size
    assert found.contract is not None
    assert COLUMNS == found.contract.inputs["properties"]
    assert found.contract.outputs == Outputs(kind="probabilities", labels=("on_time", "late"))
    assert {"dep_delay": "up"} == found.contract.monotone
    assert ("tailnum",) == found.contract.invariant
    turned = Relation(name="turned", change="flights.relations:turned", expect="equal")
    assert (turned,) == found.contract.relations
    assert (folder / ".harness/ledger.db", "unless-ci") == (
        found.ledger.location,
        found.ledger.create,
    )


def test_a_challenger_is_the_model_with_its_own_keys(tmp_path: Path):
    found = parse.project(write(tmp_path))

    assert ["seed-1", "worse"] == list(found.challengers)
    assert "flights.model:train_worse" == found.challengers["worse"].train
    assert "tabular:3" == found.challengers["worse"].environment
    assert 1 == found.challengers["seed-1"].seed
    assert "flights.model:train" == found.challengers["seed-1"].train


def test_a_model_with_a_name_is_enough_to_check(tmp_path: Path):
    (tmp_path / "harness.toml").write_text('[model]\nname = "tiny"\n')

    found = parse.project(tmp_path)

    assert Model(name="tiny") == found.model
    assert (None, None, None) == (found.data, found.success, found.contract)
    assert tmp_path.parent / "envs" == found.environments
    assert tmp_path / ".harness/ledger.db" == found.ledger.location


def test_pyproject_is_read_where_there_is_no_harness_toml(tmp_path: Path):
    from_pyproject = parse.project(write(tmp_path / "a", name="pyproject.toml"))
    from_own_file = parse.project(write(tmp_path / "b"))

    assert tmp_path / "a" / "pyproject.toml" == from_pyproject.file
    assert from_own_file.model == from_pyproject.model
    assert from_own_file.success == from_pyproject.success
    assert from_own_file.contract == from_pyproject.contract


def test_harness_toml_goes_before_pyproject(tmp_path: Path):
    write(tmp_path, {"model.name": "from-pyproject"}, name="pyproject.toml")
    write(tmp_path)

    assert "flights-delay" == parse.project(tmp_path).model.name
    assert "from-pyproject" == parse.project(tmp_path / "pyproject.toml").model.name


def test_a_problem_in_pyproject_is_named_by_its_path_there(tmp_path: Path):
    write(tmp_path, {"model.sed": 1}, name="pyproject.toml")

    assert 'tool.harness.model.sed: unknown key, did you mean "seed"?' in refusal(tmp_path)


def test_a_file_of_another_name_can_be_given(tmp_path: Path):
    write(tmp_path, name="other.toml")

    assert tmp_path / "other.toml" == parse.project(tmp_path / "other.toml").file


def test_a_folder_without_a_project_is_an_error_that_shows_the_least_one(tmp_path: Path):
    with pytest.raises(SpecMissing, match=r"no harness\.toml in") as neither:
        parse.project(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    with pytest.raises(SpecMissing, match=r"no \[tool\.harness\] in") as no_table:
        parse.project(tmp_path)

    assert "[model] name" in neither.value.hint
    assert "[tool.harness.model] name" in no_table.value.hint


def test_paths_may_lie_outside_the_repository(tmp_path: Path):
    private = tmp_path / "private" / "holdout.parquet"

    found = parse.project(write(tmp_path / "repo", {"data.holdout": str(private)}))

    assert found.data is not None
    assert private == found.data.holdout


def test_the_ledger_s_place_alone_is_a_ledger(tmp_path: Path):
    found = parse.project(write(tmp_path, {"ledger": "../shared.db"}))

    assert (tmp_path.parent / "shared.db", "unless-ci") == (
        found.ledger.location,
        found.ledger.create,
    )


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"sucess": {}}, 'sucess: unknown key, did you mean "success"?'),
    ({"model.lod": "a:b"}, 'model.lod: unknown key, did you mean "load"?'),
    ({"model.target": "late"}, 'model.target: unknown key here, did you mean "data.target"?'),
    ({"model.colour": "red"}, "model.colour: unknown key; there are artifact, environment"),
    ({"model.name": None}, 'model.name: missing (like "flights-delay")'),
    ({"model": None}, "model: missing (a table with at least a name)"),
    ({"model": "flights"}, 'model: expected a table, found "flights"'),
    ({"model.name": "Flights Delay"}, 'model.name: "Flights Delay" is no name'),
    ({"model.environment": "tabular"}, 'model.environment: "tabular" names no version'),
    ({"model.environment": "tabular:0"}, 'model.environment: "tabular:0" names no version'),
    ({"model.input": "panda"}, 'found "panda", did you mean "pandas"?'),
    ({"model.load": "flights.model.load"}, 'model.load: "flights.model.load" is not "module:fun'),
    ({"model.train": "flights/model.py:train"}, "model.train: "),
    ({"model.train": "flights.class:train"}, "model.train: "),
    ({"model.artifact": "../artifact"}, 'model.artifact: "../artifact" is not a path below'),
    ({"model.artifact": "/artifact"}, "model.artifact: "),
    ({"model.artifact": "."}, "model.artifact: "),
    ({"model.artifact": ".harness"}, "model.artifact: "),
    ({"model.seed": -1}, "model.seed: must be greater than or equal to 0, found -1"),
    ({"model.seed": True}, "model.seed: expected a whole number, found true"),
    ({"challengers.worse.sed": 1}, 'challengers.worse.sed: unknown key, did you mean "seed"?'),
    ({"challengers.worse.train": "x"}, 'challengers.worse.train: "x" is not "module:function"'),
    ({"challengers.Not Good": {}}, 'challengers."Not Good": "Not Good" is no name'),
    ({"data.target": None}, "data.target: missing (the column that is predicted)"),
    ({"data.target": "carrier"}, 'data.target: "carrier" is among the inputs'),
    ({"data.key": ["id", "id"]}, "data.key: 'id' is listed twice"),
    ({"data.key": ["id", 3]}, "data.key[1]: expected a string, found 3"),
    ({"data.dev": "data/train.parquet"}, 'data.dev: "data/train.parquet" is data.train too'),
    ({"data.holdout": "data/dev.parquet"}, 'data.holdout: "data/dev.parquet" is data.dev too'),
    ({"data.described.source": " "}, "data.described.source: must not be empty"),
    ({"data.described.grain": None}, "data.described.grain: missing (what one row is, like"),
    ({"data.described.personal_data": "no"}, 'personal_data: expected true or false, found "no"'),
    ({"success.metric": "logloss"}, 'found "logloss", did you mean "log_loss"?'),
    ({"success.metric": None}, 'success.metric: missing (like "log_loss")'),
    ({"success.metric": "brier", "success.clip": 0.01}, 'success.clip: only "log_loss" is clipped'),
    ({"success.clip": 0.5}, "success.clip: must be less than 0.5, found 0.5"),
    ({"success.baseline": "mean"}, 'success.baseline: expected "prior", found "mean"'),
    ({"success.minimum_gain": -0.1}, "success.minimum_gain: must be greater than or equal to 0"),
    ({"success.minimum_gain": float("inf")}, "success.minimum_gain: must be a finite number"),
    ({"success.error": 1}, "success.error: must be less than 1, found 1"),
    ({"success.error": 0}, "success.error: must be greater than 0, found 0"),
    ({"success.looks": 0}, "success.looks: must be greater than or equal to 1, found 0"),
    ({"success.looks": 2.5}, "success.looks: expected a whole number, found 2.5"),
    ({"guardrails.artifact_size": "200"}, 'guardrails.artifact_size: "200": a unit is missing'),
    ({"guardrails.artifact_size": 200}, "guardrails.artifact_size: expected a string, found 200"),
    ({"guardrails.latency": "5 ms"}, "guardrails.latency: unknown key"),
    ({"contract.inputs": None}, "contract.inputs: missing (a JSON Schema of one row"),
    ({"contract.inputs": "absent.json"}, "absent.json is not there"),
    ({"contract.outputs.kind": "probability"}, "contract.outputs.kind: expected"),
    ({"contract.outputs.kind": None}, "contract.outputs.kind: missing"),
    ({"contract.outputs.labels": None}, "contract.outputs.labels: missing (the classes in order"),
    ({"contract.outputs.labels": ["late"]}, "contract.outputs.labels: two labels at least"),
    ({"contract.outputs.labels": ["a", "a"]}, "contract.outputs.labels: 'a' is listed twice"),
    ({"contract.outputs.labels": [1, True]}, "contract.outputs.labels: labels are strings"),
    ({"contract.outputs.labels": [0.5, 1.5]}, "contract.outputs.labels: labels are strings"),
    ({"contract.outputs.minimum": 0}, 'contract.outputs.minimum: belongs to kind = "regression"'),
    (
        {"contract.outputs": {"kind": "regression", "labels": ["a", "b"]}},
        'contract.outputs.labels: belongs to kind = "probabilities or labels"',
    ),
    (
        {"contract.outputs": {"kind": "regression", "minimum": 2, "maximum": 1}},
        "contract.outputs.minimum: must be less than maximum = 1, found 2",
    ),
    (
        {"contract.outputs.labels": ["a", "b", "c"], "contract.outputs.positive_only": True},
        "contract.outputs.positive_only: one probability can't tell 3 labels apart",
    ),
    (
        {"contract.outputs": {"kind": "labels", "labels": ["a", "b"]}},
        'success.metric: "log_loss" can\'t judge outputs of kind "labels"; "accuracy" can',
    ),
    ({"contract.monotone": {"dep_delay": "higher"}}, 'monotone.dep_delay: expected "up" or "down"'),
    (
        {"contract.monotone": {"dep_delai": "up"}},
        'contract.monotone.dep_delai: no column "dep_delai" among the inputs, did you mean',
    ),
    (
        {"contract.monotone": {"tailnum": "up"}},
        "contract.monotone.tailnum: a string column has no up and down",
    ),
    ({"contract.invariant": ["tail"]}, 'contract.invariant[0]: no column "tail" among the inputs'),
    ({"contract.errors": ["not an error"]}, "contract.errors[0]: "),
    ({"contract.calibration": 1.5}, "contract.calibration: must be less than 1, found 1.5"),
    ({"contract.calibration": "fine"}, 'contract.calibration: expected a number, found "fine"'),
    ({"contract.slices": {"carrier": -0.1}}, "contract.slices.carrier: must be greater than"),
    ({"contract.slices": {"late": 0.1}}, "contract.slices.late: the target is no slice"),
    (
        {"data.dev": None, "contract.calibration": 0.05},
        "contract.calibration: is judged on dev rows: name their file as data.dev",
    ),
    (
        {"data.dev": None, "contract.slices": {"carrier": 0.1}},
        "contract.slices: is judged on dev rows",
    ),
    (
        {
            "contract.outputs": {"kind": "labels", "labels": ["a", "b"]},
            "contract.calibration": 0.05,
        },
        'contract.calibration: belongs to kind = "probabilities", and the kind is "labels"',
    ),
    (
        {"contract.relations": {"law": {"change": "a:b", "expect": "same"}}},
        'contract.relations.law.expect: expected "equal", "up", "down" or "module:function"',
    ),
    (
        {"contract.relations": {"law": {"change": "turned", "expect": "equal"}}},
        'contract.relations.law.change: "turned" is not "module:function"',
    ),
    (
        {"contract.relations": {"law": {"change": "a:b"}}},
        'contract.relations.law.expect: missing ("equal", "up", "down" or "module:function")',
    ),
    (
        {
            "contract.outputs": {"kind": "labels", "labels": ["a", "b"]},
            "contract.relations": {"law": {"change": "a:b", "expect": "up"}},
        },
        'contract.relations.law.expect: "up" needs a probability or a number',
    ),
    ({"ledger.create": "never"}, 'ledger.create: expected "always" or "unless-ci", found "never"'),
    ({"ledger.file": "x"}, "ledger.file: unknown key"),
    ({"data.described.collected": date(2013, 1, 1)}, "collected: expected a string, found"),
]


@pytest.mark.parametrize(("changes", "line"), WRONG, ids=[line[:40] for _, line in WRONG])
def test_a_wrong_key_or_value_is_named_by_its_path(
    tmp_path: Path, changes: dict[str, Any], line: str
):
    assert line in refusal(write(tmp_path, changes))


LATER: list[tuple[dict[str, Any], str]] = [
    ({"success.policy": "rolling"}, "success.policy"),
    ({"guardrails.slices": {"carrier": 0.02}}, "guardrails.slices"),
    ({"guardrails.latency_p99": "50 ms"}, "guardrails.latency_p99"),
    ({"ledger.location": "postgresql://db/ledger"}, "ledger.location"),
    ({"ledger.location": "git:ledger"}, "ledger.location"),
    ({"ledger": "git+ssh://example.org/repo"}, "ledger.location"),
    ({"contract.outputs": {"kind": "regression", "minimum": 0}}, "success.metric"),
]


@pytest.mark.parametrize(("changes", "key"), LATER, ids=[str(changes) for changes, _ in LATER])
def test_a_setting_of_the_design_that_is_not_enforced_is_refused_by_name(
    tmp_path: Path, changes: dict[str, Any], key: str
):
    with pytest.raises(NotBuiltYet, match=rf"harness\.toml: {key}: .*not built yet") as raised:
        parse.project(write(tmp_path, changes))

    assert raised.value.hint


def test_all_problems_are_reported_together_one_a_line(tmp_path: Path):
    message = refusal(
        write(
            tmp_path,
            {"success.error": 2, "model.lod": 1, "guardrails.slices": {}, "data.target": "carrier"},
        ),
        needs=frozenset({"environments", "data.holdout"}),
    )

    head, *lines = message.splitlines()
    assert f"{tmp_path / 'harness.toml'}: 5 problems" == head
    assert [
        "data.target",
        "environments.source",
        "guardrails.slices",
        "model.lod",
        "success.error",
    ] == sorted(line.strip().partition(":")[0] for line in lines)


def test_what_the_caller_needs_and_is_missing_is_reported_together(tmp_path: Path):
    (tmp_path / "harness.toml").write_text('[model]\nname = "tiny"\n')

    message = refusal(tmp_path, needs=PROMOTION)

    assert [
        "contract: missing (a table with inputs and outputs)",
        'data: missing (a table with train = "data/train.parquet" and target)',
        "data.described: missing (say collected, grain, source and personal_data)",
        'data.holdout: missing (like "data/holdout.parquet")',
        f"environments.source: {tmp_path.parent / 'envs'} is not a folder",
        'model.environment: missing (like "tabular:3")',
        'model.train: missing (like "package.model:train")',
        'success: missing (a table with at least metric = "log_loss")',
    ] == [line.strip() for line in message.splitlines()[1:]]


@pytest.mark.parametrize("need", sorted(PROMOTION - {"environments"}))
def test_each_need_is_asked_for_when_it_alone_is_missing(tmp_path: Path, need: str):
    assert f"{need}: missing" in refusal(write(tmp_path, {need: None}), needs=frozenset({need}))


def test_a_need_that_was_misspelt_is_reported_once(tmp_path: Path):
    write(tmp_path, {"success": None, "sucess": {"metric": "brier"}})

    message = refusal(tmp_path, needs=frozenset({"success"}))

    assert message.endswith('harness.toml: sucess: unknown key, did you mean "success"?')


def test_a_need_that_no_form_has_is_a_bug_and_not_a_message(tmp_path: Path):
    with pytest.raises(KeyError):
        parse.project(write(tmp_path), needs=frozenset({"data.holdin"}))


@pytest.mark.parametrize(("said", "meant"), [(0.04, 0.04), (True, 0.05), (False, None)])
def test_calibration_is_an_allowance_or_claimed_or_not(
    tmp_path: Path, said: Any, meant: float | None
):
    changes = {"contract.calibration": said, "contract.slices": {"carrier": 0, "day": 0.5}}

    found = parse.project(write(tmp_path, changes))

    assert found.contract is not None
    assert meant == found.contract.calibration
    assert {"carrier": 0.0, "day": 0.5} == found.contract.slices


@pytest.mark.parametrize(
    ("outputs", "metric"),
    [
        ({"kind": "probabilities", "labels": ["a", "b", "c"]}, "brier"),
        ({"kind": "probabilities", "labels": [0, 1], "positive_only": True}, "log_loss"),
        ({"kind": "labels", "labels": [False, True]}, "accuracy"),
        ({"kind": "probabilities", "labels": ["a", "b"]}, "accuracy"),
    ],
)
def test_each_kind_of_output_goes_with_its_metrics(
    tmp_path: Path, outputs: dict[str, Any], metric: str
):
    found = parse.project(write(tmp_path, {"contract.outputs": outputs, "success.metric": metric}))

    assert found.contract is not None
    assert outputs["kind"] == found.contract.outputs.kind
    assert tuple(outputs["labels"]) == found.contract.outputs.labels


def test_a_regression_is_read_where_nothing_judges_it(tmp_path: Path):
    outputs = {"kind": "regression", "minimum": 0, "targets": ["x", "y"]}

    found = parse.project(write(tmp_path, {"contract.outputs": outputs, "success": None}))

    assert found.contract is not None
    assert Outputs(kind="regression", minimum=0, targets=("x", "y")) == found.contract.outputs


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
PLACES = sorted(
    f"{table}.{key}" if key else table
    for table, value in FLIGHTS.items()
    for key in ("", *(value if isinstance(value, dict) else ()))
)


@given(st.dictionaries(st.sampled_from(PLACES), VALUES, min_size=1, max_size=3))
def test_no_value_anywhere_makes_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, changes: dict[str, Any]
):
    folder = tmp_path_factory.mktemp("any")
    tables = {path: value for path, value in changes.items() if "." not in path}
    for path, value in changes.items():
        if "." in path and path.partition(".")[0] not in tables:
            tables[path] = value

    try:
        found = parse.project(write(folder, tables), needs=PROMOTION - {"environments"})
    except HarnessError as refused:
        assert str(folder / "harness.toml") in refused.message
    else:
        assert isinstance(found.model.name, str)
