"""``harness init``: a project that parses and can be checked, and nothing is overwritten."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import click
import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from harness.cli.main import main
from harness.contract.check import check_project
from harness.contract.draft import draft
from harness.contract.draft_file import read_training
from harness.contract.promise import Settings
from harness.contract.schema_checks import CARRIED
from harness.contract.written import json_text, name_for, write_draft
from harness.core.errors import SpecInvalid
from harness.spec import parse
from harness.spec.project import Model

INPUTS = ["delay", "distance", "carrier", "smoker"]


def rows(count: int = 300) -> pd.DataFrame:
    draw = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "id": np.arange(count) + 5000,
            "delay": np.round(draw.normal(10, 30, count), 1),
            "distance": draw.integers(90, 4000, count),
            "carrier": draw.choice(["AA", "B6", "UA"], count),
            "smoker": draw.choice(["yes", "no"], count),
            "email": [f"who{i}@example.org" for i in range(count)],
        }
    )
    late = frame["delay"] + draw.normal(0, 20, count) > 15
    return frame.assign(late=np.where(late, "late", "on_time"))


def trained(frame: pd.DataFrame) -> Any:
    columns = make_column_transformer(
        (StandardScaler(), ["delay", "distance"]),
        (OneHotEncoder(handle_unknown="ignore"), ["carrier", "smoker"]),
    )
    return make_pipeline(columns, LogisticRegression()).fit(frame[INPUTS], frame["late"])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with training data, as the working directory."""
    rows().to_csv(tmp_path / "train.csv", index=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def init(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["init", *arguments])


def drafted(*arguments: str) -> Result:
    return init("--data", "train.csv", "--target", "late", *arguments)


def written_toml(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "harness.toml").read_text(encoding="utf-8"))


# what is written


def test_a_draft_is_a_project_that_parses(folder: Path) -> None:
    done = drafted()

    assert 0 == done.exit_code, done.output
    project = parse.project(folder)
    assert project.data is not None and folder / "train.csv" == project.data.train
    assert project.contract is not None
    assert ("late", "on_time") == project.contract.outputs.labels
    assert ("id",) == project.data.key


def test_a_drafted_project_can_be_checked_and_a_healthy_model_passes(folder: Path) -> None:
    joblib.dump(trained(rows()), folder / "model.joblib")

    done = drafted("--trust")
    report = check_project(parse.project(folder), settings=Settings(rows=2000, seconds=120.0))

    assert 0 == done.exit_code, done.output
    assert report.ok, report.text
    assert INPUTS == list(json.loads((folder / "inputs.schema.json").read_text())["properties"])


def test_a_drafted_regression_parses(folder: Path) -> None:
    frame = rows()
    frame[["distance", "delay"]].to_parquet(folder / "train.parquet")
    model = LinearRegression().fit(frame[["distance"]], frame["delay"])
    joblib.dump(model, folder / "model.joblib")

    done = init("--data", "train.parquet", "--target", "delay", "--trust")

    assert 0 == done.exit_code, done.output
    contract = parse.project(folder).contract
    assert contract is not None and "regression" == contract.outputs.kind


def test_a_model_that_may_run_code_is_not_opened_without_trust(folder: Path) -> None:
    (folder / "model.joblib").write_bytes(b"no pickle at all")

    done = drafted()

    assert 0 == done.exit_code
    assert "the model was not looked at" in done.output and "--trust" in done.output
    assert "model.joblib" == written_toml(folder)["model"]["artifact"]


def test_a_loader_is_declared_and_used(folder: Path) -> None:
    (folder / "home_model.py").write_text("import joblib\nload = joblib.load\n", encoding="utf-8")
    joblib.dump(trained(rows()), folder / "artifact")

    done = drafted("--model", "home_model:load")

    assert 0 == done.exit_code, done.output
    assert "home_model:load" == written_toml(folder)["model"]["load"]
    assert "no input (the model was not trained on it)" in done.output


