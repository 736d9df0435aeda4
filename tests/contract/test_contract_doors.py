"""The doors: a project in process, the same model behind frames, a model file alone."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from contract_zoo import FEW, FEW_SCHEMA, LABELS, batch_of, boosted, claims, customers, inputs
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from harness.contract.batch import Batch, Broken, Refusal, cells
from harness.contract.check import check_project, check_target, opening, prepare
from harness.contract.deadline import Overdue, Worker
from harness.contract.domain import admits
from harness.contract.door import in_this_process
from harness.contract.in_process import InProcess, read_rows
from harness.contract.infer import Opened, open_target
from harness.contract.probe import FrameModel
from harness.contract.promise import Settings
from harness.contract.run import run
from harness.contract.target import target
from harness.core.errors import (
    DataInvalid,
    DataMissing,
    ModelUnusable,
    SpecInvalid,
    UntrustedPickle,
)
from harness.runtime import probe as probe_program
from harness.spec.project import Contract, Data, Ledger, Model, Outputs, Project

SETTINGS = Settings(rows=2000, seconds=120.0)
CODE = """
import joblib

def load(artifact):
    return joblib.load(artifact)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's repository on disk: code, artifact, training data."""
    folder = tmp_path_factory.mktemp("repository")
    (folder / "doors_code.py").write_text(CODE)
    joblib.dump(boosted(), folder / "model.joblib")
    loose = ColumnTransformer(
        [
            ("texts", OneHotEncoder(handle_unknown="ignore"), ["region", "plan"]),
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["age", "income"]),
        ]
    )
    easy = make_pipeline(loose, LogisticRegression()).fit(inputs()[FEW], customers()["good"])
    joblib.dump(easy, folder / "loose.joblib")
    frame = customers()[[*FEW, "good"]]
    frame.to_csv(folder / "train.csv", index=False)
    frame.to_parquet(folder / "train.parquet")
    return folder


@pytest.fixture
def project(folder: Path) -> Project:
    return Project(
        folder=folder,
        file=folder / "harness.toml",
        model=Model(name="doors", load="doors_code:load", artifact=Path("model.joblib")),
        data=Data(train=folder / "train.parquet", target="good"),
        contract=Contract(inputs=FEW_SCHEMA, outputs=Outputs(kind="probabilities", labels=LABELS)),
        ledger=Ledger(location=folder / ".harness" / "ledger.db"),
    )


def open_project(project: Project) -> Any:
    assert project.contract is not None
    return in_this_process(opening(project), project.contract.outputs).model