def test_a_function_that_is_the_model_gets_a_loader_that_works(folder: Path) -> None:
    code = "def judge(rows):\n    return ['late' if d > 15 else 'on_time' for d in rows['delay']]\n"
    (folder / "judging.py").write_text(code, encoding="utf-8")

    done = drafted("--model", "judging:judge")
    report = check_project(parse.project(folder), settings=Settings(rows=500, seconds=60.0))

    assert 0 == done.exit_code, done.output
    assert "judging:judge is the model itself" in done.output
    assert "load_judge:load" == written_toml(folder)["model"]["load"]
    assert (folder / "load_judge.py").is_file() and (folder / "artifact").is_file()
    valid = [check for check in report.checks if check.grade == "valid"]
    assert valid and not any(check.outcome == "failed" for check in valid), report.text


def test_a_loader_that_needs_its_artifact_is_declared_though_there_is_none(folder: Path) -> None:
    (folder / "home_model.py").write_text("import joblib\nload = joblib.load\n", encoding="utf-8")

    done = drafted("--model", "home_model:load")

    assert 0 == done.exit_code, done.output
    assert "there is no artifact yet" in done.output
    assert "home_model:load" == written_toml(folder)["model"]["load"]
    assert not (folder / "artifact").exists()


def test_a_model_that_does_not_load_costs_its_own_word_alone(folder: Path) -> None:
    (folder / "artifact").write_bytes(b"")

    done = drafted("--model", "nowhere_to_be_found:load")

    assert 0 == done.exit_code, done.output
    assert "the model was not looked at" in done.output
    parse.project(folder)


@pytest.mark.parametrize("model", ["nowhere.joblib", "http://host/v2/models/late"])
def test_a_model_that_is_neither_a_file_nor_a_function_is_refused(folder: Path, model: str) -> None:
    done = drafted("--model", model)

    assert 2 == done.exit_code and "--model takes module:function" in done.output


def test_dev_and_holdout_are_found_beside_the_training_data(folder: Path) -> None:
    (folder / "data").mkdir()
    for name in ("train", "dev", "holdout"):
        rows(40).to_csv(folder / "data" / f"{name}.csv", index=False)

    init("--data", "data/train.csv", "--target", "late")

    data = written_toml(folder)["data"]
    assert ("data/dev.csv", "data/holdout.csv") == (data["dev"], data["holdout"])


def test_another_folder_is_drafted_with_paths_from_there(folder: Path) -> None:
    done = drafted("models/late")

    assert 0 == done.exit_code, done.output
    assert "../../train.csv" == written_toml(folder / "models" / "late")["data"]["train"]
    project = parse.project(folder / "models" / "late")
    assert project.data is not None and folder / "train.csv" == project.data.train


def test_undocumented_data_are_named_when_a_promotion_needs_their_description(
    folder: Path,
) -> None:
    drafted()

    text = (folder / "harness.toml").read_text(encoding="utf-8")
    assert "# [data.described]" in text and "# personal_data = true" in text
    with pytest.raises(SpecInvalid, match=r"data\.described: missing"):
        parse.project(folder, needs=frozenset({"data.described"}))


def test_every_line_that_is_commented_out_can_be_put_in(folder: Path) -> None:
    drafted()
    path = folder / "harness.toml"
    lines = path.read_text(encoding="utf-8").splitlines()

    active = [line[2:] if line.startswith("# ") and _is_toml(line[2:]) else line for line in lines]
    text = "\n".join(active).replace("NAME:VERSION", "tabular:1")
    path.write_text(text.replace("# [data.described]", "[data.described]"), encoding="utf-8")

    project = parse.project(folder, needs=frozenset({"data.described", "model.train"}))
    assert project.data is not None and project.data.described is not None


def _is_toml(line: str) -> bool:
    try:
        return bool(tomllib.loads(line))
    except tomllib.TOMLDecodeError:
        return False


def test_names_that_hold_anything_stay_within_their_strings_and_comments(folder: Path) -> None:
    frame = rows(60).rename(columns={"id": 'row\n[x] "id', "email": "e-mail\n# oh"})
    frame = frame.rename(columns={"late": 'late\n"] '})
    frame.to_parquet(folder / "odd.parquet")

    done = init("--data", "odd.parquet", "--target", 'late\n"] ')

    assert 0 == done.exit_code, done.output
    project = parse.project(folder)
    assert project.data is not None
    assert ('row\n[x] "id',) == project.data.key and 'late\n"] ' == project.data.target


# what is there stays


def test_the_same_draft_again_is_equal_and_touches_nothing(folder: Path) -> None:
    drafted()
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}

    again = drafted()

    assert 0 == again.exit_code
    assert again.output.startswith("equal        harness.toml\nequal        inputs.schema.json\n")
    assert before == {path: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_a_file_that_differs_is_left_alone_and_the_difference_is_shown(folder: Path) -> None:
    drafted()
    own = (folder / "harness.toml").read_text(encoding="utf-8").replace("seed = 0", "seed = 7")
    (folder / "harness.toml").write_text(own, encoding="utf-8")
    (folder / "inputs.schema.json").unlink()

    done = drafted()

    assert 2 == done.exit_code
    assert own == (folder / "harness.toml").read_text(encoding="utf-8")
    assert "-seed = 7\n+seed = 0\n" in done.output
    assert "created      inputs.schema.json" in done.output
    assert "merge by hand, or move the file away" in done.output


def test_a_project_in_pyproject_is_not_hidden(folder: Path) -> None:
    text = '[tool.harness.model]\nname = "mine"\n'
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")

    done = drafted()

    assert 2 == done.exit_code and "[tool.harness]" in done.output
    assert not (folder / "harness.toml").exists()


# schemas that are there already, and JSON


def test_a_schema_is_taken_over_and_what_is_lost_is_said(folder: Path) -> None:
    age = {"type": "number", "minimum": -50, "maximum": 999, "not": {"const": 3}}
    schema = {"type": "object", "properties": {"delay": age}}
    (folder / "row.json").write_text(json.dumps(schema), encoding="utf-8")

    done = drafted("--from", "row.json")

    found = json.loads((folder / "inputs.schema.json").read_text())["properties"]["delay"]
    assert 0 == done.exit_code, done.output
    assert (-50, 999) == (found["minimum"], found["maximum"])
    assert "not carried  delay: not = " in done.output


def test_json_says_what_text_says(folder: Path) -> None:
    told = json.loads(drafted("--output", "json").stdout)

    assert "harness.init/1" == told["schema"]
    assert ["created", "created"] == [file["state"] for file in told["files"]]
    assert ["id"] == told["key"]
    assert {"column": "email", "why": "called email"} in told["personal_data"]
    assert "harness check ." == told["next"]


# what nothing can be drafted from


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("a,late\n", "has no rows"),
        ("a,late\n1,x\n", "has one row"),
        ("a;b;late\n1;2;x\n3;4;y\n", "separated by semicolons"),
        ("a,b,a,late\n1,2,3,x\n4,5,6,y\n", "two columns of one name: a"),
        ("late\nx\ny\n", "no column but late"),
        ("a,laet\n1,x\n2,y\n", 'did you mean "laet"?'),
        ("a,late\n1,x\n2,x\n", "one value in all rows"),
    ],
)
def test_a_file_that_says_nothing_is_refused_with_a_hint(
    folder: Path, text: str, said: str
) -> None:
    (folder / "train.csv").write_text(text, encoding="utf-8")

    done = drafted()

    assert 2 == done.exit_code
    assert said in done.output and "hint: " in done.output
    assert not (folder / "harness.toml").exists()


def test_data_that_are_not_there_are_missing_with_their_neighbour(folder: Path) -> None:
    done = init("--data", "trian.csv", "--target", "late")

    assert 4 == done.exit_code
    assert 'did you mean "train.csv"?' in done.output


def test_text_that_is_not_utf8_is_refused(folder: Path) -> None:
    (folder / "train.csv").write_bytes("straße,late\n1,x\n2,y\n".encode("latin-1"))

    done = drafted()

    assert 2 == done.exit_code and "can't be read" in done.output


def test_leading_zeros_that_a_reader_drops_are_remarked(folder: Path) -> None:
    (folder / "train.csv").write_text("zip,n,late\n00501,1,x\n10001,20,y\n", encoding="utf-8")

    remarks = read_training(folder / "train.csv", ["late"]).remarks

    assert ["zip"] == [remark.partition(":")[0] for remark in remarks]