class Behind:
    """A probe in a process of its own, as an image would run it."""

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        described = folder / "model.json"
        described.write_text(json.dumps(settings))
        program = Path(probe_program.__file__)
        self.process = subprocess.Popen(
            [
                sys.executable,
                program,
                *("--settings", described, "--folder", folder),
                *("--artifact", folder / "model.joblib", "frames"),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        self.model = FrameModel(self.process.stdin, self.process.stdout)  # type: ignore[arg-type]

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


DESCRIBED = {
    "name": "doors",
    "load": "doors_code:load",
    "input": "pandas",
    "outputs": {"kind": "probabilities", "labels": list(LABELS)},
}


@pytest.fixture
def behind(folder: Path) -> Iterator[Behind]:
    made = Behind(folder, DESCRIBED)
    yield made
    made.close()


def few() -> Batch:
    return batch_of(inputs()[FEW])


def test_a_model_answers_the_same_in_process_and_behind_frames(
    project: Project, behind: Behind
) -> None:
    batch = few().head(100)

    here = open_project(project).answer(batch, method="predict_proba")
    there = behind.model.answer(batch, method="predict_proba")

    assert here.values.tobytes() == there.values.tobytes()
    assert here.container == there.container
    assert open_project(project).methods == behind.model.methods


def test_every_check_comes_out_the_same_through_both_doors(
    project: Project, behind: Behind
) -> None:
    made = claims(inputs=FEW_SCHEMA)

    here = run(made, open_project(project), few(), settings=SETTINGS)
    there = run(made, behind.model, few(), settings=SETTINGS)

    apart = [
        (a.id, a.outcome, b.outcome)
        for a, b in zip(here.checks, there.checks, strict=True)
        if a.outcome != b.outcome
        and not any("a slow model" in one.reason for one in (a, b))  # on a busy machine
    ]
    # only a process of the model's own tells what memory is the model's
    memory = {
        ("memory-grows-no-faster-than-the-batch", "skipped", "passed"),
        ("repeated-calls-leak-no-memory", "skipped", "passed"),
    }
    assert set() == {*apart} - memory
    assert here.ok and there.ok


def test_a_refusal_behind_frames_is_a_refusal_with_its_classes(behind: Behind) -> None:
    with pytest.raises(Refusal) as refused:
        behind.model.answer(few().only(["age"]), method="predict_proba")

    assert "ValueError" in refused.value.mro


def test_a_probe_that_is_killed_is_broken_and_a_new_one_serves(folder: Path) -> None:
    first, started = Behind(folder, DESCRIBED), []
    first.process.kill()
    first.process.wait()

    def reopen() -> FrameModel:
        started.append(Behind(folder, DESCRIBED))
        return started[-1].model

    with pytest.raises(Broken):
        first.model.answer(few().head(3), method="predict_proba")
    report = run(claims(inputs=FEW_SCHEMA), first.model, few(), settings=SETTINGS, reopen=reopen)

    failed = [check.id for check in report.failed]
    first.close()
    for one in started:
        one.close()
    assert 1 == len(failed) and 1 == len(started), report.text


def test_a_model_that_does_not_load_behind_frames_is_unusable(folder: Path) -> None:
    with pytest.raises(ModelUnusable, match="no_such_module"):
        Behind(folder, {**DESCRIBED, "load": "no_such_module:load"})


def test_a_project_is_checked_and_keeps_its_rows_beside_itself(project: Project) -> None:
    strict = replace(
        project,
        contract=replace(
            project.contract, outputs=Outputs(kind="probabilities", labels=("good", "bad"))
        ),
    )

    right = check_project(project, settings=SETTINGS)
    wrong = check_project(strict, settings=SETTINGS, command="harness check repository")

    assert right.ok, right.text
    turned = ["the-most-probable-label-is-predicted", "answers-go-with-the-outcomes"]
    assert turned == [check.id for check in wrong.failed]
    (failure,) = wrong.failed[0].failures
    again = check_project(strict, settings=SETTINGS, replayed=failure.replay)
    assert not again.ok and 1 == len(again.checks)
    mended = check_project(project, settings=SETTINGS, replayed=failure.replay)
    assert mended.ok
    assert f"harness check repository --replay {failure.replay}" in wrong.text


def test_training_rows_come_without_the_target(project: Project) -> None:
    assert project.data is not None
    rows = read_rows(project.data.train, without=project.data.target, most=50)

    assert tuple(FEW) == rows.names
    assert 50 == rows.rows


def test_a_project_without_a_contract_gets_one_drafted_and_says_so(project: Project) -> None:
    ready = prepare(replace(project, contract=None))

    assert ready.draft is not None
    assert ready.claims.outputs.labels == LABELS
    assert any(line.startswith("age: integer from 1 to ") for line in ready.draft.assumptions)


def test_a_project_that_claims_nothing_is_refused(project: Project) -> None:
    with pytest.raises(SpecInvalid, match=r"neither \[contract\] nor \[data\]"):
        prepare(replace(project, contract=None, data=None))


def test_a_missing_artifact_says_how_to_make_it(project: Project) -> None:
    declared = replace(project.model, artifact=Path("nowhere"), train="doors_code:train")

    with pytest.raises(ModelUnusable) as unusable:
        opening(project, declared)

    assert "harness train" == unusable.value.hint


@pytest.mark.parametrize("data", ["train.csv", "train.parquet"])
def test_a_model_file_is_checked_with_nothing_but_its_data(folder: Path, data: str) -> None:
    before = sorted(folder.rglob("*"))

    model = target(str(folder / "loose.joblib"), trust=True)
    report = check_target(model, folder / data, predicted=("good",), settings=SETTINGS)

    assert report.ok, report.text
    assert "assumed region: one of 4 known values, or an unseen one" in report.text
    assert "assumed good (predicted): probabilities of bad, good" in report.text
    assert before == sorted(folder.rglob("*"))


def test_a_model_file_that_crashes_on_a_new_category_is_found_out(folder: Path) -> None:
    model = target(str(folder / "model.joblib"), trust=True)
    report = check_target(model, folder / "train.csv", predicted=("good",), settings=SETTINGS)

    told = {check.id: [f.cause.columns for f in check.failures] for check in report.failed}
    assert {"unseen-values-in-open-columns-are-answered": [("region",)]} == told


def alone(folder: Path, data: str, predicted: str) -> Opened:
    model = target(str(folder / "model.joblib"), trust=True)
    return open_target(model, folder / data, predicted=(predicted,))


def test_a_pickle_is_not_loaded_without_trust(folder: Path) -> None:
    with pytest.raises(UntrustedPickle) as refused:
        target(str(folder / "model.joblib"))

    assert "--trust" in refused.value.hint


def test_a_target_that_is_not_there_is_refused_with_the_columns(folder: Path) -> None:
    with pytest.raises(DataInvalid) as refused:
        alone(folder, "train.csv", "late")

    assert "good" in refused.value.hint


def test_data_that_are_not_there_are_missing(folder: Path) -> None:
    with pytest.raises(DataMissing):
        alone(folder, "no.csv", "good")


def test_a_drafted_contract_admits_all_training_rows(folder: Path) -> None:
    opened = alone(folder, "train.csv", "good")
    opened.door.close()

    for domain in opened.claims.domains:
        assert admits(domain, opened.rows[domain.name]).all(), domain.name


def test_a_model_that_hangs_leaves_folder_and_stdout_as_they_were(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    never, here = threading.Event(), Path.cwd()
    model = opened_at(folder, lambda frame: never.wait())

    with pytest.raises(Overdue):
        model.worker.run(lambda: model.answer(few().head(1), method="call"), seconds=0.3)
    print("still here")

    assert here == Path.cwd()
    assert "still here\n" == capsys.readouterr().out
    never.set()


def opened_at(folder: Path, model: Any) -> InProcess:
    return InProcess(model, ["call"], kind="pandas", folder=folder, worker=Worker())


def test_columns_of_every_kind_are_drafted(folder: Path) -> None:
    from harness.contract.infer import draft

    rows = Batch(
        columns=(
            cells("n", "number", [-1.5, 2.0, None]),
            cells("whole", "number", [1.0, 2.0, None]),
            cells("flag", "boolean", [True, False, True]),
            cells("day", "string", ["2020-01-01", "2020-02-29", "2021-01-01"]),
            cells("when", "datetime", [0, 1, 2]),
            cells("text", "string", ["a", "b", None]),
        )
    )
    target = cells("y", "number", [0.5, 1.5, 2.5])

    class Valuer:
        methods = ("predict",)
        loaded = np.mean

    made = draft(rows, target=target, model=Valuer())  # type: ignore[arg-type]

    properties = made.contract.inputs["properties"]
    assert ["number", "null"] == properties["n"]["type"] and properties["n"]["minimum"] < -1.5
    assert ["integer", "null"] == properties["whole"]["type"] and 1 == properties["whole"][
        "minimum"
    ]
    assert "boolean" == properties["flag"]["type"]
    assert "date" == properties["day"]["format"]
    assert "date-time" == properties["when"]["format"]
    assert properties["text"]["x-harness-open"]
    assert "regression" == made.contract.outputs.kind