def test_rows_far_down_a_sorted_file_are_looked_at(folder: Path) -> None:
    frame = pd.DataFrame({"x": np.arange(60_000.0), "late": ["a", "b"] * 30_000})
    frame.to_parquet(folder / "long.parquet")

    found = read_training(folder / "long.parquet", ["late"]).rows["x"].values

    assert np.array_equal(found[:20_000], np.arange(20_000.0))
    assert found.max() == 59_999 and 40_000 == len(set(found.tolist()))


def test_two_parquet_columns_of_one_name_are_refused(folder: Path) -> None:
    table = pa.table([pa.array([1, 2]), pa.array([3, 4]), pa.array(["x", "y"])], ["a", "a", "late"])
    pq.write_table(table, folder / "twice.parquet")

    done = init("--data", "twice.parquet", "--target", "late")

    assert 2 == done.exit_code and "two columns of one name: 'a'" in done.output, done.output


def test_an_artifact_outside_of_the_folder_is_refused(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"x")

    done = drafted("models", "--model", "model.onnx")

    assert 2 == done.exit_code and "lies outside of" in done.output


# the page


def test_every_option_stands_on_the_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "init.md").read_text(encoding="utf-8")
    command = main.get_command(click.Context(main), "init")

    assert command is not None
    options = [name for option in command.params for name in option.opts if name[0] == "-"]
    assert {"--data", "--from", "--trust"} < set(options)
    for word in (*options, "harness.init/1", "`equal`", "`not carried`", "`assumed`"):
        assert word in page, word


def test_every_check_of_pandera_that_is_carried_over_stands_on_the_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "init.md").read_text(encoding="utf-8")
    short = {
        "greater_than_or_equal_to": "ge",
        "greater_than": "gt",
        "less_than_or_equal_to": "le",
        "less_than": "lt",
        "equal_to": "eq",
    }

    for name in CARRIED:
        assert f"`{short.get(name, name)}`" in page, name


# the files' form


@pytest.mark.parametrize(
    ("text", "name"),
    [("Flights delay!", "flights-delay"), ("__", "model"), ("a" * 130, "a" * 100), ("Ä9", "9")],
)
def test_any_folder_gives_a_models_name(text: str, name: str) -> None:
    assert name == name_for(text)


def test_the_schemas_text_is_the_schema(folder: Path) -> None:
    training = read_training(folder / "train.csv", ["late"])
    made = draft(training.rows, target=training.targets, model=None)

    text = json_text(made.contract.inputs)

    assert made.contract.inputs == json.loads(text)
    assert '"examples": ["' in text


def test_several_targets_are_written_as_such(folder: Path) -> None:
    rows()[["distance", "delay", "id"]].to_parquet(folder / "two.parquet")

    done = init("--data", "two.parquet", "--target", "delay,distance")

    assert 0 == done.exit_code, done.output
    contract = parse.project(folder).contract
    assert contract is not None and ("delay", "distance") == contract.outputs.targets
    assert {"delay", "distance"}.isdisjoint(contract.inputs["properties"])


def test_a_model_that_is_no_file_is_not_written_down(folder: Path) -> None:
    training = read_training(folder / "train.csv", ["late"])
    made = draft(training.rows, target=training.targets, model=None)

    with pytest.raises(SpecInvalid, match="is no file"):
        write_draft(
            made,
            folder,
            data=folder / "train.csv",
            targets=["late"],
            model=Model(name="served", artifact=folder),
        )
    assert ["train.csv"] == [path.name for path in folder.iterdir()]


def test_labels_that_no_file_can_declare_are_refused(folder: Path) -> None:
    training = read_training(folder / "train.csv", ["late"])

    class Halves:
        methods = ("predict",)
        classes = (0.5, 1.5)

        def answer(self, batch: Any, *, method: str) -> Any:
            raise AssertionError("a draft asks no model")

    made = draft(training.rows, target=training.targets, model=Halves())

    with pytest.raises(SpecInvalid, match=r"label 0\.5"):
        write_draft(
            made, folder, data=folder / "train.csv", targets=["late"], model=Model(name="m")
        )
    assert not (folder / "harness.toml").exists()
